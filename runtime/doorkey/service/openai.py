"""`POST /v1/chat/completions` and `POST /v1/completions`; OpenAI's shapes of chats, completions and images."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from doorkey.clock import Clock
from doorkey.errors import RequestError
from doorkey.service.answers import End, answer_question
from doorkey.service.bodies import SAMPLING, ChatBody, CompletionBody, ImageBody, read_body, read_messages
from doorkey.service.body import read_object
from doorkey.service.failure import Failure
from doorkey.service.middleware import ID
from doorkey.service.question import (
    Question,
    ask_for_model,
    refuse,
)

if TYPE_CHECKING:
    from doorkey.runtime import Runtime

IGNORED = ("tools", "functions", "logit_bias", "reasoning_effort", "verbosity", "web_search_options")
"""Parameters of a chat that no site is told. The answer names those that were set in `x-doorkey-ignored`."""
PROMISES = frozenset(("n", "response_format", "tool_choice", "function_call", "modalities", "logprobs"))
"""Parameters of a chat that can ask for what no site gives."""
MARK = "\0"


def chat_routes(runtime: Runtime, clock: Clock, unread: float) -> list[web.RouteDef]:
    async def chat(request: web.Request) -> web.StreamResponse:
        question = parse_chat(await read_object(request))
        shape = ChatShape(f"chatcmpl-{request[ID]}", int(clock.wall()), question)
        return await answer_question(request, runtime, question, shape, unread)

    async def complete(request: web.Request) -> web.StreamResponse:
        question = parse_completion(await read_object(request))
        shape = CompletionShape(f"cmpl-{request[ID]}", int(clock.wall()), question)
        return await answer_question(request, runtime, question, shape, unread)

    return [web.post("/v1/chat/completions", chat), web.post("/v1/completions", complete)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRequest:
    model: str
    prompt: str = field(repr=False)
    as_url: bool = False
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)


def parse_chat(data: Mapping[str, Any]) -> Question:
    """Read a chat's request. Raises RequestError, naming the parameter, for what is wrong or can't be kept."""
    if not PROMISES.isdisjoint(data):
        _refuse_promises(data)
    body = read_body(ChatBody, data)
    return Question(
        messages=read_messages(body.messages),
        model=body.model or ask_for_model(),
        stream=bool(body.stream),
        include_usage=body.stream_options is not None and bool(body.stream_options.include_usage),
        stop=body.stop,
        max_tokens=body.max_tokens if body.max_completion_tokens is None else body.max_completion_tokens,
        options=body.sampling() if data.keys() & SAMPLING else {},
        ignored=tuple(filter(data.get, IGNORED)),
    )


def _refuse_promises(data: Mapping[str, Any]) -> None:
    form, choice, modalities = data.get("response_format"), data.get("tool_choice"), data.get("modalities")
    plain = form is None or (isinstance(form, dict) and form.get("type") == "text")
    refuse(
        {
            "n": (not _is_one(data.get("n")), "only one answer can be given"),
            "response_format": (not plain, "sites answer in text, and JSON can't be guaranteed"),
            "tool_choice": (choice not in (None, "auto", "none"), "sites have no tools, so none can be required"),
            "function_call": (data.get("function_call") not in (None, "auto", "none"), "sites have no functions"),
            "modalities": (modalities not in (None, ["text"]), "answers are text"),
            "logprobs": (bool(data.get("logprobs")), "sites give no probabilities"),
        }
    )


def parse_completion(data: Mapping[str, Any]) -> Question:
    """Read a request of the older completions: one prompt in place of messages. Raises RequestError as for a chat."""
    prompt = data.get("prompt")
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    if not isinstance(prompt, str) or not prompt.strip():
        raise RequestError("prompt must be one text that is not empty, or a list with one", param="prompt")
    refuse(
        {
            "n": (not _is_one(data.get("n")), "only one answer can be given"),
            "best_of": (not _is_one(data.get("best_of")), "only one answer can be given"),
            "echo": (bool(data.get("echo")), "the prompt is not repeated"),
            "suffix": (bool(data.get("suffix")), "sites complete no text in its middle"),
            "logprobs": (data.get("logprobs") is not None, "sites give no probabilities"),
        }
    )
    body = read_body(CompletionBody, data)
    return Question(
        model=body.model or ask_for_model(),
        messages=read_messages([{"role": "user", "content": prompt}]),
        stream=bool(body.stream),
        include_usage=body.stream_options is not None and bool(body.stream_options.include_usage),
        stop=body.stop,
        max_tokens=body.max_tokens,
        options=body.sampling(),
    )


def parse_image(data: Mapping[str, Any]) -> ImageRequest:
    """Read an image's request. Raises RequestError naming the parameter."""
    body = read_body(ImageBody, data)
    if not body.prompt or not body.prompt.strip():
        raise RequestError("prompt must say what the image is to show", param="prompt")
    refuse(
        {
            "n": (not _is_one(data.get("n")), "only one image can be made"),
            "stream": (bool(data.get("stream")), "images are not streamed"),
        }
    )
    shape = body.response_format
    if shape not in (None, "b64_json", "url"):
        raise RequestError("response_format must be b64_json or url", param="response_format")
    return ImageRequest(
        model=body.model or ask_for_model(), prompt=body.prompt, as_url=shape == "url", options=body.looks()
    )


