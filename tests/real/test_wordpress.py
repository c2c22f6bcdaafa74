"""A real WordPress, entered by a real browser: its nonces die, and each failure that AI Power knows is told."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from doorkey import Kind, Runtime, Settings, Verdict
from doorkey.errors import Changed, DoorkeyError
from doorkey_providers.twins.nonce import Nonces
from doorkey_providers.twins.wpaicg_literals import ANSWER, DIED, EVERY, FAILED, GOOD, ROWS, Row

sys.path.insert(0, str(Path(__file__).parent))
from software.application import PASSWORD, USER
from software.wordpress import WordPress
from software.wordpress_nonces import WANTED

pytestmark = [pytest.mark.real("wordpress"), pytest.mark.browser]

QUESTION = 'Say "100%25" in <b>bold</b>,\ntwice\\'
DAMAGED = 'Say "100" in bold, twice\\'
"""What WordPress' `sanitize_text_field` leaves of it."""
EXPIRED = b"The link you followed has expired."
CONTRACT = Path(__file__).with_name("test_wpaicg_contract.py")
AT_ONCE = 50
LIMIT = 90.0


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def runtime(wordpress: WordPress) -> AsyncIterator[Runtime]:
    async with Runtime(settings(wordpress.url)) as made:
        yield made


def settings(url: str, **sites: dict[str, Any]) -> Settings:
    blog = {"provider": "wpaicg", "url": f"{url}/chat/"}
    return Settings.model_validate({"sites": {"blog": blog, **sites}, "store": {"url": "memory://"}})


async def asked(runtime: Runtime, text: str = "Hello there", model: str = "blog") -> tuple[str, str]:
    """The answer and the rung of the session that it came by."""
    async with await runtime.answer(model, [{"role": "user", "content": text}], timeout=LIMIT) as answer:
        return "".join([str(delta) async for delta in answer]), answer.session.rung


async def failed(runtime: Runtime, model: str = "blog") -> tuple[str, str]:
    """What a caller was given of an answer, and the name of the error that ended it."""
    given: list[str] = []
    question = [{"role": "user", "content": "Hello there"}]
    try:
        async for delta in runtime.ask(model, question, timeout=LIMIT):
            given.append(str(delta))  # noqa: PERF401  what came before the error counts
    except DoorkeyError as error:
        return "".join(given), type(error).__name__
    return "".join(given), ""


def heard(text: str) -> str:
    return f"The blog heard: {text}"


def refusals(wordpress: WordPress) -> list[str]:
    return [each["refused"] for each in wordpress.arrived() if each["refused"]]


async def said(wordpress: WordPress, row: Row, nonce: str, message: str) -> tuple[int, str, bytes]:
    """What the site says to a question as a page's script sends it, without doorkey."""
    form = {"action": "wpaicg_chat_shortcode_message", "_wpnonce": nonce, "message": message}
    if row.generation == "2.x":
        steps = {"message": "aipkit_frontend_chat_message", "cache": "aipkit_cache_sse_message"}
        action = steps.get(row.step, "aipkit_frontend_chat_stream")
        form = {"action": action, "_ajax_nonce": nonce, "message": message}
    method, where = ("GET", "params") if row.step == "stream" else ("POST", "data")
    url = f"{wordpress.url}/wp-admin/admin-ajax.php"
    async with aiohttp.ClientSession() as session, session.request(method, url, **{where: form}) as answer:
        return answer.status, answer.headers["content-type"].partition(";")[0], await answer.read()


def test_nonces_that_wordpress_makes_now_come_out_of_the_twin(wordpress: WordPress) -> None:
    vectors = wordpress.nonces(WANTED)
    made = [
        Nonces(v["salt"], v["nonce_life"]).make(v["action"], v["time"], v["uid"], v["session_token"]) for v in vectors
    ]
    assert made == [vector["nonce"] for vector in vectors]


OWN_WORDS = {
    "nonce": {},
    "bare nonce": {},
    "empty": {},
    "unknown action": {"gone": True},
    "other plugin": {"guarded": True},
}
"""What WordPress' own functions say, by case, and what has to be switched for it."""


@pytest.mark.parametrize("row", [row for row in ROWS if row.case in OWN_WORDS], ids=lambda row: row.name)
async def test_wordpress_itself_says_what_the_literals_hold(wordpress: WordPress, row: Row) -> None:
    wordpress.plugin(row.generation, row.mode)
    wordpress.switch(**OWN_WORDS[row.case])
    nonce = "0123456789" if row.case.endswith("nonce") else wordpress.nonce()
    status, media_type, body = await said(wordpress, row, nonce, "" if row.case == "empty" else "Hello")
    # Asked by a script WordPress sends the sentence bare, not the page around it.
    told = EXPIRED in body if row.body == DIED else body == row.body
    assert (status, media_type, told) == (row.status, row.content_type.partition(";")[0], True), body


