"""Every client that people use, in a process of its own, against the service: what it reads, and what failures become.

A line of the standard input of a client's driver is an order, a line of its output is what the client made of it.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from clients import CLIENTS, Client, Driver
from double import DoubleRuntime

from doorkey.errors import (
    Blocked,
    BrowserFailed,
    Changed,
    Cut,
    DoorkeyError,
    EmptyAnswer,
    MayHaveArrived,
    NeedsPerson,
    QueueFull,
    QuotaReached,
    RateLimited,
    SessionEnded,
    SessionRefused,
    SiteDown,
    TimeLimit,
    VisitFailed,
)
from doorkey_providers.twins.aichats import AiChatsTwin

pytestmark = [pytest.mark.browser, pytest.mark.real("clients")]

KEY = "sk-the-key-of-the-clients"
MODEL = "aichats/gpt-4"
MANY = 64
PROMPT = "Hello 👋🏽 from a family 👨‍👩‍👧‍👦 in Köln, 東京 and 𝔘𝔫𝔦𝔠𝔬𝔡𝔢"
LARGE = " ".join(f"{number:07}{'x' * 992}" for number in range(1000))
FINAL: tuple[DoorkeyError, ...] = (
    Blocked("a filter refused it"),
    Changed("the site sends another document"),
    EmptyAnswer("the answer is empty"),
    MayHaveArrived("the connection was lost"),
    NeedsPerson("a person has to log in"),
    QuotaReached("the quota is used up"),
    SessionEnded("the session was dead"),
    SessionRefused("the new session was refused, too"),
)
"""Failures of which clients are told that to repeat the request can't help, or could do harm."""
PASSING: tuple[DoorkeyError, ...] = (
    BrowserFailed("no browser could be started"),
    Cut("the answer broke off"),
    QueueFull("aichats", 100, 5),
    RateLimited("the site says enough", retry_after=30),
    SiteDown("the site can't be reached", arrived=False),
    TimeLimit("first byte", 30),
    VisitFailed("the page could not be loaded"),
)


NEEDED: dict[str, Callable[[Client], bool]] = {}
"""Which clients a test is for, by its name."""
Test = TypeVar("Test", bound=Callable[..., Any])


def needs(fits: Callable[[Client], bool]) -> Callable[[Test], Test]:
    def keep(test: Test) -> Test:
        NEEDED[test.__name__] = fits
        return test

    return keep


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    fits = NEEDED.get(metafunc.function.__name__, lambda _: True)
    chosen = [client for client in CLIENTS if fits(client)]
    metafunc.parametrize("driver", chosen, indirect=True, scope="module", ids=[client.name for client in chosen])


@pytest.fixture
def order(driver: Driver, base: str) -> Callable[..., Any]:
    """Gives the client an order over the copy of the site."""

    async def give(verb: str, **values: Any) -> dict[str, Any]:
        usual = {"base": base, "key": KEY, "model": MODEL, "prompt": PROMPT, "retries": 0, "count": 0}
        return await driver.order(verb, **{**usual, **values})

    return give


@pytest.mark.usefixtures("twin")
async def test_a_chat_is_read_whole_with_its_usage(order: Callable[..., Any]) -> None:
    told = await order("chat")
    assert told.get("text") == f"aichats heard: {PROMPT}", told
    assert told["usage"] > len(PROMPT) / 4


@pytest.mark.usefixtures("twin")
async def test_a_stream_is_read_in_pieces_though_the_site_splits_characters(order: Callable[..., Any]) -> None:
    told = await order("stream")
    assert told.get("text") == f"aichats heard: {PROMPT}", told
    assert told["pieces"] > 1
    assert told["usage"] > len(PROMPT) / 4


@needs(lambda client: "models" in client.more)
@pytest.mark.usefixtures("twin")
async def test_models_are_listed_and_found(order: Callable[..., Any]) -> None:
    assert await order("models") == {"models": [MODEL, "aichats/dalle"], "one": MODEL}


