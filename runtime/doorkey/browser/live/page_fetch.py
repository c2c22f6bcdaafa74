"""One request of a live page: DevTools events become the head and the body of its answer."""

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
"""Beginnings of Chromium's names of network errors (net_error_list.h), without "net::ERR_"."""


class PageFetch:
    """A request and its answer. `settled` is set when the head or the end has come. `over` is set when the request is
    no longer on the wire. `on_begun` is called when the browser has the request, with its cookies."""

    def __init__(
        self,
        mark: str,
        abort: Callable[[PageFetch], None],
        allow: Callable[[PageFetch, int], None],
    ) -> None:
        self.mark = mark
        self.request_id = ""
        self.over, self.settled = asyncio.Event(), asyncio.Event()
        self.content = IncomingBody(self._on_read)
        self.on_begun: Callable[[], None] = lambda: None
        self._abort, self._allow = abort, allow
        self._head: asyncio.Future[tuple[int, CIMultiDict[str]]] = asyncio.get_running_loop().create_future()
        self._early: list[bytes] | None = []  # data that came before the stream was started
        self._ending: list[DoorkeyError | None] = []
        self._unreported = self._missed = 0
        self._status: int | None = None
        self._came = False

    @property
    def complete(self) -> bool:
        """Whether the head and the end have come."""
        return self.content.ended and self._head.done()

    async def wait_for_head(self) -> tuple[int, CIMultiDict[str]]:
        """Return the status and the headers. Raises what ended the request before them."""
        return await asyncio.shield(self._head)

    @property
    def headers(self) -> CIMultiDict[str]:
        """The headers of the answer, empty until they have come."""
        return self._head.result()[1] if self._head.done() and not self._head.exception() else CIMultiDict()

    def on_response(self, status: int) -> None:
        """An answer has begun. The event with its headers as they were on the wire follows."""
        self._status = status

    def on_headers(self, status: int, headers: Mapping[str, Any]) -> None:
        self._status = status
        if not self._head.done():
            self._head.set_result((status, _merge_headers(headers)))
            self.settled.set()

    def on_redirect(self) -> None:
        """End the request: redirects are not followed, and their bodies can't be read."""
        self._early = None
        self._end(None)

    def on_data(self, data: bytes) -> None:
        self._came = self._came or bool(data)
        if self._early is None:
            self.content.feed(data)
        else:
            self._early.append(data)

    def on_unread_data(self, size: int) -> None:
        """*size* bytes came before DevTools streamed the body."""
        self._missed += size
        self._came = self._came or bool(size)

    def start_stream(self, before: bytes) -> None:
        """Start to pass on the body. *before* is what came earlier."""
        if self._early is None:
            return
        if len(before) < self._missed:
            self.fail(BrowserFailed("the browser did not keep the beginning of the answer"))
            return
        early, self._early = self._early, None
        for data in (before, *early):
            self.content.feed(data)
        if self._ending:
            self._end(self._ending[0])

    def on_finished(self) -> None:
        self._finish(None)

    def on_failed(self, name: str) -> None:
        """Chromium's network error *name* ended the request. For an empty body it is ERR_ABORTED (measured)."""
        headed = self._status is not None
        empty = headed and name == "net::ERR_ABORTED" and not self._came
        self._finish(None if empty else error_of(name, headed=headed))

    def fail(self, error: DoorkeyError) -> None:
        """End the request with *error*: its page is gone, or the request was given up."""
        if isinstance(error, BrowserFailed):
            error.arrived = True
        if self._status is not None:
            error = Cut(f"the answer broke off: {error.message}")
        self._early = None
        self._end(error)
        self._fail_head(error)

    def close(self) -> None:
        if not self.complete:
            self._abort(self)

    def _finish(self, error: DoorkeyError | None) -> None:
        if self._early is not None and self._status is not None:
            self._ending.append(error)  # delivered after the data before it
        else:
            self._end(error)

    def _end(self, error: DoorkeyError | None) -> None:
        if self.content.ended:
            return
        self.content.end(error)
        if error is not None and self._status is None:
            self._fail_head(error)
        self.over.set()

    def _fail_head(self, error: DoorkeyError) -> None:
        """Raise *error* to those who wait for the head, unless it has come."""
        if not self._head.done():
            self._head.set_exception(error)
            self._head.exception()  # marked as retrieved: nobody may be waiting any more
            self.settled.set()

    def _on_read(self, size: int) -> None:
        self._unreported += size
        if self._unreported >= STEP and not self.content.ended:
            self._allow(self, self._unreported)
            self._unreported = 0


AHEAD = 4 * 1024 * 1024
STEP = 1024 * 1024
"""Bytes that a page may read ahead of the caller, and the step in which that allowance grows."""


def _merge_headers(headers: Mapping[str, Any]) -> CIMultiDict[str]:
    """Convert DevTools' headers: several values stand on several lines. The browser has decoded the body, so the
    headers about its encoding are left out."""
    found = CIMultiDict(
        (name.lower(), _as_sent(value)) for name, values in headers.items() for value in str(values).split("\n")
    )
    if "content-encoding" in found:
        del found["content-encoding"]
        found.pop("content-length", None)
    return found


def _as_sent(value: str) -> str:
    """A header's *value* by the bytes that the site sent: DevTools tells each byte as a character of windows-1252."""
    if value.isascii():
        return value
    try:
        return b"".join(map(_byte_of, value)).decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return value  # it holds what no single byte means


def _byte_of(character: str) -> bytes:
    # windows-1252 leaves five bytes to the control characters of ISO-8859-1, which Python's codec refuses.
    return character.encode("latin-1" if "\x80" <= character <= "\x9f" else "cp1252")


def error_of(name: str, *, headed: bool) -> DoorkeyError:
    """Return doorkey's error for Chromium's network error *name* ("net::ERR_..."). *headed*: after an answer's head."""
    known = name.removeprefix("net::").removeprefix("ERR_")
    if headed:
        return Cut(f"the answer broke off ({known})")
    if known.startswith(UNSENT):
        return SiteDown(f"the site can't be reached: {known}", arrived=False, away=True)
    if known.startswith(SECURITY):
        return SiteDown(f"no secure connection to the site ({known})", arrived=False)
    if known.startswith(PROXY):
        return SiteDown(
            f"the proxy refused the connection to the site ({known}); see its `proxy` setting", arrived=False
        )
    if known.startswith(UNREADABLE):
        return Changed(f"the site's answer is not valid HTTP ({known})")
    if known.startswith("BLOCKED_"):
        return Changed(f"the browser may not send this request ({known})")
    return SiteDown(f"the connection to the site was lost ({known})")