@pytest.mark.parametrize(("generation", "mode"), EVERY)
async def test_a_question_is_answered_before_and_after_its_nonce_died(
    wordpress: WordPress, runtime: Runtime, generation: str, mode: str
) -> None:
    wordpress.plugin(generation, mode)
    answer = heard(DAMAGED if generation in ("1.7", "1.8") else QUESTION)
    assert await asked(runtime, QUESTION) == (answer, "browser")
    wordpress.kill_nonces()
    rung = "token endpoint" if generation == "2.x" else "direct"
    assert await asked(runtime, QUESTION) == (answer, rung)
    assert refusals(wordpress) == ["nonce"]
    assert runtime.status()[0].rungs == {"browser": 1, rung: 1}


async def test_a_nonce_that_died_between_the_two_steps_of_2x_is_renewed_for(
    wordpress: WordPress, runtime: Runtime
) -> None:
    wordpress.plugin("2.x", "stream")
    await runtime.session("blog")
    wordpress.switch(dies_between=True)
    assert (await asked(runtime))[0] == heard("Hello there")
    asked_for = [(each["fields"]["action"].split("_", 1)[1], each["refused"]) for each in wordpress.arrived()]
    assert asked_for == [
        ("cache_sse_message", ""),
        ("frontend_chat_stream", "nonce"),
        ("get_frontend_chat_nonce", ""),
        ("cache_sse_message", ""),
        ("frontend_chat_stream", ""),
    ]


async def test_a_nonce_that_came_of_age_is_renewed_for(wordpress: WordPress, runtime: Runtime) -> None:
    wordpress.switch(nonce_life=8)
    await asked(runtime)
    nonce = wordpress.arrived()[-1]["fields"]["_wpnonce"]
    await asyncio.to_thread(wordpress.await_death, nonce, 20.0)
    assert (await asked(runtime))[0] == heard("Hello there")
    assert wordpress.arrived()[-1]["fields"]["_wpnonce"] != nonce


async def test_a_dead_nonce_is_renewed_for_whatever_the_sites_language(wordpress: WordPress, runtime: Runtime) -> None:
    wordpress.switch(german=True)
    await asked(runtime)
    wordpress.kill_nonces()
    assert (await asked(runtime))[0] == heard("Hello there")
    assert refusals(wordpress) == ["nonce"]


@pytest.mark.parametrize(("generation", "mode"), EVERY)
async def test_fifty_at_once_over_a_death_are_fifty_answers_by_one_renewal(
    wordpress: WordPress, runtime: Runtime, generation: str, mode: str
) -> None:
    wordpress.plugin(generation, mode)
    await asked(runtime)
    answers: dict[int, str] = {}
    enough, killed = asyncio.Event(), asyncio.Event()

    async def ask(number: int) -> None:
        if number >= AT_ONCE // 2:
            await killed.wait()
        answers[number], _ = await asked(runtime, f"Question {number}")
        if len(answers) == AT_ONCE // 5:
            enough.set()

    async def kill() -> None:
        await enough.wait()
        wordpress.kill_nonces()
        killed.set()

    await asyncio.gather(*(ask(number) for number in range(AT_ONCE)), kill())
    assert answers == {number: heard(f"Question {number}") for number in range(AT_ONCE)}
    assert runtime.status()[0].visits == 2, "the first visit and one renewal"
    assert set(refusals(wordpress)) == {"nonce"}
    assert len(refusals(wordpress)) <= AT_ONCE


@pytest.mark.parametrize(("generation", "mode"), EVERY)
async def test_the_literal_answer_is_one_and_each_failure_is_its_error(
    wordpress: WordPress, runtime: Runtime, generation: str, mode: str
) -> None:
    wordpress.plugin(generation, mode)
    (good,) = [row for row in GOOD if (row.generation, row.mode, row.text) == (generation, mode, ANSWER)]
    wordpress.say(good)
    assert (await asked(runtime))[0] == ANSWER
    rows = [row for row in FAILED if (row.generation, row.mode) == (generation, mode) and row.kind is not Kind.STALE]
    assert len(rows) >= 5
    ended: dict[str, tuple[str, str]] = {}
    for row in rows:
        wordpress.say(row)
        before = len(wordpress.arrived())
        given, error = await failed(runtime)
        assert row.text.startswith(given), f"{row.name}: {given!r} was given as an answer"
        ended[row.name] = error, ",".join(each["refused"] for each in wordpress.arrived()[before:])
    came = {row.name: row.name if row.step != "stream" else f",{row.name}" for row in rows}
    assert ended == {row.name: (type(Verdict(row.kind).error("blog")).__name__, came[row.name]) for row in rows}
    assert runtime.status()[0].visits == 1, "a failure that no new session cures is not renewed for"


