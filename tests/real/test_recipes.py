"""Each recipe of docs/recipes against the software it is for: logged-in writes, by every way in, over dead sessions."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import aiohttp
import pytest

import doorkey
from doorkey import Request, Runtime, Settings
from doorkey.config.settings import ServiceSettings
from doorkey.service.app import build_app, serve
from event_lines import into

sys.path.insert(0, str(Path(__file__).parent))
from software.application import Application, Write

RECIPES = Path(__file__).parents[2] / "docs" / "recipes"
WRITES = 50
BEFORE = 10
"""How many writes at a time, half of them before the session is killed: when so many were accepted."""
LIMIT = 120.0
EXAMPLE = re.compile(r"https://\w+\.example/")


def recipe(application: Application) -> tuple[str, str]:
    """The site's name, and the recipe as a user takes it: only the site's place is changed."""
    text = (RECIPES / f"{application.name}.toml").read_text()
    (name,) = tomllib.loads(text)["sites"]
    base = urlsplit(application.url)
    return name, EXAMPLE.sub(f"{base.scheme}://{base.netloc}/", text)


@pytest.fixture
def site(application: Application) -> str:
    return recipe(application)[0]


@pytest.fixture
def settings(application: Application, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in application.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    # On a busy machine, PHP needs long for the many scripts of WordPress' login.
    monkeypatch.setenv("DOORKEY_LIMITS__VISIT", "120")
    path = tmp_path / "doorkey.toml"
    path.write_text(recipe(application)[1])
    return path


@pytest.fixture
def said() -> list[str]:
    """What visits tell, step by step."""
    return []


@pytest.fixture
async def runtime(settings: Path, said: list[str]) -> AsyncIterator[Runtime]:
    async with Runtime(Settings.load(settings, store={"url": "memory://"}), hooks=[into(said)]) as made:
        yield made


async def sent(runtime: Runtime, site: str, write: Write) -> str:
    """What the application said, in a word where it took it."""
    request = Request(url=write.path, method=write.method, form=write.form, json=write.json)
    async with await runtime.send(site, request, timeout=LIMIT) as answer:
        status, body = answer.head.status, b"".join([piece async for piece in answer])
        return "written" if write.accepted(status, body) else f"HTTP {status}, {answer.verdict}: {body[:300]!r}"


def test_a_recipe_has_at_most_ten_lines_and_its_steps(application: Application) -> None:
    _, text = recipe(application)
    lines = [line for line in text.partition("visit.steps")[0].splitlines() if line.strip()]
    assert len(lines) <= 10


async def test_fifty_writes_over_a_killed_session_are_each_there_once_after_one_login(
    application: Application, runtime: Runtime, site: str, said: list[str]
) -> None:
    await runtime.session(site)
    accepted: list[str] = []
    enough, killed = asyncio.Event(), asyncio.Event()

    async def write(number: int) -> None:
        if number >= WRITES // 2:
            await killed.wait()
        accepted.append(await sent(runtime, site, application.write(f"fifty{number}x")))
        if len(accepted) == BEFORE:
            enough.set()

    async def kill() -> None:
        await enough.wait()
        await asyncio.to_thread(application.kill_sessions)
        killed.set()

    await asyncio.gather(*(write(number) for number in range(WRITES)), kill())
    assert accepted == ["written"] * WRITES
    assert application.writes("fifty") == {f"fifty{number}x": 1 for number in range(WRITES)}
    logins = [line for line in said if line.startswith("login step 1:")]
    assert len(logins) == 2, "\n".join(said)


async def test_the_client_writes_over_a_killed_session(application: Application, runtime: Runtime, site: str) -> None:
    async with doorkey.client(site, runtime=runtime) as client:
        for mark in ("client1x", "client2x"):
            write = application.write(mark)
            async with client.request(write.method, write.path, data=write.form, json=write.json) as answer:
                assert write.accepted(answer.status, await answer.read())
            await asyncio.to_thread(application.kill_sessions)
    assert application.writes("client") == {"client1x": 1, "client2x": 1}


async def test_any_program_writes_through_the_door(application: Application, runtime: Runtime, site: str) -> None:
    async with (
        serve(build_app(runtime, service=ServiceSettings(), key="k"), "127.0.0.1", 0) as base,
        aiohttp.ClientSession(headers={"x-api-key": "k"}) as program,
    ):
        for mark in ("door1x", "door2x"):
            write = application.write(mark)
            url = f"{base}/site/{site}{write.path}"
            async with program.request(
                write.method, url, data=write.form, json=write.json, allow_redirects=False
            ) as answer:
                assert write.accepted(answer.status, await answer.read())
            await asyncio.to_thread(application.kill_sessions)
    assert application.writes("door") == {"door1x": 1, "door2x": 1}


async def fetched(settings: Path, site: str, write: Write) -> tuple[int, str, str]:
    """`doorkey fetch`, as a process of its own: its code and what it said."""
    body = ["-d", urlencode(write.form)] if write.form is not None else ["--json", json.dumps(write.json)]
    arguments = ["fetch", site, write.path, "-X", write.method, *body, "--config", str(settings)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "doorkey", *arguments, cwd=settings.parent,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(LIMIT):
        out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_fetch_writes_over_a_killed_session(application: Application, settings: Path, site: str) -> None:
    for mark in ("fetch1x", "fetch2x"):
        code, _, err = await fetched(settings, site, application.write(mark))
        assert (code, err) == (0, "")
        await asyncio.to_thread(application.kill_sessions)
    assert application.writes("fetch") == {"fetch1x": 1, "fetch2x": 1}


async def test_what_visits_tell_holds_no_password(
    application: Application, runtime: Runtime, site: str, said: list[str]
) -> None:
    session = await runtime.visit(site)
    assert any(line.startswith("login step") for line in said)
    told = "\n".join(said) + repr(session) + repr(runtime.status())
    assert application.password not in told
