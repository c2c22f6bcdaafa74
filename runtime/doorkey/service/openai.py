"""OpenAI's shapes: checks requests, and makes answers and the chunks of streams."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from doorkey.errors import RequestError
from doorkey.model.chat import Image, Message, kind_of, parse_messages

BYTES_PER_TOKEN = 4
"""The estimate behind every count of tokens here: sites don't tell theirs."""
SAMPLING = ("temperature", "top_p", "presence_penalty", "frequency_penalty")
IGNORED = ("tools", "functions", "logit_bias", "reasoning_effort", "verbosity", "web_search_options")
"""What a request may ask for and no site is told. The answer says so in `x-doorkey-ignored`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    model: str
    messages: tuple[Message, ...] = field(repr=False)
    stream: bool = False
    include_usage: bool = False
    stop: tuple[str, ...] = field(default=(), repr=False)
    max_tokens: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    ignored: tuple[str, ...] = ()

    @property
    def headers(self) -> dict[str, str]:
        """What the answer's headers say about the request."""
        return {"x-doorkey-ignored": ", ".join(self.ignored)} if self.ignored else {}

    @property
    def prompt_tokens(self) -> int:
        return sum(count_tokens(message.text) for message in self.messages)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRequest:
    model: str
    prompt: str = field(repr=False)
    as_url: bool = False
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)


def parse_chat(data: Mapping[str, Any]) -> ChatRequest:
    """Read a chat's request. Raises RequestError, naming the parameter, for what is wrong or can't be kept."""
    _refuse_unkept(data)
    stream_options = _typed(data, "stream_options", dict, "an object") or {}
    limit = "max_completion_tokens" if data.get("max_completion_tokens") is not None else "max_tokens"
    most = _typed(data, limit, int, "a whole number")
    if most is not None and most < 1:
        raise RequestError(f"{limit} must be at least 1", param=limit)
    given: Any = data.get("messages")
    messages = parse_messages(() if given is None else given)
    for at, message in enumerate(messages):
        if isinstance(message.content, tuple) and any(isinstance(part, Image) for part in message.content):
            raise RequestError("images in messages are not passed on to sites", param=f"messages[{at}].content")
    return ChatRequest(
        model=_model(data),
        messages=messages,
        stream=bool(_typed(data, "stream", bool, "true or false")),
        include_usage=bool(_typed(stream_options, "include_usage", bool, "true or false")),
        stop=_stop(data.get("stop")),
        max_tokens=most,
        options=_sampling(data),
        ignored=tuple(name for name in IGNORED if data.get(name)),
    )


def parse_image(data: Mapping[str, Any]) -> ImageRequest:
    """Read an image's request. Raises RequestError naming the parameter."""
    prompt = _typed(data, "prompt", str, "a text")
    if not prompt or not prompt.strip():
        raise RequestError("prompt must say what the image is to show", param="prompt")
    if data.get("n") not in (None, 1) or isinstance(data.get("n"), bool):
        raise RequestError("n: only one image can be made", param="n")
    if data.get("stream"):
        raise RequestError("stream: images are not streamed", param="stream")
    shape = data.get("response_format")
    if shape not in (None, "b64_json", "url"):
        raise RequestError("response_format must be b64_json or url", param="response_format")
    looks = {name: _typed(data, name, str, "a text") for name in ("size", "quality", "style")}
    options = {name: value for name, value in looks.items() if value is not None}
    return ImageRequest(model=_model(data), prompt=prompt, as_url=shape == "url", options=options)


def count_tokens(text: str) -> int:
    """Estimate the tokens of *text*: one for each four bytes of UTF-8, rounded up."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // BYTES_PER_TOKEN)


def usage(prompt: int, completion: int) -> dict[str, Any]:
    """Return OpenAI's usage object; `estimated` says that these are no counts of the site's."""
    total = prompt + completion
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total, "estimated": True}


def whole(head: Mapping[str, Any], text: str, reason: str, counted: Mapping[str, Any]) -> dict[str, Any]:
    """Return a chat's whole answer; *head* is its id, time and model."""
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None, "annotations": []}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
    return {**head, "object": "chat.completion", "choices": [choice], "usage": counted}


