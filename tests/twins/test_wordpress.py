"""The AI Power twins: the page's tokens, and each failure exactly as its generation gives it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from doorkey_providers.twins.nonce import nonce_at
from doorkey_providers.twins.wordpress import ChatgptFreeTwin, ChatGpttTwin, WordPressTwin, damaged

if TYPE_CHECKING:
    from .conftest import SetClock, Visit, Visitor

JSON, STREAM, HTML = "application/json", "text/event-stream", "text/html"
GENERATIONS = ("1.7", "1.8", "1.9")
MODES = [("1.7", False), ("1.8", False), ("1.8", True), ("1.9", False), ("1.9", True)]
LIMIT = {"msg": "You have reached your token limit.", "tokenLimitReached": True}


@pytest.fixture(params=[ChatGpttTwin, ChatgptFreeTwin], ids=lambda kind: kind.name)
async def twin(request: pytest.FixtureRequest) -> Any:
    async with request.param() as twin:
        yield twin


def data_of(body: bytes) -> list[str]:
    return [line[6:] for line in re.split(r"\r\n|\n", body.decode()) if line.startswith("data: ")]


async def test_the_page_holds_tokens_the_endpoint_and_a_decoy(twin: WordPressTwin, visit: Visit) -> None:
    page = await (await visit(twin)).load()
    assert f'data-nonce="{twin.nonce}" data-post-id="{twin.post_id}"' in page
    assert f'data-openai_stream_nav="{"1" if twin.streams else "0"}"' in page
    params = json.loads(re.search(r"var wpaicgParams = (.*);", page)[1])  # type: ignore[index]
    assert params["ajax_url"] == f"{twin.origin}/wp-admin/admin-ajax.php"
    assert params["search_nonce"] == twin.nonce
    decoy = re.search(r'id="wpaicg-img-nonce" value="(\w{10})"', page)
    assert decoy is not None
    assert decoy[1] != twin.nonce


async def test_the_first_generation_does_not_say_its_mode(twin: WordPressTwin, visit: Visit) -> None:
    twin.switch(generation="1.7", stream=True)
    visitor = await visit(twin)
    assert "openai_stream_nav" not in await visitor.load()
    assert (await visitor.ask())[1] == JSON


async def test_a_known_key_gives_known_nonces(clock: SetClock, visit: Visit) -> None:
    async with ChatGpttTwin(clock=clock, key="key+salt") as twin:
        visitor = await visit(twin)
        assert visitor.tokens["nonce"] == nonce_at("key+salt", "wpaicg-chatbox", 39352)
        clock.at += 43_200
        assert (await visitor.ask())[0] == 200
        clock.at += 43_200
        assert (await visitor.ask())[0] == 403


async def wrong_nonce(visitor: Visitor) -> tuple[int, str, bytes]:
    visitor.twin.rotate()
    return await visitor.ask()


@pytest.mark.parametrize(("generation", "msg"), [("1.7", "Invalid nonce. "), ("1.8", "Nonce verification failed")])
async def test_a_dead_nonce_is_an_ordinary_answer(twin: WordPressTwin, visit: Visit, generation: str, msg: str) -> None:
    twin.switch(generation=generation)
    status, media_type, body = await wrong_nonce(await visit(twin))
    assert (status, media_type) == (200, JSON)
    assert json.loads(body)["status"] == "error"
    assert json.loads(body)["msg"].startswith(msg)
    assert twin.counts.refused_by["nonce"] == 1


async def test_to_the_last_generation_a_dead_nonce_is_an_expired_link(twin: WordPressTwin, visit: Visit) -> None:
    status, media_type, body = await wrong_nonce(await visit(twin))
    assert (status, media_type) == (403, HTML)
    assert b"The link you followed has expired." in body


async def test_a_host_that_does_not_know_the_visitor_says_nothing(twin: WordPressTwin, visit: Visit) -> None:
    visitor = await visit(twin)
    twin.expire_cookies()
    status, media_type, body = await visitor.ask()
    assert (status, media_type) == (403, HTML)
    assert b"<title>403 Forbidden</title>" in body
    assert b"expired" not in body


@pytest.mark.parametrize(("generation", "stream"), MODES)
async def test_a_used_up_quota_by_generation_and_mode(
    twin: WordPressTwin, visit: Visit, generation: str, stream: bool
) -> None:
    twin.switch(generation=generation, stream=stream, quota=True)
    status, media_type, body = await (await visit(twin)).ask()
    assert (status, media_type) == (200, STREAM if stream else JSON)
    assert [json.loads(text) for text in (data_of(body) if stream else [body])] == [LIMIT]


async def test_a_quota_may_end_with_a_mark_of_its_own(twin: WordPressTwin, visit: Visit) -> None:
    twin.switch(stream=True, quota=True, limited_mark=True)
    assert data_of((await (await visit(twin)).ask())[2])[-1] == "[LIMITED]"


@pytest.mark.parametrize(("generation", "stream"), MODES)
async def test_a_ban_by_generation_and_mode(twin: WordPressTwin, visit: Visit, generation: str, stream: bool) -> None:
    twin.switch(generation=generation, stream=stream, banned=True)
    status, media_type, body = await (await visit(twin)).ask()
    assert (status, media_type) == (200, STREAM if stream else JSON)
    assert json.loads(data_of(body)[0] if stream else body)["ipBanned"] is True


@pytest.mark.parametrize("generation", GENERATIONS)
async def test_a_failing_backend_in_json(twin: WordPressTwin, visit: Visit, generation: str) -> None:
    twin.switch(generation=generation, stream=False, backend_failure=True)
    status, media_type, body = await (await visit(twin)).ask()
    assert (status, media_type) == (200, JSON)
    assert json.loads(body)["status"] == "error"


@pytest.mark.parametrize("generation", ["1.8", "1.9"])
async def test_a_failing_backend_speaks_twice_as_content(twin: WordPressTwin, visit: Visit, generation: str) -> None:
    twin.switch(generation=generation, stream=True, backend_failure=True)
    status, media_type, body = await (await visit(twin)).ask()
    assert (status, media_type) == (200, STREAM)
    first, second, closing = (json.loads(text) for text in data_of(body))
    assert first == second
    assert first["choices"][0]["delta"]["content"]
    assert not {"id", "object", "model"} & first.keys()
    assert "delta" not in closing["choices"][0]
    assert body.startswith(b"event: message\n")
    assert b"[DONE]" not in body
    trailer = body.decode().rstrip("\n").split("\n")[-1]
    assert (json.loads(trailer)["data"] == "") if generation == "1.8" else (trailer.startswith("data: "))


@pytest.mark.parametrize("generation", GENERATIONS)
async def test_an_empty_message_and_an_unknown_action(twin: WordPressTwin, visit: Visit, generation: str) -> None:
    twin.switch(generation=generation)
    visitor = await visit(twin)
    status, media_type, body = await visitor.ask(" ")
    assert (status, media_type) == (200, JSON)
    assert json.loads(body)["msg"] == "It appears that nothing was inputted."
    status, _, body = await visitor.ask(action="aipkit_cache_sse_message")
    assert (status, body) == (400, b"0")


async def test_the_last_generation_takes_no_get(twin: WordPressTwin, visit: Visit) -> None:
    visitor = await visit(twin)
    params = visitor.request()["data"]
    async with visitor.session.get(twin.origin + twin.api_path, params=params) as response:
        assert response.status == 403
    twin.switch(generation="1.8")
    async with visitor.session.get(twin.origin + twin.api_path, params=params) as response:
        assert response.status == 200
        assert b"heard" in await response.read()


@pytest.mark.parametrize("generation", ["1.8", "1.9"])
@pytest.mark.parametrize("awkward", [True, False])
async def test_a_stream_holds_the_whole_answer_and_its_end(
    twin: WordPressTwin, visit: Visit, generation: str, awkward: bool
) -> None:
    twin.switch(generation=generation, stream=True, awkward=awkward)
    prompt = "Grüße 😀, " + "wie geht es dir? " * 300 + "Gut!"
    status, media_type, body = await (await visit(twin)).ask(prompt)
    assert (status, media_type) == (200, STREAM)
    *frames, end = data_of(body)
    whole = "".join(json.loads(frame)["choices"][0]["delta"].get("content", "") for frame in frames)
    assert whole == f"{twin.name} heard: {prompt}"
    assert end == "[DONE]"
    trailer = body.decode().split("[DONE]")[1].strip()
    assert (json.loads(trailer)["data"] == whole) if generation == "1.8" else (trailer == "")


@pytest.mark.parametrize("generation", ["1.7", "1.8"])
async def test_earlier_generations_damage_prompts(twin: WordPressTwin, visit: Visit, generation: str) -> None:
    twin.switch(generation=generation, stream=False)
    _, _, body = await (await visit(twin)).ask("one\ntwo <b>bold</b> 100%25 x<y")
    told = json.loads(body)
    assert told["data"] == f"{twin.name} heard: one two bold 100 x<y"
    assert (told["status"], told["msg"]) == ("success", "Something went wrong")


def test_what_is_left_of_a_damaged_prompt() -> None:
    assert damaged("  a\r\n\tb <br/>%0ac 50% ") == "a b c 50%"


async def test_the_first_generation_keeps_the_conversation_in_a_cookie(twin: WordPressTwin, visit: Visit) -> None:
    twin.switch(generation="1.7")
    visitor = await visit(twin)
    await visitor.ask("my secret")
    await visitor.ask("second")
    assert "my%20secret" in twin.log[-1].cookies["wpaicg_chat_history_0"]
