"""`doorkey serve --workers 2` is one service: at the site, for its clients, and in its end."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import time
from asyncio.subprocess import Process
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from doorkey_providers.twins.twin import Twin

from .conftest import LIMIT, Doorkey, ended

KEY = "a-key-of-the-tests"
SETTINGS = """
[service]
key = "{key}"
drain = 20
[sites.s]
provider = "web"
url = "{url}"
[sites.s.manners]
{manners}
"""
WORKER = slice(16)
"""The part of a request's id that is its worker's."""


@dataclass
class SlowSite:
    """Streams until `gate` is set. `began` are the times at which calls came, `most` is how many there were at once."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    began: list[float] = field(default_factory=list)
    inside: int = 0
    most: int = 0
    url: str = ""

    async def stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"begun ")
        await self.gate.wait()
        await response.write(b"ended")
        return response

    async def call(self, request: web.Request) -> web.Response:
        self.began.append(time.monotonic())
        self.inside += 1
        self.most = max(self.most, self.inside)
        await asyncio.sleep(0.02)  # at the site
        self.inside -= 1
        return web.Response(text="done")


@asynccontextmanager
async def serving() -> AsyncIterator[SlowSite]:
    made, app = SlowSite(), web.Application()
    app.router.add_get("/stream", made.stream)
    app.router.add_get("/call", made.call)
    async with TestServer(app, host="127.0.0.1") as server:
        made.url = str(server.make_url("/"))
        yield made
        made.gate.set()


@pytest.fixture
async def site() -> AsyncIterator[SlowSite]:
    async with serving() as made:
        yield made


class Service:
    """A service that runs, and clients of it that have one connection each."""

    def __init__(self, doorkey: Doorkey, process: Process, base: str, exits: AsyncExitStack) -> None:
        self.doorkey = doorkey
        self.process = process
        self.base = base
        self.exits = exits

    async def client(self, **headers: str) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=1)
        session = aiohttp.ClientSession(
            self.base, connector=connector, headers=headers or {"x-api-key": KEY}, cookie_jar=aiohttp.DummyCookieJar()
        )
        return await self.exits.enter_async_context(session)

    async def clients_of_both(self) -> list[aiohttp.ClientSession]:
        """Two clients, each of another worker."""
        found: dict[str, aiohttp.ClientSession] = {}
        async with asyncio.timeout(LIMIT):
            while len(found) < 2:  # a new connection goes to the worker that has the fewest
                client = await self.client()
                found.setdefault(await worker_of(client), client)
        return [*found.values()]

    def workers(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in children.read_text().split()]

    async def until_both_serve(self, *without: int) -> None:
        """Return once two workers take connections, none of them *without*."""
        async with asyncio.timeout(LIMIT), aiohttp.ClientSession(self.base, headers={"x-api-key": KEY}) as client:
            while True:
                async with client.get("/metrics") as answer:
                    numbers = re.findall(r'process_start_time_seconds\{worker="(\d)"\}', await answer.text())
                if len(numbers) == 2 and len(workers := self.workers()) == 2 and not {*without} & {*workers}:
                    return
                await asyncio.sleep(0.02)  # nothing tells of it

    async def enter(self) -> None:
        """Give the service a session of the site."""
        jar = "# Netscape HTTP Cookie File\n127.0.0.1\tFALSE\t/\tFALSE\t0\tsid\tx\n"
        async with (await self.client()).put("/api/sites/s/session", data=jar) as answer:
            assert answer.status == 200, await answer.text()


async def worker_of(client: aiohttp.ClientSession) -> str:
    async with client.get("/healthz") as answer:
        return answer.headers["x-request-id"][WORKER]


async def start(doorkey: Doorkey, exits: AsyncExitStack, *options: str) -> Service:
    process = await doorkey.start("serve", "--port", "0", "--workers", "2", "--json", *options)
    assert process.stdout is not None
    async with asyncio.timeout(LIMIT):
        told = json.loads(await process.stdout.readline())
    service = Service(doorkey, process, told["base_url"].removesuffix("/v1"), exits)
    await service.until_both_serve()
    return service


def configure(doorkey: Doorkey, site: SlowSite, *, key: str = KEY, manners: str = "at_once = 50\nrate = 1000") -> None:
    (doorkey.folder / "doorkey.toml").write_text(SETTINGS.format(key=key, url=site.url, manners=manners))


@pytest.fixture
async def exits() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
async def service(doorkey: Doorkey, site: SlowSite, exits: AsyncExitStack) -> Service:
    """A service that the test ends."""
    configure(doorkey, site)
    made = await start(doorkey, exits)
    await made.enter()
    return made


