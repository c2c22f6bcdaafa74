"""`POST /v1/messages`: chats in Anthropic's shape."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aiohttp import web

from doorkey.errors import RequestError
from doorkey.model.chat import kind_of
from doorkey.service.answers import End, answer_question
from doorkey.service.bodies import MessagesBody, read_body, read_messages
from doorkey.service.body import read_object
from doorkey.service.failure import Failure
from doorkey.service.middleware import ID
from doorkey.service.question import (
    Question,
    ask_for_model,
    find_ignored,
    refuse,
)

if TYPE_CHECKING:
    from doorkey.runtime import Runtime

REASONS = {"stop": "end_turn", "length": "max_tokens", "content_filter": "refusal"}
SILENT = ("tool_use", "tool_result", "thinking", "redacted_thinking")
"""Blocks of content that are read in another way than as text, or left out."""


def anthropic_routes(runtime: Runtime, unread: float) -> list[web.RouteDef]:
    async def answer(request: web.Request) -> web.StreamResponse:
        question = parse_question(await read_object(request))
        shape = MessageShape(f"msg_{request[ID]}", question)
        return await answer_question(request, runtime, question, shape, unread)

    return [web.post("/v1/messages", answer)]


def parse_question(data: Mapping[str, Any]) -> Question:
    """Read a request in Anthropic's shape. Raises RequestError, naming the parameter, for what can't be kept."""
    choice = data.get("tool_choice")
    chosen = choice.get("type") if isinstance(choice, dict) else choice
    refuse({"tool_choice": (chosen not in (None, "auto", "none"), "sites have no tools, so none can be required")})
    body = read_body(MessagesBody, data)
    if body.max_tokens is None:
        raise RequestError("max_tokens is missing: a whole number was expected", param="max_tokens")
    messages = [each for at, message in enumerate(body.messages or ()) for each in _convert(message, f"messages[{at}]")]
    system = _read_text(body.system, "system")
    if system:
        messages.insert(0, {"role": "system", "content": system})
    return Question(
        model=body.model or ask_for_model(),
        messages=read_messages(messages),
        stream=bool(body.stream),
        stop=body.stop_sequences,
        max_tokens=body.max_tokens,
        options=body.sampling(),
        ignored=find_ignored(data, "tools", "thinking"),
    )


def _convert(message: Any, param: str) -> list[dict[str, Any]]:
    """Return a message in OpenAI's shape, with calls of tools as `tool_calls`, and results of tools as messages."""
    if not isinstance(message, dict):
        raise RequestError(f"{param} must be an object with role and content, not {kind_of(message)}", param=param)
    if message.get("role") not in ("user", "assistant"):
        raise RequestError(f"{param}.role must be user or assistant", param=f"{param}.role")
    content = message.get("content")
    if not isinstance(content, list):
        return [{"role": message["role"], "content": content}]
    results = [
        {
            "role": "tool",
            "tool_call_id": str(block.get("tool_use_id", "")),
            "content": _read_text(block.get("content"), f"{param}.content[{at}].content"),
        }
        for at, block in enumerate(content)
        if _type_of(block) == "tool_result"
    ]
    calls = [_read_call(block) for block in content if _type_of(block) == "tool_use"]
    text = _read_text([block for block in content if _type_of(block) not in SILENT], f"{param}.content")
    if not text and not calls:
        return results
    return [*results, {"role": message["role"], "content": text, **({"tool_calls": calls} if calls else {})}]


def _type_of(block: Any) -> Any:
    return block.get("type") if isinstance(block, dict) else None


def _read_call(block: Mapping[str, Any]) -> dict[str, Any]:
    arguments = json.dumps(block.get("input", {}), ensure_ascii=False)
    call = {"name": str(block.get("name", "")), "arguments": arguments}
    return {"id": str(block.get("id", "")), "type": "function", "function": call}


def _read_text(content: Any, param: str) -> str:
    """Return the text of *content*, a text or a list of blocks. Raises RequestError for a block that is no text."""
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, Sequence) or isinstance(content, bytes):
        raise RequestError(f"{param} must be a text or a list of blocks, not {kind_of(content)}", param=param)
    texts = []
    for at, block in enumerate(content):
        kind = _type_of(block)
        if kind == "text" and isinstance(block.get("text"), str):
            texts.append(block["text"])
        else:
            raise RequestError(
                f"{param}[{at}]: a block of type text was expected, {str(kind)[:40]!r} came", param=f"{param}[{at}]"
            )
    return "\n".join(texts)


class MessageShape:
    """An answer as Anthropic's message, and the events of its stream."""

    def __init__(self, id_: str, question: Question) -> None:
        self._question = question
        self._head = {"id": id_, "type": "message", "role": "assistant", "model": question.model}

    def whole(self, text: str, end: End) -> dict[str, Any]:
        content = [{"type": "text", "text": text}]
        return {**self._head, "content": content, **_tell_end(end), "usage": self._usage(end.tokens)}

    def opening(self) -> bytes:
        message: dict[str, Any] = {
            **self._head,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": self._usage(0),
        }
        block = {"type": "text", "text": ""}
        return (
            write_event("message_start", {"message": message})
            + write_event("content_block_start", {"index": 0, "content_block": block})
            + write_event("ping", {})
        )

    def text(self, text: str) -> bytes:
        return write_event("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": text}})

    def end(self, end: End) -> bytes:
        return (
            write_event("content_block_stop", {"index": 0})
            + write_event("message_delta", {"delta": _tell_end(end), "usage": self._usage(end.tokens)})
            + write_event("message_stop", {})
        )

    def failure(self, failure: Failure) -> bytes:
        return b"event: error\ndata: " + failure.anthropic_body() + b"\n\n"

    def _usage(self, tokens: int) -> dict[str, Any]:
        return {"input_tokens": self._question.prompt_tokens, "output_tokens": tokens, "estimated": True}


def write_event(kind: str, data: Mapping[str, Any]) -> bytes:
    """Return an event that is named by its type, as Anthropic's and OpenAI's Responses API write them."""
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n".encode()


def _tell_end(end: End) -> dict[str, Any]:
    reason = "stop_sequence" if end.stop is not None else REASONS.get(end.reason, "end_turn")
    return {"stop_reason": reason, "stop_sequence": end.stop}
