"""The dashboard: who comes in, what each may see and do, and that nothing secret stands in it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from dashboard_browser import PAGE, come_in, make_link, token_in
from double import DoubleRuntime

from doorkey.config.settings import ServiceSettings
from doorkey.model.chat import Image
from doorkey.model.cookies import Cookie
from doorkey.model.events import LEFT, Attempt, CallRecord, VisitEvent, VisitRecord
from doorkey.model.session import Key, Session
from doorkey.service.app import RULES, adopt, build_app, serve
from doorkey.service.dashboard.history import REQUESTS, History, RequestRecord
from doorkey.service.dashboard.page import render
from doorkey.service.dashboard.view import view_requests
from doorkey.service.dashboard.viewers import LINK_LIFE, VIEWER_LIFE
from doorkey.status import State
from stepped_clock import SteppedClock

FULL = "the-key-for-all"
KEYS = {
    "phone": {"key": "may-aichats", "sites": ["aichats"]},
    "wiki": {"key": "may-wiki", "sites": ["wiki"]},
    "keeper": {"key": "may-keep", "sites": ["aichats"], "admin": True},
}


@dataclass
class Service:
    """A service with its clock, and a browser that has shown no key."""

    app: web.Application
    base: str
    browser: aiohttp.ClientSession
    clock: SteppedClock

    async def come_in(self, key: str = FULL) -> None:
        await come_in(self.browser, key)

    async def link(self, key: str = FULL) -> str:
        return await make_link(self.browser, key)

    async def page(self) -> str:
        async with self.browser.get("/", headers=PAGE) as response:
            assert response.status == 200
            return await response.text()

    async def press(self, button: str, token: str, **headers: str) -> int:
        given = {"Origin": self.base, **headers}
        path, form = f"/dashboard/sites/aichats/{button}", {"form_token": token}
        async with self.browser.post(path, data=form, headers=given, allow_redirects=False) as response:
            return response.status

    async def ask(self, model: str, token: str) -> tuple[int, list[dict[str, str]]]:
        """The status of a question of the playground's, and the lines of its answer."""
        body = {"model": model, "messages": [{"role": "user", "content": "prompt-SECRET"}]}
        headers = {"Origin": self.base, "x-doorkey-form": token}
        async with self.browser.post("/dashboard/ask", json=body, headers=headers) as response:
            text = await response.text()
            return response.status, [json.loads(line) for line in text.splitlines()] if response.ok else []


@pytest.fixture
async def service(runtime: DoubleRuntime) -> AsyncIterator[Service]:
    clock, settings = SteppedClock(), ServiceSettings.model_validate({"keys": KEYS})
    app = build_app(runtime, service=settings, key=FULL, clock=clock)
    jar = aiohttp.CookieJar(unsafe=True)
    async with (
        serve(app, "127.0.0.1", 0, shutdown=1.0) as base,
        aiohttp.ClientSession(base, cookie_jar=jar) as browser,
    ):
        yield Service(app, base, browser, clock)


async def test_a_browser_without_the_key_is_told_how_to_come_in(service: Service) -> None:
    async with service.browser.get("/", headers=PAGE) as response:
        text = await response.text()
        assert (response.status, response.content_type) == (401, "text/html")
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert "doorkey dashboard" in text
    assert "aichats" not in text