async def test_a_plugin_that_is_gone_or_guarded_is_told_without_a_renewal(
    wordpress: WordPress, runtime: Runtime
) -> None:
    await asked(runtime)
    wordpress.switch(gone=True)
    assert await failed(runtime) == ("", "Changed")
    wordpress.switch(gone=False, guarded=True)
    assert await failed(runtime) == ("", "Blocked")
    assert runtime.status()[0].visits == 1


@pytest.mark.parametrize(
    ("generation", "mode", "bots"), [("1.9", "json", ("0", "5", "7")), ("2.x", "stream", ("4", "5", "7"))]
)
async def test_each_bot_of_a_page_is_a_model(
    wordpress: WordPress, runtime: Runtime, generation: str, mode: str, bots: tuple[str, ...]
) -> None:
    wordpress.plugin(generation, mode, bots)
    for model in ("blog", "blog/bot-7", "blog/bot-5"):
        assert (await asked(runtime, model=model))[0] == heard("Hello there")
    asked_for = [each["fields"]["bot_id"] for each in wordpress.arrived()]
    assert list(dict.fromkeys(asked_for)) == [bots[0], "7", "5"]
    assert {"blog/bot-5", "blog/bot-7"} <= set(runtime.models())


async def test_a_page_with_the_floating_widget_alone_is_enough(wordpress: WordPress, runtime: Runtime) -> None:
    wordpress.switch(bots=(), widget=True)
    assert (await asked(runtime))[0] == heard("Hello there")
    fields = wordpress.arrived()[-1]["fields"]
    assert (fields["action"], fields["chatbot_identity"]) == ("wpaicg_chatbox_message", "widget")
    assert fields["post_id"].isdigit()


async def test_a_popup_of_2x_is_a_bot_as_any(wordpress: WordPress, runtime: Runtime) -> None:
    wordpress.plugin("2.x", "stream")
    wordpress.switch(popup=True)
    assert (await asked(runtime))[0] == heard("Hello there")


async def test_a_plugin_that_became_2x_is_told_and_entered_by_a_new_visit(
    wordpress: WordPress, runtime: Runtime
) -> None:
    await asked(runtime)
    wordpress.plugin("2.x", "stream")
    assert await failed(runtime) == ("", "Changed")
    await runtime.visit("blog")
    assert (await asked(runtime))[0] == heard("Hello there")


async def test_a_long_prompt_arrives_whole(wordpress: WordPress, runtime: Runtime) -> None:
    long = "äöü \\ \"' <p> & \n" * 18_750
    assert len(long) == 300_000
    assert (await asked(runtime, long))[0] == heard(long)


async def test_an_answers_own_cookies_reach_no_other_question_of_17(wordpress: WordPress, runtime: Runtime) -> None:
    wordpress.plugin("1.7", "json")
    for text in ("mine", "yours"):
        await asked(runtime, text)
    assert [name for each in wordpress.arrived() for name in each["cookies"] if "history" in name] == []


async def test_the_client_stays_the_same_over_renewals(wordpress: WordPress, runtime: Runtime) -> None:
    for _ in range(3):
        await asked(runtime)
        wordpress.kill_nonces()
    clients = {each["fields"]["wpaicg_chat_client_id"] for each in wordpress.arrived()}
    assert len(clients) == 1
    assert clients != {""}


async def test_a_page_cache_that_holds_a_dead_nonce_is_got_past_once(wordpress: WordPress) -> None:
    with wordpress.cached() as url:
        async with Runtime(settings(url)) as runtime:
            await asked(runtime)
            wordpress.kill_nonces()
            text, rung = await asked(runtime)
            dead = wordpress.arrived()[0]["fields"]["_wpnonce"]
            async with aiohttp.ClientSession() as session, session.get(f"{url}/chat/") as page:
                assert (page.headers["X-Cache"], dead in await page.text()) == ("HIT", True)
    assert text == heard("Hello there")
    assert "cache" in rung
    assert refusals(wordpress) == ["nonce"]


async def test_the_nonce_endpoint_of_2x_is_behind_no_page_cache(wordpress: WordPress) -> None:
    wordpress.plugin("2.x", "stream")
    with wordpress.cached(knows_queries=False) as url:
        async with Runtime(settings(url)) as runtime:
            await asked(runtime)
            wordpress.kill_nonces()
            assert await asked(runtime) == (heard("Hello there"), "token endpoint")
    assert refusals(wordpress) == ["nonce"]


