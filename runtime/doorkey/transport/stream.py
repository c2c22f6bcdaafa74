"""An answer that comes in, under its limits, with aiohttp's errors told in our own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Protocol

import aiohttp

from doorkey.errors import Changed, Cut, DoorkeyError, NotPlainHttp, RequestError, SiteDown, TimeLimit
from doorkey.model.request import HEAD_BYTES, Head, MiB, Reply
from doorkey.model.upload import Upload
from doorkey.network.url_policy import PrivateAddress
from doorkey.transport.timeouts import Timeout, Timeouts
from doorkey.transport.websocket import WebSocket

AT_ONCE = MiB
"""Bytes after which others get their turn: a few compressed bytes may stand for gigabytes that need no waiting."""
BROKEN = (aiohttp.ClientError, OSError, ValueError)
"""What aiohttp raises when an exchange fails: `translated` tells it in our own words."""


class Content(Protocol):
    """The bytes of a body, as aiohttp's StreamReader gives them: `read_nowait` returns those that are there, `readany`
    waits for some. Both raise what broke the body off, and return nothing at its end."""

    def at_eof(self) -> bool: ...

    def read_nowait(self) -> bytes: ...

    async def readany(self) -> bytes: ...


class Exchange(Protocol):
    """A request under way in a transport. `close` ends it at the site, too."""

    @property
    def content(self) -> Content: ...

    def close(self) -> None: ...


class Stream:
    """An answer whose head has come. *start* is what came of its body with the head.

    `transport` names what carries it; `websocket` is what a request for one opened. `held` is what was read of the body
    so far: `read` and `chunks` give it again. If `read` or `hold` fails, or its
    caller leaves, the request is ended at the site, too.
    """

    def __init__(
        self,
        response: Exchange,
        head: Head,
        start: bytes,
        waits: Timeouts,
        idle: float,
        deadline: float,
        upload: Upload | None = None,
        *,
        transport: str = "direct",
        websocket: WebSocket | None = None,
    ) -> None:
        self.head = head
        self.transport = transport
        self.websocket = websocket
        self._response = response
        self.held = start
        self._waits = waits
        self._idle = idle
        self._deadline = deadline
        self._upload = upload

    @property
    def body(self) -> bytes | None:
        """The whole body, where all of it has come already."""
        return self.held if self._response.content.at_eof() else None

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The body, one piece for each read. Raises Cut when it breaks off, and TimeLimit ("idle", "total")."""
        if self.held:
            yield self.held
        content, at_once = self._response.content, 0
        while not content.at_eof():
            # What lies there already needs no timer.
            piece = buffered(content) or await self._more()
            if piece:
                yield piece
            at_once += len(piece)
            if at_once > AT_ONCE:
                at_once = 0
                await asyncio.sleep(0)

    async def read(self, limit: int) -> bytes:
        """The whole body. Raises Changed past *limit* bytes; a bomb is never held, only its first *limit* bytes."""
        await self.hold(limit + 1)
        if len(self.held) > limit:
            self.close()
            raise Changed(f"the answer is longer than {limit} bytes")
        return self.held

    def take(self) -> None:
        """Read ahead what has come already, without waiting. Raises DoorkeyError if the answer broke off."""
        if self._response.content.at_eof():
            return
        try:
            self.held += buffered(self._response.content)
        except DoorkeyError:
            self.close()
            raise

    async def hold(self, limit: int, seconds: float | None = None) -> bool:
        """Read ahead, up to *limit* bytes and for at most *seconds*, and say whether that is all of the body."""
        content = self._response.content
        if content.at_eof() or len(self.held) >= limit:
            return content.at_eof()
        body = bytearray(self.held)
        try:
            async with asyncio.timeout(seconds):
                at_once = AT_ONCE
                while not content.at_eof() and len(body) < limit:
                    body += buffered(content) or await self._more()
                    if len(body) > at_once:
                        at_once = len(body) + AT_ONCE
                        await asyncio.sleep(0)
        except TimeLimit:
            self.close()
            raise
        except TimeoutError:
            pass  # *seconds* are over: what has come is enough
        except BaseException:
            self.close()
            raise
        self.held = bytes(body)
        return content.at_eof()

    async def _more(self) -> bytes:
        with Timeout(self._waits, "idle", self._idle, self._deadline, self._upload):
            try:
                return await self._response.content.readany()
            except BROKEN as error:
                raise translated(error) from error

    def close(self) -> None:
        """End the upstream request, unless the answer was read to its end (then its connection is free again)."""
        if self.websocket is not None:
            self.websocket.abort()
        if not self._response.content.at_eof():
            self._response.close()


TLS_OF_BROWSERS = (
    "NO_APPLICATION_PROTOCOL",
    "HANDSHAKE_FAILURE",
    "KEY_TOO_SMALL",
    "UNSAFE_LEGACY",
    "ILLEGAL_PARAMETER",
)
"""Parts of OpenSSL's reasons for a failed handshake that a browser may well succeed with: HTTP/2 only, old servers."""


def _browsers_only(error: aiohttp.ClientConnectorSSLError) -> bool:
    reason = getattr(error.os_error, "reason", None) or ""
    return any(part in reason for part in TLS_OF_BROWSERS)


def buffered(content: Content) -> bytes:
    """What has come and was not read yet. Raises DoorkeyError when the answer broke off."""
    try:
        return content.read_nowait()
    except BROKEN as error:
        raise translated(error) from error


async def whole(stream: Stream, limit: int) -> Reply:
    """The stream as a whole reply, read to its end."""
    body = await stream.read(limit)
    head = stream.head
    return Reply(status=head.status, headers=head.headers, url=head.url, start=body[:HEAD_BYTES], body=body)


def translated(error: Exception) -> DoorkeyError:
    """One of aiohttp's errors as ours. Its own text may hold a URL with a query, and is left out."""
    name = type(error).__name__
    match error:
        case DoorkeyError():
            return error
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
            return RequestError("the URL can't be requested: http(s)://host/path was expected")
        case aiohttp.ClientHttpProxyError():
            return SiteDown(
                f"the proxy refused the way to the site (HTTP {error.status}); see its `proxy` setting", arrived=False
            )
        case aiohttp.ClientProxyConnectionError():
            return SiteDown("the proxy can't be reached; see the site's `proxy` setting", arrived=False)
        case aiohttp.ClientConnectorSSLError() if _browsers_only(error):
            return NotPlainHttp(f"no secure connection to the site by plain HTTP ({name})", arrived=False)
        case aiohttp.ClientSSLError():
            return SiteDown(f"no secure connection to the site ({name})", arrived=False)
        case aiohttp.ClientConnectorError(os_error=PrivateAddress() as refused):
            return Changed(str(refused))
        case aiohttp.ClientConnectorError():
            return SiteDown(f"the site can't be reached: {error.os_error.strerror or name}", arrived=False, away=True)
        case aiohttp.ClientPayloadError():
            return Cut(f"the answer broke off ({name})")
        case aiohttp.ClientResponseError():
            return NotPlainHttp(f"the site's answer is not HTTP that can be read here ({name})")
        case aiohttp.ClientConnectionError() | OSError():
            return SiteDown(f"the connection to the site was lost ({name})")
        case _:
            return Changed(f"the site's answer can't be read ({name})")
