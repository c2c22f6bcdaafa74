"""The filter before a browser, asked by sockets: whose it is, what it refuses, what it passes on."""

from __future__ import annotations

import asyncio
import base64
import logging
import socket
import ssl
import struct
import threading
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from doorkey.browser.filter_proxy import FilterProxy, ProxyCredentials
from doorkey.browser.proxy_head import MalformedHead, parse
from doorkey.browser.routing import EgressRefused, RequestRouting
from doorkey.network.dial import security
from doorkey.network.egress import Egress, egress_of, parse_proxy
from event_lines import site_events


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.at = 0.0

    def now(self) -> float:
        return self.at

    def wall(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += seconds


class Origin:
    """A server that keeps every byte that comes, and answers each request with "hello"."""

    def __init__(self) -> None:
        self.port = 0
        self.came = b""
        self.connections = 0
        self.ended = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                self.came += data
                if data.endswith(b"\r\n\r\n") or data.endswith(b"body"):
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        self.ended.set()
        writer.close()


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    there = Origin()
    server = await asyncio.start_server(there.serve, "127.0.0.1", 0)
    there.port = server.sockets[0].getsockname()[1]
    yield there
    server.close()


@pytest.fixture
async def filter_() -> AsyncIterator[FilterProxy]:
    made = FilterProxy()
    await made.start()
    yield made
    await made.close()
    assert repr(made) == "<FilterProxy: 0 admitted, 0 connections>"


def guard_of(
    site_url: str,
    names: dict[str, tuple[str, ...]] | None = None,
    egress: Egress | None = None,
    said: list[str] | None = None,
) -> RequestRouting:
    asked: list[str] = []

    async def resolve(host: str) -> tuple[str, ...]:
        asked.append(host)
        return (names or {}).get(host, ())

    return RequestRouting(site_url, clock=Clock(), events=site_events(said), egress=egress or Egress(), resolve=resolve)


def shown(way: ProxyCredentials) -> str:
    return "Proxy-Authorization: Basic " + base64.b64encode(f"{way.username}:{way.password}".encode()).decode()


class Browser:
    """A connection to the filter."""

    def __init__(self, filter_: FilterProxy) -> None:
        self.port = int(filter_.server.rpartition(":")[2])

    async def __aenter__(self) -> Browser:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()

    async def ask(self, *lines: str, body: bytes = b"") -> str:
        """The status line of the answer; empty when the connection ended without one."""
        self.writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        try:
            async with asyncio.timeout(5):
                head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
                if "Content-Length: 5\r\n" in head:
                    assert await self.reader.readexactly(5) == b"hello"
        except (asyncio.IncompleteReadError, ConnectionError):
            return ""
        return head.partition("\r\n")[0]

    async def ended(self) -> bool:
        with suppress(ConnectionError):
            async with asyncio.timeout(5):
                return await self.reader.read(1) == b""
        return True


async def ask(filter_: FilterProxy, *lines: str, body: bytes = b"") -> str:
    async with Browser(filter_) as browser:
        return await browser.ask(*lines, body=body)


async def test_nobody_without_a_pass_gets_through(filter_: FilterProxy, origin: Origin) -> None:
    site = f"http://127.0.0.1:{origin.port}/"
    way = filter_.admit(guard_of(site))
    wrong = shown(ProxyCredentials(way.server, way.username, "wrong"))
    other = shown(ProxyCredentials(way.server, "nobody", way.password))
    for line in ("Accept: */*", wrong, other, "Proxy-Authorization: Basic !!!", "Proxy-Authorization: Bearer x"):
        assert "407" in await ask(filter_, f"GET {site} HTTP/1.1", line)
        assert "407" in await ask(filter_, f"CONNECT 127.0.0.1:{origin.port} HTTP/1.1", line)
    assert origin.connections == 0
    assert way.password not in repr(way)


async def test_a_pass_holds_until_its_lease_ends_and_connections_end_with_it(
    filter_: FilterProxy, origin: Origin
) -> None:
    site = f"http://127.0.0.1:{origin.port}/"
    guard = guard_of(site)
    way = filter_.admit(guard)
    async with Browser(filter_) as browser:
        assert "200" in await browser.ask(f"GET {site} HTTP/1.1", shown(way))
        filter_.dismiss(guard)
        assert await browser.ended()
    await origin.ended.wait()
    assert "407" in await ask(filter_, f"GET {site} HTTP/1.1", shown(way))


async def test_the_site_is_sent_what_a_browser_would_have_sent_it(filter_: FilterProxy, origin: Origin) -> None:
    site = f"http://127.0.0.1:{origin.port}"
    way = filter_.admit(guard_of(site))
    first = (f"GET {site}/a?b=c%20d HTTP/1.1", "Host: x", "Proxy-Connection: keep-alive", shown(way), "sec-ch-ua: é")
    async with Browser(filter_) as browser:
        assert "200" in await browser.ask(*first)
        assert "200" in await browser.ask(f"POST {site} HTTP/1.1", "Content-Length: 4", shown(way), body=b"body")
    head = "GET /a?b=c%20d HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\nsec-ch-ua: é\r\n\r\n".encode()
    assert origin.came == head + b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody"
    assert origin.connections == 1


async def test_one_connection_goes_to_one_place(filter_: FilterProxy, origin: Origin) -> None:
    site = f"http://127.0.0.1:{origin.port}/"
    way = filter_.admit(guard_of(site))
    for other in ("http://10.0.0.1/", "http://other.example/", f"http://localhost:{origin.port}/"):
        async with Browser(filter_) as browser:
            assert "200" in await browser.ask(f"GET {site} HTTP/1.1", shown(way))
            before = origin.came
            assert await browser.ask(f"GET {other} HTTP/1.1", shown(way)) == ""
            assert origin.came == before


@pytest.mark.parametrize(
    "host",
    [
        "10.0.0.1", "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433", "0177.1",
        "inside.example",
    ],
)  # fmt: skip
async def test_a_private_address_is_refused_by_request_and_by_tunnel(
    filter_: FilterProxy, origin: Origin, host: str
) -> None:
    said: list[str] = []
    names = {"inside.example": ("93.184.216.34", "127.0.0.1")}
    way = filter_.admit(guard_of("https://shop.example/", names, said=said))
    assert "403" in await ask(filter_, f"GET http://{host}:{origin.port}/ HTTP/1.1", shown(way))
    assert "403" in await ask(filter_, f"CONNECT {host}:{origin.port} HTTP/1.1", shown(way))
    assert origin.connections == 0
    assert len(said) == 2
    assert all("private" in step for step in said)


async def test_a_tunnel_carries_much_both_ways(filter_: FilterProxy) -> None:
    much = bytes(range(256)) * 16384

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(len(much)))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0, limit=1024)
    port = server.sockets[0].getsockname()[1]
    way = filter_.admit(guard_of(f"https://home.example:{port}/", {"home.example": ("127.0.0.1",)}))
    async with Browser(filter_) as browser:
        assert "200" in await browser.ask(f"CONNECT home.example:{port} HTTP/1.1", shown(way))
        browser.writer.write(much)
        assert await browser.reader.read(-1) == much
    server.close()


