"""Calls of tools in a chat's history become text."""

from __future__ import annotations

import pytest

from doorkey.errors import RequestError
from doorkey.model.chat import format_prompt, parse_messages

CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}}


def texts(*messages: object) -> list[str]:
    return [message.text for message in parse_messages(messages)]


def test_calls_stand_after_the_text_and_results_name_their_tool() -> None:
    other = {"id": "c2", "type": "custom", "custom": {"name": "sh", "input": "ls"}}
    assert texts(
        {"role": "assistant", "content": "Let me see.", "tool_calls": [CALL, other]},
        {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "a.txt"}]},
        {"role": "tool", "tool_call_id": "c1", "content": ""},
    ) == [
        'Let me see.\n[called weather with {"city":"Oslo"}]\n[called sh with ls]',
        "[result of sh]\na.txt",
        "[result of weather]",
    ]


def test_parts_keep_their_order() -> None:
    parts = [{"type": "text", "text": "One. "}, {"type": "text", "text": "Two."}]
    assert texts({"role": "assistant", "content": parts, "tool_calls": [CALL]}) == [
        'One. Two.\n[called weather with {"city":"Oslo"}]'
    ]


def test_the_shape_before_tools_is_read_too() -> None:
    assert texts(
        {"role": "assistant", "content": None, "function_call": {"name": "weather", "arguments": "{}"}},
        {"role": "function", "name": "weather", "content": "3"},
    ) == ["[called weather with {}]", "[result of weather]\n3"]


def test_a_prompt_holds_the_whole_history() -> None:
    messages = parse_messages(
        [
            {"role": "user", "content": "Warm?"},
            {"role": "assistant", "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "c1", "content": "3"},
        ]
    )
    assert format_prompt(messages).splitlines() == [
        "User: Warm?", 'Assistant: [called weather with {"city":"Oslo"}]', "Tool: [result of weather]",
        "3", "Assistant:",
    ]  # fmt: skip


@pytest.mark.parametrize("calls", [None, [], "x", [None], [{"id": "1"}], {"a": 1}])
def test_odd_calls_are_no_crash(calls: object) -> None:
    assert (
        texts({"role": "user", "content": "Hello"}, {"role": "assistant", "content": "a", "tool_calls": calls})[0]
        == "Hello"
    )


def test_malformed_content_is_still_refused() -> None:
    with pytest.raises(RequestError, match="content must be a text"):
        parse_messages([{"role": "tool", "tool_call_id": "1", "content": 7}])
