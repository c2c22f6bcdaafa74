"""Small values that the processes of a store change together, each held in every process that needs it."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Callable
from contextvars import Context
from typing import Generic, Protocol, TypeAlias, TypeVar

from doorkey.clock import Clock
from doorkey.errors import DoorkeyError, Unavailable
from doorkey.model.session import Key

T = TypeVar("T")
V = TypeVar("V")
Change: TypeAlias = Callable[[V, float], V]
"""A pure change of a value at a wall time; it returns the same object where nothing changes."""

log = logging.getLogger("doorkey.notes")

MOST = 2000
"""Keys whose values are held."""
MOST_PENDING = 64
"""Changes of one value that are kept while the store is away."""
PATIENCE = 2.0
"""Seconds that a call waits for what other processes know: it goes on without, and finds it out by itself."""
AWAY = 5.0
"""Seconds after which a store that is away is asked again."""


class SharedTexts(Protocol):
    """Short texts, by their names, that several processes read and write."""

    async def share(self, name: str, step: Callable[[str, float], tuple[str | None, T]]) -> T:
        """Read the text *name* (empty without one), decide by *step* at this wall time, and write: all at once. None
        leaves it as it was. Raises Unavailable while the texts can't be reached."""
        ...


class NoteFormat(Protocol[V]):
    """How a value lies in the store, and the value of a key that nothing is known of."""

    @property
    def empty(self) -> V: ...

    def write(self, value: V) -> str: ...

    def read(self, text: str, wall: float) -> V:
        """The value that *text* holds at this wall time; `empty` where it can't be read."""
        ...


class SharedNotes(Generic[V]):
    """A value for each key. A change holds in this process at once, and is written to the store in the background.

    What other processes have changed is known here after `refresh`, or after a change of our own was written. While
    the store can't be reached, or without *texts*, each process goes by its own. Values of keys that belong to one
    caller stay in this process.
    """

    def __init__(self, name: str, form: NoteFormat[V], clock: Clock, texts: SharedTexts | None = None) -> None:
        self._name, self._form, self._clock, self._texts = name, form, clock, texts
        self.held: OrderedDict[Key, V] = OrderedDict()
        """What is known here, of each key of which something is known."""
        self.shared = texts is not None
        """Whether other processes may know more."""
        self._pending: dict[Key, deque[Change[V]]] = {}
        self._tasks: dict[Key, asyncio.Task[None]] = {}
        self._ahead = clock.wall() - clock.now()  # the store's time less the clock's `now`
        self._asked_again = float("-inf")

    @property
    def time(self) -> float:
        """The wall time of the store, as far as this process knows it."""
        return self._clock.now() + self._ahead

    def get(self, key: Key) -> V:
        """The value of *key*, as far as this process knows it."""
        held = self.held.get(key)
        return self._form.empty if held is None else held

    def change(self, key: Key, change: Change[V]) -> None:
        """Change the value of *key*, here at once."""
        self._hold(key, change(self.get(key), self.time))
        if self._texts is not None and not key.caller:
            self._pending.setdefault(key, deque(maxlen=MOST_PENDING)).append(change)
            if self._clock.now() >= self._asked_again:
                self._exchange(key, self._texts)

    async def refresh(self, key: Key) -> None:
        """Take over what other processes have changed, as far as the store tells within `PATIENCE`."""
        if self._texts is None or key.caller or self._clock.now() < self._asked_again:
            return
        # Waited for, not owned: several calls may wait for one exchange.
        await asyncio.wait([self._exchange(key, self._texts)], timeout=PATIENCE)

    async def close(self) -> None:
        """Write what is not written yet."""
        if self._texts is not None and self._clock.now() >= self._asked_again:
            for key in [key for key, changes in self._pending.items() if changes]:
                self._exchange(key, self._texts)
        await asyncio.gather(*self._tasks.values())

    def _hold(self, key: Key, value: V) -> None:
        if value == self._form.empty:
            self.held.pop(key, None)
            return
        self.held[key] = value
        if len(self.held) > MOST:
            self.held.popitem(last=False)

    def _exchange(self, key: Key, texts: SharedTexts) -> asyncio.Task[None]:
        """The exchange with the store that is under way, or a new one."""
        task = self._tasks.get(key)
        if task is None:
            task = asyncio.create_task(self._write_and_read(key, texts), name=self._name, context=Context())
            self._tasks[key] = task
            task.add_done_callback(lambda _: self._tasks.pop(key, None))
        return task

    async def _write_and_read(self, key: Key, texts: SharedTexts) -> None:
        """Write our changes, in one step with reading those of others, until none is left."""
        while True:
            changes = tuple(self._pending.pop(key, ()))
            try:
                value, wall = await texts.share(f"{self._name} {key}", self._step(changes))
            except DoorkeyError as error:
                # A store that can't be used at all is told by what needs it; one that is away is told here.
                if self._asked_again == float("-inf") and isinstance(error, Unavailable):
                    log.warning("%s: known to this process alone now: %s", self._name, error.message)
                self._asked_again = self._clock.now() + AWAY
                later = self._pending.get(key, ())
                self._pending[key] = deque((*changes, *later), maxlen=MOST_PENDING)
                return
            self._asked_again = float("-inf")
            self._ahead = wall - self._clock.now()
            for change in self._pending.get(key, ()):  # what has changed here meanwhile
                value = change(value, wall)
            self._hold(key, value)
            if not self._pending.get(key):
                return

    def _step(self, changes: tuple[Change[V], ...]) -> Callable[[str, float], tuple[str | None, tuple[V, float]]]:
        def step(text: str, wall: float) -> tuple[str | None, tuple[V, float]]:
            value = self._form.read(text, wall) if text else self._form.empty
            for change in changes:
                value = change(value, wall)
            written = self._form.write(value) if changes else text
            return (written if written != text else None), (value, wall)

        return step
