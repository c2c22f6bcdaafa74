"""`POST /v1/responses`: OpenAI's Responses API, without state."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aiohttp import web

from doorkey.clock import Clock
from doorkey.errors import RequestError
from doorkey.model.chat import kind_of
from doorkey.service.answers import End, answer_question
from doorkey.service.anthropic import write_event
from doorkey.service.bodies import ResponseBody, read_body, read_messages
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

TEXTS = ("input_text", "output_text", "text")
REASONS = {"length": "max_output_tokens", "content_filter": "content_filter"}
"""Why a response is incomplete, by the reason that a chat would give."""
ECHOED = ("instructions", "metadata", "temperature", "top_p", "max_output_tokens", "tools", "tool_choice", "text")
"""Parameters of the request that the response repeats."""
DEFAULTS: Mapping[str, Any] = {
    "instructions": None,
    "metadata": {},
    "temperature": None,
    "top_p": None,
    "max_output_tokens": None,
    "tools": [],
    "tool_choice": "auto",
    "text": {"format": {"type": "text"}},
}


def responses_routes(runtime: Runtime, clock: Clock, unread: float) -> list[web.RouteDef]:
    async def respond(request: web.Request) -> web.StreamResponse:
        data = await read_object(request)
        question = parse_question(data)
        shape = ResponseShape(request[ID], int(clock.wall()), question, data)
        return await answer_question(request, runtime, question, shape, unread)

    return [web.post("/v1/responses", respond)]


def parse_question(data: Mapping[str, Any]) -> Question:
    """Read a request. Raises RequestError, naming the parameter, for what is wrong or needs state."""
    body = read_body(ResponseBody, data)
    form = (body.text or {}).get("format")
    plain = form is None or (isinstance(form, dict) and form.get("type") == "text")
    stateless = "responses are not kept, so each request must hold all of its input"
    refuse(
        {
            "previous_response_id": (bool(data.get("previous_response_id")), stateless),
            "conversation": (bool(data.get("conversation")), stateless),
            "background": (bool(data.get("background")), "responses are made while their client waits"),
            "prompt": (bool(data.get("prompt")), "stored prompts can't be used"),
            "text": (not plain, "sites answer in text, and JSON can't be guaranteed"),
            "tool_choice": (
                data.get("tool_choice") not in (None, "auto", "none"),
                "sites have no tools, so none can be required",
            ),
        }
    )
    messages = _read_input(body.input)
    if body.instructions:
        messages.insert(0, {"role": "system", "content": body.instructions})
    return Question(
        model=body.model or ask_for_model(),
        messages=read_messages(messages, "input"),
        stream=bool(body.stream),
        max_tokens=body.max_output_tokens,
        options=body.sampling(),
        ignored=find_ignored(data, "tools", "reasoning"),
    )


def _read_input(given: Any) -> list[dict[str, Any]]:
    """Return the input, a text or a list of items, as messages in a chat's shape."""
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    if not isinstance(given, list):
        raise RequestError(f"input must be a text or a list of items, not {kind_of(given)}", param="input")
    return [message for at, item in enumerate(given) for message in _convert(item, f"input[{at}]")]


def _convert(item: Any, param: str) -> list[dict[str, Any]]:
    if not isinstance(item, dict):
        raise RequestError(f"{param} must be an object, not {kind_of(item)}", param=param)
    match item.get("type", "message"):
        case "message":
            return [{"role": item.get("role"), "content": _convert_content(item.get("content"), f"{param}.content")}]
        case "function_call":
            call = {"name": str(item.get("name", "")), "arguments": str(item.get("arguments", ""))}
            calls = [{"id": str(item.get("call_id", "")), "type": "function", "function": call}]
            return [{"role": "assistant", "content": None, "tool_calls": calls}]
        case "function_call_output":
            content = _convert_content(item.get("output"), f"{param}.output")
            return [{"role": "tool", "tool_call_id": str(item.get("call_id", "")), "content": content}]
        case "reasoning":
            return []
        case kind:
            raise RequestError(f"{param}: an item of type {str(kind)[:40]!r} can't be used", param=param)


def _convert_content(content: Any, param: str) -> Any:
    """Return content in a chat's shape: its parts of text are named by one type there."""
    if not isinstance(content, list):
        return content
    return [
        {"type": "text", "text": part.get("text")} if isinstance(part, dict) and part.get("type") in TEXTS else part
        for part in content
    ]


class ResponseShape:
    """A response with one message, and the events of its stream."""

    def __init__(self, id_: str, created: int, question: Question, data: Mapping[str, Any]) -> None:
        self._question = question
        self._item = f"msg_{id_}"
        self._numbers = itertools.count()
        self._texts: list[str] = []
        self._head: dict[str, Any] = {
            "id": f"resp_{id_}",
            "object": "response",
            "created_at": created,
            "model": question.model,
            "error": None,
            "incomplete_details": None,
            "parallel_tool_calls": True,
            "previous_response_id": None,
            "store": False,
            **{name: DEFAULTS[name] if data.get(name) is None else data[name] for name in ECHOED},
        }

    def whole(self, text: str, end: End) -> dict[str, Any]:
        reason = REASONS.get(end.reason) if end.stop is None else None
        state = (
            {"status": "incomplete", "incomplete_details": {"reason": reason}} if reason else {"status": "completed"}
        )
        return {**self._head, **state, "output": [self._message(text, state["status"])], "usage": self._usage(end)}

    def opening(self) -> bytes:
        response = {**self._head, "status": "in_progress", "output": [], "usage": None}
        return (
            self._event("response.created", {"response": response})
            + self._event("response.in_progress", {"response": response})
            + self._event("response.output_item.added", {"output_index": 0, "item": self._message(None, "in_progress")})
            + self._event("response.content_part.added", {**self._place(), "part": _write_part("")})
        )

    def text(self, text: str) -> bytes:
        self._texts.append(text)
        return self._event("response.output_text.delta", {**self._place(), "delta": text, "logprobs": []})

    def end(self, end: End) -> bytes:
        text = "".join(self._texts)
        response = self.whole(text, end)
        return (
            self._event("response.output_text.done", {**self._place(), "text": text, "logprobs": []})
            + self._event("response.content_part.done", {**self._place(), "part": _write_part(text)})
            + self._event("response.output_item.done", {"output_index": 0, "item": response["output"][0]})
            + self._event(f"response.{response['status']}", {"response": response})
        )

    def failure(self, failure: Failure) -> bytes:
        error = {"code": failure.code, "message": failure.message}
        output = [self._message("".join(self._texts), "incomplete")] if self._texts else []
        response = {**self._head, "status": "failed", "error": error, "output": output, "usage": None}
        return self._event("response.failed", {"response": response})

    def _event(self, kind: str, data: Mapping[str, Any]) -> bytes:
        return write_event(kind, {"sequence_number": next(self._numbers), **data})

    def _place(self) -> dict[str, Any]:
        return {"item_id": self._item, "output_index": 0, "content_index": 0}

    def _message(self, text: str | None, status: Any) -> dict[str, Any]:
        content = [] if text is None else [_write_part(text)]
        return {"id": self._item, "type": "message", "role": "assistant", "status": status, "content": content}

    def _usage(self, end: End) -> dict[str, Any]:
        prompt = self._question.prompt_tokens
        return {
            "input_tokens": prompt,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": end.tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": prompt + end.tokens,
            "estimated": True,
        }


def _write_part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
