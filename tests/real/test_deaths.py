"""Dead sessions of real applications are noticed with no word in the settings about how their answers look."""

from __future__ import annotations

import asyncio
import sys
import time
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from doorkey import Request, Runtime, Settings
from doorkey.errors import DoorkeyError
from event_lines import into

sys.path.insert(0, str(Path(__file__).parent))
from software.application import Application, Write

RECIPES = Path(__file__).parents[2] / "docs" / "recipes"
WRITES = 50
LIMIT = 120.0
SPENT = ("flask",)
"""Applications whose writes spend a token that serves once: the write that meets the death is not sent again."""
EVERY = 5.0
"""Seconds between two checks of a session that is found alive."""


@pytest.fixture
def said() -> list[str]:
    """What visits tell, step by step."""
    return []


@pytest.fixture
async def runtime(application: Application, said: list[str], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Runtime]:
    """Knows the application as `site`, by its recipe without the lines about dead sessions' answers."""
    for name, value in application.environment.items():
        monkeypatch.setenv(name, value)
    (site,) = tomllib.loads((RECIPES / f"{application.name}.toml").read_text())["sites"].values()
    place = urlsplit(site["url"])
    site["url"] = site["url"].replace(
        f"{place.scheme}://{place.netloc}", application.url.removesuffix(urlsplit(application.url).path)
    )
    del site["stale"]
    # On a busy machine, PHP needs long for the many scripts of WordPress' login.
    chosen = {"sites": {"site": site}, "store": {"url": "memory://"}, "limits": {"visit": 120}}
    async with Runtime(Settings.model_validate(chosen), hooks=[into(said)]) as made:
        yield made


async def sent(runtime: Runtime, write: Write) -> str:
    """What the application said, in a word where it was what *write* expects."""
    request = Request(url=write.path, method=write.method, form=write.form, json=write.json)
    try:
        async with await runtime.send("site", request, timeout=LIMIT) as answer:
            status, body = answer.head.status, b"".join([piece async for piece in answer])
            return "as expected" if write.accepted(status, body) else f"HTTP {status}, {answer.verdict}: {body[:300]!r}"
    except DoorkeyError as error:
        return error.code


async def settled(runtime: Runtime, application: Application) -> None:
    """Write until the session check is known to tell sessions from strangers."""
    async with asyncio.timeout(60):
        number = 0
        while "dead session is noticed" not in runtime.status()[0].noticed:
            assert await sent(runtime, application.write(f"warm{number}x")) == "as expected"
            number += 1


def logins(said: list[str]) -> int:
    return sum(line.startswith("login step 1:") for line in said)


async def test_fifty_writes_at_once_across_a_death_are_each_there_once(
    application: Application, runtime: Runtime, said: list[str]
) -> None:
    await settled(runtime, application)
    before = logins(said)
    await asyncio.to_thread(application.kill_sessions)
    told = await asyncio.gather(*(sent(runtime, application.write(f"fifty{number}x")) for number in range(WRITES)))
    lost = {f"fifty{number}x" for number, word in enumerate(told) if word == "session_ended"}
    assert told.count("as expected") == WRITES - len(lost)
    assert len(lost) == (application.name in SPENT)
    assert application.writes("fifty") == {
        mark: 1 for number in range(WRITES) if (mark := f"fifty{number}x") not in lost
    }
    assert logins(said) == before + 1, "\n".join(said)


async def test_fifty_writes_that_are_refused_for_another_reason_cost_no_visit_and_few_checks(
    application: Application, runtime: Runtime, said: list[str]
) -> None:
    await settled(runtime, application)
    visits = logins(said)
    for reason, write in application.refusals.items():
        before, began = runtime.status()[0], time.monotonic()
        told = await asyncio.gather(*(sent(runtime, write) for _ in range(WRITES)))
        assert told == ["as expected"] * WRITES, reason
        assert logins(said) == visits, reason
        after = runtime.status()[0]
        allowed = 1 + (time.monotonic() - began) / EVERY
        assert after.checks - before.checks <= allowed, "\n".join([reason, *said])
