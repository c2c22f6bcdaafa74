"""Our jar sends what Chromium sends, whatever Set-Cookie lines a site thinks of."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from doorkey.browser.chromium import find_chromium
from doorkey.model.cookie_jar import CookieJar

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

EXAMPLES = int(os.environ.get("SIMULATIONS", "0"))
"""How many examples are drawn at random. 0: always the same few, so that a failure in CI can be repeated."""
HOSTS = ("localhost", "sub.localhost", "127.0.0.1", "site.test", "a.site.test", "b.a.site.test")
MAPPED = ("*.test", "co.uk", "*.co.uk", "*.b.ck", "b.ck", "www.ck", "*.xn--55qx5d.cn", "xn--55qx5d.cn", "*.kobe.jp")
"""Names that lead to the site: those below public suffixes stand for each kind of rule that their list has."""
PATHS = ("/", "/x", "/x/", "/x/y", "/x/y/z", "/xy", "/%C3%A9/")


@dataclass
class Hops:
    """A site under many names. One page load leads over all *hops*, and each hop may set cookies."""

    port: int = 0
    hops: list[tuple[str, list[bytes]]] = field(default_factory=list)
    seen: list[bytes | None] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # By hand: no server library sends tabs and bytes that are no UTF-8 in a header.
        while head := await reader.readuntil(b"\r\n\r\n"):
            writer.write(b"\r\n".join([*self.answer(head), b"Content-Length: 0", b"", b""]))
            await writer.drain()

    def answer(self, head: bytes) -> list[bytes]:
        first, *lines = head.split(b"\r\n")
        found = re.search(rb"hop=([0-9]+)", first)
        if found is None:
            return [b"HTTP/1.1 404 Not Found"]
        at = int(found[1])
        cookies = [line.partition(b": ")[2] for line in lines if line.lower().startswith(b"cookie: ")]
        self.seen.append(b"; ".join(cookies) if cookies else None)
        setting = [b"Set-Cookie: " + line for line in self.hops[at][1]]
        if at + 1 == len(self.hops):
            return [b"HTTP/1.1 200 OK", *setting]
        return [b"HTTP/1.1 302 Found", b"Location: " + self.url(at + 1).encode(), *setting]

    def url(self, at: int) -> str:
        host, _, path = self.hops[at][0].partition("/")
        return f"http://{host}:{self.port}/{path}?hop={at}"


@pytest.fixture(scope="module")
async def site() -> AsyncIterator[Hops]:
    hops = Hops()
    server = await asyncio.start_server(hops.serve, "127.0.0.1", 0)
    hops.port = server.sockets[0].getsockname()[1]
    async with server:
        yield hops


@pytest.fixture(scope="module")
async def browse(site: Hops) -> AsyncIterator[object]:
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=find_chromium().path,
            chromium_sandbox=os.geteuid() != 0,
            args=["--host-resolver-rules=" + ",".join(f"MAP {host} 127.0.0.1" for host in MAPPED), "--no-proxy-server"],
        )
        context = await browser.new_context()
        page = await context.new_page()

        async def browse(hops: list[tuple[str, list[bytes]]]) -> tuple[list[bytes | None], CookieJar]:
            """The Cookie header of each hop, and the browser's own jar at the end."""
            site.hops, site.seen = hops, []
            await context.clear_cookies()
            await page.goto(site.url(0))
            return site.seen, CookieJar.from_playwright(await context.cookies())

        yield browse
        await browser.close()


def simulate(site: Hops, hops: list[tuple[str, list[bytes]]]) -> tuple[list[bytes | None], CookieJar]:
    """The same as `browse`, by our jar."""
    jar, sent = CookieJar(), []
    wall = time.time()
    site.hops = hops
    for at, (_, lines) in enumerate(hops):
        url = site.url(at)
        header = jar.header_for(url, wall)
        sent.append(None if header is None else header.encode("utf-8", "surrogateescape"))
        texts = [line.decode("utf-8", "surrogateescape") for line in lines]
        jar = jar.changed(jar.answered(texts, url, wall))
    return sent, jar


