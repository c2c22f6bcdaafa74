"""Real gates that a browser passes by being one, each as its makers built it, before a site of ours."""

from __future__ import annotations

import asyncio
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

import aiohttp
import pytest

from doorkey import Request
from doorkey.config.settings import ServiceSettings
from doorkey.errors import Cut, NeedsPerson
from doorkey.service.app import build_app, serve

sys.path.insert(0, str(Path(__file__).parent))
from asking import ANSWERED, LIMIT, entered, outcome, outcomes, visits
from software.gated import Gated

pytestmark = pytest.mark.browser

Start = Callable[..., Gated]
AT_ONCE = 50
LIFE = 5
"""Seconds that a pass of the strictest gate lives."""
PASSES = 3
ALTCHA, CAP, OWN = pytest.mark.real("altcha"), pytest.mark.real("cap"), pytest.mark.real("gates")
ONE_EACH = [
    pytest.param(("altcha", {"auto": "onload", "status": 403}), {}, marks=ALTCHA, id="altcha-403"),
    pytest.param(("cap", {"status": 200}), {}, marks=CAP, id="cap-200"),
    # Nobody can know an unnamed gate's page from a site's, where it says 200: what the page behind it holds is told.
    pytest.param(("own", {"status": 200}), {"ready": "h1"}, marks=OWN, id="own-200"),
]
UNKNOWN = pytest.param(("own", {"status": 403, "wait": 2}), {}, marks=OWN, id="own-403-unknown")
ALL = [
    *ONE_EACH,
    pytest.param(("altcha", {"auto": "onload", "status": 200}), {}, marks=ALTCHA, id="altcha-200"),
    pytest.param(("cap", {"status": 403}), {}, marks=CAP, id="cap-403"),
    pytest.param(("own", {"status": 403}), {"ready": "h1"}, marks=OWN, id="own-403"),
    UNKNOWN,
]
NAMES = ("gate", "site")
Gate = tuple[str, dict[str, Any]]


@pytest.mark.parametrize(NAMES, ALL)
async def test_fifty_questions_are_answered_over_a_pass_that_dies_with_one_visit_each(
    start: Start, gate: Gate, site: dict[str, Any]
) -> None:
    notes = start(gate[0], **gate[1])
    async with entered(notes.url, **site) as runtime:
        assert await outcomes(runtime, [f"first {number}" for number in range(AT_ONCE)]) == {ANSWERED: AT_ONCE}
        assert notes.counts()["passes"] == 1
        notes.switch(kill=True)
        assert await outcomes(runtime, [f"then {number}" for number in range(AT_ONCE)]) == {ANSWERED: AT_ONCE}
    counts = notes.counts()
    assert (counts["passes"], counts["calls"]) == (2, 2 * AT_ONCE)
    assert (counts["worthless"], counts["foreign"]) == (0, 0)


@ALTCHA
async def test_a_pass_that_only_the_browser_itself_may_use_is_used_by_its_page(start: Start) -> None:
    notes = start("altcha", auto="onload", tied="strictly")
    async with entered(notes.url) as runtime:
        assert await outcomes(runtime, [f"first {number}" for number in range(AT_ONCE)]) == {ANSWERED: AT_ONCE}
        (status,) = runtime.status()
        assert status.transport == "page"
        passes = notes.switch(kill=True)["passes"]
        assert await outcomes(runtime, [f"then {number}" for number in range(AT_ONCE)]) == {ANSWERED: AT_ONCE}
    counts = notes.counts()
    assert (passes, counts["passes"]) == (2, 3), "by plain HTTP; by the page; by the page, anew"
    assert counts["calls"] == 2 * AT_ONCE


@pytest.mark.parametrize(NAMES, [*ONE_EACH, UNKNOWN])
async def test_cookies_of_a_gate_that_never_opens_are_never_used(
    start: Start, gate: Gate, site: dict[str, Any]
) -> None:
    notes = start(gate[0], **gate[1])
    notes.switch(closed=True)
    said: list[str] = []
    async with entered(notes.url, said=said, limits={"challenge": 3, "visit": 15}, **site) as runtime:
        met = await outcomes(runtime, [f"question {number}" for number in range(AT_ONCE)])
        assert ANSWERED not in met
        assert "TimeLimit" not in met, "they waited until their own time was over"
        before = visits(said)
        assert await outcome(runtime, "another") in met
        assert visits(said) == before, "it was visited again for a caller who was to be told at once"
        (status,) = await runtime.known()
        assert status.gen == -1
    counts = notes.counts()
    assert (counts["calls"], counts["worthless"]) == (0, 0)


