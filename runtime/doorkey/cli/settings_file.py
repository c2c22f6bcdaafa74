"""The settings file as a command changes it: what is there stays byte for byte, and a site's table is added."""

from __future__ import annotations

import fcntl
import os
import stat
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from doorkey.errors import ConfigurationError


def appended(path: Path, site: str, table: str) -> None:
    """Add *table*, the text of [sites.*site*], to the file *path*, which is made where it is not there.

    The file is replaced as a whole or not at all. Raises ConfigurationError where it has that site already, where its
    text can't go on with a table, and where it can't be written.
    """
    # A link stays one: what it leads to is changed.
    path = path.resolve()
    try:
        with _alone(path.parent):
            _replace(path, _with(path, site, table))
    except OSError as exc:
        raise _unwritable(path, exc.strerror) from exc


def check_addable(path: Path, site: str, table: str) -> None:
    """Raises ConfigurationError where `appended` would: before a browser is started for nothing."""
    path = path.resolve()
    if not os.access(path.parent, os.W_OK):
        raise _unwritable(path, "its folder is not there" if not path.parent.is_dir() else "its folder is read-only")
    try:
        _with(path, site, table)
    except OSError as exc:
        raise ConfigurationError(f"the settings file {path} can't be read: {exc.strerror}") from exc


def _unwritable(path: Path, why: str | None) -> ConfigurationError:
    return ConfigurationError(
        f"{path} can't be written ({why}): correct that, name another file by --config, or see the lines alone by "
        "--dry-run"
    )


def _with(path: Path, site: str, table: str) -> bytes:
    before = path.read_bytes() if path.exists() else b""
    line_end = b"\r\n" if b"\r\n" in before else b"\n"
    gap = b"" if not before else line_end if before.endswith(b"\n") else line_end * 2
    after = before + gap + table.encode().replace(b"\n", line_end)
    try:
        if site in tomllib.loads(before.decode()).get("sites", {}):
            raise ConfigurationError(taken(site, path))
        tomllib.loads(after.decode())
    except ValueError as exc:
        raise ConfigurationError(
            f"[sites.{site}] can't be put at the end of {path} ({exc}): is `sites` one table in braces there? Then add "
            "the lines that --dry-run shows by hand"
        ) from exc
    return after


def taken(site: str, path: Path | None) -> str:
    where = f"in {path}" if path is not None else "by the environment"
    return f"a site is called {site!r} already ({where}): it stays as it is. Choose another name: --name NAME"


def _replace(path: Path, data: bytes) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    # Made by the process's own umask; an existing file keeps its mode.
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
def _alone(folder: Path) -> Iterator[None]:
    """No other command adds meanwhile."""
    number = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise ConfigurationError("another command adds a site at this moment: once more, please") from exc
        yield
    finally:
        os.close(number)
