"""What the chat APIs ask in common, and the checks that they share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from doorkey.errors import RequestError
from doorkey.model.chat import Message

BYTES_PER_TOKEN = 4
"""The estimate behind every count of tokens here: sites don't tell theirs."""


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


def ask_for_model() -> NoReturn:
    """Raise RequestError for a request that names no model."""
    raise RequestError("model is missing: name one as site/model; GET /v1/models lists them", param="model")


def refuse(checks: Mapping[str, tuple[bool, str]]) -> None:
    """Raise RequestError for the first parameter that was asked for and can't be kept: (asked, why)."""
    for param, (asked, why) in checks.items():
        if asked:
            raise RequestError(f"{param}: {why}", param=param)


def find_ignored(data: Mapping[str, Any], *names: str) -> tuple[str, ...]:
    """Return which of *names* the request sets to something."""
    return tuple(filter(data.get, names))
