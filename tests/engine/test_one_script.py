"""A site that has one script for everything: its login is told from its other pages by the parameters."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from doorkey.errors import SessionEnded
from event_lines import site_events

from .login_engine import STEPS, LoginSite, engaged, page

pytestmark = pytest.mark.slow

VISIT = {"steps": [{"open": "/doku.php?id=start&do=login"}, *STEPS[1:], {"click": "button"}]}
DEAD = {
    "a redirect to the login": lambda request: page("", 302, Location="/doku.php?id=start&do=login"),
    "a script that leads to the login": lambda request: page(
        "<script>location = '/doku.php?do=login&id=start'</script>"
    ),
}


@dataclass
class ScriptSite(LoginSite):
    """Leads from each write to what was written. The session ends while the writes `last` are processed.

    The answers to the writes `held` come once the page of the session check was asked for, and that page comes once
    `shown` is set.
    """

    last: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    shown: asyncio.Event | None = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        known = request.cookies.get("sid", "") in self.live
        if request.method == "POST" and known:
            name = (await request.text()).partition("=")[2]
            self.notes.append(name)
            if name in self.last:
                self.kill()
            if name in self.held:
                await self.asked.wait()
            return page("", 302, Location=f"/doku.php?id={name}")
        if self.shown is not None and self.notes and known:
            self.asked.set()
            await self.shown.wait()
        return await super().handle(request)


async def test_only_the_first_write_waits_for_a_session_check() -> None:
    async with engaged(server=ScriptSite(), visit=VISIT) as engine:
        await engine.write("first", "/doku.php")
        await engine.settle()
        pages = engine.site.pages
        for number in range(10):
            assert await engine.write(f"n{number}", "/doku.php") == (302, "ok", 0)
        assert engine.site.pages == pages


async def test_a_write_under_which_the_session_ends_is_made_once() -> None:
    async with engaged(server=ScriptSite(last=("first", "third")), visit=VISIT) as engine:
        with pytest.raises(SessionEnded):
            await engine.write("first", "/doku.php")
        assert await engine.write("second", "/doku.php") == (302, "ok", 0)
        assert await engine.write("third", "/doku.php") == (302, "ok", 0)
        assert await engine.write("fourth", "/doku.php") == (302, "ok", 1)
        assert engine.site.notes == ["first", "second", "third", "fourth"]


@pytest.mark.parametrize("form", DEAD)
async def test_a_write_that_only_the_login_answers_is_sent_again(form: str) -> None:
    async with engaged(server=ScriptSite(dead=DEAD[form]), visit=VISIT) as engine:
        await engine.write("first", "/doku.php")
        engine.site.kill()
        assert await engine.write("second", "/doku.php") == (302, "ok", 1)
        assert engine.site.notes == ["first", "second"]


async def test_a_write_that_waited_for_the_check_of_another_is_not_taken_for_lost() -> None:
    lines: list[str] = []
    site = ScriptSite(held=("second",), shown=asyncio.Event())
    async with engaged(server=site, visit=VISIT) as engine:
        engine.target.events = site_events(lines)
        first, second = (asyncio.create_task(engine.write(name, "/doku.php")) for name in ("first", "second"))
        async with asyncio.timeout(30):
            while sum("suspect" in line for line in lines) < 2:
                await asyncio.sleep(0)
        assert site.shown is not None
        site.shown.set()
        assert await first == (302, "ok", 0)
        site.kill()
        assert await second == (302, "ok", 0)
        assert sorted(site.notes) == ["first", "second"]


async def test_at_an_address_that_sessions_see_as_well_nothing_is_sent_again_on_a_guess() -> None:
    def notes_at_home(request: web.Request, sid: str) -> web.StreamResponse:
        engine.site.notes.append("made")
        engine.site.kill()
        return page("", 302, Location="/")

    async with engaged(visit={"steps": [{"open": "/"}, *STEPS[1:], {"click": "button"}]}) as engine:
        engine.site.writes["/save"] = notes_at_home
        with pytest.raises(SessionEnded):
            await engine.write(path="/save")
        assert engine.site.notes == ["made"]


@dataclass
class OpenWiki(ScriptSite):
    """Everybody may read it. All its pages have the same title, and none asks for a login."""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        known = request.cookies.get("sid", "") in self.live
        if request.method == "GET":
            return page("<title>Wiki</title>" + ("<a id=out>Log out</a>" if known else "<p>a page</p>"))
        answer = await super().handle(request)
        if self.notes[-1] in self.last:
            answer.headers["Location"] += "&rev=1"
        return answer


async def test_another_page_of_the_script_is_not_the_one_that_strangers_get() -> None:
    check = {"url": "/doku.php?id=start"}
    async with engaged(server=OpenWiki(last=("second",)), visit=VISIT, check=check) as engine:
        await engine.write("first", "/doku.php")
        with pytest.raises(SessionEnded):
            await engine.write("second", "/doku.php")
        assert engine.site.notes == ["first", "second"]
