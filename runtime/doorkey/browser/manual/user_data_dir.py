"""Where an identity that a person logged in with is at home: the state of their own browser, the owner's alone."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from doorkey.browser.process import PROC, Process
from doorkey.errors import ConfigurationError

KNOWN = "logged-in"
WINDOWED = "with-a-window"


class UserDataDir:
    """The folder, under *root*, of one session *key*. *name* is for people who look there."""

    def __init__(self, root: Path, name: str, key: str) -> None:
        self._name = name
        self.path = root / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"

    @property
    def browser(self) -> Path:
        """The browser's user data directory."""
        return self.path / "browser"

    @property
    def told(self) -> Path:
        """What the browser says on standard error, of its last start only."""
        return self.path / "browser.log"

    @property
    def known(self) -> bool:
        """Whether a person logged in here, or brought a login along; until they log out."""
        return (self.path / KNOWN).exists()

    def remember(self) -> None:
        """From now on the sessions of this key are a person's."""
        self._make()
        (self.path / KNOWN).touch(mode=0o600)

    @property
    def windowed(self) -> bool:
        """Whether the site refused a browser without a window."""
        return (self.path / WINDOWED).exists()

    def remember_window(self) -> None:
        """From now on the site is visited with a window; until they log out."""
        self._make()
        (self.path / WINDOWED).touch(mode=0o600)

    def forget(self) -> None:
        """Remove all of it. Raises ConfigurationError while a login goes on."""
        if self.path.exists():
            with self.held():
                shutil.rmtree(self.path, ignore_errors=True)
            if self.path.exists():
                raise ConfigurationError(
                    f"{self.path} can't be removed: it holds a browser's state; remove it yourself"
                )

    @contextmanager
    def held(self) -> Iterator[None]:
        """Exclusive use; ends a browser that a doorkey which was killed has left here. Raises ConfigurationError."""
        self._make()
        with (self.path / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as exc:
                raise ConfigurationError(
                    f"a login to {self._name} goes on in another doorkey: finish it there, or close its window"
                ) from exc
            self._sweep()
            yield

    def _make(self) -> None:
        for folder in (self.path.parent, self.path, self.browser):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)

    def _sweep(self) -> None:
        # Chromium's own lock: a link to "host-pid". Only a process that was started on this folder is ended.
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
