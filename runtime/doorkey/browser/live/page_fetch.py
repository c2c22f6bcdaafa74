"""One request that a page has under way: what DevTools tells of it becomes a head and a body."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from multidict import CIMultiDict

from doorkey.browser.live.incoming_body import IncomingBody
from doorkey.errors import BrowserFailed, Changed, Cut, DoorkeyError, SiteDown

UNSENT = ("CONNECTION_REFUSED", "CONNECTION_TIMED_OUT", "NAME_NOT_RESOLVED", "ADDRESS_", "INTERNET_DISCONNECTED")
SECURITY = ("SSL_", "CERT_", "BAD_SSL")
PROXY = ("PROXY_", "TUNNEL_", "SOCKS_")
UNREADABLE = ("INVALID_", "RESPONSE_HEADERS_", "UNEXPECTED", "TOO_MANY_", "UNSAFE_")
"""Beginnings of Chromium's names for network errors (net_error_list.h), without "net::ERR_"."""


class PageFetch:
    """`begun` yields the answer's status and headers. `settled` is set when they, or the end, have come;
    `over` when nothing of it is left on the wire."""

    def __init__(
        self,
        mark: str,
        abort: Callable[[PageFetch], None],
        allow: Callable[[PageFetch, int], None],
    ) -> None:
        self.mark = mark
        self.request_id = ""
        self.over, self.settled = asyncio.Event(), asyncio.Event()
        self.content = IncomingBody(self._taken)
        self._abort, self._allow = abort, allow
        self._head: asyncio.Future[tuple[int, CIMultiDict[str]]] = asyncio.get_running_loop().create_future()
        self._early: list[bytes] | None = []  # came before the stream's beginning did
        self._ending: list[DoorkeyError | None] = []
        self._untold = self._missed = 0
        self._status: int | None = None
        self._came = False

    @property
    def told(self) -> bool:
        """Whether all was told that there is to tell."""
        return self.content.ended and self._head.done()

    async def begun(self) -> tuple[int, CIMultiDict[str]]:
        return await asyncio.shield(self._head)

    @property
    def headers(self) -> CIMultiDict[str]:
        """The answer's, as far as they have come."""
        return self._head.result()[1] if self._head.done() and not self._head.exception() else CIMultiDict()

    def answered(self, status: int) -> None:
        """An answer has begun; its headers as they were on the wire are still to come."""
        self._status = status

    def headed(self, status: int, headers: Mapping[str, Any]) -> None:
        self._status = status
        if not self._head.done():
            self._head.set_result((status, _received(headers)))
            self.settled.set()

    def redirected(self) -> None:
        """It ends here: redirects are not followed, and their bodies are not to be had."""
        self._early = None
        self._end(None)

    def came(self, data: bytes) -> None:
        self._came = self._came or bool(data)
        if self._early is None:
            self.content.feed(data)
        else:
            self._early.append(data)

    def missed(self, size: int) -> None:
        """So many bytes came before they were told."""
        self._missed += size
        self._came = self._came or bool(size)

    def streaming(self, before: bytes) -> None:
        """From now on the body comes as it is; *before* came earlier than that."""
        if self._early is None:
            return
        if len(before) < self._missed:
            self.lost(BrowserFailed("the browser did not keep the answer's beginning"))
            return
        early, self._early = self._early, None
        for data in (before, *early):
            self.content.feed(data)
        if self._ending:
            self._end(self._ending[0])

    def finished(self) -> None:
        self._finish(None)

    def failed(self, name: str) -> None:
        """Chromium's network error *name* ended it. Of an empty body it says that it was aborted (measured)."""
        headed = self._status is not None
        empty = headed and name == "net::ERR_ABORTED" and not self._came
        self._finish(None if empty else failure(name, headed=headed))

    def lost(self, error: DoorkeyError) -> None:
        """The page that carried it is gone, or it was given up."""
        if self._status is not None:
            error = Cut(f"the answer broke off: {error.message}")
        self._early = None
        self._end(error)
        self._headless(error)

    def close(self) -> None:
        if not self.told:
            self._abort(self)

    def _finish(self, error: DoorkeyError | None) -> None:
        if self._early is not None and self._status is not None:
            self._ending.append(error)  # after what came before it
        else:
            self._end(error)

    def _end(self, error: DoorkeyError | None) -> None:
        if self.content.ended:
            return
        self.content.end(error)
        if error is not None and self._status is None:
            self._headless(error)
        self.over.set()

    def _headless(self, error: DoorkeyError) -> None:
        """No head will come, unless it has come already."""
        if not self._head.done():
            self._head.set_exception(error)
            self._head.exception()  # looked at: nobody may wait for it any more
            self.settled.set()

    def _taken(self, size: int) -> None:
        self._untold += size
        if self._untold >= STEP and not self.content.ended:
            self._allow(self, self._untold)
            self._untold = 0


AHEAD = 4 * 1024 * 1024
STEP = 1024 * 1024
"""Bytes that a page reads before they are asked for; in which steps it is told that more is wanted."""


def _received(headers: Mapping[str, Any]) -> CIMultiDict[str]:
    """DevTools' headers, a line for each value. The body's coding is left out: the browser has undone it."""
    found = CIMultiDict((name.lower(), value) for name, values in headers.items() for value in str(values).split("\n"))
    if "content-encoding" in found:
        del found["content-encoding"]
        found.pop("content-length", None)
    return found


def failure(name: str, *, headed: bool) -> DoorkeyError:
    """Chromium's network error *name* ("net::ERR_...") as ours."""
    known = name.removeprefix("net::").removeprefix("ERR_")
    if headed:
        return Cut(f"the answer broke off ({known})")
    if known.startswith(UNSENT):
        return SiteDown(f"the site can't be reached: {known}", arrived=False)
    if known.startswith(SECURITY):
        return SiteDown(f"no secure connection to the site ({known})", arrived=False)
    if known.startswith(PROXY):
        return SiteDown(f"the proxy refused the way to the site ({known}); see its `proxy` setting", arrived=False)
    if known.startswith(UNREADABLE):
        return Changed(f"the site's answer is no HTTP that can be read ({known})")
    if known.startswith("BLOCKED_"):
        return Changed(f"the browser may not send this request ({known})")
    return SiteDown(f"the connection to the site was lost ({known})")
