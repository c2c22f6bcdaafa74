"""The live views that a service can show, each by the id of its visit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from doorkey.service.failure import Refusal

if TYPE_CHECKING:
    from doorkey.browser.live_view.audience import Viewer
    from doorkey.browser.live_view.handovers import Handovers
    from doorkey.browser.live_view.live_view import LiveView


class Looker(Protocol):
    """One browser that looks at a view."""

    async def next(self) -> str | bytes | None:
        """Return what the browser is to be sent next: a text, or a picture. None: nothing more comes."""

    async def receive(self, text: str) -> None:
        """Do what the browser asks for with the message *text*."""


@dataclass(frozen=True, slots=True)
class View:
    """The view of one visit. `watch` lets one more browser look, whose name it is given for the audit; it raises
    BrowserFailed where the page can't be shown.
    """

    id: str = field(repr=False)
    site: str
    why: str
    watch: Callable[[str], AbstractAsyncContextManager[Looker]] = field(repr=False)


class Views(Protocol):
    """The views of a service."""

    async def find(self, id_: str) -> View | None:
        """Return the view *id_*, or None if its visit has ended."""


class LocalViews:
    """The views of the visits in this process."""

    def __init__(self, handovers: Handovers) -> None:
        self._handovers = handovers

    async def find(self, id_: str) -> View | None:
        handover = self._handovers.find(id_)
        if handover is None:
            return None
        view = handover.view
        return View(handover.id, handover.site, handover.why, lambda name: watch_here(view, name))


def require_room(handovers: Handovers) -> None:
    """Raise Refusal if no more visits can wait for a person in this process."""
    if handovers.full:
        raise Refusal(409, "live_view_busy", "another visit waits for a person in the live view: finish that one first")


@dataclass(frozen=True, slots=True)
class _LocalLooker:
    view: LiveView
    viewer: Viewer

    async def next(self) -> str | bytes | None:
        return await self.viewer.next()

    async def receive(self, text: str) -> None:
        await self.view.receive(self.viewer, text)


@asynccontextmanager
async def watch_here(view: LiveView, name: str) -> AsyncIterator[Looker]:
    """Look at a view of this process."""
    async with view.watch(name) as viewer:
        yield _LocalLooker(view, viewer)
