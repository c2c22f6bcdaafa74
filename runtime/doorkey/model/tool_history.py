"""Turns the calls of tools in a chat's history, and their results, into text: sites know no tools."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any


def describe_tools(messages: Iterable[object]) -> Iterator[object]:
    """*messages* in OpenAI's JSON shape, with each call and each result told in its message's content.

    What has another shape is left as it is, for `Message.parse` to refuse.
    """
    names: dict[object, str] = {}
    for message in messages:
        if not isinstance(message, Mapping):
            yield message
            continue
        calls = list(_calls(message)) if "tool_calls" in message or "function_call" in message else []
        if calls:
            names |= {call_id: name for call_id, name, _ in calls}
            told = "\n".join(f"[called {name} with {given}]" for _, name, given in calls)
            yield {**message, "content": _joined(message.get("content"), told, first=False)}
        elif message.get("role") in ("tool", "function"):
            name = message.get("name") or names.get(message.get("tool_call_id")) or "a tool"
            yield {**message, "content": _joined(message.get("content"), f"[result of {name}]", first=True)}
        else:
            yield message


def _calls(message: Mapping[str, Any]) -> Iterator[tuple[object, str, str]]:
    """The id, the tool's name and the arguments of each call in *message*."""
    calls = message.get("tool_calls")
    for call in calls if isinstance(calls, list | tuple) else ():
        if isinstance(call, Mapping):
            yield call.get("id"), *_function(call.get("function") or call.get("custom"))
    if isinstance(message.get("function_call"), Mapping):  # the shape before tools
        yield None, *_function(message["function_call"])


def _function(function: object) -> tuple[str, str]:
    given = function if isinstance(function, Mapping) else {}
    return str(given.get("name") or "a tool"), str(given.get("arguments") or given.get("input") or "{}")


def _joined(content: Any, told: str, *, first: bool) -> Any:
    """*content*, a text or a list of parts or nothing, with *told* before or after it."""
    if isinstance(content, list | tuple):
        part = {"type": "text", "text": f"{told}\n" if first else f"\n{told}"}
        return [part, *content] if first else [*content, part]
    if not isinstance(content, str) and content is not None:
        return content  # malformed: refused where it is read
    return "\n".join(filter(None, (told, content) if first else (content, told)))
