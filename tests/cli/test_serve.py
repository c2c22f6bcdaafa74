"""`doorkey serve` says how to call it, answers before a browser is needed, and leaves none behind."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from doorkey_providers.twins.twin import Twin

from .conftest import LIMIT, Doorkey


@pytest.fixture
async def serving(doorkey: Doorkey, twin: Twin) -> Process:
    doorkey.settings["DOORKEY_SERVICE__DRAIN"] = "1"
    return await doorkey.start("serve", "--port", "0", "--json")


@pytest.fixture
async def told(serving: Process) -> dict[str, str]:
    placard: dict[str, str] = json.loads(await line(serving))
    return placard


@pytest.fixture
async def client(told: dict[str, str]) -> AsyncIterator[aiohttp.ClientSession]:
    key = Path(told["key_file"]).read_text().strip()
    base = told["base_url"].removesuffix("/v1")
    async with aiohttp.ClientSession(base, headers={"authorization": f"Bearer {key}"}) as session:
        yield session


async def line(process: Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(LIMIT):
        return (await process.stdout.readline()).decode()


async def until_it_rests(process: Process) -> str:
    """What it prints until it waits for requests."""
    lines: list[str] = []
    while not lines or not lines[-1].startswith("Ctrl-C"):
        lines.append(await line(process))
    return "".join(lines)


@pytest.mark.slow
async def test_it_visits_for_a_machine_without_a_browser(doorkey: Doorkey, twin: Twin) -> None:
    front = {"DOORKEY_ROLE": "front"}
    serving = await doorkey.start("serve", "--port", "0", "--json")
    await line(serving)
    asked = await doorkey("ask", "-m", "chatgptfree", "hello", settings=front)
    assert asked.code == 0, asked.err
    assert twin.counts.page_loads == 1
    twin.rotate()
    renewed = await doorkey("ask", "-m", "chatgptfree", "hello", settings=front)
    assert renewed.code == 0, renewed.err
    assert twin.counts.page_loads == 2
    serving.send_signal(signal.SIGTERM)
    await doorkey.end(serving)
    alone = await doorkey(
        "visit", "chatgptfree", settings={**front, "DOORKEY_LIMITS__VISIT": "1", "DOORKEY_LIMITS__CHALLENGE": "1"}
    )
    assert (alone.code != 0, 'role = "all"' in alone.err) == (True, True), alone.err


async def test_it_prints_address_key_and_calls_that_work(doorkey: Doorkey, twin: Twin) -> None:
    first = await doorkey.start("serve", "--port", "0")
    text = await until_it_rests(first)
    key = re.search(r"^key +(\S{20,}) +\(new; shown this once, kept in (\S+)\)$", text, re.M)
    assert key is not None, text
    base = re.search(r"^doorkey serves at +(http://127\.0\.0\.1:\d+)$", text, re.M)
    assert base is not None, text
    assert f'curl -H "Authorization: Bearer $(cat {key[2]})" {base[1]}/site/chatgptfree/' in text
    assert f'curl -N {base[1]}/v1/chat/completions -H "Authorization: Bearer $(cat {key[2]})"' in text
    assert '"model": "chatgptfree/gpt-4o-mini' in text
    headers = {"authorization": f"Bearer {Path(key[2]).read_text().strip()}"}
    async with aiohttp.ClientSession() as session, session.get(f"{base[1]}/v1/models", headers=headers) as answer:
        assert answer.status == 200
    first.send_signal(signal.SIGINT)
    assert (await doorkey.end(first)).code == 130

    again = await until_it_rests(await doorkey.start("serve", "--port", "0"))
    assert key[1] not in again
    assert key[2] in again


async def test_healthz_answers_before_any_browser_is_started(doorkey: Doorkey, client: aiohttp.ClientSession) -> None:
    async with asyncio.timeout(LIMIT), client.get("/healthz") as answer:
        assert answer.status == 200
    assert doorkey.processes("chrom") == []
    assert doorkey.processes("node") == []


@pytest.mark.browser
async def test_its_end_leaves_nothing_running(
    doorkey: Doorkey, twin: Twin, serving: Process, client: aiohttp.ClientSession
) -> None:
    twin.switch(hold_page=True)
    body = {"model": "chatgptfree", "messages": [{"role": "user", "content": "hi"}]}
    asking = asyncio.create_task(client.post("/v1/chat/completions", json=body))
    async with asyncio.timeout(LIMIT):
        await twin.counts.until(lambda counts: counts.held == 1)
    assert doorkey.processes("chrom")
    serving.send_signal(signal.SIGTERM)
    done = await doorkey.end(serving)
    await doorkey.gone()
    assert done.code == 0
    assert "Traceback" not in done.err
    await asyncio.wait([asking])
    assert asking.exception() or asking.result().status >= 500


async def test_json_is_one_line_that_holds_no_key(told: dict[str, str], client: aiohttp.ClientSession) -> None:
    assert sorted(told) == ["base_url", "key", "key_file", "models"]
    assert Path(told["key_file"]).read_text().strip() not in json.dumps(told)


async def test_without_a_key_none_is_asked_for(doorkey: Doorkey, twin: Twin) -> None:
    told = json.loads(await line(await doorkey.start("serve", "--port", "0", "--no-key", "--json")))
    assert (told["key"], told["key_file"]) == (False, None)
    async with aiohttp.ClientSession() as session, session.get(f"{told['base_url']}/models") as answer:
        assert answer.status == 200


async def test_a_key_of_ones_own_is_never_printed(doorkey: Doorkey, twin: Twin) -> None:
    overrides = {"DOORKEY_SERVICE__KEY": "my-own-key-1234"}
    process = await doorkey.start("serve", "--port", "0", settings=overrides)
    text = await until_it_rests(process)
    assert "my-own-key" not in text
    assert "Bearer $KEY" in text


async def test_changed_settings_are_taken_over_and_faulty_ones_do_no_harm(doorkey: Doorkey) -> None:
    path = doorkey.folder / "doorkey.toml"
    site = '[sites.aichats]\nurl = "http://127.0.0.1:9/"\n[service]\nkey = "{}"\n'
    odd = '[sites.odd]\nprovider = "nobody"\nurl = "http://127.0.0.1:9/"\n'
    path.write_text(odd + site.format("old"))
    process = await doorkey.start("serve", "--port", "0", "--json")
    base = json.loads(await line(process))["base_url"]
    async with aiohttp.ClientSession() as client:

        async def accepts(key: str) -> bool:
            async with client.get(f"{base}/models", headers={"x-api-key": key}) as answer:
                return answer.status == 200

        assert await accepts("old")
        path.write_text(site.format("new"))
        process.send_signal(signal.SIGHUP)
        async with asyncio.timeout(LIMIT):
            while not await accepts("new"):
                pass
        assert not await accepts("old")
        path.write_text("[sites")
        process.send_signal(signal.SIGHUP)
        assert await accepts("new")
    process.send_signal(signal.SIGTERM)
    done = await doorkey.end(process)
    assert done.code == 0
    assert "the site odd is left out" in done.err
    assert "not taken over" in done.err
