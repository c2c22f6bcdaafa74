"""The service's key: where it comes from, and how a client's is compared with it."""

from __future__ import annotations

import hmac
import ipaddress
import os
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from doorkey.errors import ConfigurationError

if TYPE_CHECKING:
    from doorkey.config.settings import ServiceSettings

KEY_FILE = "service.key"


@dataclass(frozen=True, slots=True)
class ChosenKey:
    """`value` None asks for no key. `shown` is for the terminal. It holds the key itself at the first start only."""

    value: str | None = field(repr=False)
    shown: str = field(repr=False)


def the_key(service: ServiceSettings, *, no_key: bool = False, folder: Path | None = None) -> ChosenKey:
    """Return the key of the settings, else the one kept in *folder* (the state directory), made at the first start.

    Raises ConfigurationError for a key that can't be used, and for no key on an address others can reach.
    """
    if no_key:
        if is_exposed(service):
            raise ConfigurationError(
                f"--no-key is for this machine only, and service.host is {service.host}: others could use your "
                "sessions. Leave --no-key out, or bind 127.0.0.1"
            )
        if service.keys:
            raise ConfigurationError("--no-key asks for no key, and service.keys has some: remove one of the two")
        return ChosenKey(None, "none is asked for: any program on this machine may call")
    if service.key is not None:
        return ChosenKey(_usable(service.key.get_secret_value(), "service.key"), "as set by you (service.key)")
    if folder is None:
        from doorkey.config.settings import state_dir

        folder = state_dir()
    path = folder / KEY_FILE
    value, made = keep_key(path)
    return ChosenKey(value, f"{value}  (new; shown this once, kept in {path})" if made else f"kept in {path}")


def is_exposed(service: ServiceSettings) -> bool:
    """Return whether others than this machine's users can reach the service."""
    return service.socket is None and not is_loopback(service.host)


def check_exposure(service: ServiceSettings) -> None:
    """Raise ConfigurationError if keys and answers would cross a network in clear text, and nobody allowed that."""
    if is_exposed(service) and service.certificate is None and not service.plain_http:
        raise ConfigurationError(
            f"service.host is {service.host}, and keys would cross the network in clear text. Set service.certificate "
            "to speak HTTPS, or bind 127.0.0.1. Behind a proxy that speaks HTTPS, or in a container whose port only "
            "this machine reaches, set service.plain_http"
        )


def matches(shown: str, key: str) -> bool:
    """Compare a client's key with the right one in constant time. Takes any text."""
    if shown.isascii() and key.isascii():
        return hmac.compare_digest(shown, key)
    return hmac.compare_digest(as_bytes(shown), as_bytes(key))


def is_loopback(host: str) -> bool:
    """Return whether *host*, a name or an address, is reached from this machine only."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def as_bytes(text: str) -> bytes:
    """Return a key as the bytes that came, or would come, in a header."""
    # In headers, bytes that are not UTF-8 stand as lone surrogates (PEP 383).
    return text.encode("utf-8", "surrogateescape" if _escaped(text) else "surrogatepass")


def _escaped(text: str) -> bool:
    return all(not "\ud800" <= letter <= "\udfff" or "\udc80" <= letter <= "\udcff" for letter in text)


def keep_key(path: Path) -> tuple[str, bool]:
    """Return the key in *path*, and whether it was made now. Two first starts at once agree on one.

    Raises ConfigurationError if it can't be kept there.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = False
        if not path.exists():
            made = _make(path)
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            path.chmod(0o600)
        return _usable(path.read_text("utf-8").strip(), str(path)), made
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"the service's key can't be kept in {path}: {error.__class__.__name__}. "
            "Make that place writable, or set DOORKEY_SERVICE__KEY"
        ) from error


def _make(path: Path) -> bool:
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(32) + "\n")
    try:
        # A link, not a rename: the file appears whole, and linking fails if another start was first.
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True


def _usable(key: str, where: str) -> str:
    if not key or key != key.strip() or not key.isprintable():
        raise ConfigurationError(
            f"{where}: a key must be some printable text without space around it, so that a header can carry it; "
            "for no key at all there is --no-key"
        )
    return key
