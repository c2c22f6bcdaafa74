"""AI Power live, in all generations and both modes: asked, renewed, failing in every way of the table."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from doorkey import Kind, Runtime, Settings
from doorkey.browser import BrowserPool
from doorkey.errors import (
    Blocked,
    Changed,
    Cut,
    DoorkeyError,
    QuotaReached,
    SessionRefused,
    SiteDown,
    UnknownModel,
)
from doorkey_providers.twins.twin import Refusal
from doorkey_providers.twins.wordpress import ChatGpttTwin
from doorkey_providers.twins.wpaicg_literals import EVERY, FAILED, GOOD, Row

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ERRORS = {
    Kind.STALE: SessionRefused,
    Kind.SITE_DOWN: SiteDown,
    Kind.QUOTA: QuotaReached,
    Kind.BLOCKED: Blocked,
    Kind.CHANGED: Changed,
    Kind.CUT: Cut,
}
SECRET = "a secret prompt"


class SetClock:
    """A clock that stands where the test put it."""

    def __init__(self, wall: float) -> None:
        self.at = wall

    def now(self) -> float:
        return self.at

    def wall(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += seconds


def settings(twin: ChatGpttTwin, store: str = "memory://") -> Settings:
    blog = {"url": twin.url, "provider": "wpaicg"}
    return Settings.model_validate({"sites": {"blog": blog}, "store": {"url": store}})


async def asked(runtime: Runtime, text: str = "Hello there", model: str = "blog") -> tuple[str, str]:
    """The answer and the rung of the session that it came by."""
    async with await runtime.answer(model, [{"role": "user", "content": text}]) as answer:
        return "".join([str(delta) async for delta in answer]), answer.session.rung


async def failure(runtime: Runtime, text: str = SECRET) -> tuple[str, type[DoorkeyError] | str]:
    """What came of a question that fails: the text before it failed, and the error."""
    pieces: list[str] = []
    try:
        async with await runtime.answer("blog", [{"role": "user", "content": text}]) as answer:
            async for batch in answer.batches():
                pieces += map(str, batch)
    except DoorkeyError as error:
        return "".join(pieces), "it repeats the prompt" if "secret" in str(error) else type(error)
    return "".join(pieces), "no error"


def heard(text: str = "Hello there") -> str:
    return f"chatgptt heard: {text}"


CHEAPEST = {"1": "direct", "2": "token endpoint"}


@pytest.mark.parametrize(("generation", "mode"), EVERY)
async def test_each_generation_answers_renews_its_nonce_and_fails_by_name(
    generation: str, mode: str, browsers: BrowserPool
) -> None:
    here = [row for row in (*GOOD, *FAILED) if (row.generation, row.mode) == (generation, mode)]
    rows = [row for row in here if row.kind is not Kind.STALE and (row.case, row.step) != ("answer", "cache")]
    usual = {"generation": generation, "stream": mode == "stream"}
    async with ChatGpttTwin() as twin, Runtime(settings(twin), pool=browsers) as runtime:
        twin.switch(**usual)
        assert await asked(runtime) == (heard(), "browser")
        twin.switch(rotate=True)
        assert await asked(runtime) == (heard(), CHEAPEST[generation[0]])
        came: dict[str, Any] = {}
        for row in rows:
            twin.switch(reset=True, **usual, row=row.case)
            came[row.name] = await failure(runtime)
        assert came == {row.name: (row.text, ERRORS.get(row.kind, "no error")) for row in rows}
        twin.switch(reset=True, **usual)
        assert await asked(runtime) == (heard(), CHEAPEST[generation[0]])
        # Nothing but the dead nonce was renewed for.
        assert twin.counts.challenges == 1
        (status,) = runtime.status()
        assert status.rungs == {"browser": 1, CHEAPEST[generation[0]]: 1}


WRONG: dict[type[DoorkeyError], dict[str, Any]] = {
    Cut: {"cut": "break"},
    Changed: {"garbage": "binary"},
    Blocked: {"filter_words": ["secret"]},
}
"""What any site may do wrong, by the error that tells it."""


@pytest.mark.parametrize("generation", ["1.9", "2.x"])
async def test_what_any_site_may_do_wrong_is_told_too(generation: str, browsers: BrowserPool) -> None:
    async with ChatGpttTwin() as twin, Runtime(settings(twin), pool=browsers) as runtime:
        came = []
        for switches in WRONG.values():
            twin.switch(reset=True, generation=generation, stream=True, **switches)
            came.append((await failure(runtime))[1])
        assert came == list(WRONG)


LATE = [row for row in FAILED if row.case == "late nonce"]


class LateTwin(ChatGpttTwin):
    """A dead nonce is answered by a page whose styles push its sentence past the first 4 KiB."""

    def _find_refusal(self, case: str, step: str) -> Refusal | None:
        return super()._find_refusal("late nonce" if case == "nonce" else case, step)


@pytest.mark.parametrize("row", LATE, ids=lambda row: row.name)
async def test_the_die_page_is_known_by_its_title_when_its_sentence_comes_late(row: Row, browsers: BrowserPool) -> None:
    async with LateTwin() as twin, Runtime(settings(twin), pool=browsers) as runtime:
        twin.switch(stream=row.mode == "stream")
        await asked(runtime)
        twin.rotate()
        assert await asked(runtime) == (heard(), "direct")
        assert twin.counts.refused_by == {"late nonce": 1}


async def test_an_answer_of_17_leaves_its_conversation_out_of_the_next_one(browsers: BrowserPool) -> None:
    async with ChatGpttTwin() as twin, Runtime(settings(twin), pool=browsers) as runtime:
        twin.switch(generation="1.7")
        for text in ("mine", "yours"):
            await asked(runtime, text)
        assert [record.cookies.get("wpaicg_chat_history_0") for record in twin.log] == [None, None]


@pytest.mark.parametrize("generation", ["1.9", "2.x"])
async def test_a_nonce_is_renewed_by_the_cheapest_rung_and_dead_cookies_by_one_visit(
    generation: str, browsers: BrowserPool
) -> None:
    async with ChatGpttTwin() as twin, Runtime(settings(twin), pool=browsers) as runtime:
        twin.switch(generation=generation)
        seen: list[tuple[str, int]] = []

        async def step(**switches: Any) -> None:
            twin.switch(**switches)
            _, rung = await asked(runtime)
            seen.append((rung, twin.counts.challenges))

        await step()
        await step(rotate=True)
        await step(expire_cookies=True)
        await step(rotate=True, expire_cookies=True)
        assert seen == [("browser", 1), (CHEAPEST[generation[0]], 1), ("browser", 2), ("browser", 3)]
        # A fresh one per session would be a way around the site's quota for guests.
        name = {"1.9": "wpaicg_chat_client_id", "2.x": "session_id"}[generation]
        assert len({record.fields[name] for record in twin.log if record.accepted and name in record.fields}) == 1


async def test_a_page_cache_that_hands_out_older_and_older_nonces_is_got_past_each_time(browsers: BrowserPool) -> None:
    async with ChatGpttTwin() as twin, Runtime(settings(twin), pool=browsers) as runtime:
        twin.switch(page_cache=True)
        for _ in range(2):
            await asked(runtime)
            twin.rotate()
        assert await asked(runtime) == (heard(), "browser past the cache")


async def test_a_page_cache_matters_to_2x_only_where_its_endpoint_is_closed(browsers: BrowserPool) -> None:
    async with ChatGpttTwin() as twin, Runtime(settings(twin), pool=browsers) as runtime:
        twin.switch(page_cache=True, generation="2.x")
        await asked(runtime)
        twin.rotate()
        assert await asked(runtime) == (heard(), "token endpoint")


class FrozenTwin(ChatGpttTwin):
    """Its page, and its nonce endpoint, hold the same nonce for ever, whatever the query."""

    frozen = ""

    @property
    def nonce(self) -> str:
        self.frozen = self.frozen or super().nonce
        return self.frozen


@pytest.mark.parametrize("generation", ["1.9", "2.x"])
async def test_the_same_dead_nonce_past_the_cache_is_an_error_that_names_it_and_each_rung(
    generation: str, browsers: BrowserPool
) -> None:
    async with FrozenTwin() as twin, Runtime(settings(twin), pool=browsers) as runtime:
        twin.switch(generation=generation)
        await asked(runtime)
        twin.rotate()
        with pytest.raises(
            Changed,
            match=r"each renewal gave what the site refuses: the token .* by direct; .* by browser past the cache",
        ):
            await asked(runtime)
        (status,) = runtime.status()
        assert "each renewal gave what the site refuses" in status.last_error


@pytest.mark.parametrize(
    ("generation", "mode"), [("1.7", "json"), ("1.8", "stream"), ("1.9", "stream"), ("2.x", "stream")]
)
async def test_fifty_questions_across_a_nonces_expiry_cost_one_renewal(
    generation: str, mode: str, browsers: BrowserPool
) -> None:
    clock = SetClock(1_700_000_000.0)
    async with ChatGpttTwin(clock=clock) as twin, Runtime(settings(twin), pool=browsers) as runtime:
        twin.switch(generation=generation, stream=mode == "stream", nonce_life=8, cookie_life=1e9, awkward=False)
        await asked(runtime)
        clock.at += 9
        answers = await asyncio.gather(*(asked(runtime, f"question {n}.") for n in range(50)))
        assert [text for text, _ in answers] == [heard(f"question {n}.") for n in range(50)]
        assert {rung for _, rung in answers} == {CHEAPEST[generation[0]]}
        (status,) = runtime.status()
        assert status.rungs == {"browser": 1, CHEAPEST[generation[0]]: 1}
        assert dict(twin.counts.refused_by) == {"nonce": twin.counts.refused}
        assert twin.counts.refused <= 50


@pytest.mark.parametrize("generation", ["1.9", "2.x"])
async def test_each_bot_of_the_page_is_a_model_after_the_first_visit(generation: str, browsers: BrowserPool) -> None:
    async with ChatGpttTwin() as twin, Runtime(settings(twin), pool=browsers) as runtime:
        twin.switch(generation=generation, bots=["Support Bot"])
        assert runtime.models() == ("blog/site",)
        bot = {"1.9": "blog/bot-5", "2.x": "blog/support-bot"}[generation]
        assert (await asked(runtime, model=bot))[0] == heard()
        assert twin.log[-1].fields["bot_id"] == "5"
        assert runtime.models() == ("blog/site", {"1.9": "blog/shortcode", "2.x": "blog/twin"}[generation], bot)
        with pytest.raises(UnknownModel, match="its page has: site"):
            await asked(runtime, model="blog/buyer")


async def test_bots_that_another_process_saw_are_models_too(tmp_path: Path, browsers: BrowserPool) -> None:
    async with ChatGpttTwin() as twin:
        twin.switch(generation="2.x", bots=["Support Bot"])
        shared = settings(twin, f"sqlite://{tmp_path / 'sessions.db'}")
        async with Runtime(shared, pool=browsers) as runtime:
            await runtime.visit("blog")
        async with Runtime(shared, pool=browsers) as runtime:
            assert runtime.models() == ("blog/site",)
            await runtime.known()
            assert runtime.models() == ("blog/site", "blog/twin", "blog/support-bot")


@pytest.mark.parametrize("generation", ["1.9", "2.x"])
async def test_a_prompt_of_300000_characters_arrives_exactly(generation: str, browsers: BrowserPool) -> None:
    text = "Grüße <b>&amp;</b> 100%25\n\t" * 12_000
    async with ChatGpttTwin() as twin, Runtime(settings(twin), pool=browsers) as runtime:
        twin.switch(generation=generation, stream=True, awkward=False)
        assert len(text) > 300_000
        assert (await asked(runtime, text))[0] == heard(text)


async def test_a_question_that_the_plugin_strips_of_all_its_text_is_told(browsers: BrowserPool) -> None:
    async with ChatGpttTwin() as twin, Runtime(settings(twin), pool=browsers) as runtime:
        twin.switch(generation="1.8")
        with pytest.raises(Blocked, match=r"1\.7 and 1\.8 remove"):
            await asked(runtime, "<b></b>")


async def test_a_plugin_that_was_upgraded_is_told_and_entered_anew_by_a_visit(browsers: BrowserPool) -> None:
    async with ChatGpttTwin() as twin, Runtime(settings(twin), pool=browsers) as runtime:
        await asked(runtime)
        twin.switch(generation="2.x")
        assert await failure(runtime) == ("", Changed)
        await runtime.visit("blog")
        assert await asked(runtime) == (heard(), "browser")


async def test_earlier_turns_are_sent_as_the_page_sends_them_and_nothing_twice(browsers: BrowserPool) -> None:
    turns = [("user", "one"), ("assistant", "two"), ("user", "three")]
    messages = [{"role": role, "content": text} for role, text in turns]
    async with ChatGpttTwin() as twin, Runtime(settings(twin), pool=browsers) as runtime:
        async with await runtime.answer("blog", messages) as answer:
            assert "".join([str(delta) async for delta in answer]) == heard("three")
        history = json.loads(twin.log[-1].fields["wpaicg_chat_history"])
        assert [turn["text"] for turn in history] == ["Human: one", "AI: two"]
