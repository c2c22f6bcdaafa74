"""Secrets that the user has named: in the system's keyring where there is one, else in a file only they can read."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from doorkey.errors import ConfigurationError

SERVICE = "doorkey"
FILE = "secrets.json"
NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,63}", re.ASCII)


class Keyring(Protocol):
    """The functions of the package `keyring` that are used."""

    def get_password(self, service_name: str, username: str) -> str | None: ...
    def set_password(self, service_name: str, username: str, password: str) -> None: ...
    def delete_password(self, service_name: str, username: str) -> None: ...


@dataclass(frozen=True, slots=True)
class SecretStore:
    """`folder` is the user's state folder. The file there lists all names; its values are null for those in *keyring*.

    Every function raises ConfigurationError, which names the secret and never holds its value.
    """

    folder: Path
    keyring: Keyring | None = None

    @property
    def place(self) -> str:
        return "the system's keyring" if self.keyring is not None else str(self.folder / FILE)

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._read()))

    def set(self, name: str, value: str) -> None:
        check_name(name)
        if not value:
            raise ConfigurationError(f"the secret {name} was expected to have a value; nothing came")
        if self.keyring is not None:
            try:
                self.keyring.set_password(SERVICE, name, value)
            except Exception as error:  # noqa: BLE001  each of the keyring's backends has errors of its own
                raise _explain(name, error) from None
        self._write({**self._read(), name: None if self.keyring is not None else value})

    def get(self, name: str) -> str:
        known = self._read()
        if name not in known:
            raise ConfigurationError(f"there is no secret {name}: store it by doorkey secret set {name}")
        value = known[name]
        if value is None and self.keyring is not None:
            try:
                value = self.keyring.get_password(SERVICE, name)
            except Exception as error:  # noqa: BLE001  as above
                raise _explain(name, error) from None
        if value is None:
            raise ConfigurationError(
                f"the secret {name} is in the system's keyring, which can't be read here: doorkey secret set {name}"
            )
        return value

    def forget(self, name: str) -> bool:
        """Delete the secret. Return whether there was one."""
        known = self._read()
        if name not in known:
            return False
        if known.pop(name) is None and self.keyring is not None:
            try:
                self.keyring.delete_password(SERVICE, name)
            except Exception as error:  # noqa: BLE001  as above
                raise _explain(name, error) from None
        self._write(known)
        return True

    def _read(self) -> dict[str, str | None]:
        path = self.folder / FILE
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except OSError as exc:
            raise ConfigurationError(f"{path} can't be read: {exc.strerror}") from exc
        except ValueError:
            # Not chained: it holds the text.
            raise ConfigurationError(
                f"{path} was expected to be JSON; it is damaged. Delete it to begin anew"
            ) from None
        if not isinstance(data, dict):
            raise ConfigurationError(f"{path} was expected to hold a JSON object. Delete it to begin anew")
        return data

    def _write(self, secrets: Mapping[str, str | None]) -> None:
        path = self.folder / FILE
        draft = path.with_name(f".{FILE}.{os.getpid()}")
        try:
            number = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(number, "w", encoding="utf-8") as file:
                json.dump(secrets, file)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        except OSError as exc:
            raise ConfigurationError(f"{path} can't be written: {exc.strerror}") from exc


def check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise ConfigurationError(
            f"a secret's name was expected to have only letters, digits, _ . -; came {name[:40]!r}"
        )


def _explain(name: str, error: Exception) -> ConfigurationError:
    return ConfigurationError(f"the system's keyring refused the secret {name} ({type(error).__name__})")


def open_store(folder: Path) -> SecretStore:
    """Return the store in *folder*, with the system's keyring if the package `keyring` is there and has one."""
    try:
        import keyring
        from keyring.backends import chainer, fail, null
    except ImportError:
        return SecretStore(folder)
    backend = keyring.get_keyring()
    if isinstance(backend, chainer.ChainerBackend) and not backend.backends:
        return SecretStore(folder)
    usable = not isinstance(backend, fail.Keyring | null.Keyring)
    return SecretStore(folder, backend if usable else None)
