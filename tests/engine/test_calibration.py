"""A check that can't be calibrated costs few page loads, however long it goes on."""

from __future__ import annotations

import asyncio

from aiohttp import web

from doorkey.clock import SystemClock
from doorkey.engine.check.learning import EAGER, RETRY

from .login_engine import LoginSite, engaged


class Ahead(SystemClock):
    """Runs ahead of the machine's by `by` seconds."""

    by = 0.0

    def now(self) -> float:
        return super().now() + self.by


class RotatingSite(LoginSite):
    """Gives another cookie with each load of its page. The one before is dead then."""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        answer = await super().handle(request)
        sid = request.cookies.get("sid", "")
        if request.method == "GET" and sid in self.live:
            self.live.discard(sid)
            answer.headers["Set-Cookie"] = f"sid={self.log_in()}; Path=/"
        return answer


async def loads_in(minutes: int, site: LoginSite) -> int:
    """How often the site's page is loaded while a write is made each minute."""
    clock = Ahead()
    async with engaged(clock=clock, server=site) as engine:
        for minute in range(minutes):
            clock.by = minute * RETRY
            await engine.write(f"n{minute}", "/plain")
            await engine.settle()
    return site.pages + site.strangers


async def test_tries_that_fail_are_made_half_as_often_each_time() -> None:
    assert await loads_in(60, LoginSite(down=True)) <= 2 * 7


async def test_a_page_that_strangers_see_is_loaded_once_for_each() -> None:
    assert await loads_in(60, LoginSite(open_to_all=True)) == 2


async def test_a_new_session_is_tried_at_once_a_few_times() -> None:
    site = LoginSite(down=True)
    async with engaged(server=site) as engine:
        for number in range(EAGER + 1):
            site.kill()
            await asyncio.gather(*(engine.write(f"n{number}") for _ in range(3)))
            await engine.settle()
    assert site.strangers == EAGER


async def test_the_first_request_waits_for_the_calibration() -> None:
    async with engaged() as engine:
        await engine.write()
        assert "a dead session is noticed" in engine.checks.status(engine.target.key)[1]
        engine.site.kill()
        assert await engine.write("again") == (302, "ok", 1)


async def test_cookies_that_the_page_rotates_are_the_sessions_from_then_on() -> None:
    async with engaged(server=RotatingSite()) as engine:
        assert await engine.write("one") == (302, "ok", 0)
        assert await engine.write("two") == (302, "ok", 0)
        assert engine.site.notes == ["one", "two"]
        assert engine.target.visits == 1
