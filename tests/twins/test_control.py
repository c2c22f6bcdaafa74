"""Switches, counts and log from another process, and the twins served by their own command."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from doorkey_providers.twins.aichat import AichatTwin
from doorkey_providers.twins.control import is_loopback
from doorkey_providers.twins.twin import Twin

if TYPE_CHECKING:
    from .conftest import Visit


async def turn(http: aiohttp.ClientSession, origin: str, body: Any) -> tuple[int, dict[str, Any]]:
    async with http.post(f"{origin}/_twin/switch", json=body) as response:
        return response.status, await response.json()


async def test_switches_are_turned_over_http(twin: Twin, visit: Visit) -> None:
    visitor = await visit(twin)
    status, counts = await turn(visitor.session, twin.origin, {"quota": True, "filter_words": ["x"], "slow": 1})
    assert (status, counts["page_loads"]) == (200, 1)
    assert (twin.switches.quota, twin.switches.filter_words, twin.switches.slow) == (True, ("x",), 1.0)
    assert (await turn(visitor.session, twin.origin, {"reset": True, "rotate": True}))[0] == 200
    assert not twin.switches.quota
    await visitor.ask()
    assert twin.counts.refused == 1


@pytest.mark.parametrize("body", [{"qouta": True}, ["quota"], "quota", {"cut": "x"}, {"1": 1}, {"cut": []}])
async def test_a_wrong_switch_over_http_is_told(twin: Twin, visit: Visit, body: Any) -> None:
    status, told = await turn((await visit(twin)).session, twin.origin, body)
    assert status == 400
    assert told["error"]


async def test_a_page_of_another_site_cant_turn_switches(twin: Twin, visit: Visit) -> None:
    async with (await visit(twin)).session.post(f"{twin.origin}/_twin/switch", data=b'{"down": true}') as response:
        assert response.status == 400
    assert not twin.switches.down


async def test_counts_and_log_are_json(twin: Twin, visit: Visit) -> None:
    visitor = await visit(twin)
    await visitor.ask("first")
    await visitor.ask("second")
    async with visitor.session.get(f"{twin.origin}/_twin/counts") as response:
        assert await response.json() == twin.counts.as_json()
    async with visitor.session.get(f"{twin.origin}/_twin/log?last=1") as response:
        (seen,) = await response.json()
    assert "second" in str(seen["fields"])
    assert seen["accepted"] is True
    async with visitor.session.get(f"{twin.origin}/_twin/log?last=all") as response:
        assert response.status == 400


@pytest.mark.parametrize(
    ("remote", "near"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("192.0.2.1", False), ("", False), (None, False)],
)
def test_only_this_machine_is_answered(remote: str | None, near: bool) -> None:
    assert is_loopback(remote) is near


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
async def test_the_command_serves_all_four_until_told_to_stop(stop: signal.Signals) -> None:
    command = (sys.executable, "-m", "doorkey_providers.twins", "--port-base", "0")
    env = {"PYTHONPATH": ":".join(path for path in sys.path if path)}
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, env=env)
    assert process.stdout is not None
    async with asyncio.timeout(20), aiohttp.ClientSession() as http:
        lines = [(await process.stdout.readline()).decode().split() for _ in range(4)]
        assert [name for name, _ in lines] == ["aichat", "aichats", "chatgptt", "chatgptfree"]
        for _, url in lines:
            async with http.get(url) as response:
                assert response.status == 200
        process.send_signal(stop)
        assert await process.wait() == 0


async def test_a_taken_port_is_told() -> None:
    async with AichatTwin() as twin:
        port = twin.origin.rpartition(":")[2]
        command = (sys.executable, "-m", "doorkey_providers.twins", "--port-base", port)
        env = {"PYTHONPATH": ":".join(path for path in sys.path if path)}
        process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE, env=env)
        async with asyncio.timeout(20):
            _, told = await process.communicate()
    assert process.returncode == 1
    assert b"--port-base" in told
    assert b"Traceback" not in told
