"""Sites that let in only the browser itself: requests move to its live page, and come back."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from doorkey import Request, Runtime
from doorkey.browser import BrowserPool
from doorkey.browser.process import Process
from doorkey.clock import SystemClock
from doorkey.errors import Cut, DoorkeyError, MayHaveArrived, NeedsPerson, NotPlainHttp, TimeLimit
from doorkey.model.events import VisitEvent
from doorkey.model.upload import Upload

from .paged import PAGE, PagedSite, runtime_for, serving

pytestmark = [pytest.mark.browser, pytest.mark.slow]


class MovedClock(SystemClock):
    """The system's clock, set forward by a test."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def now(self) -> float:
        return super().now() + self.ahead

    def wall(self) -> float:
        return super().wall() + self.ahead


@pytest.fixture
async def site() -> AsyncIterator[PagedSite]:
    async with serving(PagedSite()) as site:
        yield site


async def fetched(runtime: Runtime, url: str = "/echo", **more: Any) -> tuple[str, int]:
    async with await runtime.send("wiki", Request(url=url, **more)) as answer:
        await answer.read()
        return answer.transport, answer.head.status


def browsers_own_connection(request: web.Request) -> web.StreamResponse | None:
    """Stands for a gate that ties its cookie to the browser's TLS: it tells Chromium's HTTP by how it spells names."""
    if b"User-Agent" in dict(request.raw_headers):
        return None
    return web.Response(
        status=403, headers={"cf-mitigated": "challenge", "server": "cloudflare"}, content_type="text/html",
        text="<!doctype html><title>Just a moment...</title>",
    )  # fmt: skip


async def test_a_gate_for_the_browsers_own_connection_moves_requests_to_its_page_and_back(
    site: PagedSite, browsers: BrowserPool
) -> None:
    site.gate, clock = browsers_own_connection, MovedClock()
    async with runtime_for(site, clock, pool=browsers, transport="auto") as runtime:
        assert runtime.status()[0].transport == "direct"
        assert await fetched(runtime) == ("page", 200)
        assert runtime.status()[0].transport == "page"
        loads = site.loads
        assert [await fetched(runtime) for _ in range(3)] == [("page", 200)] * 3
        assert site.loads <= loads + 2  # the session check is calibrated by two loads, with the cookies and without
        site.gate = lambda request: None
        clock.ahead = 3601.0
        assert await fetched(runtime) == ("direct", 200)
        assert runtime.status()[0].transport == "direct"


async def test_a_gate_that_stays_brings_them_back_to_the_page_after_the_expiry(
    site: PagedSite, browsers: BrowserPool
) -> None:
    site.gate, clock = browsers_own_connection, MovedClock()
    async with runtime_for(site, clock, pool=browsers, transport="auto") as runtime:
        await fetched(runtime)
        clock.ahead = 3601.0
        assert await fetched(runtime) == ("page", 200)


@pytest.mark.parametrize("header", ["Secure-Session-Registration", "Sec-Session-Registration"])
async def test_a_site_that_binds_its_session_to_the_device_is_served_by_the_page(
    site: PagedSite, browsers: BrowserPool, header: str
) -> None:
    site.page_headers, said = {header: '(ES256);path="/bind";challenge="c"'}, []

    def note(event: object) -> None:
        if isinstance(event, VisitEvent):
            said.append(event.detail)

    async with runtime_for(site, pool=browsers, transport="auto") as runtime:
        runtime.events.subscribe(note)
        assert await fetched(runtime) == ("page", 200)
    assert any("binds its session" in line for line in said)
    async with runtime_for(site, pool=browsers, transport="direct") as runtime:
        assert await fetched(runtime) == ("direct", 200)


async def test_a_setting_forbids_the_page(site: PagedSite, browsers: BrowserPool) -> None:
    site.gate = browsers_own_connection
    async with runtime_for(site, pool=browsers, transport="direct", limits={"patience": 0.0}) as runtime:
        with pytest.raises(NeedsPerson):
            await fetched(runtime)
        assert runtime.status()[0].transport == "direct"