@pytest.mark.parametrize(
    ("maker", "switches"),
    [
        pytest.param("ALTCHA", {"auto": "off", "status": 403}, marks=ALTCHA),
        pytest.param("ALTCHA", {"auto": "onfocus", "status": 200}, marks=ALTCHA),
        pytest.param("Cap", {"clicked": True, "status": 403}, marks=CAP),
        pytest.param("Cap", {"clicked": True, "status": 200}, marks=CAP),
    ],
)
async def test_what_waits_for_a_click_is_a_person_s_and_told_soon(
    start: Start, maker: str, switches: dict[str, Any]
) -> None:
    notes = start(maker.lower(), **switches)
    began = monotonic()
    async with entered(notes.url, limits={"challenge": 80, "visit": 90}) as runtime:
        with pytest.raises(NeedsPerson, match=rf"{maker}, to be clicked.*doorkey login"):
            await runtime.session("notes")
        assert monotonic() - began < 40
        (told,) = runtime.status()
        assert told.state == "needs person"
        async with (
            serve(build_app(runtime, service=ServiceSettings(), key="k"), "127.0.0.1", 0) as base,
            aiohttp.ClientSession(headers={"x-api-key": "k"}) as program,
            program.get(f"{base}/site/notes/api/heard") as answer,
        ):
            assert answer.status == 503
            assert "human_required" in await answer.text()
    counts = notes.counts()
    assert (counts["gated"], counts["passes"], counts["worthless"]) == (1, 0, 0)


@pytest.mark.parametrize(NAMES, ONE_EACH)
async def test_any_program_gets_through_by_the_door(start: Start, gate: Gate, site: dict[str, Any]) -> None:
    notes = start(gate[0], **gate[1])
    async with (
        entered(notes.url, **site) as runtime,
        serve(build_app(runtime, service=ServiceSettings(), key="k"), "127.0.0.1", 0) as base,
        aiohttp.ClientSession(headers={"x-api-key": "k", "Accept": "application/json"}) as program,
    ):
        for text in ("first", "second"):
            async with program.post(f"{base}/site/notes/api/heard", json={"text": text}) as answer:
                assert (answer.status, await answer.json()) == (200, {"heard": text})
            notes.switch(kill=True)
    assert notes.counts()["passes"] == 2


@ALTCHA
async def test_fetch_gets_through(start: Start, tmp_path: Path) -> None:
    notes = start("altcha", auto="onload")
    settings = tmp_path / "doorkey.toml"
    settings.write_text(f'[sites.notes]\nprovider = "web"\nurl = "{notes.url}/"\n')
    arguments = ["fetch", "notes", "/api/heard", "--json", json.dumps({"text": "by fetch"}), "--config", str(settings)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "doorkey", *arguments, cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(LIMIT):
        out, err = await process.communicate()
    assert (process.returncode, json.loads(out), err) == (0, {"heard": "by fetch"}, b"")


@OWN
async def test_a_pass_of_five_seconds_that_belongs_to_one_browser_and_address_is_renewed_in_time(start: Start) -> None:
    notes = start("own", life=LIFE, tied=True)
    began, asked = monotonic(), 0
    async with entered(notes.url, ready="h1") as runtime:

        async def caller(name: str) -> list[str]:
            nonlocal asked
            met = []
            while notes.counts()["passes"] < PASSES:
                asked += 1
                met.append(await outcome(runtime, f"{name} {asked}"))
            return met

        async with asyncio.timeout(LIMIT):
            met = await asyncio.gather(*(caller(name) for name in ("ada", "bob", "cyd")))
    counts = notes.counts()
    assert {one for each in met for one in each} == {ANSWERED}
    assert (counts["calls"], counts["foreign"], counts["worthless"]) == (asked, 0, 0)
    assert counts["passes"] <= math.ceil((monotonic() - began) / LIFE) + 1


@OWN
async def test_a_site_that_restarts_in_the_middle_of_a_stream_cuts_it_and_is_entered_anew(start: Start) -> None:
    notes = start("own")
    async with entered(notes.url, ready="h1") as runtime:
        request = Request(url="/api/stream?of=part&n=1000&every=20", expects=("text/event-stream",))
        given: list[bytes] = []

        async def read() -> None:
            async with await runtime.send("notes", request, timeout=LIMIT) as answer:
                async for piece in answer:
                    given.append(piece)
                    if len(given) == 3:
                        await asyncio.to_thread(notes.restart)

        with pytest.raises(Cut):
            await read()
        parts = b"".join(given).decode().split("\n\n")
        assert parts[:-1] == [f"data: part {number}" for number in range(len(parts) - 1)]
        assert len(parts) >= 3
        assert notes.counts()["streams"] == 0
        assert await outcomes(runtime, [f"after it {number}" for number in range(AT_ONCE)]) == {ANSWERED: AT_ONCE}
    assert notes.counts()["passes"] == 1