class ChatShape:
    """A chat's answer. Its chunks differ in their text only, so the rest of them is encoded once."""

    type, chunk_type = "chat.completion", "chat.completion.chunk"

    def __init__(self, id_: str, created: int, question: Question) -> None:
        self._question = question
        self._head: dict[str, Any] = {"id": id_, "created": created, "model": question.model}
        self._chunk = {**self._head, "object": self.chunk_type}
        self._empty: dict[str, Any] = {"usage": None} if question.include_usage else {}
        self._prefix, self._suffix = self._event(self._choice(MARK, None)).split(json.dumps(MARK).encode())

    def whole(self, text: str, end: End) -> dict[str, Any]:
        choice = {**self._message(text), "finish_reason": end.reason}
        return {**self._head, "object": self.type, "choices": [choice], "usage": self._usage(end)}

    def opening(self) -> bytes:
        delta = {"role": "assistant", "content": "", "refusal": None}
        return self._event({"index": 0, "delta": delta, "logprobs": None, "finish_reason": None})

    def text(self, text: str) -> bytes:
        return self._prefix + json.dumps(text).encode() + self._suffix

    def end(self, end: End) -> bytes:
        """Return the reason, the usage if it was asked for, and the end mark."""
        events = self._event(self._choice(None, end.reason))
        if self._empty:
            usage = {**self._chunk, "choices": [], "usage": self._usage(end)}
            events += b"data: " + json.dumps(usage).encode() + b"\n\n"
        return events + b"data: [DONE]\n\n"

    def failure(self, failure: Failure) -> bytes:
        return failure.event()

    def _message(self, text: str) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None, "annotations": []}
        return {"index": 0, "message": message, "logprobs": None}

    def _choice(self, text: str | None, reason: str | None) -> dict[str, Any]:
        delta = {} if text is None else {"content": text}
        return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}

    def _event(self, choice: Mapping[str, Any]) -> bytes:
        return b"data: " + json.dumps({**self._chunk, "choices": [choice], **self._empty}).encode() + b"\n\n"

    def _usage(self, end: End) -> dict[str, Any]:
        """Return OpenAI's usage object; `estimated` says that these are no counts of the site's."""
        prompt = self._question.prompt_tokens
        counts = {"prompt_tokens": prompt, "completion_tokens": end.tokens, "total_tokens": prompt + end.tokens}
        return {**counts, "estimated": True}


class CompletionShape(ChatShape):
    """An answer of the older completions."""

    type = chunk_type = "text_completion"

    def opening(self) -> bytes:
        return b""

    def _message(self, text: str) -> dict[str, Any]:
        return {"index": 0, "text": text, "logprobs": None}

    def _choice(self, text: str | None, reason: str | None) -> dict[str, Any]:
        return {"index": 0, "text": text or "", "logprobs": None, "finish_reason": reason}


def _is_one(number: object) -> bool:
    return number is None or (number == 1 and not isinstance(number, bool))
