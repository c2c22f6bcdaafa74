"""Cookies go where a browser would send them, and stay with whom they belong."""

from __future__ import annotations

from dataclasses import replace
from http.cookies import SimpleCookie

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from doorkey.clock import SystemClock
from doorkey.model.request import Request
from doorkey.model.session import Cookie, Key, Session
from doorkey.model.site import Site
from doorkey.transport.direct import Direct
from doorkey.transport.headers import Conversation, SessionHeaders, merged

URL = "https://wiki.example/app/"
SITE = Site(name="wiki", url=URL)
NOW = 1_700_000_000.0


def cookie(name: str = "a", **values: object) -> Cookie:
    return replace(Cookie(name, f"{name}-value", "wiki.example"), **values)  # type: ignore[arg-type]


def session(*cookies: Cookie, gen: int = 1) -> Session:
    headers = {"user-agent": "Chrome"}
    return Session(key=Key("wiki", URL), gen=gen, url=URL, born=NOW, soft=10, hard=20, cookies=cookies, headers=headers)


@pytest.mark.parametrize(
    ("held", "url", "goes"),
    [
        (cookie(), "https://wiki.example/x", True),
        (cookie(), "https://sub.wiki.example/x", False),
        (cookie(host_only=False), "https://sub.wiki.example/x", True),
        (cookie(host_only=False, domain=".wiki.example"), "https://evilwiki.example/", False),
        (cookie(path="/app"), "https://wiki.example/app", True),
        (cookie(path="/app"), "https://wiki.example/app/x", True),
        (cookie(path="/app"), "https://wiki.example/apple", False),
        (cookie(secure=True), "http://wiki.example/", False),
        (cookie(secure=True), "https://wiki.example/", True),
        (cookie(expires=NOW - 1), "https://wiki.example/", False),
        (cookie(expires=NOW + 1), "https://wiki.example/", True),
    ],
)
def test_a_cookie_goes_where_a_browser_would_send_it(held: Cookie, url: str, goes: bool) -> None:
    assert held.goes_to(url, NOW) is goes


def test_longer_paths_come_first() -> None:
    headers = SessionHeaders(SystemClock())
    both = session(cookie("wide"), cookie("narrow", path="/app/"))
    sent = headers.for_request(Request(url="/app/x"), both, "https://wiki.example/app/x", SITE)
    assert sent["cookie"] == "narrow=narrow-value; wide=wide-value"


def test_a_cookie_that_ends_leaves_the_header_with_it() -> None:
    class Clock(SystemClock):
        time = NOW

        def wall(self) -> float:
            return self.time

    clock = Clock()
    headers = SessionHeaders(clock)
    held = session(cookie("short", expires=NOW + 5), cookie("long"))
    first = headers.for_request(Request(url="/"), held, URL, SITE)
    clock.time += 10
    later = headers.for_request(Request(url="/"), held, URL, SITE)
    assert ("short" in first["cookie"], later["cookie"]) == (True, "long=long-value")


def test_a_sliding_cookie_belongs_to_its_generation() -> None:
    headers = SessionHeaders(SystemClock())
    first = session(cookie("sid"))
    headers.slide(first, {"sid": "slid"})
    assert headers.for_request(Request(url="/"), first, URL, SITE)["cookie"] == "sid=slid"
    second = session(cookie("sid"), gen=2)
    assert headers.for_request(Request(url="/"), second, URL, SITE)["cookie"] == "sid=sid-value"
    headers.slide(first, {"sid": "late"})
    assert headers.for_request(Request(url="/"), second, URL, SITE)["cookie"] == "sid=sid-value"


def test_a_conversations_cookies_are_seen_by_no_other() -> None:
    clock = SystemClock()
    one, other = Conversation(clock), Conversation(clock)
    one.keep(URL, SimpleCookie("history=all+that+was+said; path=/"))
    assert one.header(URL, "sid=1; history=old") == "sid=1; history=all+that+was+said"
    assert other.header(URL, "sid=1") == "sid=1"


@pytest.mark.parametrize(
    ("line", "sent"),
    [
        ("a=1; Domain=wiki.example", "a=1"),
        ("a=1; Domain=other.example", None),
        ("a=1; Max-Age=0", None),
        ("a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT", None),
        ("a=1; Expires=never", "a=1"),
        ("a=1; Path=/elsewhere", None),
    ],
)
def test_what_an_answer_may_set(line: str, sent: str | None) -> None:
    conversation = Conversation(SystemClock())
    conversation.keep(URL, SimpleCookie(line))
    assert conversation.header(URL, None) == sent


@pytest.mark.parametrize(
    ("line", "slid"),
    [
        ("sid=new", {"sid": "new"}),
        ("sid=new; Path=/elsewhere; Domain=wiki.example", {"sid": "new"}),
        ("sid=new; Domain=other.example", {}),
        ("sid=; Max-Age=0", {}),
        ("sid=deleted; Expires=Thu, 01 Jan 1970 00:00:00 GMT", {}),
        ("talk=new", {}),
    ],
)
def test_what_slides_is_a_new_value_of_the_sessions_cookie(line: str, slid: dict[str, str]) -> None:
    assert Conversation(SystemClock()).keep(URL, SimpleCookie(line), ("sid",)) == slid


@pytest.mark.parametrize(
    ("set_at", "line", "sent"),
    [
        (URL, "sid=talk", "sid=talk"),
        (URL, "sid=; Max-Age=0", None),
        (URL, "sid=talk; Path=/elsewhere", "sid=1"),
        ("https://images.example/x.png", "sid=talk", "sid=1"),
        ("https://images.example/x.png", "sid=; Max-Age=0", "sid=1"),
    ],
)
def test_only_a_cookie_that_goes_to_a_request_takes_the_place_of_the_sessions(
    set_at: str, line: str, sent: str | None
) -> None:
    conversation = Conversation(SystemClock())
    conversation.keep(set_at, SimpleCookie(line))
    assert conversation.header(URL, "sid=1") == sent


async def test_another_hosts_cookie_does_not_slide_into_the_session() -> None:
    async def sets(request: web.Request) -> web.Response:
        response = web.Response()
        response.set_cookie("sid", request.path[1:], path="/")
        return response

    app = web.Application()
    app.router.add_get("/{name}", sets)
    async with (
        TestServer(app, host="127.0.0.1") as overrides,
        TestServer(app, host="127.0.0.1") as other,
        Direct(clock=SystemClock()) as direct,
    ):
        home = str(overrides.make_url("/"))
        site = Site(name="home", url=home)
        held = replace(session(cookie("sid", domain="127.0.0.1")), key=Key("home", home), url=home)
        for url in ("/slid", str(other.make_url("/strange"))):
            stream = await direct.open(Request(url=url, own_host=False), held, site, sliding=("sid",))
            await stream.read(99)
        assert direct.headers.for_request(Request(url="/"), held, home, site)["cookie"] == "sid=slid"


def test_new_cookies_take_the_place_of_their_namesakes() -> None:
    both = merged((cookie("a"), cookie("b")), (cookie("a", value="new"),))
    assert {held.name: held.value for held in both} == {"a": "new", "b": "b-value"}


def test_a_request_to_another_origin_says_so_and_carries_no_cookie() -> None:
    headers = SessionHeaders(SystemClock())
    request = Request(url="https://images.example/x.png", own_host=False)
    sent = headers.for_request(request, session(cookie()), request.url, SITE)
    assert "cookie" not in sent
    assert (sent["sec-fetch-site"], sent["referer"]) == ("cross-site", "https://wiki.example/")
