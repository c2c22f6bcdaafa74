"""The live views of all workers: one that another worker has is carried by a line between the two."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from aiohttp import web

from doorkey.errors import BrowserFailed
from doorkey.service.live_view.exchange import run_both
from doorkey.service.live_view.views import LocalViews, Looker, View
from doorkey.service.workers.whole_service import WholeService

if TYPE_CHECKING:
    from doorkey.browser.live_view.handovers import Handovers

OPENED, REFUSED, TEXT, PICTURE = b"o", b"e", b"t", b"p"
"""The kinds of messages on a line. The first is OPENED, or REFUSED with the reason."""
HEAD = struct.Struct("!cI")
"""What begins each: its kind, and its length."""
OPENING = 10.0
"""Seconds in which the other worker has to let a viewer look."""


class Line:
    """One end of a line: whole messages there and back."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def over(cls, connection: socket.socket) -> Line:
        return cls(*await asyncio.open_connection(sock=connection))

    async def read(self) -> tuple[bytes, bytes] | None:
        """Return the kind and the content of the next message; None at the end."""
        try:
            kind, length = HEAD.unpack(await self._reader.readexactly(HEAD.size))
            return kind, await self._reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    async def write(self, kind: bytes, content: bytes = b"") -> None:
        self._writer.write(HEAD.pack(kind, len(content)) + content)
        await self._writer.drain()

    def close(self) -> None:
        self._writer.close()

    async def next(self) -> str | bytes | None:
        """Return what the browser is to be sent next (as a `Looker`)."""
        message = await self.read()
        if message is None:
            return None
        kind, content = message
        return content if kind == PICTURE else content.decode()

    async def receive(self, text: str) -> None:
        """Pass on what the browser asks for (as a `Looker`)."""
        await self.write(TEXT, text.encode())


class SharedViews:
    """The views of this worker, and of those that the others report."""

    def __init__(self, handovers: Handovers, whole: WholeService) -> None:
        self._handovers, self._whole, self._local = handovers, whole, LocalViews(handovers)
        self._lines: set[asyncio.Task[None]] = set()

    async def find(self, id_: str) -> View | None:
        """Return the view *id_*, whichever worker has it."""
        found = await self._local.find(id_)
        if found is not None or self._whole.place.is_alone:
            return found
        for fresh in (False, True):
            if fresh:  # it may have been offered since the last reports
                await self._whole.ask_others()
            for worker, need in self._whole.needs():
                if need.id == id_ and worker != self._whole.place.number:
                    return View(id_, need.site, need.why, partial(self._watch, worker, id_))
        return None

    async def serve(self, _: web.Application) -> AsyncIterator[None]:
        """Let the others look at this worker's views until the service ends (aiohttp's `cleanup_ctx`)."""
        self._whole.on_line = self._begin
        yield
        self._whole.on_line = None
        for line in self._lines:
            line.cancel()
        await asyncio.gather(*self._lines, return_exceptions=True)

    @asynccontextmanager
    async def _watch(self, worker: int, id_: str, name: str) -> AsyncIterator[Looker]:
        """Look at a view of another *worker*."""
        ours, theirs = socket.socketpair()
        with theirs:
            posted = self._whole.ask_for_line(worker, json.dumps({"view": id_, "name": name}).encode(), theirs)
        line = await Line.over(ours)
        try:
            if not posted:
                raise BrowserFailed("the worker that has this page takes no messages now; try again")
            try:
                async with asyncio.timeout(OPENING):
                    first = await line.read()
            except TimeoutError:
                first = None
            if first is None or first[0] != OPENED:
                raise BrowserFailed(first[1].decode() if first else "the worker that has this page does not answer")
            yield line
        finally:
            line.close()

    def _begin(self, asked: bytes, connection: socket.socket) -> None:
        task = asyncio.get_running_loop().create_task(self._carry(asked, connection))
        self._lines.add(task)
        task.add_done_callback(self._lines.discard)

    async def _carry(self, asked: bytes, connection: socket.socket) -> None:
        """Show the view that another worker has *asked* for, until one side ends."""
        line = await Line.over(connection)
        try:
            told = json.loads(asked)
            view = await self._local.find(told["view"])
            if view is None:
                await line.write(REFUSED, b"this view has ended")
                return
            try:
                async with view.watch(told["name"]) as looker:
                    await line.write(OPENED)
                    await run_both(_send(line, looker), _receive(line, looker))
            except BrowserFailed as error:
                await line.write(REFUSED, error.message.encode())
        except ConnectionError:
            return  # the other worker, or its viewer, has left
        finally:
            line.close()


async def _send(line: Line, looker: Looker) -> None:
    while (news := await looker.next()) is not None:
        await (line.write(PICTURE, news) if isinstance(news, bytes) else line.write(TEXT, news.encode()))


async def _receive(line: Line, looker: Looker) -> None:
    while (message := await line.read()) is not None:
        await looker.receive(message[1].decode())
