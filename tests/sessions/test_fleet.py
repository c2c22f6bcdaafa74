"""Several processes share one store: sessions die under load, a claim's holder is killed, the server goes away."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .fleet import CountingSite, counting_site, result_of, start_node
from .hosts import HUB, Hosts, NoHosts, make_hosts
from .redis_stores import ENCRYPTION, empty

if TYPE_CHECKING:
    from redis_server import RedisServer

pytestmark = pytest.mark.slow

AWAY = 8.0
"""Seconds of real time that the server is away: less than the nodes' patience."""
BUSY = 3.0
"""Seconds that a busy machine may add."""


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=pytest.mark.real("redis"))])
async def shared(request: pytest.FixtureRequest, database: Path) -> str:
    """What the nodes call the store that they share."""
    if request.param == "sqlite":
        return str(database)
    server: RedisServer = request.getfixturevalue("redis")
    await empty(server)
    return server.url


async def load(shared: str, site: CountingSite, requests: int, nodes: int = 2) -> list[dict[str, float]]:
    started = [await start_node(shared, ENCRYPTION, site, requests // nodes) for _ in range(nodes)]
    return list(await asyncio.gather(*(result_of(node) for node in started)))


async def check_ideal(shared: str, requests: int, uses: int, nodes: int = 2) -> None:
    async with counting_site(uses) as site:
        results = await load(shared, site, requests, nodes)
    assert [one["lost"] for one in results] == [0] * nodes
    assert site.answered == requests
    assert (site.visits, site.overlaps) == (requests // uses, 0)


async def test_each_session_that_dies_costs_one_visit_for_all_processes(shared: str) -> None:
    await check_ideal(shared, requests=1000, uses=50)


@pytest.mark.long
@pytest.mark.parametrize("nodes", [2, 4])
async def test_ten_thousand_requests_over_processes_cost_twenty_visits(shared: str, nodes: int) -> None:
    await check_ideal(shared, requests=10_000, uses=500, nodes=nodes)


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    try:
        with make_hosts(2) as made:
            yield made
    except NoHosts as none:
        pytest.skip(f"network namespaces can't be made here: {none}")


@asynccontextmanager
async def redis_on_hub(server: RedisServer, hosts: Hosts, folder: Path) -> AsyncIterator[str]:
    """The URL of a server of the same program, on the hub."""
    options = ("--bind", HUB, "--protected-mode", "no", "--dir", str(folder), "--save", "")
    command = (*hosts.command(hosts.hub), server.program, *options)
    environment = {**os.environ, **server.environment}
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        while b"Ready to accept connections" not in (line := await process.stdout.readline()):
            assert line, "the server has ended"
        yield f"redis://{HUB}:6379/0"
    finally:
        process.kill()
        await process.wait()


@pytest.mark.real("redis")
@pytest.mark.parametrize(("requests", "uses"), [(1000, 50), pytest.param(10_000, 500, marks=pytest.mark.long)])
async def test_on_two_hosts_each_session_that_dies_costs_one_visit(
    redis: RedisServer, hosts: Hosts, tmp_path: Path, requests: int, uses: int
) -> None:
    async with (
        redis_on_hub(redis, hosts, tmp_path) as url,
        counting_site(uses, host=HUB, listen=hosts.listen) as site,
    ):
        nodes = [
            await start_node(url, ENCRYPTION, site, requests // 2, on=hosts.command(host)) for host in hosts.others
        ]
        results = await asyncio.gather(*(result_of(node) for node in nodes))
    assert [one["lost"] for one in results] == [0, 0]
    assert site.answered == requests
    assert (site.visits, site.overlaps) == (requests // uses, 0)


async def test_when_the_claims_holder_is_killed_another_process_takes_over(shared: str) -> None:
    async with counting_site(uses=10**9, slow=0.5) as site:
        victim = await start_node(shared, ENCRYPTION, site, 100)
        await site.visited.wait()
        heir = await start_node(shared, ENCRYPTION, site, 100)
        victim.send_signal(signal.SIGKILL)
        await victim.wait()
        result = await result_of(heir)
    assert (result["lost"], result["sent"]) == (0, 100)
    assert result["longest"] < 3 + 1 + 0.5 + BUSY, "the claim's 3 s and one more, and the visit"
    assert site.visits <= 2


async def test_after_a_kill_the_first_answer_comes_without_a_visit(shared: str) -> None:
    async with counting_site(uses=10**9) as site:
        victim = await start_node(shared, ENCRYPTION, site, 10**6)
        await site.until_answered(20)
        victim.send_signal(signal.SIGKILL)
        await victim.wait()
        result = await result_of(await start_node(shared, ENCRYPTION, site, 20))
    assert (result["lost"], result["sent"], site.visits) == (0, 20, 1)


async def test_a_holder_that_stands_still_past_its_claim_publishes_nothing_over_a_newer_session(shared: str) -> None:
    async with counting_site(uses=10**9, slow=0.5) as site:
        stopped = await start_node(shared, ENCRYPTION, site, 100)
        await site.visited.wait()
        stopped.send_signal(signal.SIGSTOP)
        other = await result_of(await start_node(shared, ENCRYPTION, site, 100))
        stopped.send_signal(signal.SIGCONT)
        result = await result_of(stopped)
    assert (result["lost"], other["lost"]) == (0, 0)
    assert site.visits == 2, "a login ends the one before: nobody ends the other's again"


@pytest.mark.real("redis")
async def test_a_server_killed_three_times_under_load_loses_nothing(tmp_path: Path) -> None:
    from redis_server import redis_server

    with redis_server(tmp_path) as server:
        async with counting_site(uses=100) as site:
            nodes = [await start_node(server.url, ENCRYPTION, site, 2000) for _ in range(2)]
            for killed in range(1, 4):
                await site.until_answered(killed * 900)
                server.kill()
                server.start()
            results = await asyncio.gather(*(result_of(node) for node in nodes))
    assert [one["lost"] for one in results] == [0, 0]
    assert site.answered == 4000
    # A visit whose commit met the killed server may be made twice.
    assert 40 <= site.visits <= 43


@pytest.mark.real("redis")
@pytest.mark.parametrize("how", ["killed", pytest.param("stopped", marks=pytest.mark.long)])
async def test_while_a_server_is_away_for_8_seconds_nodes_go_on_with_what_they_hold(tmp_path: Path, how: str) -> None:
    from redis_server import redis_server

    with redis_server(tmp_path) as server:
        async with counting_site(uses=1500) as site:
            nodes = [await start_node(server.url, ENCRYPTION, site, 1500) for _ in range(2)]
            await site.until_answered(200)
            server.kill() if how == "killed" else server.signal(signal.SIGSTOP)
            await asyncio.sleep(AWAY)
            meanwhile = site.answered
            server.start() if how == "killed" else server.signal(signal.SIGCONT)
            results = await asyncio.gather(*(result_of(node) for node in nodes))
    assert [one["lost"] for one in results] == [0, 0]
    assert meanwhile == 1500, "all that the session they held was good for"
    assert (site.visits, site.overlaps) == (2, 0)
