"""The folder with the state of the browser that a person logged in with. Only the user can read it."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from doorkey.browser.process import PROC, Process
from doorkey.errors import ConfigurationError

KNOWN = "logged-in"
WINDOWED = "with-a-window"
WINDOWLESS = "without-a-window"
"""Names of empty marker files: a person logged in here; the site refuses browsers without a window; the login was made
in a browser without one."""


class UserDataDir:
    """The folder under *root* for one session *key*. *name* makes its path readable."""

    def __init__(self, root: Path, name: str, key: str) -> None:
        self._name = name
        self.path = root / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
        self.login_mark = self.path / KNOWN
        """The file that is there once a person has logged in here, or imported a login, until they log out."""

    @property
    def browser(self) -> Path:
        """The browser's user data directory."""
        return self.path / "browser"

    @property
    def log_path(self) -> Path:
        """The file with the standard error of the browser's last start."""
        return self.path / "browser.log"

    @property
    def windowless(self) -> bool:
        """Whether the person logged in in a browser without a window, through the live view."""
        return (self.path / WINDOWLESS).exists()

    def remember(self, *, windowless: bool = False) -> None:
        """Mark the sessions of this key as those of a person, who logged in in a browser without a window or with."""
        self._make()
        self.login_mark.touch(mode=0o600)
        if windowless:
            (self.path / WINDOWLESS).touch(mode=0o600)
        else:
            (self.path / WINDOWLESS).unlink(missing_ok=True)

    @property
    def windowed(self) -> bool:
        """Whether the site has refused a browser without a window."""
        return (self.path / WINDOWED).exists()

    def remember_window(self) -> None:
        """Visit the site with a window from now on, until the person logs out."""
        self._make()
        (self.path / WINDOWED).touch(mode=0o600)

    def forget(self) -> None:
        """Remove the folder. Raises ConfigurationError while a login is in progress."""
        if self.path.exists():
            with self.lock():
                shutil.rmtree(self.path, ignore_errors=True)
            if self.path.exists():
                raise ConfigurationError(
                    f"{self.path} can't be removed. It holds the state of a browser: remove it yourself"
                )

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Lock the folder for this process. Ends a browser that a killed doorkey left running.

        Raises ConfigurationError while another process holds the lock.
        """
        self._make()
        with self._lock_path.open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as exc:
                raise ConfigurationError(
                    f"a login to {self._name} is in progress in another doorkey ({_read_user(file)}): finish it there, "
                    "or close its window"
                ) from exc
            file.seek(0)
            file.truncate()
            file.write(f"process {os.getpid()} on {socket.gethostname()}")
            file.flush()
            self._end_leftover()
            yield

    def find_user(self) -> str:
        """Which process has locked the folder, in words; empty if none has."""
        try:
            with self._lock_path.open() as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return ""
        except OSError:
            with self._lock_path.open() as file:
                return _read_user(file)
        return ""

    @property
    def _lock_path(self) -> Path:
        return self.path / "lock"

    def _make(self) -> None:
        for folder in (self.path.parent, self.path, self.browser):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)

    def _end_leftover(self) -> None:
        # Chromium's own lock is a link to "host-pid". Only a process that uses this folder is killed.
        lock = self.browser / "SingletonLock"
        try:
            pid = os.readlink(lock).rpartition("-")[2]
            command = (PROC / pid / "cmdline").read_bytes()
        except OSError:
            command, pid = b"", ""
        if f"--user-data-dir={self.browser}".encode() in command.split(b"\0"):
            Process.of(int(pid)).kill()
        for name in ("SingletonLock", "SingletonCookie", "SingletonSocket"):
            (self.browser / name).unlink(missing_ok=True)


def _read_user(lock: TextIO) -> str:
    lock.seek(0)
    return lock.read(200).strip() or "an unknown process"
