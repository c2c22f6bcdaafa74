"""What the chat APIs ask in common, and the checks that they share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from doorkey.errors import RequestError
from doorkey.model.chat import Image, Message, parse_messages

BYTES_PER_TOKEN = 4
"""The estimate behind every count of tokens here: sites don't tell theirs."""
ROLES = ("system", "developer", "user", "assistant", "tool", "function")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question to a model. `ignored` names parameters that are taken and have no effect, for the answer to tell."""

    model: str
    messages: tuple[Message, ...] = field(repr=False)
    stream: bool = False
    include_usage: bool = False
    stop: tuple[str, ...] = field(default=(), repr=False)
    max_tokens: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    ignored: tuple[str, ...] = ()

    @property
    def prompt_tokens(self) -> int:
        return sum(count_tokens(message.text) for message in self.messages)


def count_tokens(text: str) -> int:
    """Estimate the tokens of *text*: one for each four bytes of UTF-8, rounded up."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // BYTES_PER_TOKEN)


def read_messages(given: Any, param: str = "messages") -> tuple[Message, ...]:
    """Read messages in OpenAI's shape. Raises RequestError for a role that is unknown, and for images."""
    messages: tuple[Message, ...] = parse_messages(() if given is None else given)
    for at, message in enumerate(messages):
        if message.role not in ROLES:
            known = ", ".join(ROLES)
            raise RequestError(f"{param}[{at}].role must be one of {known}", param=f"{param}[{at}].role")
        if isinstance(message.content, tuple) and any(isinstance(part, Image) for part in message.content):
            raise RequestError("images in messages are not passed on to sites", param=f"{param}[{at}].content")
    return messages


def require_model(model: str | None) -> str:
    if not model:
        raise RequestError("model is missing: name one as site/model; GET /v1/models lists them", param="model")
    return model


def refuse(checks: Mapping[str, tuple[bool, str]]) -> None:
    """Raise RequestError for the first parameter that was asked for and can't be kept: (asked, why)."""
    for param, (asked, why) in checks.items():
        if asked:
            raise RequestError(f"{param}: {why}", param=param)


def find_ignored(data: Mapping[str, Any], *names: str) -> tuple[str, ...]:
    """Return which of *names* the request sets to something."""
    return tuple(filter(data.get, names))