async def test_a_site_that_is_not_there_is_told_to_the_guard_and_not_to_the_page(filter_: FilterProxy) -> None:
    guard = guard_of("http://127.0.0.1:1/")
    assert await ask(filter_, "GET http://127.0.0.1:1/ HTTP/1.1", shown(filter_.admit(guard))) == ""
    assert guard.last_failure is not None
    assert "refused" in guard.last_failure.message
    unknown = guard_of("http://nowhere.example/")
    assert await ask(filter_, "GET http://nowhere.example/ HTTP/1.1", shown(filter_.admit(unknown))) == ""
    assert unknown.last_failure is not None
    assert "no address" in unknown.last_failure.message


async def test_a_proxy_is_sent_its_own_password_and_not_the_browsers(filter_: FilterProxy, origin: Origin) -> None:
    way = filter_.admit(guard_of("http://shop.example/", egress=egress_of(f"http://me:p%40ss@127.0.0.1:{origin.port}")))
    assert "200" in await ask(filter_, "GET http://shop.example/x HTTP/1.1", "Host: shop.example", shown(way))
    login = base64.b64encode(b"me:p@ss").decode()
    assert origin.came.decode() == (
        f"GET http://shop.example/x HTTP/1.1\r\nHost: shop.example\r\nProxy-Authorization: Basic {login}\r\n\r\n"
    )
    assert "403" in await ask(filter_, "GET http://10.0.0.1/ HTTP/1.1", shown(way))