@pytest.fixture(scope="module")
async def lasting(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Service, SlowSite]]:
    """A service and its site for all tests that do not end it: a start takes seconds."""
    async with AsyncExitStack() as stack, serving() as site:
        doorkey = Doorkey(tmp_path_factory.mktemp("lasting"))
        stack.push_async_callback(doorkey.close)
        configure(doorkey, site)
        made = await start(doorkey, stack)
        await made.enter()
        yield made, site


async def begin_streams(service: Service) -> list[aiohttp.ClientResponse]:
    """One stream by each worker; both have begun."""
    streams = [await client.get("/site/s/stream") for client in await service.clients_of_both()]
    assert [await stream.content.readexactly(6) for stream in streams] == [b"begun "] * 2
    return streams


@pytest.mark.slow
@pytest.mark.browser
async def test_callers_of_all_workers_share_one_visit(doorkey: Doorkey, twin: Twin, exits: AsyncExitStack) -> None:
    doorkey.settings["DOORKEY_SERVICE__KEY"] = KEY
    service = await start(doorkey, exits)
    clients = [await service.client() for _ in range(8)]
    assert sorted(Counter([await worker_of(client) for client in clients]).values()) == [4, 4]
    body = {"model": "chatgptfree", "messages": [{"role": "user", "content": "hi"}]}

    async def ask(client: aiohttp.ClientSession) -> int:
        async with client.post("/v1/chat/completions", json=body) as answer:
            return answer.status

    assert await asyncio.gather(*map(ask, clients)) == [200] * 8
    assert twin.counts.page_loads == 1


async def test_the_limits_of_a_site_hold_over_all_workers(
    doorkey: Doorkey, site: SlowSite, exits: AsyncExitStack
) -> None:
    configure(doorkey, site, manners="at_once = 2\nrate = 20.0")
    service = await start(doorkey, exits)
    await service.enter()
    clients = [*await service.clients_of_both(), *await service.clients_of_both()]

    async def call(client: aiohttp.ClientSession) -> int:
        async with client.get("/site/s/call") as answer:
            return answer.status

    assert await asyncio.gather(*(call(client) for client in clients for _ in range(3))) == [200] * 12
    assert site.most <= 2
    assert site.began[-1] - site.began[0] >= 11 * 0.75 / 20


async def test_a_worker_that_is_killed_ends_its_streams_only_and_is_replaced(
    lasting: tuple[Service, SlowSite],
) -> None:
    service, site = lasting
    site.gate.clear()
    streams = await begin_streams(service)
    killed = service.workers()[0]
    os.kill(killed, signal.SIGKILL)
    await service.until_both_serve(killed)
    site.gate.set()
    ends = await asyncio.gather(*(stream.read() for stream in streams), return_exceptions=True)
    assert sum(isinstance(end, aiohttp.ClientPayloadError) for end in ends) == 1
    assert [end for end in ends if isinstance(end, bytes)] == [b"ended"]
    for client in await service.clients_of_both():
        async with client.get("/site/s/call") as answer:
            assert answer.status == 200


async def test_sigterm_lets_the_requests_of_all_workers_end(service: Service, site: SlowSite) -> None:
    streams = await begin_streams(service)
    service.process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(LIMIT):
        while True:
            try:
                async with aiohttp.ClientSession(service.base) as client, client.get("/healthz"):
                    pass
            except aiohttp.ClientConnectionError:
                break
    site.gate.set()
    assert [await stream.read() for stream in streams] == [b"ended"] * 2
    done = await service.doorkey.end(service.process)
    await service.doorkey.gone()
    assert (done.code, "Traceback" in done.err) == (0, False)


@pytest.mark.slow
async def test_a_second_signal_ends_all_workers_at_once(service: Service, site: SlowSite) -> None:
    await begin_streams(service)
    service.process.send_signal(signal.SIGINT)
    client = await service.client()
    with pytest.raises(aiohttp.ClientConnectionError):
        while True:
            await worker_of(client)
            client = await service.client()
    service.process.send_signal(signal.SIGINT)
    assert (await service.doorkey.end(service.process)).code == -signal.SIGINT
    await service.doorkey.gone()


async def test_changed_settings_reach_all_workers_and_drop_no_stream(lasting: tuple[Service, SlowSite]) -> None:
    service, site = lasting
    site.gate.clear()
    clients = await service.clients_of_both()
    streams = await begin_streams(service)
    for key, before in (("another-key-of-the-tests", KEY), (KEY, "another-key-of-the-tests")):
        configure(service.doorkey, site, key=key)
        service.process.send_signal(signal.SIGHUP)
        async with asyncio.timeout(LIMIT):
            for client in clients:
                for shown, status in ((key, 200), (before, 401)):
                    while (await client.get("/v1/models", headers={"x-api-key": shown})).status != status:
                        await asyncio.sleep(0.01)  # nothing tells of it
    site.gate.set()
    assert [await stream.read() for stream in streams] == [b"ended"] * 2


