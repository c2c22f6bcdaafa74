"""What agents wait for, answered through the service."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from double import DoubleRuntime

from doorkey.accounts.confirmations import Confirmations, Decision
from doorkey.clock import SystemClock
from doorkey.config.settings import ServiceSettings
from doorkey.service.app import build_app, serve

sys.path.insert(0, str(Path(__file__).parents[1]))
from entered import until

KEYS = {
    "admin": {"key": "may-answer", "sites": ["aichats"], "admin": True},
    "phone": {"key": "may-call", "sites": ["aichats"]},
}
PATH = "/api/confirmations"


@pytest.fixture
def queue(tmp_path: Path) -> Confirmations:
    return Confirmations(tmp_path, SystemClock())


@pytest.fixture
async def client(runtime: DoubleRuntime, queue: Confirmations) -> AsyncIterator[aiohttp.ClientSession]:
    service = ServiceSettings.model_validate({"keys": KEYS})
    app = build_app(runtime, service=service, key="full", confirmations=queue)
    async with serve(app, "127.0.0.1", 0) as base, aiohttp.ClientSession(base) as session:
        yield session


@pytest.mark.parametrize("allow", [True, False])
async def test_a_waiting_request_is_listed_and_decided(
    client: aiohttp.ClientSession, queue: Confirmations, allow: bool
) -> None:
    key = {"x-api-key": "may-answer"}
    asking = asyncio.create_task(queue.ask("write", "aichats", "POST /x", patience=60, body="{}"))
    await until(lambda: bool(queue.waiting()))
    async with client.get(PATH, headers=key) as response:
        (pending,) = (await response.json())["confirmations"]
        assert (pending["title"], pending["body"], response.headers["Cache-Control"]) == ("POST /x", "{}", "no-store")
    async with client.post(f"{PATH}/{pending['id']}", headers=key, json={"note": "n"}) as response:
        assert (response.status, (await response.json())["error"]["param"]) == (400, "allow")
    async with client.post(f"{PATH}/{pending['id']}", headers=key, json={"allow": allow, "note": "n"}) as response:
        assert (response.status, await response.json()) == (200, {"id": pending["id"], "allowed": allow})
    assert await asking == Decision(allow, "n")
    async with client.post(f"{PATH}/{pending['id']}", headers=key, json={"allow": True}) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (404, "not_found")


async def test_only_a_key_with_admin_for_the_site_answers(client: aiohttp.ClientSession, queue: Confirmations) -> None:
    asking = asyncio.create_task(queue.ask("write", "wiki", "POST /x", patience=60))
    await until(lambda: bool(queue.waiting()))
    path = f"{PATH}/{queue.waiting()[0].id}"
    async with client.get(PATH, headers={"x-api-key": "may-answer"}) as response:
        assert await response.json() == {"confirmations": []}
    for key in ("may-answer", "may-call"):
        async with client.post(path, headers={"x-api-key": key}, json={"allow": True}) as response:
            assert (response.status, (await response.json())["error"]["code"]) == (403, "not_allowed_for_key")
    async with client.get(PATH, headers={"x-api-key": "may-call"}) as response:
        assert response.status == 403
    async with client.post(path, headers={"x-api-key": "full"}, json={"allow": False}) as response:
        assert response.status == 200
    assert await asking == Decision(allowed=False)
