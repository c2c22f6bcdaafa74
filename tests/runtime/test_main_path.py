"""A question travels: through a real Chromium once, by plain HTTP ever after, renewed once for all."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from doorkey import Request, Runtime
from doorkey.errors import (
    Blocked,
    Changed,
    Cut,
    MissingToken,
    QuotaReached,
    RequestError,
    SiteDown,
    TimeLimit,
    UnknownModel,
    UnknownSite,
)
from doorkey.model.chat import Image
from doorkey_providers.twins.twin import Twin

pytestmark = pytest.mark.browser

Runtimes = Callable[..., Any]


def question(text: str = "Hello") -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


async def asked(runtime: Runtime, model: str, text: str = "Hello", **more: Any) -> str:
    return "".join([delta async for delta in runtime.ask(model, question(text), **more) if isinstance(delta, str)])


@pytest.mark.parametrize("twin", ["aichat", "aichats", "chatgptt", "chatgptfree"], indirect=True)
async def test_each_site_answers_after_one_visit(twin: Twin, runtimes: Runtimes) -> None:
    runtime = await runtimes()
    for text in ("first", "second"):
        assert text in await asked(runtime, twin.name, text)
    assert twin.counts.page_loads == 1
    assert twin.counts.refused == 0
    assert "HeadlessChrome" in twin.log[-1].user_agent


@pytest.mark.parametrize("twin", ["aichat", "aichats", "chatgptt", "chatgptfree"], indirect=True)
async def test_a_hundred_requests_refused_at_once_cost_one_page_load(twin: Twin, runtimes: Runtimes) -> None:
    runtime = await runtimes()
    await asked(runtime, twin.name)
    loads, refused = twin.counts.page_loads, twin.counts.refused
    twin.switch(rotate=True, hold_page=True, release_after_refusals=100, awkward=False)
    answers = await asyncio.gather(*(asked(runtime, twin.name, f"question {n}!") for n in range(100)))
    assert all(f"question {n}!" in answer for n, answer in enumerate(answers))
    assert twin.counts.page_loads - loads == 1
    assert twin.counts.refused - refused == 100


async def test_cookies_that_died_behind_a_bare_403_are_renewed_once(twin: Twin, runtimes: Runtimes) -> None:
    runtime = await runtimes()
    await asked(runtime, twin.name)
    twin.switch(expire_cookies=True)
    answers = await asyncio.gather(*(asked(runtime, twin.name, f"q{n}.") for n in range(20)))
    assert len(answers) == 20
    assert twin.counts.page_loads == 2


async def test_a_content_filter_costs_one_useless_visit_and_is_remembered(twin: Twin, runtimes: Runtimes) -> None:
    runtime = await runtimes()
    twin.switch(filter_words=["os.system"])
    await asked(runtime, twin.name)
    for _ in range(3):
        with pytest.raises(Blocked):
            await asked(runtime, twin.name, "what does os.system do?")
        assert "what else" in await asked(runtime, twin.name, "what else?")
    assert twin.counts.page_loads == 2


async def test_a_page_cache_that_hands_out_the_dead_nonce_is_got_past(twin: Twin, runtimes: Runtimes) -> None:
    runtime = await runtimes()
    twin.switch(page_cache=True)
    await asked(runtime, twin.name)
    twin.switch(rotate=True)
    assert "again" in await asked(runtime, twin.name, "again")
    assert twin.counts.refused == 1


async def test_a_session_outlives_the_runtime(twin: Twin, runtimes: Runtimes) -> None:
    async with await runtimes() as first:
        await asked(first, twin.name)
    second = await runtimes(overrides=True)
    assert "later" in await asked(second, twin.name, "later")
    assert twin.counts.page_loads == 1
    assert second.pool.list_pids() == ()


async def test_two_runtimes_on_one_store_visit_once(twin: Twin, runtimes: Runtimes) -> None:
    one, other = await runtimes(), await runtimes()
    await asyncio.gather(asked(one, twin.name), asked(other, twin.name))
    assert twin.counts.page_loads == 1


async def test_a_killed_chromium_costs_no_answer(twin: Twin, runtimes: Runtimes) -> None:
    runtime = await runtimes(overrides=True)
    await asked(runtime, twin.name)
    twin.switch(expire_cookies=True, hold_page=True)
    asking = [asyncio.create_task(asked(runtime, twin.name, f"q{n}.")) for n in range(5)]
    await twin.counts.until(lambda counts: counts.held == 1)
    os.kill(runtime.pool.browser_pid, signal.SIGKILL)
    twin.switch(release=True)
    answers = await asyncio.gather(*asking)
    assert all(f"q{n}." in answer for n, answer in enumerate(answers))


@pytest.mark.parametrize("twin", ["aichats"], indirect=True)
async def test_an_image_comes_with_its_bytes_and_is_not_drawn_twice(twin: Twin, runtimes: Runtimes) -> None:
    runtime = await runtimes()
    (image,) = [delta async for delta in runtime.ask("aichats/dalle", question("a key"))]
    assert isinstance(image, Image)
    assert image.data.startswith(b"\x89PNG")
    assert (image.media_type, image.alt) == ("image/png", "a key")
    assert twin.counts.images == 1


async def test_the_second_piece_is_sent_only_after_the_first_was_received(twin: Twin, runtimes: Runtimes) -> None:
    runtime = await runtimes()
    twin.stream_gate = asyncio.Event()
    answer = await runtime.answer(twin.name, question("a long story"), timeout=30)
    batches = answer.batches()
    first = await anext(batches)
    assert first
    assert not twin.stream_gate.is_set()
    twin.stream_gate.set()
    rest = [batch async for batch in batches]
    assert rest


async def test_a_caller_that_leaves_ends_the_request_at_the_site(twin: Twin, runtimes: Runtimes) -> None:
    runtime = await runtimes()
    twin.stream_gate = asyncio.Event()
    async with await runtime.answer(twin.name, question("a long story"), timeout=30) as answer:
        async for _ in answer:
            break
    await asyncio.wait_for(twin.counts.until(lambda counts: counts.left == 1), 10)


@pytest.mark.parametrize(
    ("switches", "error"),
    [
        ({"quota": True}, QuotaReached),
        ({"cut": True}, Cut),
        ({"garbage": True}, Blocked),
        ({"down": True}, SiteDown),
    ],
)
async def test_each_failure_has_its_error(
    twin: Twin, runtimes: Runtimes, switches: dict[str, Any], error: type[Exception]
) -> None:
    runtime = await runtimes()
    await asked(runtime, twin.name)
    twin.switch(**switches)
    with pytest.raises(error) as told:
        await asked(runtime, twin.name, "a secret prompt")
    assert "secret" not in str(told.value)
    assert twin.counts.page_loads <= 2


async def test_a_page_without_tokens_is_a_clear_error(twin: Twin, runtimes: Runtimes) -> None:
    runtime = await runtimes(limits={"visit": 6.0})
    twin.switch(html_instead_of_page_tokens=True)
    with pytest.raises(MissingToken, match="nonce") as told:
        await asked(runtime, twin.name)
    assert isinstance(told.value, RuntimeError)
    assert isinstance(told.value, Changed)
    assert told.value.site == twin.name


async def test_a_site_that_is_down_is_told_and_recovers_by_itself(twin: Twin, runtimes: Runtimes) -> None:
    runtime = await runtimes(limits={"patience": 0.0})
    twin.switch(down=True)
    with pytest.raises(SiteDown) as told:
        await asked(runtime, twin.name)
    assert told.value.retry_after
    twin.switch(down=False)
    assert "here" in await asked(await runtimes(limits={"patience": 30.0}), twin.name, "here")


async def test_the_time_limit_holds_for_the_visit_too(twin: Twin, runtimes: Runtimes) -> None:
    runtime = await runtimes()
    twin.switch(hold_page=True)
    began = time.monotonic()
    with pytest.raises(TimeLimit, match=r"total.* \(the timeout that the caller set\)"):
        await asked(runtime, twin.name, timeout=1.0)
    assert time.monotonic() - began < 20


async def test_a_timeout_of_the_caller_is_named_while_the_answer_comes_too(twin: Twin, runtimes: Runtimes) -> None:
    runtime = await runtimes()
    await asked(runtime, twin.name)
    twin.stream_gate = asyncio.Event()
    answer = await runtime.answer(twin.name, question("a long story"), timeout=1.0)
    with pytest.raises(TimeLimit, match=r"total.* \(the timeout that the caller set\)"):
        async for _ in answer:
            pass


async def test_without_a_timeout_of_the_caller_the_setting_is_named(twin: Twin, runtimes: Runtimes) -> None:
    runtime = await runtimes(limits={"total": 1.0})
    twin.switch(hold_page=True)
    with pytest.raises(TimeLimit, match=r"total.* \(setting: limits\.total\)"):
        await asked(runtime, twin.name)


async def test_an_alias_ends_at_its_callers_limit(twin: Twin, runtimes: Runtimes) -> None:
    sites = {twin.name: {"url": twin.url}, "dead": {"provider": "chatgptfree", "url": "http://127.0.0.1:9/"}}
    chain = {"best": (f"{twin.name}/gpt-4o-mini", "dead/gpt-4o-mini")}
    runtime = await runtimes(sites=sites, models=chain)
    twin.switch(hold_page=True)
    with pytest.raises(TimeLimit, match=rf"{twin.name}: .*total, while a visit goes on"):
        await asked(runtime, "best", timeout=1.0)


async def test_an_alias_moves_on_when_a_site_is_down_but_not_when_it_says_enough(
    twin: Twin, runtimes: Runtimes
) -> None:
    chain = {"best": ("dead/gpt-4o-mini", f"{twin.name}/gpt-4o-mini")}
    sites = {
        twin.name: {"url": twin.url},
        "dead": {"provider": "chatgptfree", "url": "http://127.0.0.1:9/"},
    }
    runtime = await runtimes(sites=sites, models=chain, limits={"patience": 0.0})
    assert "moved" in await asked(runtime, "best", "moved")
    twin.switch(quota=True)
    chain = {"best": (f"{twin.name}/gpt-4o-mini", "dead/gpt-4o-mini")}
    runtime = await runtimes(sites=sites, models=chain, limits={"patience": 0.0})
    with pytest.raises(QuotaReached):
        await asked(runtime, "best")


async def test_a_plain_request_goes_in_with_the_same_session(twin: Twin, runtimes: Runtimes) -> None:
    runtime = await runtimes()
    async with await runtime.send(twin.name, Request(url="/")) as answer:
        assert b"data-nonce" in await answer.read()
    assert answer.head.status == 200


async def test_bad_names_and_messages_are_told_before_anything_starts(twin: Twin, runtimes: Runtimes) -> None:
    runtime = await runtimes()
    with pytest.raises(UnknownModel, match="chatgptfree"):
        await asked(runtime, "chatgptfre/gpt-4o-mini")
    with pytest.raises(UnknownModel, match="gpt-4o-mini"):
        await asked(runtime, f"{twin.name}/gpt-5")
    with pytest.raises(UnknownSite):
        await runtime.visit("nowhere")
    no_role, no_text = [{"content": "x"}], [{"role": "user", "content": 5}]
    for messages in ([], question("  "), "Hello", no_role, no_text):
        with pytest.raises(RequestError):
            await runtime.answer(twin.name, messages)  # type: ignore[arg-type]
    assert twin.counts.page_loads == 0


async def test_status_says_how_a_site_stands(twin: Twin, runtimes: Runtimes) -> None:
    runtime = await runtimes()
    assert [status.state for status in runtime.status()] == ["none"]
    await asked(runtime, twin.name)
    (status,) = runtime.status()
    assert (status.state, status.rung, status.visits) == ("fresh", "browser", 1)
    other = await runtimes()
    assert [(known.state, known.gen) for known in await other.known()] == [("fresh", status.gen)]
