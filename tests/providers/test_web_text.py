"""Rules that look for a text: how far they see, and what follows where they see nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from doorkey.model.request import Request
from doorkey.model.site import Site
from doorkey_providers.web.options import WebOptions
from doorkey_providers.web.site import WebSite
from entered import EnteredRuntime, TokenSite, serving

STYLE = b"<style>" + b"x" * 100_000 + b"</style>"
LONG = b"<style>" + b"x" * 400_000 + b"</style>"
POST, GET = Request(url="/notes", method="POST", body=b"text=a"), Request(url="/notes", repeatable=True)


class Notes(TokenSite):
    """Takes notes of whoever shows the living cookie; answers all with 200 and a page that says who was meant."""

    def __init__(self, head: bytes = STYLE) -> None:
        super().__init__()
        self.alive = 1
        self.head = head
        self.saved = b"note saved"
        self.kind = "text/html"
        self.kept = 0
        self.gate: asyncio.Event | None = None

    def kill(self) -> None:
        self.alive += 1

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request)
        known = request.cookies.get("sid") == f"s{self.alive}"
        self.kept += known
        text = self.saved if known else b"please log in"
        response = web.StreamResponse(headers={"Content-Type": self.kind})
        await response.prepare(request)
        await response.write(self.head)
        if self.gate is not None:
            await self.gate.wait()
        await response.write(text)
        await response.write_eof()
        return response


@asynccontextmanager
async def entered(notes: Notes, **options: Any) -> AsyncIterator[EnteredRuntime]:
    async with serving(notes), EnteredRuntime(notes) as runtime:
        site = Site(name="wiki", url=notes.url, options=WebOptions.model_validate(options))
        runtime.target.provider = WebSite(site)
        yield runtime


async def send(runtime: EnteredRuntime, request: Request) -> tuple[bytes, int, bool]:
    """The body, how often the session was renewed, and whether the answer counts as accepted."""
    async with await runtime.send("wiki", request) as answer:
        return await answer.read(), answer.renewed, bool(answer.verdict)


async def test_a_refusal_far_into_the_page_loses_no_write() -> None:
    notes = Notes()
    async with entered(notes, stale=["body:please log in"]) as runtime:
        await send(runtime, GET)
        notes.kill()
        for _ in range(3):
            body, _, accepted = await send(runtime, POST)
            assert (body[-10:], accepted) == (b"note saved", True)
        assert (notes.kept, runtime.target.visits) == (4, 2)


async def test_a_success_far_into_the_page_is_sent_once() -> None:
    notes = Notes()
    async with entered(notes, alive=["body:note saved"]) as runtime:
        assert (await send(runtime, POST))[1:] == (0, True)
        assert (len(notes.seen), runtime.target.visits) == (1, 1)


@pytest.mark.parametrize("encoding", ["identity", "gzip", "deflate"])
async def test_a_compressed_answer_is_read_as_any(encoding: str) -> None:
    class Compressed(Notes):
        async def handle(self, request: web.Request) -> web.StreamResponse:
            self.seen.append(request)
            known = request.cookies.get("sid") == f"s{self.alive}"
            response = web.Response(
                body=self.head + (self.saved if known else b"please log in"), content_type="text/html"
            )
            response.enable_compression(web.ContentCoding(encoding))
            return response

    notes = Compressed()
    asked = Request(url="/notes", method="POST", body=b"text=a", encodings=encoding)
    async with entered(notes, stale=["body:please log in"]) as runtime:
        await send(runtime, asked)
        notes.kill()
        assert (await send(runtime, asked))[1:] == (1, True)


async def test_a_text_past_what_is_looked_at_refuses_nothing() -> None:
    notes = Notes(head=LONG)
    async with entered(notes, alive=["body:note saved"], stale=["body:please log in"]) as runtime:
        body, renewed, accepted = await send(runtime, POST)
        assert (body == LONG + b"note saved", renewed, accepted) == (True, 0, True)
        assert len(notes.seen) == 1


async def test_a_write_is_never_sent_again_for_a_text_that_is_missing() -> None:
    notes = Notes()
    notes.saved = b"saved, in other words"
    async with entered(notes, alive=["body:note saved"]) as runtime:
        body, _, accepted = await send(runtime, POST)
        assert (body[-11:], accepted, notes.kept) == (b"other words", False, 1)
        # The session was renewed behind it, once: the site may always say this.
        assert runtime.target.visits == 2
        notes.kill()
        await send(runtime, POST)
        assert (len(notes.seen), runtime.target.visits) == (2, 2)


async def test_a_read_is_sent_again_for_a_text_that_is_missing() -> None:
    notes = Notes()
    async with entered(notes, alive=["body:note saved"]) as runtime:
        await send(runtime, GET)
        notes.kill()
        assert (await send(runtime, GET))[1:] == (1, True)


async def test_a_page_that_grows_slowly_is_not_waited_for() -> None:
    notes = Notes(head=b"<p>so far" * 1000)
    notes.gate = asyncio.Event()
    async with entered(notes, alive=["body:note saved"]) as runtime:
        async with asyncio.timeout(4):
            answer = await runtime.send("wiki", GET)
        assert answer.verdict
        notes.gate.set()
        assert (await answer.read()).endswith(b"<p>so farnote saved")


async def test_events_are_never_waited_for() -> None:
    notes = Notes(head=b"data: so far\n\n")
    notes.kind, notes.gate = "text/event-stream", asyncio.Event()
    async with entered(notes, alive=["body:note saved"], stale=["body:please log in"]) as runtime:
        async with asyncio.timeout(4):
            answer = await runtime.send("wiki", POST)
        assert answer.verdict
        await answer.aclose()
        notes.gate.set()


async def test_a_page_without_a_media_type_is_looked_at_as_any() -> None:
    class Untyped(Notes):
        async def handle(self, request: web.Request) -> web.StreamResponse:
            self.seen.append(request)
            await request.read()
            known = request.cookies.get("sid") == f"s{self.alive}"
            self.kept += known
            assert request.transport is not None
            request.transport.write(
                b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n\xef\xbb\xbf<!doctype html>" + self.head
            )
            request.transport.write(self.saved if known else b"please log in")
            request.transport.close()
            raise ConnectionResetError

    notes = Untyped()
    async with entered(notes, stale=["body:please log in"], alive=["body:note saved"]) as runtime:
        await send(runtime, POST)
        notes.kill()
        assert (await send(runtime, POST))[1:] == (1, True)
        assert notes.kept == 2
        notes.saved = b"something else"
        assert (await send(runtime, POST))[1:] == (0, False)
