"""The same exchanges with any running site that has AI Power: the one that DOORKEY_TEST_WPAICG_URL names.

An owner checks a site of theirs by it, for four short questions (docs/aipower.md).
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from doorkey import Request, Runtime, Session, Settings
from doorkey.model.session import Tokens

VARIABLE = "DOORKEY_TEST_WPAICG_URL"
URL = os.environ.get(VARIABLE, "")
pytestmark = [
    pytest.mark.real("wpaicg-contract"),
    pytest.mark.browser,
    pytest.mark.skipif(not URL, reason=f"{VARIABLE} names no site with AI Power to run this against"),
]
QUESTION = "Say hello in one word."
TURNS = [
    {"role": "user", "content": "My name is Ada. Say OK."},
    {"role": "assistant", "content": "OK."},
    {"role": "user", "content": "Say OK again."},
]


@pytest.fixture
async def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Runtime]:
    for name in ("XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    site = {"provider": "wpaicg", "url": URL}
    settings = Settings.model_validate({"sites": {"site": site}, "store": {"url": "memory://"}})
    async with Runtime(settings) as made:
        yield made


async def asked(runtime: Runtime, messages: list[dict[str, str]] | None = None) -> tuple[str, Session, int]:
    """The answer, the session that it came by, and how often that was renewed for it."""
    messages = messages or [{"role": "user", "content": QUESTION}]
    async with await runtime.answer("site", messages) as answer:
        return "".join([str(delta) async for delta in answer]), answer.session, answer.renewed


def bots(tokens: Tokens) -> list[dict[str, str]]:
    found = tokens["bots"]
    assert isinstance(found, list)
    return [{str(name): str(value) for name, value in bot.items()} for bot in found if isinstance(bot, dict)]


async def test_the_page_tells_generation_bots_endpoint_and_nonce(runtime: Runtime) -> None:
    session = await runtime.session("site")
    assert str(session.tokens["generation"])[:2] in ("1.", "2.")
    assert len(str(session.tokens["nonce"])) == 10
    assert str(session.tokens["endpoint"]).startswith(session.origin)
    assert all(
        bot["name"] and bot["id"].isdigit() and bot["mode"] in ("json", "stream") for bot in bots(session.tokens)
    )


async def test_questions_are_answered_by_one_session_in_the_mode_that_the_page_told(runtime: Runtime) -> None:
    async with await runtime.answer("site", [{"role": "user", "content": QUESTION}]) as answer:
        text = "".join([str(delta) async for delta in answer])
    again, session, renewed = await asked(runtime, TURNS)
    assert text.strip()
    assert again.strip()
    assert (session.gen, renewed) == (answer.session.gen, 0)
    kinds = {"json": "application/json", "stream": "text/event-stream"}
    assert answer.head.media_type == kinds[bots(session.tokens)[0]["mode"]]


async def test_a_dead_nonce_is_renewed_for_once_by_the_cheapest_rung(runtime: Runtime) -> None:
    _, session, _ = await asked(runtime)
    dead = replace(session, tokens={**session.tokens, "nonce": "0123456789"})
    await runtime._parts.keeper.adopt(runtime.target("site"), dead)
    text, renewed_session, renewed = await asked(runtime)
    assert text.strip()
    assert renewed == 1
    second = str(session.tokens["generation"]).startswith("2")
    assert renewed_session.rung == ("token endpoint" if second else "direct")


async def test_an_action_that_no_plugin_knows_is_answered_as_wordpress_does(runtime: Runtime) -> None:
    session = await runtime.session("site")
    request = Request(url=str(session.tokens["endpoint"]), method="POST", form={"action": "doorkey_unknown_action"})
    async with await runtime.send("site", request) as answer:
        assert (answer.head.status, (await answer.read()).strip()) == (400, b"0")
