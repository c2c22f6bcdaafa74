"""A chat: the question to a site and the pieces of its answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from doorkey.errors import RequestError
from doorkey.model.tool_history import describe_tools


@dataclass(frozen=True, slots=True)
class Image:
    """A picture. An answer has its bytes in `data` and its address at the site in `url`, a question one of both."""

    url: str = field(default="", repr=False)
    data: bytes = field(default=b"", repr=False)
    media_type: str = ""
    alt: str = field(default="", repr=False)


Delta: TypeAlias = str | Image
Part: TypeAlias = str | Image
FinishReason = Literal["stop", "length", "content_filter"]
"""Why a site ended its answer: it was complete, reached the site's length limit, or was stopped by a filter."""
FINISH_REASONS: Mapping[str, FinishReason] = {
    "stop": "stop",
    "end_turn": "stop",
    "length": "length",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "content_filter": "content_filter",
    "safety": "content_filter",
    "refusal": "content_filter",
}
"""The words of the common model APIs, in lower case."""
TOOL_ROLES = ("tool", "function")
TOOL_CALLS = frozenset(("tool_calls", "function_call"))
"""Roles and fields of messages by which tools are called and answer."""


def read_finish_reason(told: object) -> FinishReason | None:
    """What a site's word for the end of its answer means; None for a word that is not known."""
    return FINISH_REASONS.get(told.lower()) if isinstance(told, str) else None


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `content` is a text, or its parts in order. Roles are OpenAI's; `developer` counts as `system`."""

    role: str
    content: str | tuple[Part, ...] = field(repr=False)

    @property
    def text(self) -> str:
        """The text, with its parts joined. Raises RequestError for an image: nothing is silently dropped."""
        if isinstance(self.content, str):
            return self.content
        for part in self.content:
            if not isinstance(part, str):
                raise RequestError("this site takes text only, but a message contains an image", param="messages")
        return "".join(part for part in self.content if isinstance(part, str))

    @property
    def blank(self) -> bool:
        """Whether the message has neither text nor image."""
        if isinstance(self.content, str):
            return not self.content.strip()
        return not any(part if isinstance(part, Image) else part.strip() for part in self.content)

    @classmethod
    def parse(cls, data: object, param: str = "messages") -> Message:
        """Read a message in OpenAI's JSON format. Raises RequestError, which names the wrong field."""
        if isinstance(data, Message):
            return data
        if not isinstance(data, Mapping):
            raise RequestError(f"{param} must be an object with role and content, not {kind_of(data)}", param=param)
        role = data.get("role")
        if not isinstance(role, str) or not role:
            raise RequestError(
                f"{param}.role must be a text such as 'user', not {kind_of(role)}", param=f"{param}.role"
            )
        content = data.get("content")
        return cls(role, content if isinstance(content, str) else _content(content, f"{param}.content"))


def kind_of(value: object) -> str:
    """The JSON name of a value's type. Messages name types, because a value may be a secret."""
    names = {dict: "an object", list: "a list", str: "a text", bool: "a boolean", int: "a number", float: "a number"}
    return "null" if value is None else names.get(type(value), f"a {type(value).__name__}")


def _content(content: object, param: str) -> str | tuple[Part, ...]:
    if content is None:
        return ""
    if not isinstance(content, Sequence) or isinstance(content, bytes):
        raise RequestError(f"{param} must be a text or a list of parts, not {kind_of(content)}", param=param)
    return tuple(_part(part, f"{param}[{at}]") for at, part in enumerate(content))


def _part(part: Any, param: str) -> Part:
    if isinstance(part, (str, Image)):
        return part
    if not isinstance(part, Mapping):
        raise RequestError(f"{param} must be an object with a type, not {kind_of(part)}", param=param)
    if part.get("type") in ("text", "input_text") and isinstance(part.get("text"), str):
        return str(part["text"])
    if part.get("type") in ("image_url", "input_image"):
        url = part.get("image_url")
        url = url.get("url") if isinstance(url, Mapping) else url
        if isinstance(url, str):
            return Image(url=url)
    raise RequestError(f"{param}: a part of type {str(part.get('type'))[:40]!r} can't be used", param=param)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """One question. The engine sets `id` (32 hex digits) and `at` (wall time), because providers have no clock.

    `model` is one of the provider's own names. `kind` is "chat" or "image".
    """

    id: str
    at: float
    model: str
    messages: tuple[Message, ...] = field(repr=False)
    kind: Literal["chat", "image"] = "chat"
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)


def parse_messages(messages: Iterable[object]) -> tuple[Message, ...]:
    """Read messages in OpenAI's JSON format or our own; tool calls and their results become text.

    Raises RequestError when there is none or one is malformed.
    """
    if isinstance(messages, (str, bytes, Mapping)) or not isinstance(messages, Iterable):
        raise RequestError(f"messages must be a list of messages, not {kind_of(messages)}", param="messages")
    given, parsed, blank = list(messages), [], True
    for message in given:
        if isinstance(message, Mapping) and (message.get("role") in TOOL_ROLES or not TOOL_CALLS.isdisjoint(message)):
            given = list(describe_tools(given))
            break
    for at, message in enumerate(given):
        one = message if isinstance(message, Message) else Message.parse(message, f"messages[{at}]")
        parsed.append(one)
        blank = blank and (not one.content.strip() if isinstance(one.content, str) else one.blank)
    if blank:
        raise RequestError("messages must contain at least one message with content", param="messages")
    return tuple(parsed)


def format_prompt(messages: Iterable[object]) -> str:
    """Join all messages to one text, in gpt4free's format.

    One message gives its content unchanged. Several give `Role: content` lines without blank messages, then
    `Assistant:`.
    """
    parsed = [message if isinstance(message, Message) else Message.parse(message) for message in messages]
    if len(parsed) == 1:
        return parsed[0].text
    lines = [f"{message.role.capitalize()}: {message.text}" for message in parsed if message.text.strip()]
    return "\n".join([*lines, "Assistant:"])
