"""Writes a site's lines into a settings file and leaves the rest unchanged."""

from __future__ import annotations

import fcntl
import os
import stat
import tomllib
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from difflib import unified_diff
from pathlib import Path

from doorkey.config.settings import state_dir
from doorkey.config.trust import find_risks, is_trusted, trust
from doorkey.errors import ConfigurationError


def append_table(path: Path, site: str, table: str, *, names_secrets: bool = False) -> None:
    """Append *table*, the text of [sites.*site*], to the file *path*. A missing file is created.

    *names_secrets*: the user has just given secrets that the new lines name, so the file may name them.

    The file is replaced atomically. Raises ConfigurationError if it already has that site, if a table can't follow its
    text, or if it can't be written.
    """
    # A symbolic link is kept; its target is changed.
    path = path.resolve()
    try:
        with _lock(path.parent):
            _replace(path, _compose(path, site, table), names_secrets=names_secrets)
    except OSError as exc:
        raise _explain_unwritable(path, exc.strerror) from exc


def read_text(path: Path) -> str:
    """Return the text of the settings file *path* with its line ends. Raises ConfigurationError."""
    try:
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigurationError(f"the settings file {path} can't be read as UTF-8 text") from exc


def rewrite(path: Path, before: str, after: str, *, names_secrets: bool = False) -> None:
    """Put the text *after* in the place of *before* in the file *path*, atomically.

    *names_secrets*: the user has just given secrets that the new lines name, so the file may name them.

    Raises ConfigurationError if the file has changed meanwhile, or if it can't be written.
    """
    path = path.resolve()
    try:
        with _lock(path.parent):
            if path.read_bytes() != before.encode():
                raise ConfigurationError(f"{path} has changed meanwhile, so nothing was written: try again")
            _replace(path, after.encode(), names_secrets=names_secrets)
    except OSError as exc:
        raise _explain_unwritable(path, exc.strerror) from exc


def write_diff(before: str, after: str, hidden: Collection[str] = ()) -> str:
    """Return the lines that differ, with "-" and "+" before them. Texts that are *hidden* in them are left out."""
    found = [*unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")][2:]
    changed = [f"{line[0]} {line[1:].rstrip()}" for line in found if not line.startswith("@@")]
    text = "".join(f"{line}\n" for line in changed)
    for secret in hidden:
        text = text.replace(secret, "…")
    return text


def _keep_trust(path: Path, after: bytes, *, names_secrets: bool) -> None:
    """Let a trusted file stay trusted with its text *after* a change that adds no program and no file that is read.

    *names_secrets*: the change names secrets that the user has just given for it. Then a file that needed no trust
    before gets it. Called before the change: a process that is killed in between leaves no file that can't be read.
    """
    before = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    trusted = bool(before) and is_trusted(path, before, state_dir())
    if trusted or (names_secrets and not find_risks(tomllib.loads(before), path.parent)):
        trust(path, after.decode(), state_dir())


def check_addable(path: Path, site: str, table: str) -> None:
    """Raise ConfigurationError if `append_table` would."""
    path = path.resolve()
    if not os.access(path.parent, os.W_OK):
        raise _explain_unwritable(
            path, "its folder does not exist" if not path.parent.is_dir() else "its folder is read-only"
        )
    try:
        _compose(path, site, table)
    except OSError as exc:
        raise ConfigurationError(f"the settings file {path} can't be read: {exc.strerror}") from exc


def _explain_unwritable(path: Path, why: str | None) -> ConfigurationError:
    return ConfigurationError(
        f"{path} can't be written ({why}): correct that, name another file with --config, or print the lines with "
        "--dry-run"
    )


def _compose(path: Path, site: str, table: str) -> bytes:
    if path.exists() and not path.is_file():
        raise ConfigurationError(f"{path} is no ordinary file, and so can't hold settings: name another one")
    before = path.read_bytes() if path.exists() else b""
    line_end = b"\r\n" if b"\r\n" in before else b"\n"
    gap = b"" if not before else line_end if before.endswith(b"\n") else line_end * 2
    after = before + gap + table.encode().replace(b"\n", line_end)
    try:
        if site in tomllib.loads(before.decode()).get("sites", {}):
            raise ConfigurationError(explain_taken(site, path))
        tomllib.loads(after.decode())
    except ValueError as exc:
        raise ConfigurationError(
            f"[sites.{site}] can't be appended to {path} ({exc}). If `sites` is a table in braces there, add the lines "
            "that --dry-run prints by hand"
        ) from exc
    return after


def explain_taken(site: str, path: Path | None) -> str:
    where = f"in {path}" if path is not None else "in environment variables"
    return f"a site is already called {site!r} ({where}). Choose another name: --name NAME"


def _replace(path: Path, data: bytes, *, names_secrets: bool) -> None:
    _keep_trust(path, data, names_secrets=names_secrets)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    # A new file gets the process's umask; an existing one keeps its mode.
    number = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with os.fdopen(number, "wb") as file:
            if path.exists():
                os.fchmod(file.fileno(), stat.S_IMODE(path.stat().st_mode))
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            draft.unlink()
        raise


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Hold a lock on *folder* against other commands that add a site."""
    number = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise ConfigurationError("another doorkey command is adding a site at the moment: try again") from exc
        yield
    finally:
        os.close(number)