@needs(lambda client: "image" in client.more)
@pytest.mark.usefixtures("twin")
async def test_an_image_is_data(order: Callable[..., Any]) -> None:
    told = await order("image", model="aichats/dalle", prompt="a cat")
    assert base64.b64decode(told.get("image") or "").startswith(b"\x89PNG"), told


@needs(lambda client: "completion" in client.more)
@pytest.mark.usefixtures("twin")
async def test_an_older_completion_is_read_whole_and_streamed(order: Callable[..., Any]) -> None:
    answer = f"aichats heard: {PROMPT}"
    assert await order("completion") == {"text": answer, "streamed": answer}


@pytest.mark.usefixtures("twin")
@pytest.mark.parametrize("verb", ["chat", "stream"])
@pytest.mark.parametrize(
    ("wrong", "status", "code"),
    [
        ({"key": "sk-wrong"}, 401, "invalid_api_key"),
        ({"model": "nobody/nothing"}, 404, "model_not_found"),
    ],
    ids=["key", "model"],
)
async def test_a_wrong_key_and_a_wrong_model_are_told(
    order: Callable[..., Any], driver: Driver, wrong: dict[str, str], status: int, code: str, verb: str
) -> None:
    error = (await order(verb, **wrong))["error"]
    assert (error["status"], error["code"]) == (status, code if driver.client.tells_code else None), error


async def test_a_bad_body_is_refused_before_the_site_is_asked(
    order: Callable[..., Any], driver: Driver, twin: AiChatsTwin
) -> None:
    before = twin.counts.accepted
    error = (await order("bad"))["error"]
    assert (error["status"], error["code"]) == (400, "invalid_request" if driver.client.tells_code else None), error
    assert twin.counts.accepted == before


async def test_a_client_that_leaves_is_seen_leaving_by_the_site(order: Callable[..., Any], twin: AiChatsTwin) -> None:
    twin.stream_gate, before = asyncio.Event(), twin.counts.left
    assert (await order("leave")).get("text")
    await asyncio.wait_for(twin.counts.until(lambda counts: counts.left > before), 5)
    assert not twin.stream_gate.is_set()


@pytest.mark.usefixtures("twin")
async def test_many_streams_at_once_get_each_their_own_answer(order: Callable[..., Any]) -> None:
    told = await order("many", prompt="Question", count=MANY)
    assert told.get("texts") == [f"aichats heard: Question {number}." for number in range(MANY)], told


@pytest.mark.usefixtures("twin")
async def test_a_prompt_of_a_megabyte_comes_back(order: Callable[..., Any]) -> None:
    told = await order("stream", prompt=LARGE)
    assert told.get("text") == f"aichats heard: {LARGE}", str(told)[:500]


@pytest.mark.parametrize("verb", ["chat", "stream"])
async def test_each_failure_has_its_status_and_code(
    order: Callable[..., Any], driver: Driver, failing_base: str, double: DoubleRuntime, verb: str
) -> None:
    told, expected = {}, {}
    for failure in FINAL if driver.client.repeats else (*FINAL, *PASSING):
        double.script = (failure,)
        error = (await order(verb, base=failing_base)).get("error", {})
        name = type(failure).__name__
        told[name] = (error.get("status"), error.get("code"), failure.message in error.get("message", ""))
        expected[name] = (failure.status, failure.code if driver.client.tells_code else None, True)
    assert told == expected


@needs(lambda client: client.heeds)
async def test_a_request_whose_failure_is_final_is_not_repeated(
    order: Callable[..., Any], failing_base: str, double: DoubleRuntime
) -> None:
    for failure in FINAL:
        double.script = (failure,)
        assert "error" in await order("chat", base=failing_base, retries=2)
    assert len(double.asked) == len(FINAL)


async def test_a_failure_after_the_first_text_is_an_error_and_no_short_answer(
    order: Callable[..., Any], driver: Driver, failing_base: str, double: DoubleRuntime
) -> None:
    told = {}
    for failure in (*FINAL, *PASSING):
        double.script = (["Hel"], failure)
        error = (await order("stream", base=failing_base)).get("error")
        message = failure.message if driver.client.tells_last else ""
        told[type(failure).__name__] = error is not None and message in error["message"]
    assert told == dict.fromkeys(told, True)
