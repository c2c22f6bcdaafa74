"""Who looks at a live view: what each viewer is sent next, and which one of them has control. No I/O."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

MOST_VIEWERS = 8
MOST_NEWS = 64
"""The most viewers of one view, and the most messages that wait for one of them: the oldest are dropped."""


@dataclass(slots=True)
class Frame:
    """One picture of *page*, a JPEG, and how large the page was then: width and height in CSS pixels.

    `on_taken` is called once, by the first viewer that takes it.
    """

    jpeg: bytes = field(repr=False)
    page: object
    size: tuple[float, float]
    on_taken: Callable[[], None]
    taken: bool = False

    def take(self) -> bytes:
        if not self.taken:
            self.taken = True
            self.on_taken()
        return self.jpeg


class Viewer:
    """One browser that looks. `name` is for the audit. Pictures that it is too slow for are left out."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.inputs: set[str] = set()
        """The kinds of input that were passed on. How many is not kept: it would tell the length of a password."""
        self._news: deque[str] = deque(maxlen=MOST_NEWS)
        self.seen: Frame | None = None
        """The picture that was sent last: positions in the viewer's messages are shares of it."""
        self._frame: Frame | None = None
        self._woken = asyncio.Event()
        self.gone = False

    def tell(self, **news: object) -> None:
        self._news.append(json.dumps(news))
        self._woken.set()

    def show(self, frame: Frame) -> None:
        self._frame = frame
        self._woken.set()

    def leave(self) -> None:
        """End `next`, once it has returned what was told before."""
        self.gone = True
        self._woken.set()

    async def next(self) -> str | bytes | None:
        """Return what is to be sent next: a text, or a picture. None: nothing more comes."""
        while True:
            if self._news:
                return self._news.popleft()
            if self._frame is not None:
                frame, self._frame = self._frame, None
                self.seen = frame
                return frame.take()
            if self.gone:
                return None
            self._woken.clear()
            await self._woken.wait()


class Audience:
    """The viewers of one view. The first has control, the others watch, until one asks for control."""

    def __init__(self) -> None:
        self._viewers: list[Viewer] = []
        self.controlling: Viewer | None = None
        self._latest: Frame | None = None

    def __len__(self) -> int:
        return len(self._viewers)

    @property
    def full(self) -> bool:
        return len(self._viewers) >= MOST_VIEWERS

    def join(self, viewer: Viewer) -> None:
        """Add *viewer*. It gets the latest picture at once: a still page makes no other."""
        self._viewers.append(viewer)
        if self._latest is not None:
            viewer.show(self._latest)
        self.controlling = self.controlling or viewer
        self._tell_roles()

    def leave(self, viewer: Viewer) -> None:
        """Remove *viewer*. Control that it had is free: the next who joins or asks gets it."""
        self._viewers.remove(viewer)
        if self.controlling is viewer:
            self.controlling = None
        if not self._viewers:
            self._latest = None
        self._tell_roles()

    def give_control(self, viewer: Viewer) -> None:
        self.controlling = viewer
        self._tell_roles()

    def show(self, frame: Frame) -> None:
        self._latest = frame
        for viewer in self._viewers:
            viewer.show(frame)

    def tell(self, **news: object) -> None:
        for viewer in self._viewers:
            viewer.tell(**news)

    def dismiss(self) -> None:
        """Let all viewers go, once they were sent what they were told."""
        for viewer in self._viewers:
            viewer.leave()

    def _tell_roles(self) -> None:
        for viewer in self._viewers:
            role = "control" if viewer is self.controlling else "free" if self.controlling is None else "watch"
            viewer.tell(type="role", role=role, viewers=len(self._viewers))
