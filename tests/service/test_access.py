"""Keys of limited rights, and the rules that hold for every route of the router."""

from __future__ import annotations

import base64
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from doorkey.config.settings import ServiceSettings, Settings
from doorkey.errors import ConfigurationError
from doorkey.service.access import RULES
from doorkey.service.app import build_app, serve
from doorkey.service.key import the_key

sys.path.insert(0, str(Path(__file__).parents[1]))
from double import DoubleRuntime

from entered import EnteredRuntime, TokenSite

FULL = "the-key-for-all"
KEYS = {
    "reader": {"key": "may-read", "methods": ["get"]},
    "phone": {"key": "may-aichats", "sites": ["aichats"]},
    "wiki": {"key": "may-wiki", "sites": ["wiki"]},
    "keeper": {"key": "may-keep", "sites": ["aichats"], "admin": True},
}
SERVICE = ServiceSettings.model_validate({"keys": KEYS, "origins": ["https://my.example"]})
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND")
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}


@pytest.fixture
async def client(runtime: DoubleRuntime) -> AsyncIterator[aiohttp.ClientSession]:
    async with (
        serve(build_app(runtime, service=SERVICE, key=FULL), "127.0.0.1", 0) as base,
        aiohttp.ClientSession(base) as session,
    ):
        yield session


def routes() -> Iterator[tuple[str, str]]:
    """Each method and path that the service knows, and some that it doesn't."""
    app = build_app(DoubleRuntime(), service=SERVICE, key=FULL)
    for resource in app.router.resources():
        path = resource.canonical.replace("{id}", "aichats/gpt-4").replace("{name}", "aichats")
        yield from ((method, path.replace("{tail}", "aichats/page")) for method in METHODS)
    yield from ((method, path) for path in ("/", "/nowhere", "/api", "/v1", "/.well-known/x") for method in METHODS)


ALL = sorted(set(routes()))


@pytest.mark.parametrize("extra", [{}, UPGRADE], ids=["plain", "WebSocket"])
async def test_every_route_asks_for_the_key_a_known_host_and_no_foreign_origin(
    client: aiohttp.ClientSession, runtime: DoubleRuntime, extra: dict[str, str]
) -> None:
    right = {"x-api-key": FULL, **extra}
    for method, path in ALL:
        for headers, status in (
            ({"x-api-key": "wrong", **extra}, 200 if path == "/healthz" else 401),
            ({**right, "Host": "evil.example"}, 200 if path == "/healthz" else 403),
            ({**right, "Origin": "https://evil.example"}, 403),
            ({**right, "Sec-Fetch-Site": "cross-site"}, 403),
        ):
            async with client.request(method, path, headers=headers) as response:
                wanted = (200, 405) if status == 200 else (status,)
                assert response.status in wanted, (method, path, headers)
                assert response.headers["x-request-id"]
    assert runtime.asked == []


def test_every_route_has_a_rule() -> None:
    app = build_app(DoubleRuntime(), service=SERVICE, key=FULL)
    known = {resource.canonical for resource in app.router.resources()}
    assert {path for path in known if path not in RULES and f"/v1{path}" not in RULES} == set()
    assert set(RULES) - known == set()


async def ask(client: aiohttp.ClientSession, key: str, method: str, path: str, model: str = "") -> int | str:
    """The status, or the code if the key is not allowed to."""
    asked: dict[str, object] = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 9}
    if "responses" in path:
        asked = {"input": "Hi"}
    elif "images" in path or path.endswith("/completions"):
        asked |= {"prompt": "Hi"}
    body = {"model": model, **asked}
    sent = {"json": body} if model else {}
    async with client.request(method, path, headers={"x-api-key": key}, **sent) as response:
        code = (await response.json())["error"]["code"] if response.status == 403 else ""
        return "no" if code == "not_allowed_for_key" else response.status


async def test_a_key_of_some_methods_has_no_others(client: aiohttp.ClientSession) -> None:
    assert await ask(client, "may-read", "GET", "/v1/models") == 200
    async with client.head("/v1/models", headers={"x-api-key": "may-read"}) as response:
        assert response.status == 200
    assert await ask(client, "may-read", "POST", "/v1/chat/completions", "aichats/gpt-4") == "no"
    assert await ask(client, "may-read", "DELETE", "/site/aichats/x") == "no"


@pytest.mark.parametrize("path", sorted(path for path in RULES if path.startswith("/v1/") and "models" not in path))
async def test_a_key_of_some_sites_reaches_no_others(client: aiohttp.ClientSession, path: str) -> None:
    model = "aichats/dalle" if "images" in path else "aichats/gpt-4"
    assert await ask(client, "may-aichats", "POST", path, model) != "no"
    assert await ask(client, "may-wiki", "POST", path, model) == "no"
    assert await ask(client, "may-wiki", "POST", path.removeprefix("/v1"), model) == "no"
    # An alias leads to the next site when the first is down: all of them have to be allowed.
    assert await ask(client, "may-aichats", "POST", path, "fast") == "no"


