"""robots.txt is read once a day, kept beyond the process, and told in words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from doorkey.clock import SystemClock
from doorkey.model.session import Key, Session
from doorkey.model.site import Site
from doorkey.rate.robots import DAY, LIMIT, Advice, Robots, advise
from doorkey.transport.direct import Direct

TEXT = """
# who may go where
User-agent: Googlebot
User-agent: Bingbot
Disallow: /

User-agent: *
Crawl-delay: 10
Disallow: /private
Allow: /private/page$
Disallow: /*.pdf$   # no papers
Disallow: /search*q=
Disallow:
Sitemap: https://wiki.example/sitemap.xml

User-agent: *
Disallow: /second
"""


@pytest.mark.parametrize(
    ("path", "allowed", "rule"),
    [
        ("/", True, ""),
        ("/private", False, "Disallow: /private"),
        ("/private/page", True, "Allow: /private/page$"),
        ("/private/page/2", False, "Disallow: /private"),
        ("/a/b.pdf", False, "Disallow: /*.pdf$"),
        ("/a/b.pdf.html", True, ""),
        ("/search/all?q=1", False, "Disallow: /search*q="),
        ("/second/place", False, "Disallow: /second"),
        ("/Private", True, ""),
    ],
)
def test_the_longest_rule_that_fits_decides(path: str, allowed: bool, rule: str) -> None:
    assert advise(TEXT, path) == Advice(allowed, rule, 10.0)


def test_rules_for_doorkey_go_before_those_for_all() -> None:
    text = "User-Agent: DoorKey\nDisallow: /chat\n\nUser-agent: *\nAllow: /\n"
    assert advise(text, "/chat/") == Advice(False, "Disallow: /chat")
    assert advise(text, "/other") == Advice(True)


@pytest.mark.parametrize(
    "text", ["", "Disallow: /", "<html>no</html>", "User-agent: *\nCrawl-delay: soon\n", "\0:\n::"]
)
def test_what_is_no_rule_for_us_allows_all(text: str) -> None:
    assert advise(text, "/") == Advice(True)


def test_of_rules_of_one_length_the_one_that_allows_decides() -> None:
    assert advise("User-agent: *\nDisallow: /pages\nAllow: /pag*s", "/pages").allowed


def test_many_wildcards_cost_no_time() -> None:
    assert advise(f"User-agent: *\nDisallow: /{'*a' * 200}$", "/" + "a" * 1000 + "b").allowed


@dataclass
class Server:
    status: int = 200
    text: str = "User-agent: *\nDisallow: /chat"
    kind: str = "text/plain"
    read: int = 0
    url: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    async def handle(self, request: web.Request) -> web.Response:
        assert request.path == "/robots.txt"
        self.read += 1
        return web.Response(status=self.status, text=self.text, content_type=self.kind, headers=self.headers)


class LaterClock(SystemClock):
    later = 0.0

    def wall(self) -> float:
        return super().wall() + self.later


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", made.handle)
    async with TestServer(app, host="127.0.0.1") as running:
        made.url = str(running.make_url("/chat/"))
        yield made


@pytest.fixture
def clock() -> LaterClock:
    return LaterClock()


@pytest.fixture
async def direct(clock: LaterClock) -> AsyncIterator[Direct]:
    async with Direct(clock=clock) as made:
        yield made


async def read(server: Server, robots: Robots, clock: LaterClock) -> str:
    site = Site(name="wiki", url=server.url)
    session = Session(key=Key("wiki", site.url), gen=0, url=site.url, born=clock.wall(), soft=9, hard=9)
    return await robots.read(site, session)


OFF = "asks robots to keep off /chat/ (Disallow: /chat)"


async def test_it_is_read_once_a_day_over_all_processes(
    server: Server, tmp_path: Path, direct: Direct, clock: LaterClock
) -> None:
    folder = tmp_path / "robots"
    first, second = Robots(folder, direct, clock), Robots(folder, direct, clock)
    site = Site(name="wiki", url=server.url)
    assert first.describe(site) == ""
    assert [await read(server, robots, clock) for robots in (first, first, second)] == [OFF] * 3
    assert server.read == 1
    third = Robots(folder, direct, clock)
    await third.remember(site)
    assert third.describe(site) == OFF
    clock.later = DAY + 1
    server.text = "User-agent: *\nCrawl-delay: 2.5"
    assert await read(server, third, clock) == "lets robots onto /chat/, 2.5 s between requests"
    assert server.read == 2


@pytest.mark.parametrize(
    ("status", "kind", "said"),
    [(404, "text/plain", "none"), (403, "text/html", "none"), (200, "text/html", "none"), (503, "text/plain", "can't")],
)
async def test_what_comes_in_its_place_is_told(
    server: Server, tmp_path: Path, direct: Direct, clock: LaterClock, status: int, kind: str, said: str
) -> None:
    server.status, server.kind, server.text = status, kind, "<html>"
    robots = Robots(tmp_path, direct, clock)
    assert (await read(server, robots, clock)).startswith(said)
    await read(server, robots, clock)
    assert server.read == (2 if status == 503 else 1)


async def test_of_a_file_that_is_too_long_the_beginning_is_heeded_up_to_the_last_whole_line(
    server: Server, tmp_path: Path, direct: Direct, clock: LaterClock
) -> None:
    rules = "User-agent: *\nDisallow: /chat\n"
    last = "Allow: /chat/private"
    filling = "#" * (LIMIT - len(rules) - len("\nAllow: /chat/"))
    server.text = f"{rules}{filling}\n{last}\nAllow: /chat/\n"
    assert await read(server, Robots(tmp_path, direct, clock), clock) == OFF


async def test_a_redirect_out_of_the_site_is_told(
    server: Server, tmp_path: Path, direct: Direct, clock: LaterClock
) -> None:
    robots = Robots(tmp_path, direct, clock)
    server.status, server.headers = 302, {"Location": "http://10.0.0.1/"}
    assert "redirected where it may not go" in await read(server, robots, clock)


async def test_a_kept_file_that_cannot_be_used_is_read_anew(
    server: Server, tmp_path: Path, direct: Direct, clock: LaterClock
) -> None:
    await read(server, Robots(tmp_path, direct, clock), clock)
    (kept,) = tmp_path.iterdir()
    kept.write_text("{broken")
    assert await read(server, Robots(tmp_path, direct, clock), clock) == OFF
    assert server.read == 2