names = st.sampled_from(
    ["a", "a", "b", "c", "", "a b", '"q', "A", "é", "__Host-a", "__secure-b", "__Http-c", "__Host-Http-d", "$x"]
)
values = st.sampled_from(
    [
        "1",
        "2",
        "",
        '"1"',
        '"a b; c"',
        "a=b",
        "=",
        "a,b",
        " 1 ",
        "\t1",
        "é",
        "1\t2",
        "x" * 4095,
        "x" * 4096,
        "%20",
        "__Host-",
    ]
)
dates = st.sampled_from(
    [
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "Fri, 01-Jan-2038 00:00:00 GMT",
        "01 Jan 70 0:0:0",
        "1 Jan 2037 00:00",
        "0",
        "-1",
        "",
        "Sat Jan 01 2037 00:00:00 GMT+0100 (CET)",
        "31 Feb 1999 00:00:00",
        "1 Jan 1999 24:00:00",
        "2037-01-01T00:00:00Z",
        "001 1 Jan 2037 00:00:00",
        "1 Jan 99999 00:00:00",
        "1 January 1999 1:2:3",
        "1x Jan 1999 00:00:00",
        '"1 Jan 1999 0:0:0"',
    ]
)
attributes = st.one_of(
    st.sampled_from(
        [
            "Path=/",
            "Path=/x",
            "path=/x/",
            "Path=/x/y",
            "Path=x",
            "Path=",
            'Path="/x"',
            "Path=/é/",
            "Path=/%C3%A9",
            "PATH = /x ",
        ]
    ),
    st.sampled_from(
        [
            "Domain=" + host
            for host in (
                *HOSTS,
                ".site.test",
                "SITE.TEST",
                "test",
                "localhost",
                "",
                "..site.test",
                "0.0.1",
                "site.test.",
            )
        ]
    ),
    st.sampled_from(
        [
            "Secure",
            "secure=no",
            "HttpOnly",
            "Partitioned",
            "Partitioned=",
            "Priority=High",
            "SameParty",
            "",
            " ",
            "=",
            "=x",
            "foo\tbar",
        ]
    ),
    st.sampled_from(["SameSite=" + value for value in ("Strict", "lax", "None", "none", "", "bogus")]),
    st.sampled_from(
        [
            "Max-Age=" + value
            for value in ("0", "-1", "9999", "+9999", "", "x", "1.5", "9" * 30, "-" + "9" * 30, '"0"', "-", "99 9")
        ]
    ),
    dates.map("Expires=".__add__),
    st.sampled_from(["Foo=" + "x" * 5000, "Path=/" + "x" * 1024, "Domain=" + "x" * 1025]),
)
composed = st.builds(
    lambda name, equals, value, rest: (f"{name}{equals}{value}" + "".join(rest)).encode(),
    names,
    st.sampled_from(["=", "=", "=", "=", "", " = "]),
    values,
    st.lists(st.builds(str.__add__, st.sampled_from(["; ", ";", ";\t"]), attributes), max_size=4),
)
scribbled = st.text(alphabet='ab=;"\\ \t\x01\x7f,/Pth-é', min_size=1, max_size=12).map(str.encode)
lines = st.lists(st.one_of(composed, composed, composed, scribbled, st.just(b"a=\xff")), min_size=1, max_size=8)
places = st.builds(str.__add__, st.sampled_from(HOSTS), st.sampled_from(PATHS))
ASKED = (
    "localhost/x/y/z",
    "sub.localhost/x/",
    "127.0.0.1/x/y",
    "site.test/",
    "a.site.test/x/y",
    "b.a.site.test/%C3%A9/",
)


@given(setters=st.lists(st.tuples(places, lines), min_size=1, max_size=4))
@settings(
    max_examples=EXAMPLES or 60, derandomize=EXAMPLES == 0, deadline=None, suppress_health_check=list(HealthCheck)
)
async def test_the_jar_sends_what_chromium_sends(setters, site: Hops, browse) -> None:  # type: ignore[no-untyped-def]
    hops = [*setters, *((place, []) for place in ASKED)]
    (theirs, held), (ours, jar) = await browse(hops), simulate(site, hops)
    assert [(hop[0], header) for hop, header in zip(hops, ours, strict=True)] == [
        (hop[0], header) for hop, header in zip(hops, theirs, strict=True)
    ]
    known = {cookie.identity: (cookie.secure, cookie.http_only, cookie.same_site or "Lax") for cookie in jar}
    assert known == {cookie.identity: (cookie.secure, cookie.http_only, cookie.same_site) for cookie in held}


@pytest.mark.parametrize(
    ("hosts", "domains"),
    [
        (("a.co.uk", "co.uk"), ("a.co.uk", "co.uk", "uk")),
        (("a.b.ck", "b.ck", "www.ck"), ("a.b.ck", "b.ck", "www.ck", "ck")),
        (("a.xn--55qx5d.cn", "xn--55qx5d.cn"), ("a.xn--55qx5d.cn", "xn--55qx5d.cn", "cn")),
        (("a.c.kobe.jp", "c.kobe.jp", "city.kobe.jp"), ("c.kobe.jp", "city.kobe.jp", "kobe.jp", "jp")),
    ],
)
async def test_no_cookie_is_for_a_public_suffix(hosts, domains, site: Hops, browse) -> None:  # type: ignore[no-untyped-def]
    setters = [
        (f"{host}/", [f"c{n}=1; Domain={domain}".encode()]) for host in hosts for n, domain in enumerate(domains)
    ]
    hops = [*setters, *((f"{host}/", []) for host in hosts)]
    (theirs, _), (ours, jar) = await browse(hops), simulate(site, hops)
    assert ours == theirs
    assert any(not cookie.host_only for cookie in jar)
