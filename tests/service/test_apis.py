"""The other chat APIs: older completions, Anthropic's messages, OpenAI's responses, each whole and streamed."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from double import DoubleRuntime
from wire import read_text

from doorkey.config.settings import ServiceSettings
from doorkey.errors import Cut, SiteDown
from doorkey.service.app import build_app, serve

MODEL = "aichats/gpt-4"
MESSAGES = {"model": MODEL, "max_tokens": 100, "messages": [{"role": "user", "content": "Hi"}]}
RESPONSES = {"model": MODEL, "input": "Hi"}
COMPLETIONS = {"model": MODEL, "prompt": "Hi"}
DELTA, DONE = "response.output_text.delta", "response.output_text.done"


async def events(client: aiohttp.ClientSession, path: str, body: dict[str, Any]) -> list[tuple[str, Any]]:
    """The events of a stream: (name, data), the data as JSON where it is some."""
    async with client.post(path, json={**body, "stream": True}) as response:
        assert response.status == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        text, whole = await read_text(response)
    found = []
    for block in text.removesuffix("\n\n").split("\n\n"):
        fields = dict(line.partition(": ")[::2] for line in block.split("\n"))
        data = fields["data"]
        found.append((fields.get("event", ""), json.loads(data) if data != "[DONE]" else data))
    assert whole == ("error" not in json.dumps(found[-1]).replace('"error": null', ""))
    return found


async def test_a_completion_is_a_chat_of_one_message(client: aiohttp.ClientSession, runtime: DoubleRuntime) -> None:
    async with client.post("/v1/completions", json=COMPLETIONS) as response:
        whole = await response.json()
    assert (whole["object"], whole["choices"][0]["text"]) == ("text_completion", "Hello there")
    assert whole["choices"][0]["finish_reason"] == "stop"
    assert [(message.role, message.text) for message in runtime.asked[0].messages] == [("user", "Hi")]
    came = [data for _, data in await events(client, "/completions", COMPLETIONS)]
    assert "".join(chunk["choices"][0]["text"] for chunk in came[:-1]) == "Hello there"
    assert (came[-2]["choices"][0]["finish_reason"], came[-1]) == ("stop", "[DONE]")


@pytest.mark.parametrize(
    ("field", "value"),
    [("prompt", [1, 2]), ("prompt", ["a", "b"]), ("prompt", " "), ("n", 2), ("best_of", 2), ("echo", True),
     ("suffix", "x"), ("logprobs", 1)],
)  # fmt: skip
async def test_a_completion_refuses_what_it_can_t_keep(client: aiohttp.ClientSession, field: str, value: Any) -> None:
    async with client.post("/v1/completions", json=COMPLETIONS | {field: value}) as response:
        assert (response.status, (await response.json())["error"]["param"]) == (400, field)


async def test_a_message_of_anthropic_s_shape(client: aiohttp.ClientSession, runtime: DoubleRuntime) -> None:
    body = MESSAGES | {"system": [{"type": "text", "text": "Be brief"}], "messages": [
        {"role": "user", "content": [{"type": "text", "text": "Hi"}]}]}  # fmt: skip
    async with client.post("/v1/messages", json=body) as response:
        whole = await response.json()
    assert (whole["type"], whole["role"], whole["stop_reason"]) == ("message", "assistant", "end_turn")
    assert whole["content"] == [{"type": "text", "text": "Hello there"}]
    assert set(whole["usage"]) >= {"input_tokens", "output_tokens"}
    asked = [(message.role, message.text) for message in runtime.asked[0].messages]
    assert asked == [("system", "Be brief"), ("user", "Hi")]


async def test_the_events_of_a_message(client: aiohttp.ClientSession) -> None:
    came = await events(client, "/v1/messages", MESSAGES)
    assert [name for name, _ in came] == [
        "message_start", "content_block_start", "ping", "content_block_delta", "content_block_delta",
        "content_block_stop", "message_delta", "message_stop",
    ]  # fmt: skip
    assert all(data["type"] == name for name, data in came)
    assert came[0][1]["message"]["stop_reason"] is None
    assert "".join(data["delta"]["text"] for name, data in came if name == "content_block_delta") == "Hello there"
    assert came[-2][1]["delta"] == {"stop_reason": "end_turn", "stop_sequence": None}


@pytest.mark.parametrize(
    ("more", "reason", "stop", "text"),
    [
        ({"max_tokens": 1}, "max_tokens", None, "Hell"),
        ({"stop_sequences": ["xx", "lo"]}, "stop_sequence", "lo", "Hel"),
    ],
)
async def test_a_message_says_what_cut_it(
    client: aiohttp.ClientSession, more: dict[str, Any], reason: str, stop: str | None, text: str
) -> None:
    async with client.post("/v1/messages", json=MESSAGES | more) as response:
        whole = await response.json()
    assert (whole["stop_reason"], whole["stop_sequence"], whole["content"][0]["text"]) == (reason, stop, text)


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "system", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": [{"type": "image", "source": {}}]}]}, "messages[0].content[0]"),
        ({"tool_choice": {"type": "any"}}, "tool_choice"),
        ({"stop_sequences": [""]}, "stop_sequences"),
    ],
)
async def test_a_message_s_error_is_in_both_shapes(
    client: aiohttp.ClientSession, more: dict[str, Any], param: str
) -> None:
    async with client.post("/v1/messages", json=MESSAGES | more) as response:
        body = await response.json()
        assert (response.status, body["type"], body["error"]["type"]) == (400, "error", "invalid_request_error")
        assert body["error"]["param"] == param


async def test_a_whole_response(client: aiohttp.ClientSession, runtime: DoubleRuntime) -> None:
    body = RESPONSES | {"instructions": "Be brief", "store": True, "include": [], "metadata": {"a": "b"}, "tools": []}
    async with client.post("/v1/responses", json=body) as response:
        assert "x-doorkey-ignored" not in response.headers
        whole = await response.json()
    assert (whole["object"], whole["status"], whole["metadata"]) == ("response", "completed", {"a": "b"})
    assert whole["output"][0]["content"][0]["text"] == "Hello there"
    asked = [(message.role, message.text) for message in runtime.asked[0].messages]
    assert asked == [("system", "Be brief"), ("user", "Hi")]


async def test_the_input_of_a_response_may_be_items(client: aiohttp.ClientSession, runtime: DoubleRuntime) -> None:
    items = [
        {"role": "user", "content": [{"type": "input_text", "text": "One"}]},
        {"type": "reasoning", "summary": []},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Two"}]},
        {"role": "user", "content": "Three"},
    ]
    async with client.post("/v1/responses", json=RESPONSES | {"input": items}) as response:
        assert response.status == 200
    assert [message.text for message in runtime.asked[0].messages] == ["One", "Two", "Three"]


async def test_the_events_of_a_response(client: aiohttp.ClientSession) -> None:
    came = await events(client, "/v1/responses", RESPONSES)
    assert [name for name, _ in came] == [
        "response.created", "response.in_progress", "response.output_item.added", "response.content_part.added",
        DELTA, DELTA, DONE, "response.content_part.done", "response.output_item.done", "response.completed",
    ]  # fmt: skip
    assert [data["sequence_number"] for _, data in came] == list(range(10))
    assert "".join(data["delta"] for name, data in came if name == DELTA) == "Hello there"
    assert came[-1][1]["response"]["output"][0]["content"][0]["text"] == "Hello there"
    assert came[-1][1]["response"]["usage"]["total_tokens"] > 0


async def test_a_response_that_was_cut_is_incomplete(client: aiohttp.ClientSession) -> None:
    came = await events(client, "/v1/responses", RESPONSES | {"max_output_tokens": 1})
    assert came[-1][0] == "response.incomplete"
    assert came[-1][1]["response"]["incomplete_details"] == {"reason": "max_output_tokens"}


@pytest.mark.parametrize(
    ("field", "value"),
    [("previous_response_id", "resp_1"), ("conversation", "conv_1"), ("background", True), ("input", None),
     ("text", {"format": {"type": "json_object"}}), ("tool_choice", "required"), ("input", [{"type": "image"}])],
)  # fmt: skip
async def test_a_response_refuses_what_it_can_t_keep(client: aiohttp.ClientSession, field: str, value: Any) -> None:
    async with client.post("/v1/responses", json=RESPONSES | {field: value}) as response:
        assert response.status == 400
        assert (await response.json())["error"]["param"].startswith(field)


FAILED = [
    ("/v1/messages", MESSAGES, "error"),
    ("/v1/responses", RESPONSES, "response.failed"),
    ("/v1/completions", COMPLETIONS, ""),
]


@pytest.mark.parametrize(("path", "body", "last"), FAILED)
async def test_a_stream_that_fails_ends_with_its_error(
    client: aiohttp.ClientSession, runtime: DoubleRuntime, path: str, body: dict[str, Any], last: str
) -> None:
    runtime.script = (["Hel"], Cut("the answer broke off", site="aichats"))
    came = await events(client, path, body)
    assert came[-1][0] == last
    assert "the answer broke off" in json.dumps(came[-1][1])
    assert "[DONE]" not in [data for _, data in came]


@pytest.mark.parametrize(("path", "body", "last"), FAILED)
async def test_a_failure_before_the_first_text_has_its_status(
    client: aiohttp.ClientSession, runtime: DoubleRuntime, path: str, body: dict[str, Any], last: str
) -> None:
    runtime.script = (SiteDown("the site can't be reached", site="aichats", arrived=False),)
    async with client.post(path, json={**body, "stream": True}) as response:
        assert response.status == 503
        assert "can't be reached" in (await response.json())["error"]["message"]


@pytest.mark.parametrize("path", ["/models", "/chat/completions", "/completions", "/responses", "/messages"])
async def test_paths_without_v1_are_the_same(client: aiohttp.ClientSession, path: str) -> None:
    async with client.get(path) as with_out, client.get(f"/v1{path}") as with_v1:
        assert with_out.status == with_v1.status != 404


@pytest.mark.parametrize("role", ["robot", "User", "assistant "])
async def test_an_unknown_role_is_refused(client: aiohttp.ClientSession, role: str) -> None:
    body = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}, {"role": role, "content": "Ho"}]}
    async with client.post("/v1/chat/completions", json=body) as response:
        error = (await response.json())["error"]
        assert (response.status, error["param"]) == (400, "messages[1].role")


@pytest.mark.parametrize(
    ("path", "body", "tools"),
    [
        ("/v1/chat/completions", {"model": MODEL, "messages": MESSAGES["messages"]}, {"tools": [{"type": "function"}]}),
        ("/v1/messages", MESSAGES, {"tools": [{"name": "x"}]}),
        ("/v1/responses", RESPONSES, {"tools": [{"type": "function"}]}),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
async def test_tools_that_are_dropped_are_told(
    client: aiohttp.ClientSession, path: str, body: dict[str, Any], tools: dict[str, Any], stream: bool
) -> None:
    async with client.post(path, json={**body, **tools, "stream": stream}) as response:
        assert (response.status, response.headers["x-doorkey-ignored"]) == (200, "tools")


async def test_what_anthropic_s_tools_did_keeps_its_meaning(
    client: aiohttp.ClientSession, runtime: DoubleRuntime
) -> None:
    call = {"type": "tool_use", "id": "c1", "name": "weather", "input": {"city": "Oslo"}}
    messages = [
        {"role": "user", "content": "How warm is it?"},
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "3 °C"},
                                     {"type": "text", "text": "And in F?"}]},
    ]  # fmt: skip
    async with client.post("/v1/messages", json=MESSAGES | {"messages": messages}) as response:
        assert response.status == 200
    assert [message.text for message in runtime.asked[0].messages] == [
        "How warm is it?", '[called weather with {"city": "Oslo"}]', "[result of weather]\n3 °C", "And in F?",
    ]  # fmt: skip


@pytest.mark.parametrize("finish", ["length", "content_filter"])
async def test_the_site_s_reason_is_told_in_every_shape(
    client: aiohttp.ClientSession, runtime: DoubleRuntime, finish: Any
) -> None:
    runtime.finish_reason = finish
    wanted = {"length": ("max_tokens", "max_output_tokens"), "content_filter": ("refusal", "content_filter")}[finish]
    async with client.post("/v1/messages", json=MESSAGES) as response:
        assert (await response.json())["stop_reason"] == wanted[0]
    assert (await events(client, "/v1/messages", MESSAGES))[-2][1]["delta"]["stop_reason"] == wanted[0]
    async with client.post("/v1/responses", json=RESPONSES) as response:
        assert (await response.json())["incomplete_details"] == {"reason": wanted[1]}
    assert (await events(client, "/v1/responses", RESPONSES))[-1][0] == "response.incomplete"
    async with client.post("/v1/completions", json=COMPLETIONS) as response:
        assert (await response.json())["choices"][0]["finish_reason"] == finish


@pytest.mark.parametrize(("path", "body", "last"), FAILED)
async def test_a_stream_under_way_when_the_service_stops_ends_with_its_error(
    runtime: DoubleRuntime, path: str, body: dict[str, Any], last: str
) -> None:
    runtime.script = (["Hel"], asyncio.Event())
    app = build_app(runtime, service=ServiceSettings(), key=None)
    async with aiohttp.ClientSession() as client:
        async with serve(app, "127.0.0.1", 0, shutdown=0.1) as base:
            response = await client.post(f"{base}{path}", json={**body, "stream": True})
            reading = asyncio.create_task(read_text(response))
            await asyncio.wait([reading], timeout=0.1)
        text, whole = await reading
        response.close()
    assert not whole
    assert "service_stopped" in text
    assert f"event: {last}\n" in text or not last
    assert "[DONE]" not in text
    assert runtime.answers[0].closed.is_set()