async def test_a_page_cache_that_cannot_be_got_past_is_named(wordpress: WordPress) -> None:
    with wordpress.cached(knows_queries=False) as url:
        async with Runtime(settings(url)) as runtime:
            await asked(runtime)
            wordpress.kill_nonces()
            with pytest.raises(Changed, match="page cache"):
                await asked(runtime)
    assert refusals(wordpress) == ["nonce"]


STEPS = [
    {"open": "/wp-login.php?redirect_to=%2Fchat%2F"},
    {"fill": "#user_login", "value": "env:BLOG_USER"},
    {"fill": "#user_pass", "value": "env:BLOG_PASSWORD"},
    {"click": "#wp-submit"},
]


@pytest.fixture
async def inside(wordpress: WordPress, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Runtime]:
    """The chat, which guests see, too, for a member: `blog` logs in by steps, `brought` can't by itself."""
    monkeypatch.setenv("BLOG_USER", USER)
    monkeypatch.setenv("BLOG_PASSWORD", PASSWORD)
    member = {"provider": "wpaicg", "url": f"{wordpress.url}/chat/", "ready": "body.logged-in"}
    async with Runtime(settings(wordpress.url, blog={**member, "visit": {"steps": STEPS}}, brought=member)) as made:
        yield made


def members(wordpress: WordPress) -> list[int]:
    """Who asked each question that was answered: 1 is the member, 0 a guest."""
    return [each["uid"] for each in wordpress.arrived() if not each["refused"]]


@pytest.mark.parametrize(("generation", "mode"), [("1.9", "json"), ("2.x", "stream")])
async def test_a_login_by_steps_holds_over_a_dead_nonce_and_a_dead_session(
    wordpress: WordPress, inside: Runtime, generation: str, mode: str
) -> None:
    wordpress.plugin(generation, mode)
    assert (await asked(inside))[0] == heard("Hello there")
    wordpress.kill_nonces()
    assert await asked(inside) == (heard("Hello there"), "direct"), "a page shows who is in, an endpoint does not"
    await asyncio.to_thread(wordpress.kill_sessions)
    assert await asked(inside) == (heard("Hello there"), "browser"), "logged in anew"
    assert set(members(wordpress)) == {1}


async def test_a_login_that_was_brought_along_keeps_its_cookies_and_nonce_together_until_it_ends(
    wordpress: WordPress, inside: Runtime, tmp_path: Path
) -> None:
    login = (await inside.session("blog")).cookies
    cookies = [
        {"name": each.name, "value": each.value, "domain": "127.0.0.1", "path": "/", "expires": -1} for each in login
    ]
    state = tmp_path / "state.json"
    state.write_text(json.dumps({"cookies": cookies, "origins": []}))
    await inside.logins.import_login(inside.target("brought"), state)
    for _ in range(2):
        assert (await asked(inside, model="brought"))[0] == heard("Hello there")
        wordpress.kill_nonces()
    await asyncio.to_thread(wordpress.kill_sessions)
    assert await failed(inside, "brought") == ("", "NeedsPerson")
    assert members(wordpress) == [1, 1], "no question went out as a guest's"


async def test_a_guests_nonce_is_none_beside_a_members_cookies(wordpress: WordPress, inside: Runtime) -> None:
    login = {each.name: each.value for each in (await inside.session("blog")).cookies}
    form = {"action": "wpaicg_chat_shortcode_message", "_wpnonce": wordpress.nonce(), "message": "Hello"}
    url = f"{wordpress.url}/wp-admin/admin-ajax.php"
    told = []
    for cookies in ({}, login):
        async with aiohttp.ClientSession(cookies=cookies) as guest, guest.post(url, data=form) as answer:
            told.append(answer.status)
    assert told == [200, 403]


@pytest.mark.parametrize(("generation", "mode"), [("1.9", "stream"), ("2.x", "stream")])
async def test_what_an_owner_may_hold_a_site_to_holds_here(wordpress: WordPress, generation: str, mode: str) -> None:
    wordpress.plugin(generation, mode)
    # Required, so that nothing of it is skipped.
    told = {"DOORKEY_TEST_WPAICG_URL": f"{wordpress.url}/chat/", "DOORKEY_REQUIRE": "wpaicg-contract"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pytest", "-q", "-m", "real", "-p", "no:cacheprovider", str(CONTRACT),
        env={**os.environ, **told}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        async with asyncio.timeout(LIMIT):
            out, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0, out.decode()[-3000:]
