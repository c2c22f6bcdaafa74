"""A login by hand and a look at a site, begun on the dashboard: who may begin one, what is refused, where it leads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from dashboard_browser import PAGE, come_in, token_in
from double import DoubleRuntime

from doorkey.browser.live_view.handovers import Handovers
from doorkey.config.settings import ServiceSettings
from doorkey.errors import SiteDown
from doorkey.service.app import build_app, serve
from doorkey.service.dashboard.person_visits import PersonVisits

FULL = "the-key-for-all"
KEYS = {
    "reader": {"key": "may-read", "sites": ["*"]},
    "keeper": {"key": "may-keep", "sites": ["aichats"], "admin": True},
    "other": {"key": "may-other", "sites": ["other"], "admin": True},
}


class StillView:
    """A view whose page is nobody's."""

    site, why = "aichats", "a test"

    @contextmanager
    def open(self) -> Iterator[None]:
        yield


@dataclass
class Logins:
    """Offers a view, and waits for the end of the test."""

    begun: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)

    async def log_in_by_link(self, target: object, handovers: Handovers) -> None:
        await self._show("login", handovers)

    async def open_window(self, target: object, *, keep: bool, handovers: Handovers) -> None:
        assert not keep
        await self._show("open", handovers)

    async def _show(self, what: str, handovers: Handovers) -> None:
        self.begun.append(what)
        view: Any = StillView()
        try:
            with handovers.offer(view):
                await asyncio.get_running_loop().create_future()
        finally:
            self.ended.append(what)


class PeoplesRuntime(DoubleRuntime):
    logins: Logins

    fails: SiteDown | None = None

    def target(self, site: str) -> None:
        if self.fails is not None:
            raise self.fails


@pytest.fixture
async def runtime() -> PeoplesRuntime:
    made = PeoplesRuntime()
    made.logins = Logins()
    return made


@dataclass
class Service:
    base: str
    runtime: PeoplesRuntime
    browser: aiohttp.ClientSession

    async def come_in(self, key: str = FULL) -> str:
        """Come in with the rights of *key*, and return the token of the page's forms."""
        return token_in(await come_in(self.browser, key))

    async def press(self, what: str, token: str, **headers: str) -> tuple[int, str]:
        """The status of a button's answer, and where it leads or what it says."""
        given = {"Origin": self.base, **headers}
        path, form = f"/dashboard/sites/aichats/{what}", {"form_token": token}
        async with self.browser.post(path, data=form, headers=given, allow_redirects=False) as response:
            return response.status, response.headers.get("Location") or await response.text()


@pytest.fixture
async def service(runtime: PeoplesRuntime) -> AsyncIterator[Service]:
    app = build_app(runtime, service=ServiceSettings.model_validate({"keys": KEYS}), key=FULL)
    async with (
        serve(app, "127.0.0.1", 0, shutdown=1.0) as base,
        aiohttp.ClientSession(base, cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser,
    ):
        yield Service(base, runtime, browser)


@pytest.mark.parametrize("what", ["login", "open"])
@pytest.mark.parametrize("key", [FULL, "may-keep"])
async def test_a_button_leads_to_the_live_view_and_a_second_one_is_refused_meanwhile(
    service: Service, what: str, key: str
) -> None:
    token = await service.come_in(key)
    status, where = await service.press(what, token)
    (handover,) = service.runtime.pool.handovers.list()
    assert (status, where) == (303, f"/dashboard/live/{handover.id}")
    for another in ("login", "open"):
        status, told = await service.press(another, token)
        assert (status, "is in the live view already" in told) == (409, True)
    assert service.runtime.logins.begun == [what]


async def test_only_admins_of_the_site_see_the_buttons_and_may_use_them(service: Service) -> None:
    for key in ("may-read", "may-other"):
        token = await service.come_in(key)
        async with service.browser.get("/", headers=PAGE) as page:
            assert "Log in aichats" not in await page.text()
        assert (await service.press("login", token))[0] == 403
    token = await service.come_in()
    async with service.browser.get("/", headers=PAGE) as page:
        assert "Log in aichats" in await page.text()
    assert (await service.press("login", "another token"))[0] == 403
    assert (await service.press("login", token, Origin="https://evil.example"))[0] == 403
    status, told = await service.press("open", token, **{"X-Forwarded-For": "192.0.2.1"})
    assert (status, "HTTPS" in told) == (403, True)
    assert service.runtime.logins.begun == []


async def test_what_fails_before_the_page_is_there_is_told_in_place_of_it(service: Service) -> None:
    heard = len(service.runtime.pool.handovers.on_change)
    service.runtime.fails = SiteDown("the site refuses the connection")
    status, told = await service.press("login", await service.come_in())
    assert (status, "refuses the connection" in told, "Back to the dashboard" in told) == (503, True, True)
    assert len(service.runtime.pool.handovers.on_change) == heard


async def test_the_end_of_the_service_ends_what_is_open(runtime: PeoplesRuntime) -> None:
    visits = PersonVisits(runtime)  # type: ignore[arg-type]  # a double
    await visits.begin("aichats", "login")
    ending = visits.end_with(aiohttp.web.Application())
    await anext(ending)
    assert await anext(ending, "over") == "over"
    assert (runtime.logins.ended, runtime.pool.handovers.list()) == (["login"], ())


async def test_without_room_in_the_live_view_nothing_is_begun(service: Service) -> None:
    token, handovers = await service.come_in(), service.runtime.pool.handovers
    with ExitStack() as others:
        while not handovers.full:
            view: Any = StillView()
            others.enter_context(handovers.offer(view))
        status, told = await service.press("login", token)
    assert (status, "finish that one first" in told, service.runtime.logins.begun) == (409, True, [])