async def test_a_proxys_certificate_is_checked_with_what_was_read_once() -> None:
    secure = [await security(parse_proxy(f"https://{host}.example:443")) for host in ("one", "two")]
    assert secure[0] is secure[1]
    assert secure[0] is not None
    assert secure[0].verify_mode is ssl.CERT_REQUIRED
    assert await security(parse_proxy("http://one.example:3128")) is None


@pytest.mark.parametrize(
    "sent",
    [
        "GET / HTTP/1.1\r\nHost: 127.0.0.1",
        "GET ftp://shop.example/ HTTP/1.1",
        "GET file:///etc/passwd HTTP/1.1",
        "CONNECT shop.example HTTP/1.1",
        "CONNECT http://shop.example:80/ HTTP/1.1",
        "CONNECT a@b:80 HTTP/1.1",
        "GET http://a/ HTTP/2",
        "GET http://a b/ HTTP/1.1",
        "nonsense",
        "GET http://a/ HTTP/1.1\r\n: x",
        "GET http://a/ HTTP/1.1\r\n folded",
        "\x16\x03\x01",
    ],
)
async def test_what_is_no_request_to_a_proxy_is_none(filter_: FilterProxy, sent: str) -> None:
    with pytest.raises(MalformedHead):
        parse(sent.encode() + b"\r\n\r\n")
    assert "400" in await ask(filter_, sent)


@pytest.mark.parametrize(
    "lines", [("Transfer-Encoding: chunked",), ("Content-Length: 1", "Content-Length: 2"), ("Content-Length: +1",)]
)
async def test_a_body_whose_end_is_not_told_is_refused(filter_: FilterProxy, origin: Origin, lines: tuple[str]) -> None:
    site = f"http://127.0.0.1:{origin.port}/"
    way = filter_.admit(guard_of(site))
    assert "400" in await ask(filter_, f"POST {site} HTTP/1.1", *lines, shown(way))
    assert origin.came == b""


async def test_a_name_is_resolved_once_for_judging_and_connecting() -> None:
    answers = [("93.184.216.34",), ("127.0.0.1",)]

    async def resolve(host: str) -> tuple[str, ...]:
        return answers.pop(0)

    clock = Clock()
    guard = RequestRouting("https://shop.example/", clock=clock, events=site_events(), resolve=resolve)
    assert await guard.resolve("https://cdn.example/") == ("93.184.216.34",)
    assert await guard.resolve("https://cdn.example/") == ("93.184.216.34",)
    clock.at = 60.0
    with pytest.raises(EgressRefused, match="private"):
        await guard.resolve("https://cdn.example/")


@pytest.mark.parametrize(("first", "then"), [("93.184.216.34", "127.0.0.1"), ("10.0.0.1", "93.184.216.34")])
async def test_a_sites_own_name_does_not_lead_first_here_and_then_there(first: str, then: str) -> None:
    answers = [(first,), (then,), (then, first)]

    async def resolve(host: str) -> tuple[str, ...]:
        return answers.pop(0)

    clock, url = Clock(), "https://shop.example/"
    guard = RequestRouting(url, clock=clock, events=site_events(), resolve=resolve)
    assert await guard.resolve(url) == (first,)
    guard.record_success(url, first)
    clock.at = 60.0
    with pytest.raises(EgressRefused):
        await guard.resolve(url)
    clock.at = 120.0
    assert await guard.resolve(url) == (first,)


async def test_a_peer_that_resets_at_once_makes_no_traceback(
    filter_: FilterProxy, caplog: pytest.LogCaptureFixture
) -> None:
    listening = socket.create_server(("127.0.0.1", 0))

    def reset_all() -> None:
        with suppress(OSError):
            while True:
                peer, _ = listening.accept()
                # With a linger time of 0, close() sends RST.
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                peer.close()

    resetting = threading.Thread(target=reset_all)
    resetting.start()
    site = f"http://127.0.0.1:{listening.getsockname()[1]}/"
    way = filter_.admit(guard_of(site))
    # Many at once: the event loop is busy, and a reset comes before it looks at the connection.
    heads = await asyncio.gather(*(ask(filter_, f"GET {site} HTTP/1.1", shown(way)) for _ in range(60)))
    assert set(heads) == {""}
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    resetting.join()
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
