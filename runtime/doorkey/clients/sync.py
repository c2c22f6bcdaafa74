"""A client into one site that feels like a requests session, for programs without an event loop.

with doorkey.sync_client("wiki") as wiki:
    print(wiki.get("/api/items").json())
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Generator, Mapping
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

from doorkey.clients.aio import Client, Sender
from doorkey.clients.payload import RequestOptions
from doorkey.clients.response import LIMIT, Response
from doorkey.model.request import Reply

T = TypeVar("T")


class SyncResponse:
    """The site's answer. `content` reads all of it; with `stream=True` that happens only when asked for."""

    def __init__(self, client: SyncClient, response: Response, limit: int | None) -> None:
        self.status_code = response.status
        self.headers: Mapping[str, str] = response.headers
        self.url = response.url
        self.ok = response.ok
        self.renewed = response.renewed
        self._client = client
        self._response = response
        self._limit = limit

    @property
    def content(self) -> bytes:
        """The whole body, held up to the `limit` of the request. A body that was read stays after the client's end."""
        body = self._response.body
        return self._client.wait(self._response.read(self._limit)) if body is None else body

    @property
    def text(self) -> str:
        return self._reply().text()

    def json(self) -> Any:
        """Raises Changed when the body is no JSON."""
        return self._reply().data()

    def _reply(self) -> Reply:
        return Reply(status=self.status_code, headers=self.headers, url=self.url, body=self.content)

    def iter_content(self, chunk_size: int = 64 * 1024) -> Generator[bytes, None, None]:
        """The body as it comes, in pieces of at most *chunk_size* bytes."""
        pieces = self._response.content.iter_chunked(chunk_size)
        try:
            while (piece := self._client.wait(_next(pieces))) is not None:
                yield piece
        finally:
            self._client.leave(pieces.aclose())

    def iter_lines(self) -> Generator[bytes, None, None]:
        """The lines, without their ends."""
        lines = aiter(self._response.content)
        try:
            while (line := self._client.wait(_next(lines))) is not None:
                yield line.rstrip(b"\r\n")
        finally:
            self._client.leave(lines.aclose())

    def raise_for_status(self) -> None:
        """Raises SiteError (Blocked for a refused session), or RateLimited, for a status of 400 and more."""
        self._response.raise_for_status()

    def close(self) -> None:
        """End the request, unless its answer was read."""
        self._client.leave(self._response.aclose())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()


async def _next(pieces: Any) -> bytes | None:
    found: bytes | None = await anext(pieces, None)
    return found


class SyncOptions(RequestOptions, total=False):
    """What a blocking request takes besides: `stream` leaves the body unread, `limit` is how many bytes it may hold."""

    stream: bool
    limit: int | None


class SyncClient:
    """Requests to one site, each with its session, from any thread. A thread of its own does the work."""

    def __init__(self, site: str, runtime: Sender | None = None, *, timeout: float | None = None) -> None:
        self.site = site
        self._client = Client(site, runtime, timeout=timeout)
        self._loop: asyncio.AbstractEventLoop
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"doorkey {self.site}", daemon=True)
        self._thread.start()
        try:
            self.wait(self._client.__aenter__())
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the requests under way and all that was started for them."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        try:
            asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    async def _end(self) -> None:
        await self._client.aclose()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._loop.shutdown_asyncgens()
        await self._loop.shutdown_default_executor()

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """*work*'s result. Interrupted (Ctrl-C), it is ended."""
        if self._thread is None:
            work.close()
            raise RuntimeError("the client is not open: use it by `with`")
        future: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def leave(self, ending: Coroutine[Any, Any, None]) -> None:
        """`wait`, where there is still something to end: a closed client has ended it all."""
        if self._thread is None:
            ending.close()
        else:
            self.wait(ending)

    def request(
        self, method: str, url: str, *, stream: bool = False, limit: int | None = LIMIT, **more: Unpack[RequestOptions]
    ) -> SyncResponse:
        """As `Client.request`. The body is read at once; with *stream* it is left to be read as it comes.

        *limit* is how many bytes of it may be held, None for any number.
        """

        async def work() -> Response:
            response = await self._client.request(method, url, **more)
            if not stream:
                await response.read(limit)
            return response

        return SyncResponse(self, self.wait(work()), limit)

    def get(self, url: str, **more: Unpack[SyncOptions]) -> SyncResponse:
        return self.request("GET", url, **more)

    def options(self, url: str, **more: Unpack[SyncOptions]) -> SyncResponse:
        return self.request("OPTIONS", url, **more)

    def head(self, url: str, **more: Unpack[SyncOptions]) -> SyncResponse:
        more.setdefault("allow_redirects", False)
        return self.request("HEAD", url, **more)

    def post(self, url: str, **more: Unpack[SyncOptions]) -> SyncResponse:
        return self.request("POST", url, **more)

    def put(self, url: str, **more: Unpack[SyncOptions]) -> SyncResponse:
        return self.request("PUT", url, **more)

    def patch(self, url: str, **more: Unpack[SyncOptions]) -> SyncResponse:
        return self.request("PATCH", url, **more)

    def delete(self, url: str, **more: Unpack[SyncOptions]) -> SyncResponse:
        return self.request("DELETE", url, **more)


def sync_client(site: str, *, timeout: float | None = None) -> SyncClient:
    """A blocking client into a configured *site*, with a Runtime of its own (from `Settings.load()`)."""
    return SyncClient(site, timeout=timeout)