class Chunks:
    """Makes the events of one streamed answer. They differ in their text only, so the rest is encoded once."""

    def __init__(self, head: Mapping[str, Any], *, include_usage: bool) -> None:
        self._head = {**head, "object": "chat.completion.chunk"}
        self._empty: dict[str, Any] = {"usage": None} if include_usage else {}
        mark = "\0"
        pattern = self._event({"content": mark}, None)
        self._prefix, self._suffix = pattern.split(json.dumps(mark).encode())

    def role(self) -> bytes:
        return self._event({"role": "assistant", "content": "", "refusal": None}, None)

    def text(self, text: str) -> bytes:
        return self._prefix + json.dumps(text).encode() + self._suffix

    def end(self, reason: str, counted: Mapping[str, Any]) -> bytes:
        """Return the last events: the reason, the usage if it was asked for, and the end mark."""
        events = self._event({}, reason)
        if self._empty:
            events += _data({**self._head, "choices": [], "usage": counted})
        return events + b"data: [DONE]\n\n"

    def _event(self, delta: Mapping[str, Any], reason: str | None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return _data({**self._head, "choices": [choice], **self._empty})


def _data(event: Mapping[str, Any]) -> bytes:
    return b"data: " + json.dumps(event).encode() + b"\n\n"


def _refuse_unkept(data: Mapping[str, Any]) -> None:
    """Refuse what a site can't be made to keep: an answer that ignored it would look right."""
    form, choice, modalities = data.get("response_format"), data.get("tool_choice"), data.get("modalities")
    unkept = {
        "n": (data.get("n") not in (None, 1) or isinstance(data.get("n"), bool), "only one answer can be given"),
        "response_format": (
            form is not None and not (isinstance(form, dict) and form.get("type") == "text"),
            "sites answer in text, and JSON can't be guaranteed",
        ),
        "tool_choice": (choice not in (None, "auto", "none"), "sites have no tools, so none can be required"),
        "function_call": (data.get("function_call") not in (None, "auto", "none"), "sites have no functions"),
        "modalities": (modalities not in (None, ["text"]), "answers are text"),
        "logprobs": (bool(data.get("logprobs")), "sites give no probabilities"),
    }
    for param, (asked, why) in unkept.items():
        if asked:
            raise RequestError(f"{param}: {why}", param=param)


def _model(data: Mapping[str, Any]) -> str:
    model = _typed(data, "model", str, "a text")
    if not model:
        raise RequestError("model is missing: name one as site/model; GET /v1/models lists them", param="model")
    return str(model)


def _stop(stop: object) -> tuple[str, ...]:
    given = [stop] if isinstance(stop, str) else [] if stop is None else stop
    if not isinstance(given, list) or len(given) > 4 or not all(isinstance(text, str) and text for text in given):
        raise RequestError("stop must be a text or a list of at most 4, none of them empty", param="stop")
    return tuple(given)


def _sampling(data: Mapping[str, Any]) -> dict[str, int | float]:
    """Read the sampling parameters: finite numbers, and a whole number as seed."""
    given = {name: _typed(data, name, (int, float), "a finite number") for name in SAMPLING}
    given["seed"] = _typed(data, "seed", int, "a whole number")
    for name, value in given.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise RequestError(f"{name} must be a finite number", param=name)
    return {name: value for name, value in given.items() if value is not None}


def _typed(data: Mapping[str, Any], name: str, kind: type | tuple[type, ...], called: str) -> Any:
    value = data.get(name)
    if value is None or (isinstance(value, kind) and not (kind is not bool and isinstance(value, bool))):
        return value
    raise RequestError(f"{name} must be {called}, not {kind_of(value)}", param=name)
