"""Takes changed settings over while the service runs: when a file changes, and on a signal."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from pathlib import Path

from doorkey.clock import Clock
from doorkey.config.settings import Settings
from doorkey.errors import ConfigurationError

log = logging.getLogger(__name__)

PERIOD = 1.0
"""Seconds between two looks at the files."""
FIXED = (
    "service.host",
    "service.port",
    "service.socket",
    "service.workers",
    "service.base_path",
    "browser",
    "store",
    "limits",
)
"""Settings that take effect after a restart only."""


class Reloader:
    """*load* reads the settings, *adopt* takes them over. Both raise ConfigurationError; then the old ones hold.

    *files* returns the files that settings come from. Some of them may not exist.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        load: Callable[[], Settings],
        adopt: Callable[[Settings], None],
        files: Callable[[Settings], Iterable[Path]],
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._load = load
        self._adopt = adopt
        self._files = files
        self._clock = clock
        self._loaded = self._seen = self._stamp()

    def reload(self) -> None:
        """Take the settings over as they are now. A fault is logged, and changes nothing."""
        try:
            settings = self._load()
            self._adopt(settings)
        except ConfigurationError as error:
            log.error("the changed settings are not taken over: %s", error)  # noqa: TRY400 - the user's fault, not ours
            return
        before, self._settings = self._settings, settings
        log.info("settings taken over: %s", _compare(before, settings))
        if late := [name for name in FIXED if _get(before, name) != _get(settings, name)]:
            log.warning("%s: changes take effect when the service is started again", ", ".join(late))

    async def watch(self) -> None:
        """Check the files again and again."""
        while True:
            await self._clock.sleep(PERIOD)
            self.check_files()

    def check_files(self) -> None:
        """Reload if a file has changed, and has stayed the same since the last check."""
        now = self._stamp()
        if now == self._seen and now != self._loaded:
            self.reload()
            self._loaded = now
        self._seen = now

    def _stamp(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_stamp_of(path) for path in self._files(self._settings))


def _stamp_of(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _get(settings: Settings, name: str) -> object:
    found: object = settings
    for part in name.split("."):
        found = getattr(found, part)
    return found


def _compare(before: Settings, after: Settings) -> str:
    """Say which sites came, went or changed."""
    added = [name for name in after.sites if name not in before.sites]
    removed = [name for name in before.sites if name not in after.sites]
    changed = [name for name in after.sites if name in before.sites and before.sites[name] != after.sites[name]]
    lists = (("added", added), ("removed", removed), ("changed", changed))
    return "; ".join(f"sites {verb}: {', '.join(names)}" for verb, names in lists if names) or "sites as before"