async def odd_http(request: web.Request) -> web.StreamResponse:
    """An answer with a line that is no header: browsers skip it, aiohttp refuses the answer."""
    await request.read()
    assert request.transport is not None
    request.transport.write(b"HTTP/1.1 200 OK\r\nno header\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
    request.transport.close()
    return web.Response()


async def test_a_site_that_speaks_no_plain_http_is_served_by_its_page(site: PagedSite, browsers: BrowserPool) -> None:
    site.routes["/odd"] = odd_http
    async with runtime_for(site, pool=browsers, transport="auto") as runtime:
        with pytest.raises(MayHaveArrived):
            await fetched(runtime, "/odd", method="POST", body=b"once")
        assert len(site.seen) == 1
        assert await fetched(runtime, "/odd") == ("page", 200)
        assert await fetched(runtime, "/odd", method="POST", body=b"x") == ("page", 200)
        assert runtime.status()[0].transport == "page"
    async with runtime_for(site, pool=browsers, transport="direct") as runtime:
        with pytest.raises(NotPlainHttp):
            await fetched(runtime, "/odd")


async def test_another_hosts_answers_never_go_by_the_page(site: PagedSite, browsers: BrowserPool) -> None:
    async with runtime_for(site, pool=browsers) as runtime:
        assert await fetched(runtime, own_host=False) == ("direct", 200)


async def test_a_site_that_forbids_its_pages_everything_is_served(site: PagedSite, browsers: BrowserPool) -> None:
    site.page_headers = {"content-security-policy": "default-src 'none'; sandbox", "x-frame-options": "DENY"}
    async with runtime_for(site, pool=browsers) as runtime:
        assert await fetched(runtime, method="POST", json={"a": 1}) == ("page", 200)


async def test_a_page_that_is_busy_for_ever_holds_nobody_up(site: PagedSite) -> None:
    script = """fetch("/start").then(() => {
        const last = new XMLHttpRequest(); last.open("GET", "/busy", false); last.send(); for (;;);
    })"""
    started, busy = asyncio.Event(), asyncio.Event()

    async def start(request: web.Request) -> web.StreamResponse:
        await started.wait()
        return web.Response()

    async def says_busy(request: web.Request) -> web.StreamResponse:
        busy.set()
        return web.Response()

    site.page, site.routes = f"{PAGE}<script>{script}</script>", {"/start": start, "/busy": says_busy}
    async with runtime_for(site) as runtime:
        await runtime.session("wiki")
        started.set()
        await busy.wait()
        await asyncio.gather(*(fetched(runtime) for _ in range(4)))
        async with await runtime.send("wiki", Request(url="/stream")) as answer:
            assert await anext(answer.pieces())


async def test_limits_are_named(site: PagedSite, browsers: BrowserPool) -> None:
    async def silent(request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    site.routes["/silent"] = silent
    async with runtime_for(site, pool=browsers, limits={"first_byte": 2.0, "idle": 0.4}) as runtime:
        await runtime.session("wiki")
        with pytest.raises(TimeLimit, match=r"first byte, 2 s \(setting: limits.first_byte\)"):
            await fetched(runtime, "/silent")
        async with await runtime.send("wiki", Request(url="/stream")) as answer:
            with pytest.raises(TimeLimit, match="idle"):
                await answer.read()
        with pytest.raises(TimeLimit, match="total"):
            await runtime.send("wiki", Request(url="/silent"), timeout=0.3)


async def test_a_conversations_cookies_go_to_nobody_else(site: PagedSite, browsers: BrowserPool) -> None:
    async def talks(request: web.Request) -> web.StreamResponse:
        response = web.json_response(sorted(request.cookies))
        response.set_cookie("talk", request.query["n"], path="/", httponly=True)
        response.set_cookie("deep", request.query["n"], path="/deep")
        response.set_cookie("sid", "changed", httponly=True)
        return response

    site.routes["/talk"] = talks
    async with runtime_for(site, pool=browsers) as runtime:
        session = await runtime.session("wiki")
        await asyncio.gather(*(fetched(runtime, f"/talk?n={n}") for n in range(8)))
        await fetched(runtime, "/echo")
    assert len(site.seen) == 9
    assert {name for request in site.seen for name in request.cookies} == {"sid"}
    assert {request.cookies["sid"] for request in site.seen} == {session.cookie("sid")}


async def test_a_site_whose_answers_set_cookies_is_served_one_at_a_time(site: PagedSite, browsers: BrowserPool) -> None:
    under_way, most = 0, 0

    async def talks(request: web.Request) -> web.StreamResponse:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        response = web.StreamResponse()
        response.set_cookie("talk", "1")
        # All the way through the same browser: whoever else was sent off has come by then.
        assert await fetched(elsewhere) == ("page", 200)
        under_way -= 1  # once the head is there, bodies may run beside one another
        await response.prepare(request)
        await response.write(b"some")
        await response.write_eof(b"more")
        return response

    site.routes["/talk"] = talks
    async with (
        serving(PagedSite()) as other,
        runtime_for(other, pool=browsers) as elsewhere,
        runtime_for(site, pool=browsers) as runtime,
    ):
        await elsewhere.session("wiki")
        await asyncio.gather(*(fetched(runtime, "/talk") for n in range(6)))
    assert most == 1


async def test_an_upload_that_comes_slowly_holds_nobody_up(site: PagedSite, browsers: BrowserPool) -> None:
    reading, rest = asyncio.Event(), asyncio.Event()

    async def pieces() -> AsyncIterator[bytes]:
        yield b"some, "
        reading.set()
        await rest.wait()
        yield b"more"

    async with runtime_for(site, pool=browsers) as runtime:
        await runtime.session("wiki")
        upload = asyncio.create_task(fetched(runtime, method="POST", body=Upload(pieces())))
        await reading.wait()
        async with asyncio.timeout(10):
            assert await fetched(runtime) == ("page", 200)
        rest.set()
        assert await upload == ("page", 200)


async def test_a_stream_survives_a_renewal(site: PagedSite, browsers: BrowserPool) -> None:
    async with (
        runtime_for(site, pool=browsers) as runtime,
        await runtime.send("wiki", Request(url="/stream?n=a")) as answer,
    ):
        session = await runtime.visit("wiki")
        assert await fetched(runtime) == ("page", 200)
        assert site.seen[-1].cookies["sid"] == session.cookie("sid")
        site.release.set()
        assert (await answer.read()).endswith(b"data: a 4\n\n")


async def test_a_request_of_an_older_session_leaves_the_newer_ones_cookies_in_the_page(
    site: PagedSite, browsers: BrowserPool
) -> None:
    async def talks(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.set_cookie("sid", "changed", httponly=True)
        await response.prepare(request)
        await response.write(b"some")
        if request.query["n"] == "first":
            await site.release.wait()
        return response

    site.routes["/talk"] = talks
    async with runtime_for(site, pool=browsers) as runtime:
        await runtime.session("wiki")
        async with await runtime.send("wiki", Request(url="/talk?n=first")) as first:
            second = asyncio.create_task(fetched(runtime, "/talk?n=second"))  # waits for its turn
            session = await runtime.visit("wiki")
            site.release.set()
            await first.read()
        assert await second == ("page", 200)
        await fetched(runtime)
    assert [request.query.get("n") for request in site.seen] == ["first", "second", None]
    assert site.seen[-1].cookies["sid"] == session.cookie("sid")


@pytest.mark.parametrize("killed", ["browser", "driver"])
async def test_a_killed_browser_cuts_its_streams_and_the_next_request_renews(site: PagedSite, killed: str) -> None:
    async with runtime_for(site) as runtime:
        async with await runtime.send("wiki", Request(url="/stream")) as answer:
            pid = runtime.pool.browser_pid
            assert pid is not None
            os.kill(pid if killed == "browser" else Process.of(pid).parent, signal.SIGKILL)
            with pytest.raises(Cut):
                await answer.read()
        assert await fetched(runtime) == ("page", 200)
        assert runtime.status()[0].visits == 2


@pytest.mark.parametrize(("method", "answered"), [("GET", True), ("POST", False)])
async def test_a_request_whose_page_dies_is_sent_again_where_that_does_no_harm(
    site: PagedSite, method: str, answered: bool
) -> None:
    async def held(request: web.Request) -> web.StreamResponse:
        if not arrived.is_set():
            arrived.set()
            await asyncio.Event().wait()
        return web.Response(text="here")

    arrived = asyncio.Event()
    site.routes["/held"] = held
    async with runtime_for(site) as runtime:
        request = Request(url="/held", method=method, repeatable=method == "GET")
        asked = asyncio.create_task(runtime.send("wiki", request))
        await arrived.wait()
        pid = runtime.pool.browser_pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        if answered:
            async with await asked as answer:
                assert await answer.read() == b"here"
        else:
            with pytest.raises(MayHaveArrived):
                await asked
        assert len(site.seen) == (2 if answered else 1)


async def test_a_refused_session_is_renewed_in_the_page_too(site: PagedSite, browsers: BrowserPool) -> None:
    async with runtime_for(site, pool=browsers, stale=[]) as runtime:
        assert await fetched(runtime) == ("page", 200)
        old = site.seen[-1].cookies["sid"]
        site.gate = lambda request: web.Response(status=401) if request.cookies.get("sid") == old else None
        answers = await asyncio.gather(*(fetched(runtime) for _ in range(5)))
        assert answers == [("page", 200)] * 5
        assert runtime.status()[0].visits == 2


async def test_shutting_down_ends_what_is_under_way(site: PagedSite, browsers: BrowserPool) -> None:
    async with runtime_for(site, pool=browsers) as runtime:
        answer = await runtime.send("wiki", Request(url="/stream"))
    with pytest.raises(DoorkeyError):
        await answer.read()
