from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from double import DoubleRuntime
from wire import read_text

from doorkey.errors import Cut, EmptyAnswer, NeedsPerson, QuotaReached, RateLimited, SiteDown, TimeLimit
from doorkey.model.chat import Image

QUESTION = {"model": "aichats/gpt-4", "messages": [{"role": "user", "content": "Hello"}]}


async def ask(client: aiohttp.ClientSession, **more: Any) -> tuple[int, Any, Any]:
    async with client.post("/v1/chat/completions", json={**QUESTION, **more}) as response:
        return response.status, response.headers, await response.json()


async def stream(client: aiohttp.ClientSession, **more: Any) -> tuple[list[Any], bool]:
    """The events of a streamed answer, and whether the end mark came last."""
    async with client.post("/v1/chat/completions", json={**QUESTION, "stream": True, **more}) as response:
        assert response.status == 200
        text, whole = await read_text(response)
        lines = [line[6:] for line in text.split("\n\n") if line]
    done = lines[-1] == "[DONE]"
    assert whole == done, "a stream that failed must not look whole"
    return [json.loads(line) for line in lines[: -1 if done else None]], done


def text_of(events: list[Any]) -> str:
    return "".join(choice["delta"].get("content", "") for event in events for choice in event.get("choices", ()))


async def test_a_whole_answer_has_its_text_and_an_estimated_usage(client: aiohttp.ClientSession) -> None:
    status, headers, body = await ask(client)
    assert status == 200
    assert body["choices"][0]["message"]["content"] == "Hello there"
    assert body["choices"][0]["finish_reason"] == "stop"
    assert body["usage"] == {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5, "estimated": True}
    assert (headers["x-doorkey-site"], headers["x-doorkey-transport"], headers["x-doorkey-renewed"]) == (
        "aichats",
        "direct",
        "0",
    )


async def test_a_stream_has_one_id_one_role_one_reason_and_its_end_mark(client: aiohttp.ClientSession) -> None:
    events, done = await stream(client)
    assert done
    assert len({event["id"] for event in events}) == 1
    assert [event["choices"][0]["delta"].get("role") for event in events] == ["assistant", None, None, None]
    assert [event["choices"][0]["finish_reason"] for event in events] == [None, None, None, "stop"]
    assert text_of(events) == "Hello there"
    assert not any("usage" in event for event in events)


async def test_usage_comes_last_in_a_stream_that_asks_for_it(client: aiohttp.ClientSession) -> None:
    events, done = await stream(client, stream_options={"include_usage": True})
    assert done
    assert events[-1]["choices"] == []
    assert events[-1]["usage"]["estimated"] is True
    assert all(event["usage"] is None for event in events[:-1])


async def test_the_status_is_held_until_the_first_text(client: aiohttp.ClientSession, runtime: DoubleRuntime) -> None:
    runtime.script = ([""], SiteDown("aichats: HTTP 503", site="aichats"))
    async with client.post("/v1/chat/completions", json={**QUESTION, "stream": True}) as response:
        assert response.status == 503
        assert (await response.json())["error"]["code"] == "provider_unavailable"


async def test_a_stream_that_fails_on_its_way_ends_with_an_error_and_no_end_mark(
    client: aiohttp.ClientSession, runtime: DoubleRuntime
) -> None:
    runtime.script = (["Hel"], Cut("aichats: the answer was cut", site="aichats"))
    events, done = await stream(client)
    assert not done
    assert events[-1]["error"] == {
        "message": "aichats: the answer was cut",
        "type": "server_error",
        "param": None,
        "code": "cut",
    }
    assert all(event["choices"][0]["finish_reason"] is None for event in events[:-1])


async def test_our_own_mistake_in_a_begun_stream_is_an_error_event_without_its_details(
    client: aiohttp.ClientSession, runtime: DoubleRuntime
) -> None:
    runtime.script = (["Hel"], KeyError("secret"))
    events, done = await stream(client)
    assert not done
    assert events[-1]["error"]["code"] == "server_error"
    assert "secret" not in json.dumps(events)


async def test_a_cut_answer_is_no_whole_one(client: aiohttp.ClientSession, runtime: DoubleRuntime) -> None:
    runtime.script = (["Hel"], Cut("aichats: the answer was cut", site="aichats"))
    status, _, body = await ask(client)
    assert (status, body["error"]["code"]) == (502, "cut")


@pytest.mark.parametrize("streamed", [True, False])
async def test_an_answer_without_text_is_502(
    client: aiohttp.ClientSession, runtime: DoubleRuntime, streamed: bool
) -> None:
    runtime.script = ([""],)
    status, headers, body = await ask(client, stream=streamed)
    assert (status, body["error"]["code"], headers["x-should-retry"]) == (502, "empty_response", "false")


