"""The AI Power twins: the page's tokens, and each failure exactly as its generation gives it."""

from __future__ import annotations

import html
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from doorkey import Kind
from doorkey_providers.twins.nonce import nonce_at
from doorkey_providers.twins.wordpress import ChatgptFreeTwin, ChatGpttTwin, WordPressTwin, damage
from doorkey_providers.twins.wpaicg_literals import ROWS, Row

if TYPE_CHECKING:
    from .conftest import SetClock, Visit, Visitor

JSON, STREAM, HTML = "application/json", "text/event-stream", "text/html"


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


async def test_a_host_that_does_not_know_the_visitor_says_nothing(twin: WordPressTwin, visit: Visit) -> None:
    visitor = await visit(twin)
    twin.expire_cookies()
    status, media_type, body = await visitor.ask()
    assert (status, media_type) == (403, HTML)
    assert b"<title>403 Forbidden</title>" in body
    assert b"expired" not in body


SWITCHES: dict[str, dict[str, Any]] = {
    "nonce": {"rotate": True},
    "banned": {"banned": True},
    "quota": {"quota": True},
    "quota marked": {"quota": True, "limited_mark": True},
    "backend": {"backend_failure": True},
    "empty": {},
    "unknown action": {},
}
"""What brings a case about, besides the switch that names it."""
NEWER = {"cache": "aipkit_cache_sse_message", "stream": "aipkit_frontend_chat_stream"}


def fields_of(row: Row) -> dict[str, str]:
    """The fields of the request that *row* answers."""
    if row.generation != "2.x":
        return {"action": "aipkit_cache_sse_message"} if row.case == "unknown action" else {}
    action = NEWER.get(row.step, "aipkit_frontend_chat_message")
    return {"action": "wpaicg_chat_shortcode_message" if row.case == "unknown action" else action}


async def answered(visitor: Visitor, row: Row) -> tuple[int, str, bytes]:
    """Status, content type and body, as they came, of the request that *row* answers."""
    message = " " if row.case == "empty" else "hello"
    async with visitor.post(message, **fields_of(row)) as response:
        return response.status, response.headers["Content-Type"], await response.read()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_any_literal_can_be_switched_on(row: Row, visit: Visit) -> None:
    async with ChatGpttTwin() as twin:
        twin.switch(generation=row.generation, stream=row.mode == "stream", row=row.case)
        assert await answered(await visit(twin), row) == (row.status, row.content_type, row.body)
        assert twin.counts.accepted == (row.kind is Kind.OK)


@pytest.mark.parametrize("row", [row for row in ROWS if row.case in SWITCHES], ids=lambda row: row.name)
async def test_what_goes_wrong_by_itself_is_answered_by_the_literals(row: Row, visit: Visit) -> None:
    async with ChatGpttTwin() as twin:
        twin.switch(generation=row.generation, stream=row.mode == "stream")
        visitor = await visit(twin)
        twin.switch(**SWITCHES[row.case])
        assert await answered(visitor, row) == (row.status, row.content_type, row.body)
        assert dict(twin.counts.refused_by) == {row.case: 1}


async def test_the_newest_generation_keeps_a_question_for_one_stream(visit: Visit) -> None:
    async with ChatgptFreeTwin() as twin:
        twin.switch(generation="2.x")
        visitor = await visit(twin)
        _, kind, body = await visitor.ask("Grüße, <b>wie</b>\ngeht es? 100%25", action=NEWER["cache"])
        key = json.loads(body)["data"]["cache_key"]
        assert kind == JSON
        streams = [(await visitor.ask("", action=NEWER["stream"], cache_key=key))[2].decode() for _ in range(2)]
        deltas = [json.loads(text) for text in data_of(streams[0].encode())]
        text = "".join(told.get("delta", "") for told in deltas)
        assert text == "chatgptfree heard: Grüße, <b>wie</b>\ngeht es? 100%25"
        assert streams[0].endswith('event: done\ndata: {"finished":true}\n\n')
        assert streams[1].startswith("event: error\n")


async def test_the_newest_generation_hands_out_nonces_at_an_endpoint_of_its_own(visit: Visit) -> None:
    async with ChatGpttTwin() as twin:
        twin.switch(generation="2.x")
        visitor = await visit(twin)
        twin.rotate()
        _, _, body = await visitor.ask(action="aipkit_get_frontend_chat_nonce")
        assert json.loads(body) == {"success": True, "data": {"nonce": twin.nonce}}
        status, _, body = await visitor.ask(action="aipkit_frontend_chat_message", _ajax_nonce=twin.nonce)
        assert (status, json.loads(body)["data"]["reply"]) == (200, "chatgptt heard: hello")


async def test_the_newest_page_has_a_configuration_for_each_bot(visit: Visit) -> None:
    async with ChatgptFreeTwin() as twin:
        twin.switch(generation="2.x", bots=["Sales & more"])
        page = await (await visit(twin)).load()
        configs = [json.loads(html.unescape(text)) for text in re.findall(r'data-config="([^"]*)"', page)]
        told = [(config["botId"], config["headerName"], config["popupEnabled"]) for config in configs]
        assert told == [(4, "Twin", False), (5, "Sales & more", True)]
        assert {config["nonce"] for config in configs} == {twin.nonce}
        assert configs[0]["ajaxUrl"] == f"{twin.origin}/wp-admin/admin-ajax.php"
        assert "data-nonce" not in page


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
    assert damage("  a\r\n\tb <br/>%0ac 50% ") == "a b c 50%"


async def test_the_first_generation_keeps_the_conversation_in_a_cookie(twin: WordPressTwin, visit: Visit) -> None:
    twin.switch(generation="1.7")
    visitor = await visit(twin)
    await visitor.ask("my secret")
    await visitor.ask("second")
    assert "my%20secret" in twin.log[-1].cookies["wpaicg_chat_history_0"]
