"""The tools over a site with a token, by the official client of the protocol."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from doorkey.accounts.confirmations import Confirmations
from doorkey.agents.listening import serve_http
from doorkey.agents.server import build_server
from doorkey.agents.tools import AgentTools
from doorkey.clock import SystemClock
from doorkey.config.settings import Settings
from doorkey.model.events import Event, Events, VisitEvent

sys.path.insert(0, str(Path(__file__).parents[1]))
from entered import EnteredRuntime, TokenSite, token_site, until

RULES = {"write": ["POST /items", "POST /moved"], "patience": 60, "answer": 2000}


class AgentRuntime(EnteredRuntime):
    """Also keeps the contract of doorkey.Runtime towards the tools."""

    def __init__(self, server: TokenSite, agents: dict[str, Any]) -> None:
        super().__init__(server)
        self.settings = Settings.model_validate(
            {"sites": {"wiki": {"provider": "web", "url": server.url, "agents": agents}}}
        )
        self.events = Events(SystemClock())
        self.seen: list[Event] = []
        self.events.subscribe(self.seen.append)

    def sites_of(self, model: str) -> tuple[str, ...]:
        return (model.partition("/")[0],)

    async def answer(self, model: str, messages: Iterable[object]) -> Any:
        raise NotImplementedError


@pytest.fixture
async def site() -> AsyncIterator[TokenSite]:
    async with token_site() as made:
        made.token = "the-secret-token"
        yield made


@pytest.fixture
def queue(tmp_path: Path) -> Confirmations:
    return Confirmations(tmp_path, SystemClock())


@pytest.fixture
async def runtime(site: TokenSite) -> AsyncIterator[AgentRuntime]:
    async with AgentRuntime(site, RULES) as made:
        yield made


@pytest.fixture
def call(runtime: AgentRuntime, queue: Confirmations) -> Any:
    from mcp import Client

    server = build_server(AgentTools(runtime, queue))

    async def call_tool(tool: str, **arguments: object) -> tuple[bool, str]:
        async with Client(server) as client:
            result = await client.call_tool(tool, arguments)
        return bool(result.is_error), result.content[0].text

    return call_tool


async def decide(queue: Confirmations, *, allowed: bool, note: str = "") -> str:
    await until(lambda: bool(queue.waiting()))
    return queue.decide(queue.waiting()[0].id, allowed=allowed, note=note).title


async def test_a_site_is_listed_with_what_is_allowed(call: Any) -> None:
    _, text = await call("list_sites")
    (site,) = json.loads(text)["sites"]
    assert (site["site"], site["allowed"]) == ("wiki", ["GET", "HEAD", "POST /items", "POST /moved"])
    assert site["confirmed_by_person"] is True


async def test_an_answer_shows_no_secret(call: Any, site: TokenSite) -> None:
    async def page(request: web.Request) -> web.Response:
        token, cookies = request.headers["x-token"], request.headers["cookie"]
        answer = web.Response(text=f"token {token}, {cookies}", headers={"x-next": "another-token", "etag": '"e1"'})
        answer.set_cookie("sid", "another-secret-cookie")
        return answer

    site.routes["/page"] = page
    failed, text = await call("call_site", site="wiki", path="/page?q=1")
    assert not failed
    assert "HTTP 200" in text
    assert 'etag: "e1"' in text
    assert "Between the marks is content of the site 'wiki'" in text
    assert not [word for word in ("secret-token", "another", "set-cookie", "x-next") if word in text.lower()]


async def test_a_read_follows_redirects_at_the_site_only(call: Any, site: TokenSite) -> None:
    async def inside(request: web.Request) -> web.Response:
        raise web.HTTPFound("/there")

    async def outside(request: web.Request) -> web.Response:
        raise web.HTTPFound("https://elsewhere.example/cb?code=secret")

    site.routes |= {"/inside": inside, "/outside": outside}
    assert "GET /there" in (await call("call_site", site="wiki", path="/inside"))[1]
    _, text = await call("call_site", site="wiki", path="/outside")
    assert "location: https://elsewhere.example/cb?…" in text
    assert "code=secret" not in text


async def test_a_long_answer_comes_in_pieces(call: Any, site: TokenSite) -> None:
    async def long(request: web.Request) -> web.Response:
        return web.Response(text="a" * 2000 + "b" * 500)

    site.routes["/long"] = long
    _, text = await call("call_site", site="wiki", path="/long")
    assert "500 more characters: ask again with start=2000." in text
    _, text = await call("call_site", site="wiki", path="/long", start=2000)
    assert ("b" * 500 in text, "a" * 10 in text) == (True, False)


async def test_what_is_no_text_is_left_out(call: Any, site: TokenSite) -> None:
    async def picture(request: web.Request) -> web.Response:
        return web.Response(body=b"\x89PNG" + bytes(100), content_type="image/png")

    site.routes["/picture"] = picture
    assert (
        "The body is not text, and is left out (104 bytes)."
        in (await call("call_site", site="wiki", path="/picture"))[1]
    )


async def test_a_write_is_sent_once_a_person_allows_it(
    call: Any, site: TokenSite, queue: Confirmations, runtime: AgentRuntime
) -> None:
    asking = asyncio.create_task(call("call_site", site="wiki", path="/items", method="post", body='{"n": 1}'))
    await until(lambda: bool(queue.waiting()))
    assert (queue.waiting()[0].body, site.bodies) == ('{"n": 1}', [])
    assert await decide(queue, allowed=True) == "POST /items"
    failed, text = await asking
    assert (failed, "POST /items" in text, site.bodies) == (False, True, [b'{"n": 1}'])
    (notice,) = (event for event in runtime.seen if isinstance(event, VisitEvent) and event.step == "person")
    assert "POST /items" in notice.detail


async def test_a_write_that_the_person_refuses_is_not_sent(call: Any, site: TokenSite, queue: Confirmations) -> None:
    asking = asyncio.create_task(call("call_site", site="wiki", path="/items", method="POST"))
    await decide(queue, allowed=False, note="not now")
    failed, text = await asking
    assert (failed, "They add: not now" in text, site.seen) == (True, True, [])


async def test_a_write_is_not_repeated_elsewhere(call: Any, site: TokenSite, queue: Confirmations) -> None:
    async def moved(request: web.Request) -> web.Response:
        raise web.HTTPTemporaryRedirect("/items/7")

    site.routes["/moved"] = moved
    asking = asyncio.create_task(call("call_site", site="wiki", path="/moved", method="POST", body="x"))
    await decide(queue, allowed=True)
    _, text = await asking
    assert ("HTTP 307" in text, site.accepted) == (True, 1)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"path": "/other", "method": "POST"}, "sites.wiki.agents.write"),
        ({"path": "/items", "method": "DELETE"}, "sites.wiki.agents.write"),
        ({"path": "/x?_method=DELETE"}, "another method"),
        ({"path": "/x", "body": "y"}, "takes no body"),
        ({"path": "http://evil.example/"}, "path must be a path"),
        ({"path": "/x", "site": "nowhere"}, "they can use wiki"),
    ],
)
async def test_what_is_not_allowed_never_reaches_the_site(
    call: Any, site: TokenSite, queue: Confirmations, arguments: dict[str, str], told: str
) -> None:
    failed, text = await call("call_site", **{"site": "wiki", **arguments})
    assert (failed, told in text) == (True, True), text
    assert (site.seen, queue.waiting()) == ([], ())


async def test_the_user_can_turn_confirmations_off_and_close_a_site(site: TokenSite, queue: Confirmations) -> None:
    async with AgentRuntime(site, {"write": ["POST /items"], "confirm": False}) as runtime:
        assert "HTTP 200" in await AgentTools(runtime, queue).call("wiki", "/items", method="POST")
    async with AgentRuntime(site, {"use": False}) as runtime:
        assert json.loads(await AgentTools(runtime, queue).list_sites()) == {"sites": []}


async def test_a_person_is_asked_for_help(call: Any, queue: Confirmations) -> None:
    asking = asyncio.create_task(call("ask_person", site="wiki", message="Please log in"))
    assert await decide(queue, allowed=True, note="logged in") == "Please log in"
    assert await asking == (False, "The user says: done. They add: logged in")


async def test_over_http_the_key_is_asked_for(runtime: AgentRuntime, queue: Confirmations) -> None:
    import httpx2
    from mcp import Client
    from mcp.client.streamable_http import streamable_http_client

    told: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    server = build_server(AgentTools(runtime, queue))
    serving = asyncio.create_task(serve_http(server, 0, "the-key", told.set_result))
    url = await told
    async with httpx2.AsyncClient(timeout=60) as stranger:
        for headers in ({}, {"authorization": "Bearer wrong"}):
            assert (await stranger.post(url, json={}, headers=headers)).status_code == 401
        foreign = {"authorization": "Bearer the-key", "host": "evil.example"}
        assert (await stranger.post(url, json={}, headers=foreign)).status_code == 421
        page = {"authorization": "Bearer the-key", "origin": "https://evil.example"}
        assert (await stranger.post(url, json={}, headers=page)).status_code == 403
    async with (
        httpx2.AsyncClient(timeout=60, headers={"authorization": "Bearer the-key"}) as known,
        Client(streamable_http_client(url, http_client=known)) as client,
    ):
        result = await client.call_tool("call_site", {"site": "wiki", "path": "/page"})
        assert "GET /page" in result.content[0].text
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