@pytest.mark.parametrize(
    ("error", "status", "code", "after", "again"),
    [
        (RateLimited("slow", retry_after=7.2), 429, "rate_limited", "8", None),
        (RateLimited("slow"), 429, "rate_limited", "60", None),
        (QuotaReached("enough"), 429, "quota", None, "false"),
        (QuotaReached("enough", retry_after=3600), 429, "quota", "3600", "false"),
        (NeedsPerson("a person"), 503, "human_required", None, "false"),
        (SiteDown("down", retry_after=5), 503, "provider_unavailable", "5", None),
        (EmptyAnswer("empty"), 502, "empty_response", None, "false"),
        (TimeLimit("first byte", 60), 504, "timeout", None, None),
    ],
)
async def test_each_failure_has_its_status_and_says_whether_to_try_again(
    client: aiohttp.ClientSession,
    runtime: DoubleRuntime,
    error: Exception,
    status: int,
    code: str,
    after: str | None,
    again: str | None,
) -> None:
    runtime.script = (error,)  # type: ignore[assignment]
    came, headers, body = await ask(client)
    assert (came, body["error"]["code"]) == (status, code)
    assert (headers.get("Retry-After"), headers.get("x-should-retry")) == (after, again)


@pytest.mark.parametrize("streamed", [True, False])
async def test_a_client_that_leaves_ends_the_upstream_request(
    client: aiohttp.ClientSession, runtime: DoubleRuntime, streamed: bool
) -> None:
    runtime.script = (["Hello"], asyncio.Event())
    request = client.post("/v1/chat/completions", json={**QUESTION, "stream": streamed})
    if streamed:
        response = await request
        await response.content.readany()
        response.close()
    else:
        waiting = asyncio.ensure_future(request)
        while not runtime.answers:
            await asyncio.sleep(0)
        waiting.cancel()
    await asyncio.wait_for(runtime.answers[0].closed.wait(), 5)


async def test_each_piece_arrives_before_the_next_is_made(
    client: aiohttp.ClientSession, runtime: DoubleRuntime
) -> None:
    gate = asyncio.Event()
    runtime.script = (["first"], gate, ["second"])
    async with client.post("/v1/chat/completions", json={**QUESTION, "stream": True}) as response:
        begun = b""
        while b"first" not in begun:
            begun += await response.content.readany()
        gate.set()
        assert b"second" in await response.read()


async def test_a_stop_text_ends_the_answer_though_it_came_in_two_pieces(
    client: aiohttp.ClientSession, runtime: DoubleRuntime
) -> None:
    runtime.script = (["one E"], ["N"], ["D two"], asyncio.Event())
    events, done = await stream(client, stop=["END", "never"])
    assert done
    assert text_of(events) == "one "
    assert runtime.answers[0].closed.is_set()


async def test_what_only_began_like_a_stop_text_is_shown(client: aiohttp.ClientSession, runtime: DoubleRuntime) -> None:
    runtime.script = (["one E"], ["N"])
    _, _, body = await ask(client, stop="END")
    assert body["choices"][0]["message"]["content"] == "one EN"


async def test_max_tokens_cuts_between_characters_and_says_length(
    client: aiohttp.ClientSession, runtime: DoubleRuntime
) -> None:
    runtime.script = (["abc"], ["ü and more"], asyncio.Event())
    _, _, body = await ask(client, max_tokens=1)
    assert body["choices"][0]["message"]["content"] == "abc"
    assert body["choices"][0]["finish_reason"] == "length"
    assert body["usage"]["completion_tokens"] == 1


async def test_a_picture_in_a_chat_is_markdown(client: aiohttp.ClientSession, runtime: DoubleRuntime) -> None:
    runtime.script = ([Image(url="http://127.0.0.1:1/cat.png", data=b"x", alt="a [cat]")],)
    _, _, body = await ask(client)
    assert body["choices"][0]["message"]["content"] == "![a cat](http://127.0.0.1:1/cat.png)"


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"n": 2}, "n"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, "tool_choice"),
        ({"logprobs": True}, "logprobs"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"stop": [""]}, "stop"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": True}, "max_completion_tokens"),
        ({"stream": "yes"}, "stream"),
        ({"model": None}, "model"),
        ({"model": 7}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "hello"}, "messages"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://a/b"}}]}]},
            "messages[0].content",
        ),
    ],
)
async def test_what_can_t_be_kept_is_refused_by_name(
    client: aiohttp.ClientSession, runtime: DoubleRuntime, more: dict[str, Any], param: str
) -> None:
    status, _, body = await ask(client, **more)
    assert (status, body["error"]["type"], body["error"]["param"]) == (400, "invalid_request_error", param)
    assert not runtime.asked


