"""The answer to a client's request, read in aiohttp's manners."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from doorkey.engine.answer import Answer
from doorkey.errors import Blocked, Changed, RateLimited, SiteError
from doorkey.model.request import MiB, Reply, Request
from doorkey.model.upload import Upload
from doorkey.model.verdict import Kind

LIMIT = 64 * MiB
"""Bytes that `read`, `text` and `json` hold unless they are told otherwise. Compressed bodies count unpacked."""
TOO_LONG = "the answer's body is longer than {} bytes; pass a higher `limit`, or iterate over `content`"


class Content:
    """A body as it comes, to be read once."""

    def __init__(self, answer: Answer[bytes]) -> None:
        self._answer = answer

    async def iter_any(self) -> AsyncGenerator[bytes, None]:
        """The pieces as the network brings them."""
        async with aclosing(self._answer.pieces()) as pieces:
            async for piece in pieces:
                yield piece

    async def iter_chunked(self, size: int) -> AsyncGenerator[bytes, None]:
        """Pieces of at most *size* bytes."""
        async with aclosing(self.iter_any()) as pieces:
            async for piece in pieces:
                for at in range(0, len(piece), size):
                    yield piece[at : at + size]

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        """The lines, each with its end."""
        rest = b""
        async with aclosing(self.iter_any()) as pieces:
            async for piece in pieces:
                *lines, rest = (rest + piece).splitlines(keepends=True)
                if rest.endswith(b"\n"):
                    lines, rest = [*lines, rest], b""
                for line in lines:
                    yield line
        if rest:
            yield rest


class Response:
    """The site's answer, whatever its status. `renewed`: how often the session was renewed for it."""

    def __init__(self, answer: Answer[bytes], request: Request) -> None:
        self.status = answer.head.status
        self.headers = answer.head.headers
        self.url = answer.head.url
        self.method = request.method
        self.renewed = answer.renewed
        self.refused = answer.verdict.kind not in (Kind.OK, Kind.UNCHECKED)
        self.content = Content(answer)
        self._answer, self._request = answer, request
        self._upload = request.body if isinstance(request.body, Upload) else None
        self._body: bytes | None = None

    @property
    def ok(self) -> bool:
        return self.status < 400

    @property
    def content_type(self) -> str:
        return self._answer.head.media_type or "application/octet-stream"

    @property
    def answer(self) -> Answer[bytes]:
        """What the engine handed out."""
        return self._answer

    @property
    def request(self) -> Request:
        """The request that it answers, without what the session adds."""
        return self._request

    @property
    def body(self) -> bytes | None:
        """The whole body, if it was read."""
        return self._body

    async def read(self, limit: int | None = LIMIT) -> bytes:
        """Return the whole body, and keep it. Raises Changed for one of more than *limit* bytes; None is no limit."""
        if self._body is None:
            body = bytearray()
            try:
                async for piece in self.content.iter_any():
                    body += piece
                    if limit is not None and len(body) > limit:
                        raise Changed(f"{self._answer.site}: {TOO_LONG.format(limit)}", site=self._answer.site)
            finally:
                await self.aclose()
            self._body = bytes(body)
        return self._body

    async def text(self, limit: int | None = LIMIT) -> str:
        """Return the body as text. *limit* is that of `read`."""
        return (await self._reply(limit)).text()

    async def json(self, limit: int | None = LIMIT) -> Any:
        """Return the body as JSON. *limit* is that of `read`. Raises Changed if the body is no JSON."""
        return (await self._reply(limit)).data()

    async def _reply(self, limit: int | None) -> Reply:
        return Reply(status=self.status, headers=self.headers, url=self.url, body=await self.read(limit))

    def raise_for_status(self) -> None:
        """Raises SiteError (Blocked for a refused session), or RateLimited, for a status of 400 and more."""
        if self.ok:
            return
        site, message = self._answer.site, f"{self._answer.site}: {self.method} {urlsplit(self.url).path} met HTTP"
        if self.status == 429:
            raise RateLimited(f"{message} 429", site=site, retry_after=self._answer.head.retry_after)
        kind = Blocked if self.refused else SiteError
        raise kind(f"{message} {self.status}", site=site, answer_status=self.status)

    async def aclose(self) -> None:
        """End the request, unless its answer was read."""
        await self._answer.aclose()
        if self._upload is not None:
            await self._upload.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        await self.aclose()