async def test_no_worker_outlives_its_supervisor(service: Service) -> None:
    workers = service.workers()
    service.process.kill()
    async with asyncio.timeout(LIMIT):
        await asyncio.gather(*map(ended, workers))
    await service.doorkey.gone()


async def test_the_dashboard_is_one_over_all_workers(lasting: tuple[Service, SlowSite]) -> None:
    service, _ = lasting
    one, other = await service.clients_of_both()
    async with one.post("/api/dashboard/links") as made:
        link = (await made.json())["path"]
    guests = [await service.client(**{"accept": "text/html"}) for _ in range(2)]
    assert {await worker_of(guest) for guest in guests} == {await worker_of(one), await worker_of(other)}
    cookies = []
    for guest in guests:
        async with guest.get(link, allow_redirects=False) as answer:
            cookies += [cookie.OutputString() for cookie in answer.cookies.values()]
    assert len(cookies) == 1, "the link works once in all"
    cookie = {"cookie": cookies[0].partition(";")[0]}
    for client in (one, other):
        async with client.get("/site/s/call") as answer:
            assert answer.status == 200
    tokens = set()
    for guest in guests:
        async with guest.get("/", headers=cookie) as answer:
            assert answer.status == 200
            tokens |= set(re.findall(r'name="form_token" value="([^"]+)"', await answer.text()))
    assert len(tokens) == 1
    async with asyncio.timeout(LIMIT), guests[0].get("/dashboard/events", headers=cookie) as events:
        seen = ""
        while seen.count("/site/s/…") < 2:
            line = await events.content.readline()
            seen = json.loads(line[5:]).get("requests", seen) if line.startswith(b"data:") else seen
    origin = {"origin": service.base, **cookie}
    async with guests[1].post("/dashboard/sites/s/pause", headers=origin, data={"form_token": tokens.pop()}) as answer:
        assert answer.status == 200
    for client in (one, other):
        async with client.get("/site/s/call") as answer:
            assert answer.status == 503
        async with client.get("/api/sites/s") as answer:
            assert (await answer.json())["state"] == "paused"
    async with one.post("/api/sites/s/resume") as answer:
        assert answer.status == 200
    async with other.get("/site/s/call") as answer:
        assert answer.status == 200


async def test_metrics_count_the_requests_of_all_workers_and_of_those_that_died(
    lasting: tuple[Service, SlowSite],
) -> None:
    service, _ = lasting
    clients = await service.clients_of_both()
    for _ in range(3):
        for client in clients:
            async with client.post("/v1/completions", data="no JSON") as answer:
                assert answer.status == 415

    async def counted(client: aiohttp.ClientSession) -> int:
        async with client.get("/metrics") as answer:
            found = re.search(r'requests_total\{route="/v1/completions".*\} (\d+)', await answer.text())
        return int(found[1]) if found else 0

    async with asyncio.timeout(LIMIT):
        for client in clients:
            while await counted(client) < 6:
                await asyncio.sleep(0.05)  # a worker publishes its counts once a second
    killed = service.workers()[0]
    os.kill(killed, signal.SIGKILL)
    await service.until_both_serve(killed)
    assert [await counted(client) for client in await service.clients_of_both()] == [6, 6]


async def test_a_store_of_one_process_is_refused(doorkey: Doorkey) -> None:
    done = await doorkey("serve", "--workers", "2", settings={"DOORKEY_STORE__URL": "memory://"})
    assert done.code == 2
    assert 'store.url is "memory://"' in done.err


async def test_what_keeps_the_first_worker_from_serving_is_told_once_and_ends_all(
    doorkey: Doorkey, site: SlowSite
) -> None:
    configure(doorkey, site)
    broken = doorkey.folder / "no-database"
    broken.write_text("something else, long enough to be no empty database" * 20)
    done = await doorkey(
        "serve", "--port", "0", "--workers", "2", settings={"DOORKEY_STORE__URL": f"sqlite://{broken}"}
    )
    assert done.code == 2
    assert done.err.count("is no database of doorkey's") == 1
    assert doorkey.processes() == []


@pytest.mark.slow
async def test_workers_share_a_unix_socket(doorkey: Doorkey, site: SlowSite) -> None:
    configure(doorkey, site)
    path = doorkey.folder / "doorkey.sock"
    process = await doorkey.start("serve", "--workers", "2", "--json", "--socket", str(path))
    assert process.stdout is not None
    assert json.loads(await process.stdout.readline())["socket"] == str(path)
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as client,
        client.get("http://localhost/v1/models", headers={"x-api-key": KEY}) as answer,
    ):
        assert answer.status == 200
    process.send_signal(signal.SIGTERM)
    assert (await doorkey.end(process)).code == 0
    assert not path.exists()
