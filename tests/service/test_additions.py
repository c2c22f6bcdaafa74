"""Sites added from the dashboard: who may, what is asked of a form, one at a time, and the end of a worker."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import get_args

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from dashboard_browser import PAGE, come_in, token_in
from double import DoubleRuntime

from doorkey.clock import SystemClock
from doorkey.config.settings import ServiceSettings
from doorkey.service.additions.addition import Addition, Order
from doorkey.service.additions.board import MOST_STEPS, AdditionState, Board, Phase
from doorkey.service.app import build_app, serve
from doorkey.service.workers.place import Place
from doorkey.service.workers.shared_text import SharedText

FULL = "the-key-for-all"
KEYS = {
    "reader": {"key": "may-read", "sites": ["*"]},
    "keeper": {"key": "may-keep", "sites": ["aichats"], "admin": True},
    "owner": {"key": "may-own", "sites": ["*"], "admin": True},
}
SECRET = "a-password-of-nobody"
STATE = AdditionState(id="0123456789abcdef", pid=os.getpid(), url="https://wiki.example/", site="wiki")


@dataclass
class Service:
    base: str
    board: Board
    browser: aiohttp.ClientSession

    async def come_in(self, key: str = FULL) -> str:
        """Come in with the rights of *key*, and return the page."""
        return await come_in(self.browser, key)

    async def post(self, path: str, token: str, **fields: str) -> tuple[int, str]:
        """The status of a form's answer, and its message."""
        headers = {"Origin": self.base, "x-doorkey-script": "1"}
        data = {"form_token": token, **fields}
        async with self.browser.post(f"/dashboard/additions{path}", data=data, headers=headers) as response:
            return response.status, (await response.json())["error"]["message"] if response.status >= 400 else ""


@pytest.fixture
async def service(runtime: DoubleRuntime) -> AsyncIterator[Service]:
    place = Place.alone()
    app = build_app(runtime, service=ServiceSettings.model_validate({"keys": KEYS}), key=FULL, place=place)
    async with (
        serve(app, "127.0.0.1", 0, shutdown=1.0) as base,
        aiohttp.ClientSession(base, cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser,
    ):
        yield Service(base, Board(place.memory.addition, lambda: None), browser)


@pytest.mark.parametrize(("key", "may"), [(FULL, True), ("may-own", True), ("may-keep", False), ("may-read", False)])
async def test_only_admins_of_all_sites_see_the_form_and_may_send_it(service: Service, key: str, *, may: bool) -> None:
    page = await service.come_in(key)
    assert ("Address of the page" in page) is may
    status, told = await service.post("", token_in(page), url="nonsense")
    assert status == (400 if may else 403), told
    assert service.board.read() is None


async def test_a_form_without_the_page_s_token_or_origin_begins_nothing(service: Service) -> None:
    token = token_in(await service.come_in())
    assert (await service.post("", "another", url=STATE.url))[0] == 403
    async with service.browser.post("/dashboard/additions", data={"form_token": token, "url": STATE.url}) as response:
        assert response.status == 403
    service.board.begin(replace(STATE, phase="found"))
    assert (await service.post(f"/{STATE.id}/write", "another"))[0] == 403
    assert service.board.take_wish(STATE.id) == ""


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"url": "ftp://wiki.example/"}, "expected an http(s) URL"),
        ({"url": f"https://ada:{SECRET}@wiki.example/"}, "without user and password"),
        ({"url": STATE.url, "name": "My Wiki"}, "a-z, 0-9, _ and -"),
        ({"url": STATE.url, "user": "ada"}, "without a password"),
        ({"url": STATE.url, "password": SECRET * 100}, "at most 1000 characters"),
        ({"url": STATE.url, "password": SECRET * 1000}, "at most 16384 bytes"),
    ],
)
async def test_what_can_t_be_meant_is_refused_and_not_repeated(
    service: Service, fields: dict[str, str], told: str
) -> None:
    status, message = await service.post("", token_in(await service.come_in()), **fields)
    assert status in (400, 413)
    assert told in message
    assert SECRET not in message
    assert service.board.read() is None


async def test_one_site_is_added_at_a_time(service: Service) -> None:
    token = token_in(await service.come_in())
    service.board.begin(STATE)
    status, told = await service.post("", token, url="https://shop.example/")
    assert (status, "being added already" in told) == (409, True)
    assert (await service.post("/another/cancel", token))[0] == 409
    assert (await service.post(f"/{STATE.id}/eat", token))[0] == 404