async def test_what_clients_usually_send_is_taken(client: aiohttp.ClientSession, runtime: DoubleRuntime) -> None:
    messages = [
        {"role": "developer", "content": "Be brief"},
        {"role": "user", "content": [{"type": "text", "text": "Weather?"}]},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function"}]},
        {"role": "tool", "tool_call_id": "1", "content": "Sun"},
    ]
    status, _, _ = await ask(
        client, messages=messages, temperature=0.2, response_format={"type": "text"}, n=1, store=False, unheard_of=1
    )
    assert status == 200
    assert runtime.asked[0].options == {"temperature": 0.2}


async def test_the_sites_reason_for_the_end_is_the_answers(
    client: aiohttp.ClientSession, runtime: DoubleRuntime
) -> None:
    for said, told in (("length", "length"), ("content_filter", "content_filter"), ("stop", "stop"), (None, "stop")):
        runtime.finish_reason = said
        _, _, body = await ask(client)
        assert body["choices"][0]["finish_reason"] == told
        async with client.post("/v1/chat/completions", json={**QUESTION, "stream": True}) as response:
            assert f'"finish_reason": "{told}"' in await response.text()


async def test_a_cut_that_the_client_asked_for_comes_before_the_sites_reason(
    client: aiohttp.ClientSession, runtime: DoubleRuntime
) -> None:
    runtime.finish_reason = "length"
    _, _, body = await ask(client, stop="there")
    assert body["choices"][0]["finish_reason"] == "stop"


async def test_what_no_site_is_told_is_named(client: aiohttp.ClientSession) -> None:
    tools = [{"type": "function", "function": {"name": "weather"}}]
    _, headers, _ = await ask(client, tools=tools, tool_choice="auto", verbosity="low", temperature=1)
    assert headers["x-doorkey-ignored"] == "tools, verbosity"
    async with client.post(
        "/v1/chat/completions", json={**QUESTION, "stream": True, "functions": [{"name": "f"}]}
    ) as response:
        assert response.headers["x-doorkey-ignored"] == "functions"
    _, headers, _ = await ask(client, tools=[], logit_bias={})
    assert "x-doorkey-ignored" not in headers


async def test_a_history_of_tools_keeps_its_meaning(client: aiohttp.ClientSession, runtime: DoubleRuntime) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
    messages = [
        {"role": "user", "content": "How warm is it?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "3 °C"},
    ]
    await ask(client, messages=messages)
    assert [message.text for message in runtime.asked[0].messages] == [
        "How warm is it?", '[called weather with {"city": "Oslo"}]', "[result of weather]\n3 °C",
    ]  # fmt: skip


async def test_an_unknown_model_is_404(client: aiohttp.ClientSession) -> None:
    status, _, body = await ask(client, model="nobody/nothing")
    assert (status, body["error"]["code"], body["error"]["param"]) == (404, "model_not_found", "model")


async def test_a_heartbeat_that_was_asked_for_keeps_a_quiet_stream_open(
    client: aiohttp.ClientSession, runtime: DoubleRuntime
) -> None:
    gate = asyncio.Event()
    runtime.script = (gate, ["late"])
    headers = {"x-doorkey-heartbeat": "1"}
    async with client.post("/v1/chat/completions", json={**QUESTION, "stream": True}, headers=headers) as response:
        assert response.status == 200
        assert await response.content.readline() == b": heartbeat\n"
        gate.set()
        text = await response.text()
    assert '"content": "late"' in text
    assert text.endswith("data: [DONE]\n\n")


async def test_a_failure_after_a_heartbeat_is_the_last_event(
    client: aiohttp.ClientSession, runtime: DoubleRuntime
) -> None:
    gate = asyncio.Event()
    runtime.script = (gate, SiteDown("the site is down", site="aichats"))
    headers = {"x-doorkey-heartbeat": "1"}
    async with client.post("/v1/chat/completions", json={**QUESTION, "stream": True}, headers=headers) as response:
        await response.content.readline()
        gate.set()
        text, whole = await read_text(response)
    assert not whole
    assert '"message": "the site is down"' in text
    assert "[DONE]" not in text
    assert runtime.answers[0].closed.is_set()


async def test_a_client_that_leaves_between_heartbeats_ends_its_answer(
    client: aiohttp.ClientSession, runtime: DoubleRuntime
) -> None:
    runtime.script = (asyncio.Event(),)
    headers = {"x-doorkey-heartbeat": "1"}
    async with client.post("/v1/chat/completions", json={**QUESTION, "stream": True}, headers=headers) as response:
        await response.content.readline()
    async with asyncio.timeout(5):
        await runtime.answers[0].closed.wait()


@pytest.mark.parametrize("value", ["0", "soon", "-1", "1000", "1e2", ""])
async def test_a_heartbeat_is_a_number_of_seconds(client: aiohttp.ClientSession, value: str) -> None:
    headers = {"x-doorkey-heartbeat": value}
    async with client.post("/v1/chat/completions", json={**QUESTION, "stream": True}, headers=headers) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (400, "invalid_header")