async def test_a_link_works_once_and_sets_a_cookie_that_no_script_and_no_other_site_uses(service: Service) -> None:
    link = await service.link()
    async with service.browser.get(link, allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (303, "/")
        cookie = response.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "aichats" in await service.page()
    service.browser.cookie_jar.clear()
    async with service.browser.get(link, headers=PAGE) as response:
        assert response.status == 401
        assert "works once" in await response.text()


@pytest.mark.parametrize("seconds", [LINK_LIFE - 1, LINK_LIFE + 1])
async def test_a_link_ends_after_ten_minutes(service: Service, seconds: float) -> None:
    link = await service.link()
    await service.clock.advance(seconds)
    async with service.browser.get(link, headers=PAGE) as response:
        assert response.status == (200 if seconds < LINK_LIFE else 401)


async def test_a_browser_that_loads_links_ahead_does_not_use_one_up(service: Service) -> None:
    link = await service.link()
    async with service.browser.get(link, headers={"Sec-Purpose": "prefetch;prerender"}) as response:
        assert response.status == 403
    async with service.browser.head(link) as response:
        assert response.status == 401
    async with service.browser.get(link, headers=PAGE) as response:
        assert response.status == 200


async def test_who_came_in_is_out_after_leaving_after_its_time_and_after_the_keys_change(service: Service) -> None:
    await service.come_in()
    form = {"form_token": token_in(await service.page())}
    async with service.browser.post("/dashboard/leave", data=form, headers={"Origin": service.base}) as response:
        assert response.status == 401
    await service.come_in()
    await service.clock.advance(VIEWER_LIFE + 1)
    async with service.browser.get("/") as response:
        assert response.status == 401
    await service.come_in()
    adopt(service.app, ServiceSettings.model_validate({"keys": KEYS}), FULL)
    await service.page()
    adopt(service.app, ServiceSettings.model_validate({"keys": KEYS}), "another key")
    async with service.browser.get("/") as response:
        assert response.status == 401


async def test_the_cookie_opens_the_dashboard_and_nothing_else(service: Service) -> None:
    await service.come_in()
    for path in ("/api/sites", "/v1/models", "/site/aichats/", "/metrics", "/docs"):
        async with service.browser.get(path) as response:
            assert response.status == 401, path


async def test_no_key_and_no_prompt_stands_in_the_page(service: Service, runtime: DoubleRuntime) -> None:
    headers = {"Accept": "text/html", "x-api-key": FULL}
    body = {"model": "aichats/gpt-4", "messages": [{"role": "user", "content": "prompt-SECRET"}]}
    async with service.browser.post("/v1/chat/completions?a=query-SECRET", json=body, headers=headers) as response:
        assert response.status == 200
    async with service.browser.get("/path-SECRET", headers=headers) as response:
        assert response.status == 404
    async with service.browser.get("/", headers=headers) as response:
        text = await response.text()
    assert "/v1/chat/completions" in text
    for secret in (FULL, "SECRET", *(str(key["key"]) for key in KEYS.values())):
        assert secret not in text


async def test_the_login_state_names_what_the_session_holds_and_shows_no_value(
    service: Service, runtime: DoubleRuntime
) -> None:
    runtime.session = Session(
        key=Key("aichats", "http://127.0.0.1:1/"),
        gen=1,
        url="http://127.0.0.1:1/",
        born=service.clock.wall(),
        soft=60,
        hard=7200,
        cookies=(Cookie("sid", "cookie-SECRET", "127.0.0.1"),),
        headers={"x-auth": "header-SECRET"},
        tokens={"nonce": "token-SECRET"},
        local={"jwt": "local-SECRET"},
    )
    await service.come_in("may-keep")
    async with service.browser.get("/dashboard/sites/aichats/login") as response:
        text = await response.text()
        assert response.status == 200
    for shown in ("sid", "nonce", "in 2 h at the latest", "doorkey login aichats --by-hand"):
        assert shown in text
    assert "SECRET" not in text
    await service.come_in("may-aichats")
    async with service.browser.get("/dashboard/sites/aichats/login") as response:
        assert response.status == 403


@pytest.mark.parametrize("host", ["localhost", "localhost:", "localhost:99999", "[::1]:8787", "[::1]"])
async def test_any_loopback_host_is_told_how_to_come_in(service: Service, host: str) -> None:
    async with service.browser.get("/", headers={**PAGE, "Host": host}) as response:
        assert response.status == 401


async def test_the_page_may_load_and_send_nothing_elsewhere_and_no_cache_keeps_it(service: Service) -> None:
    await service.come_in()
    async with service.browser.get("/", headers=PAGE) as response:
        policy = response.headers["Content-Security-Policy"]
        assert response.headers["Cache-Control"] == "no-store"
        text = await response.text()
    assert {"default-src 'none'", "script-src 'self'", "connect-src 'self'", "form-action 'self'"} < set(
        policy.split("; ")
    )
    assert "unsafe" not in policy
    assert re.findall(r"<script(?! src)|\son\w+=|\sstyle=", text) == []


async def test_names_are_escaped(service: Service, runtime: DoubleRuntime) -> None:
    detail = "<script>alert(1)</script>"
    runtime.events.publish(VisitEvent(at=service.clock.wall(), site="aichats", step="check", detail=detail))
    await service.come_in()
    text = await service.page()
    assert "&lt;script&gt;alert(1)" in text
    assert detail not in text


@pytest.mark.parametrize(
    ("state", "error", "told"),
    [
        ("open", "", "refused several new sessions in a row"),
        ("needs person", "the login asks for a <code>", "asks for a &lt;code&gt;"),
    ],
)
async def test_a_site_that_needs_a_person_stands_in_their_queue(
    service: Service, runtime: DoubleRuntime, monkeypatch: pytest.MonkeyPatch, state: State, error: str, told: str
) -> None:
    (before,) = runtime.status()
    await service.come_in()
    assert "A person is needed" not in await service.page()
    monkeypatch.setattr(runtime, "status", lambda: [replace(before, state=state, last_error=error)])
    queue = (await service.page()).partition('id="sites-title"')[0]
    assert "A person is needed" in queue
    assert told in queue
    await service.come_in("may-aichats")
    assert "A person is needed" not in await service.page()


async def test_buttons_ask_for_the_own_page_s_token_and_origin(service: Service, runtime: DoubleRuntime) -> None:
    await service.come_in()
    token = token_in(await service.page())
    assert await service.press("pause", "wrong") == 403
    assert await service.press("pause", token, Origin="https://evil.example") == 403
    assert await service.press("pause", token, **{"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:1"}) == 403
    async with service.browser.post("/dashboard/sites/aichats/pause", data={"form_token": token}) as response:
        assert response.status == 403  # without an Origin
    assert runtime.paused == set()
    assert await service.press("pause", token) == 303
    assert runtime.paused == {"aichats"}
    assert await service.press("resume", token, **{"x-doorkey-script": "1"}) == 204
    assert await service.press("renew", token) == 303
    assert (runtime.paused, runtime.visited) == (set(), ["aichats"])


async def test_a_button_that_fails_says_why_to_scripts_and_to_people(service: Service) -> None:
    await service.come_in()
    form = {"form_token": token_in(await service.page())}
    path, headers = "/dashboard/sites/nobody/pause", {"Origin": service.base}
    async with service.browser.post(path, data=form, headers=headers) as response:
        assert (response.status, response.content_type) == (404, "text/html")
        assert "no site is called" in await response.text()
    async with service.browser.post(path, data=form, headers={**headers, "x-doorkey-script": "1"}) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (404, "site_not_found")


async def test_the_token_of_one_viewer_is_not_that_of_another(service: Service, runtime: DoubleRuntime) -> None:
    await service.come_in()
    token = token_in(await service.page())
    await service.come_in()
    assert await service.press("pause", token) == 403


@pytest.mark.parametrize(
    ("key", "sees", "status"), [("may-aichats", True, 403), ("may-wiki", False, 403), ("may-keep", True, 303)]
)
async def test_a_key_of_limited_rights_sees_and_does_what_it_may(
    service: Service, runtime: DoubleRuntime, key: str, sees: bool, status: int
) -> None:
    await service.come_in(key)
    text = await service.page()
    assert ('data-key="aichats"' in text) is sees
    assert ("aichats/gpt-4" in text) is sees
    assert ("Renew aichats" in text) is (status == 303)
    assert await service.press("pause", token_in(text)) == status
    assert (await service.ask("aichats/gpt-4", token_in(text)))[0] == (200 if sees else 403)


async def test_without_a_key_the_page_is_open_and_its_forms_are_not(runtime: DoubleRuntime) -> None:
    async with (
        serve(build_app(runtime, service=ServiceSettings(), key=None), "127.0.0.1", 0) as base,
        aiohttp.ClientSession(base) as browser,
    ):
        service = Service(web.Application(), base, browser, SteppedClock())
        token = token_in(await service.page())
        assert await service.press("pause", "") == 403
        assert await service.press("pause", token, Origin="https://evil.example") == 403
        assert runtime.paused == set()
        assert await service.press("pause", token) == 303


async def test_the_playground_streams_text_and_pictures(service: Service, runtime: DoubleRuntime) -> None:
    runtime.script = [["Look: "], [Image(url="https://site.example/i.png", data=b"png", media_type="image/png")]]
    await service.come_in()
    status, lines = await service.ask("aichats/gpt-4", token_in(await service.page()))
    assert status == 200
    assert lines[0] == {"text": "Look: "}
    assert lines[1]["image"] == "data:image/png;base64,cG5n"
    assert lines[2] == {"end": "stop"}
    assert (await service.ask("aichats/gpt-4", "wrong"))[0] == 403


async def test_an_answer_that_fails_on_its_way_ends_with_the_error(service: Service, runtime: DoubleRuntime) -> None:
    runtime.script = [["Half"], RuntimeError("broken")]
    await service.come_in()
    body = {"model": "aichats/gpt-4", "messages": [{"role": "user", "content": "Hi"}]}
    headers = {"Origin": service.base, "x-doorkey-form": token_in(await service.page())}
    async with service.browser.post("/dashboard/ask", json=body, headers=headers) as response:
        assert json.loads(await response.content.readline()) == {"text": "Half"}
        assert "error" in json.loads(await response.content.readline())


async def read_event(response: aiohttp.ClientResponse) -> dict[str, str]:
    async with asyncio.timeout(60):
        line = await response.content.readline()
        assert await response.content.readline() == b"\n"
    told: dict[str, str] = json.loads(line.removeprefix(b"data: "))
    return told


async def test_the_page_is_kept_live_while_it_is_open(service: Service, runtime: DoubleRuntime) -> None:
    await service.come_in()
    async with service.browser.get("/dashboard/events") as response:
        first = await read_event(response)
        assert set(first) == {"people", "addition", "sites", "requests", "browsers"}
        assert "0 requests are under way" in first["browsers"]
        async with service.browser.get("/v1/models", headers={"x-api-key": FULL}) as asked:
            assert asked.status == 200
        assert "/v1/models" in (await read_event(response))["requests"]
        attempt = Attempt(what="chat", status=403, transport="direct", verdict="stale", took=0.1)
        runtime.events.publish(CallRecord(at=service.clock.wall(), site="aichats", attempts=(attempt,), took=0.2))
        assert "1 call, 1 refusal," in (await read_event(response))["sites"]


async def test_a_stopped_service_ends_its_live_pages_at_once(runtime: DoubleRuntime) -> None:
    app = build_app(runtime, service=ServiceSettings(), key=None)
    async with aiohttp.ClientSession() as browser:
        async with serve(app, "127.0.0.1", 0, shutdown=600.0) as base:
            response = await browser.get(f"{base}/dashboard/events")
            await read_event(response)
        async with asyncio.timeout(60):
            assert await response.read() == b""


async def test_nothing_is_rendered_while_nobody_looks(service: Service, runtime: DoubleRuntime) -> None:
    asked = 0

    async def known() -> list[Any]:
        nonlocal asked
        asked += 1
        return runtime.status()

    runtime.known = known  # type: ignore[method-assign]  # a double counts
    runtime.events.publish(VisitRecord(at=0.0, site="aichats", took=1.0, rung="browser"))
    async with service.browser.get("/v1/chat/completions", headers={"x-api-key": FULL}) as response:
        assert response.status == 405
    assert asked == 0


async def test_live_pages_are_limited(service: Service) -> None:
    await service.come_in()
    open_ = [await service.browser.get("/dashboard/events") for _ in range(20)]
    async with service.browser.get("/dashboard/events") as response:
        assert (response.status, (await response.json())["error"]["code"]) == (503, "too_many_viewers")
    for each in open_:
        each.close()


async def test_what_is_remembered_is_bounded() -> None:
    clock = SteppedClock()
    history = History(clock)
    for at in range(3 * REQUESTS):
        history.begin(str(at))
        history.end(str(at), method="GET", route="/v1/models", status=200, site="", took=0.1, key="")
        history.on_event(VisitRecord(at=clock.wall(), site="wiki", took=1.0, error="timeout"))
        await clock.advance(60)
    assert len(history.requests) == REQUESTS
    minutes = history.minutes("wiki")
    assert len(minutes) == 60
    assert sum(counts.failures for counts in minutes) == 59
    assert minutes[-1].visits == 0


@pytest.mark.parametrize("route", ["/", "/dashboard/events", "/healthz", "/metrics"])
def test_the_dashboard_s_own_requests_are_not_among_the_last_ones(route: str) -> None:
    history = History(SteppedClock())
    history.begin("id")
    history.end("id", method="GET", route=route, status=200, site="", took=0.1, key="")
    assert list(history.requests) == []


async def test_below_a_path_of_a_proxy_all_addresses_have_it(runtime: DoubleRuntime) -> None:
    service = ServiceSettings(base_path="/doorkey")
    app = build_app(runtime, service=service, key=FULL)
    jar = aiohttp.CookieJar(unsafe=True)
    async with serve(app, "127.0.0.1", 0) as base, aiohttp.ClientSession(cookie_jar=jar) as browser:
        link = app[RULES].viewers.make_link(None)
        async with browser.get(base + link, headers=PAGE) as response:
            assert (response.status, str(response.url)) == (200, f"{base}/")
            text = await response.text()
        addresses = re.findall(r'(?:href|src|action)="(/[^"]*)"', text)
        assert addresses
        assert [each for each in addresses if not each.startswith("/doorkey/")] == []
        assert [cookie["path"] for cookie in jar] == ["/doorkey"]


@pytest.mark.parametrize("error", ["", "changed", LEFT])
def test_a_call_that_failed_names_the_command_that_shows_its_report(error: str) -> None:
    record = RequestRecord(
        at=1.0,
        id="an-id",
        method="GET",
        route="/site/{tail}",
        status=502,
        site="wiki",
        took=0.1,
        key="",
        calls=(CallRecord(at=1.0, site="wiki", error=error),),
    )
    text = render("requests.html", requests=view_requests([record], 2.0))
    assert ("doorkey explain an-id" in text) is (error == "changed")
    assert ("the caller left" in text) is (error == LEFT)
