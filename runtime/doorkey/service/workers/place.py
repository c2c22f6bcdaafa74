"""A worker's place in the service: its number, and the memory that it shares with the others."""

from __future__ import annotations

import json
from collections.abc import Iterator, MutableSet
from dataclasses import dataclass

from doorkey.service.workers.load import SharedLoad
from doorkey.service.workers.mailbox import Mailbox
from doorkey.service.workers.shared_text import ProcessLock, SharedText

KiB = 1024
MiB = 1024 * KiB


class SharedNames(MutableSet[str]):
    """A set of names in a shared text."""

    def __init__(self, text: SharedText) -> None:
        self._text = text
        self._version = 0
        self._names: frozenset[str] = frozenset()

    def __contains__(self, name: object) -> bool:
        return name in self._read()

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def add(self, value: str) -> None:
        self._text.update(lambda text: (json.dumps(sorted({*_names(text), value})), None))

    def discard(self, value: str) -> None:
        self._text.update(lambda text: (json.dumps(sorted({*_names(text)} - {value})), None))

    def _read(self) -> frozenset[str]:
        # Each request asks: only a number is compared as long as nothing has changed.
        if self._text.version != self._version:
            self._names, self._version = frozenset(_names(self._text.read())), self._text.version
        return self._names


def _names(text: str) -> list[str]:
    return json.loads(text) if text else []


@dataclass(frozen=True, slots=True)
class SharedMemory:
    """What the workers of a service share. Made before they are forked.

    `viewers` holds the dashboard's links and browsers, `paused` the sites that a person paused, `addition` the site
    that is being added, and `reports` has a text for what each worker publishes. `mailboxes` are the workers', none
    where there is only one.
    """

    load: SharedLoad
    viewers: SharedText
    paused: SharedNames
    addition: SharedText
    reports: tuple[SharedText, ...]
    mailboxes: tuple[Mailbox, ...]

    @classmethod
    def make(cls, workers: int) -> SharedMemory:
        lock = None if workers == 1 else ProcessLock()
        return cls(
            SharedLoad(workers),
            SharedText(256 * KiB, lock),
            SharedNames(SharedText(256 * KiB, lock)),
            SharedText(MiB, lock),
            tuple(SharedText(2 * MiB, lock) for _ in range(workers)),
            tuple(Mailbox() for _ in range(workers if workers > 1 else 0)),
        )


@dataclass(frozen=True, slots=True)
class Place:
    """Worker *number* (from 0) of a service."""

    number: int
    memory: SharedMemory

    @classmethod
    def alone(cls) -> Place:
        """The place of the only process of a service."""
        return cls(0, SharedMemory.make(1))

    @property
    def is_alone(self) -> bool:
        return len(self.memory.reports) == 1

    @property
    def report(self) -> SharedText:
        """What this worker publishes."""
        return self.memory.reports[self.number]

    @property
    def others(self) -> list[SharedText]:
        """What the others publish."""
        return [text for number, text in enumerate(self.memory.reports) if number != self.number]
