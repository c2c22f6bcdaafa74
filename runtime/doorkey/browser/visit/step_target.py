"""Finds the elements that login steps name: in the page, in its frames, and in the popups that it opened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from doorkey.browser.visit.inspector import PageInspector
from doorkey.clock import Clock
from doorkey.model.urls import origin_of

if TYPE_CHECKING:
    from playwright.async_api import ElementHandle, Frame, Locator
    from playwright.async_api import Page as BrowserPage

POLL = 0.05
MOST_POPUPS = 3
"""Popups that a login may have open at a time. Further ones are closed."""


@dataclass(frozen=True, slots=True)
class Found:
    """An element in a frame. `visible` tells whether it was visible when it was found."""

    locator: Locator
    frame: Frame
    visible: bool

    @property
    def origin_url(self) -> str:
        """The URL whose origin the frame has: frames without a URL have their parent's."""
        frame: Frame | None = self.frame
        while frame is not None and frame.url.startswith("about:") and frame.parent_frame is not None:
            frame = frame.parent_frame
        return frame.url if frame is not None else ""


class StepTargets:
    """The page of a login, and the popups that it has open. Steps act on the newest popup first."""

    def __init__(self, inspector: PageInspector, clock: Clock) -> None:
        self._inspectors = [inspector]
        self._clock = clock
        self.accepting = False
        self.popups = 0

    def adopt(self, popup: BrowserPage) -> bool:
        """Take *popup* as a part of the login. Return False for one that has to be closed."""
        if not self.accepting or len(self._open()) > MOST_POPUPS:
            return False
        self._inspectors.append(PageInspector(popup))
        self.popups += 1
        return True

    @property
    def inspector(self) -> PageInspector:
        """The newest page that is open."""
        return self._open()[-1]

    @property
    def popup(self) -> BrowserPage | None:
        """The newest popup that is open."""
        page = self.inspector.page
        return None if page == self._inspectors[0].page else page

    async def close_popups(self) -> None:
        """Close the popups that are open. No more are accepted."""
        self.accepting = False
        for inspector in self._open()[1:]:
            await inspector.page.close()

    async def is_at(self, glob: str, site_url: str) -> bool:
        """Tell whether the newest page is at the URL, or the path of the site, that *glob* describes.

        One of its frames may be at the URL: the form of another host.
        """
        page = self.inspector.page
        if "://" in glob:
            return any(fnmatchcase(frame.url, glob) for frame in page.frames)
        url = page.url
        parts = urlsplit(url)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        return origin_of(url) == origin_of(site_url) and fnmatchcase(path, glob)

    async def find(self, css: str, frame: str, limit: float, holds: Callable[[Found], bool]) -> Found | None:
        """Return the first element that *css* selects and for which *holds* is true, within *limit* seconds.

        Returns another element that *css* selects if there is none, or None. *frame* selects the frame to look in;
        without it all frames are searched, the page itself first.
        """
        end = self._clock.now() + limit
        while True:
            fallback: Found | None = None
            for where in await self._list_frames(frame):
                found = await _find_in(where, css)
                if found is not None and holds(found):
                    return found
                fallback = fallback or found
            if self._clock.now() >= end:
                return fallback
            await self._clock.sleep(POLL)

    async def _list_frames(self, css: str) -> list[Frame]:
        frames = [frame for inspector in reversed(self._open()) for frame in inspector.page.frames]
        if not css:
            return frames
        from playwright.async_api import Error

        handles: list[ElementHandle] = []
        for frame in frames:
            try:
                handles += await frame.query_selector_all(css)
            except Error:
                if not frame.is_detached():
                    raise
        inside = [await handle.content_frame() for handle in handles]
        return [frame for frame in inside if frame is not None]

    def _open(self) -> list[PageInspector]:
        return [one for one in self._inspectors if one is self._inspectors[0] or not one.page.is_closed()]


async def _find_in(frame: Frame, css: str) -> Found | None:
    from playwright.async_api import Error

    try:
        every = frame.locator(css)
        visible = every.filter(visible=True)
        if await visible.count():
            return Found(visible.first, frame, True)
        return Found(every.first, frame, False) if await every.count() else None
    except Error as error:
        # A frame or a page that goes on to another document has no elements now.
        if frame.is_detached() or frame.page.is_closed() or "context was destroyed" in error.message:
            return None
        raise