async def test_a_key_of_some_sites_sees_no_others(client: aiohttp.ClientSession) -> None:
    for key, sites, models in (("may-aichats", 1, 2), ("may-wiki", 0, 0), (FULL, 1, 3)):
        async with client.get("/api/sites", headers={"x-api-key": key}) as response:
            assert len((await response.json())["sites"]) == sites
        async with client.get("/v1/models", headers={"x-api-key": key}) as response:
            assert len((await response.json())["data"]) == models
    assert await ask(client, "may-wiki", "GET", "/api/sites/aichats") == "no"
    assert await ask(client, "may-wiki", "GET", "/v1/models/aichats/gpt-4") == 404


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "renew"), ("POST", "pause"), ("POST", "resume"), ("GET", "session")]
)
async def test_sessions_are_for_keys_with_admin(client: aiohttp.ClientSession, method: str, path: str) -> None:
    for key in ("may-aichats", "may-wiki", "may-read"):
        assert await ask(client, key, method, f"/api/sites/aichats/{path}") == "no"
    assert await ask(client, "may-keep", method, f"/api/sites/aichats/{path}") != "no"
    assert await ask(client, "may-keep", method, f"/api/sites/wiki/{path}") == "no"


async def test_a_key_of_some_sites_enters_their_doors_only(site: TokenSite) -> None:
    async with (
        EnteredRuntime(site) as runtime,
        serve(build_app(runtime, service=SERVICE, key=FULL), "127.0.0.1", 0) as base,
        aiohttp.ClientSession(base) as client,
    ):
        for key, method, answer in (
            ("may-wiki", "GET", 200), ("may-wiki", "POST", 200), ("may-aichats", "GET", "no"),
            ("may-aichats", "POST", "no"), ("may-read", "GET", 200), ("may-read", "POST", "no"),
        ):  # fmt: skip
            assert await ask(client, key, method, "/site/wiki/page") == answer
        for path in ("/site/wiki", "/site/wiki?x", "/site//wiki/x", "/site/w%69ki/x"):
            assert await ask(client, "may-aichats", "GET", path) == "no"
        async with client.get("/site/wiki/page", headers={"x-api-key": "may-aichats"} | UPGRADE) as response:
            assert response.status == 403


async def test_a_key_of_limited_rights_is_a_basic_password_too(client: aiohttp.ClientSession) -> None:
    basic = base64.b64encode(b"phone:may-aichats").decode()
    async with client.get("/v1/models", headers={"Authorization": f"Basic {basic}"}) as response:
        assert len((await response.json())["data"]) == 2


async def test_of_two_keys_the_stronger_counts(client: aiohttp.ClientSession) -> None:
    headers = {"x-api-key": "may-wiki", "Authorization": f"Bearer {FULL}"}
    async with client.get("/api/sites/aichats", headers=headers) as response:
        assert response.status == 200


@pytest.mark.parametrize(
    ("service", "told"),
    [
        ({"key": "same", "keys": {"phone": {"key": "same"}}}, "two keys are the same"),
        ({"keys": {"my phone": {"key": "k"}}}, 'keys."my phone"'),
        ({"keys": {"phone": {"key": " "}}}, "not empty"),
        ({"keys": {"phone": {"key": "env:PHONE_KEY"}}}, "DOORKEY_SERVICE__KEYS__NAME__KEY"),
        ({"key": "file:/etc/doorkey.key"}, "the key itself, not a reference"),
        ({"keys": {"phone": {"key": "k", "sites": ["wikl"]}}}, "no site is called 'wikl'"),
    ],
)
def test_keys_that_can_t_be_meant_are_refused(service: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told) as caught:
        Settings.load(service=service, sites={"wiki": {"url": "http://127.0.0.1/"}})
    assert "same;" not in str(caught.value) or "'same'" not in str(caught.value)


def test_no_key_and_named_keys_exclude_each_other() -> None:
    with pytest.raises(ConfigurationError, match=r"service\.keys"):
        the_key(SERVICE, no_key=True)


async def test_a_new_route_is_closed_until_it_has_a_rule(runtime: DoubleRuntime) -> None:
    async def show(request: web.Request) -> web.Response:
        return web.Response(text="new")

    app = build_app(runtime, service=SERVICE, key=FULL)
    app.router.add_get("/new", show)
    async with serve(app, "127.0.0.1", 0) as base, aiohttp.ClientSession(base) as client:
        assert await ask(client, "may-aichats", "GET", "/new") == "no"
        assert await ask(client, FULL, "GET", "/new") == 200


@pytest.mark.parametrize(
    ("key", "headers", "told"),
    [
        ("may-aichats", {}, "not_allowed_for_key"),
        ("may-read", {}, "not_allowed_for_key"),
        ("may-keep", {}, "no_such_view"),
        (FULL, {}, "no_such_view"),
        (FULL, {"X-Forwarded-For": "203.0.113.7"}, "https_required"),
        (FULL, {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "http"}, "https_required"),
        (FULL, {"Forwarded": "for=203.0.113.7"}, "https_required"),
        (FULL, {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}, "no_such_view"),
    ],
)
@pytest.mark.parametrize("path", ["/dashboard/live/some-view", "/dashboard/live/some-view/socket"])
async def test_a_live_view_is_for_keys_with_admin_and_for_https_off_the_machine(
    client: aiohttp.ClientSession, key: str, headers: dict[str, str], told: str, path: str
) -> None:
    async with client.get(path, headers={"x-api-key": key, "Accept": "application/json", **headers}) as answer:
        assert answer.status == (404 if told == "no_such_view" else 403)
        assert told in await answer.text()