async def test_an_addition_that_has_ended_makes_room_and_can_be_closed(service: Service) -> None:
    token = token_in(await service.come_in())
    service.board.begin(replace(STATE, phase="failed", fault="it is down"))
    async with service.browser.get("/", headers=PAGE) as response:
        assert "it is down" in await response.text()
    assert (await service.post(f"/{STATE.id}/write", token))[0] == 409
    assert (await service.post(f"/{STATE.id}/dismiss", token))[0] == 204
    assert service.board.read() is None


@pytest.mark.parametrize("phase", get_args(Phase))
async def test_the_page_tells_of_each_phase(service: Service, phase: Phase) -> None:
    service.board.begin(replace(STATE, phase=phase))
    assert '<h3 id="addition-name">wiki</h3>' in await service.come_in()


async def test_what_a_site_says_is_escaped(service: Service) -> None:
    text = "<script>alert(1)</script>"
    state = replace(STATE, phase="found", site=text, lines=text, told=text, rows=((text, text, text),), unsure=(text,))
    service.board.begin(state)
    assert text not in await service.come_in()


async def test_an_addition_whose_worker_was_killed_has_failed(service: Service) -> None:
    ended = await asyncio.create_subprocess_exec(sys.executable, "-c", "")
    await ended.wait()
    service.board.begin(replace(STATE, pid=ended.pid))
    state = service.board.read()
    assert state is not None
    assert (state.phase, "nothing was written" in state.fault) == ("failed", True)
    assert not service.board.wish(STATE.id, "write")
    assert service.board.begin(STATE)


def test_a_wish_is_taken_once_and_only_the_latest_steps_are_kept() -> None:
    place, told = Place.alone(), list[int]()
    board = Board(place.memory.addition, lambda: told.append(1))
    assert board.begin(STATE)
    assert board.wish(STATE.id, "cancel")
    assert (board.take_wish("another"), board.take_wish(STATE.id), board.take_wish(STATE.id)) == ("", "cancel", "")
    state = STATE
    for number in range(MOST_STEPS + 5):
        state = state.with_step(f"step {number}")
    board.publish(state)
    board.publish(replace(state, id="another", phase="failed"))
    assert board.read() == state
    assert len(state.steps) == MOST_STEPS
    assert told


async def test_a_step_that_is_too_long_for_the_board_ends_the_addition(runtime: DoubleRuntime) -> None:
    room = SharedText(len(json.dumps({"state": asdict(STATE), "wish": ""})) + 65)
    board = Board(room, lambda: None)
    assert board.begin(STATE)
    order = Order(STATE.url, STATE.site, show=True)
    await Addition(order, STATE, runtime, board, SystemClock()).run()  # type: ignore[arg-type]  # a double
    state = board.read()
    assert state is not None
    assert (state.phase, state.steps, "log says what" in state.fault) == ("failed", (), True)
    assert not state.active
    await runtime.pool.close()


@pytest.mark.browser
@pytest.mark.slow
async def test_cancelling_it_and_ending_the_service_leave_nothing_behind(
    runtime: DoubleRuntime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    asked = asyncio.Event()

    async def hold(_: web.Request) -> web.Response:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    site, place = web.Application(), Place.alone()
    site.router.add_get("/", hold)
    board = Board(place.memory.addition, lambda: None)
    app = build_app(runtime, service=ServiceSettings(), key=FULL, place=place)
    async with TestServer(site, host="127.0.0.1") as server:
        fields = {"url": str(server.make_url("/")), "name": "held", "user": "ada", "password": SECRET}
        async with (
            serve(app, "127.0.0.1", 0, shutdown=1.0) as base,
            aiohttp.ClientSession(base, cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser,
        ):
            service = Service(base, board, browser)
            token = token_in(await service.come_in())
            ids = []
            for _ in range(2):
                assert (await service.post("", token, **fields))[0] == 204
                await asked.wait()
                asked.clear()
                state = board.read()
                assert state is not None
                ids.append(state.id)
                if len(ids) == 1:
                    assert (await service.post(f"/{state.id}/cancel", token))[0] == 204
                    await until(browser, "cancelled")
        state = board.read()
    assert state is not None
    assert (state.id, state.phase, state.fault) == (ids[1], "cancelled", "the service was stopped")
    assert SECRET not in place.memory.addition.read()
    assert [path for path in tmp_path.rglob("*") if path.name in ("doorkey.toml", "secrets.json")] == []
    await runtime.pool.close()


async def until(browser: aiohttp.ClientSession, word: str) -> None:
    """Return once the live page tells *word* of the addition."""
    async with asyncio.timeout(60), browser.get("/dashboard/events") as response:
        async for line in response.content:
            if word in json.loads(line.removeprefix(b"data: ") if line.strip() else b"{}").get("addition", ""):
                return
    raise AssertionError("the stream ended")
