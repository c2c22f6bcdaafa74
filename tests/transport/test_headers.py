"""Cookies go where a browser would send them, and stay with whom they belong."""

from __future__ import annotations

from dataclasses import replace

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from multidict import CIMultiDict, CIMultiDictProxy

from doorkey.clock import SystemClock
from doorkey.model.cookie_jar import CookieJar
from doorkey.model.cookies import Cookie
from doorkey.model.request import Request
from doorkey.model.session import Key, Session
from doorkey.model.site import Site
from doorkey.transport.conversation import Conversation
from doorkey.transport.direct import Direct
from doorkey.transport.headers import SessionHeaders

URL = "https://wiki.example/app/"
SITE = Site(name="wiki", url=URL)
NOW = 1_700_000_000.0
HELD = CookieJar((Cookie("sid", "1", "wiki.example"),))


class StoppedClock(SystemClock):
    time = NOW

    def wall(self) -> float:
        return self.time


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
        (cookie(host_only=False, domain="wiki.example"), "https://evilwiki.example/", False),
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


def test_a_cookie_that_ends_leaves_the_header_with_it() -> None:
    clock = StoppedClock()
    headers = SessionHeaders(clock)
    held = session(cookie("short", expires=NOW + 5), cookie("long"))
    first = headers.for_request(Request(url="/"), held, URL, SITE)
    clock.time += 10
    later = headers.for_request(Request(url="/"), held, URL, SITE)
    assert ("short" in first["cookie"], later["cookie"]) == (True, "long=long-value")


def sent(headers: SessionHeaders, held: Session, url: str = URL) -> str | None:
    return headers.for_request(Request(url=url), held, url, SITE).get("cookie")


def slide(
    headers: SessionHeaders, held: Session, *lines: str, url: str = URL, carried: CookieJar | None = None
) -> None:
    """What `direct` does with the Set-Cookie *lines* of an answer, where all of them slide."""
    jar = carried or headers.jar(held)
    headers.slide(held, jar.answered(lines, URL, NOW), jar)


@pytest.fixture
def headers() -> SessionHeaders:
    return SessionHeaders(StoppedClock())


def test_a_sliding_cookie_belongs_to_its_generation(headers: SessionHeaders) -> None:
    first, second = session(cookie("sid")), session(cookie("sid"), gen=2)
    slide(headers, first, "sid=slid; Path=/")
    assert sent(headers, first) == "sid=slid"
    assert sent(headers, second) == "sid=sid-value"
    slide(headers, first, "sid=late; Path=/")
    assert sent(headers, second) == "sid=sid-value"


def test_a_sliding_cookie_is_set_for_the_first_time_and_deleted(headers: SessionHeaders) -> None:
    held = session(cookie("sid"))
    slide(headers, held, "extra=1; Path=/")
    assert sent(headers, held) == "sid=sid-value; extra=1"
    slide(headers, held, "extra=; Path=/; Max-Age=0")
    assert sent(headers, held) == "sid=sid-value"


def test_of_two_sliding_cookies_of_one_name_one_is_deleted(headers: SessionHeaders) -> None:
    held = session(cookie("sid"), cookie("sid", path="/app", value="narrow"))
    assert sent(headers, held) == "sid=narrow; sid=sid-value"
    slide(headers, held, "sid=new; Path=/", "sid=gone; Path=/app; Max-Age=0")
    assert sent(headers, held) == "sid=new"


def test_an_expiry_that_answers_extend_is_the_cookies() -> None:
    clock = StoppedClock()
    headers = SessionHeaders(clock)
    held = session(cookie("sid", expires=NOW + 4))
    assert sent(headers, held) == "sid=sid-value"
    slide(headers, held, "sid=sid-value; Path=/; Max-Age=99")
    clock.time += 50
    assert sent(headers, held) == "sid=sid-value"


def test_a_late_deletion_of_an_older_value_changes_nothing(headers: SessionHeaders) -> None:
    held = session(cookie("sid"))
    carried = headers.jar(held)
    slide(headers, held, "sid=new; Path=/")
    slide(headers, held, "sid=; Path=/; Max-Age=0", carried=carried)
    assert sent(headers, held) == "sid=new"


def answered(*lines: str, url: str = URL, held: CookieJar = HELD, sliding: tuple[str, ...] = ()) -> Conversation:
    """A conversation whose one answer, at *url*, had these Set-Cookie *lines*."""
    conversation = Conversation(StoppedClock())
    conversation.keep(url, CIMultiDictProxy(CIMultiDict([("set-cookie", line) for line in lines])), held, sliding)
    return conversation


def test_a_conversations_cookies_are_seen_by_no_other() -> None:
    one, other = answered("history=all+that+was+said; Path=/"), answered()
    assert one.over(HELD).header_for(URL, NOW) == "sid=1; history=all+that+was+said"
    assert other.over(HELD) == HELD


@pytest.mark.parametrize(
    ("line", "names"),
    [("sid=new", ["sid"]), ("sid=; Max-Age=0", ["sid"]), ("sid=new; Domain=other.example", []), ("talk=new", [])],
)
def test_what_slides_belongs_to_everybody(line: str, names: list[str]) -> None:
    conversation = answered(line, sliding=("sid",))
    assert [change.name for change in conversation.taken()] == names
    assert conversation.taken() == ()
    assert conversation.changes == () or not names


@pytest.mark.parametrize(
    ("set_at", "line", "sent"),
    [
        (URL, "sid=talk; Path=/", "sid=talk"),
        (URL, "sid=; Path=/; Max-Age=0", None),
        (URL, "sid=talk; Path=/elsewhere", "sid=1"),
        (URL, "sid=talk", "sid=talk; sid=1"),
        ("https://images.example/x.png", "sid=talk", "sid=1"),
        ("https://images.example/x.png", "sid=; Max-Age=0", "sid=1"),
    ],
)
def test_only_a_cookie_of_the_same_identity_takes_the_place_of_the_sessions(
    set_at: str, line: str, sent: str | None
) -> None:
    assert answered(line, url=set_at).over(HELD).header_for(URL, NOW) == sent


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


def test_a_request_to_another_origin_says_so_and_carries_no_cookie() -> None:
    headers = SessionHeaders(SystemClock())
    request = Request(url="https://images.example/x.png", own_host=False)
    sent = headers.for_request(request, session(cookie()), request.url, SITE)
    assert "cookie" not in sent
    assert (sent["sec-fetch-site"], sent["referer"]) == ("cross-site", "https://wiki.example/")
