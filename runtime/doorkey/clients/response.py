"""The answer to a client's request, read in aiohttp's manners."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from doorkey.engine.answer import Answer
from doorkey.errors import Blocked, RateLimited, SiteError
from doorkey.model.request import Reply, Request
from doorkey.model.upload import Upload


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
        self.refused = not answer.verdict
        self.content = Content(answer)
        self._answer = answer
        self._upload = request.body if isinstance(request.body, Upload) else None
        self._body: bytes | None = None

    @property
    def ok(self) -> bool:
        return self.status < 400

    @property
    def content_type(self) -> str:
        return self._answer.head.media_type or "application/octet-stream"

    async def read(self) -> bytes:
        """The whole body; it is kept."""
        if self._body is None:
            self._body = b"".join([piece async for piece in self.content.iter_any()])
            await self.aclose()
        return self._body

    async def text(self) -> str:
        return (await self._reply()).text()

    async def json(self) -> Any:
        """Raises Changed when the body is no JSON."""
        return (await self._reply()).data()

    async def _reply(self) -> Reply:
        return Reply(status=self.status, headers=self.headers, url=self.url, body=await self.read())

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
