"""What the chat APIs ask in common, and the checks of JSON fields that they share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from doorkey.errors import RequestError
from doorkey.model.chat import Image, Message, kind_of, parse_messages

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


def read_model(data: Mapping[str, Any]) -> str:
    model = read_field(data, "model", str, "a text")
    if not model:
        raise RequestError("model is missing: name one as site/model; GET /v1/models lists them", param="model")
    return str(model)


def read_limit(data: Mapping[str, Any], name: str) -> int | None:
    """Read a number of tokens."""
    most: int | None = read_field(data, name, int, "a whole number")
    if most is not None and most < 1:
        raise RequestError(f"{name} must be at least 1", param=name)
    return most


def read_stop(data: Mapping[str, Any], name: str = "stop", most: int = 4) -> tuple[str, ...]:
    stop = data.get(name)
    if stop is None:
        return ()
    given = [stop] if isinstance(stop, str) else stop
    if not isinstance(given, list) or len(given) > most or not all(isinstance(text, str) and text for text in given):
        raise RequestError(f"{name} must be a text or a list of at most {most}, none of them empty", param=name)
    return tuple(given)


def read_sampling(data: Mapping[str, Any], names: Iterable[str]) -> dict[str, int | float]:
    """Read sampling parameters: finite numbers, and a whole number as seed."""
    given: dict[str, int | float] = {}
    for name in names:
        if data.get(name) is None:
            continue
        if name == "seed":
            given[name] = read_field(data, name, int, "a whole number")
            continue
        value = read_field(data, name, (int, float), "a finite number")
        if not math.isfinite(value):
            raise RequestError(f"{name} must be a finite number", param=name)
        given[name] = value
    return given


def read_field(data: Mapping[str, Any], name: str, kind: type | tuple[type, ...], called: str) -> Any:
    """Return the field *name*, or None if it is missing or null. Raises RequestError for another type than *kind*."""
    value = data.get(name)
    if value is None or (isinstance(value, kind) and not (kind is not bool and isinstance(value, bool))):
        return value
    raise RequestError(f"{name} must be {called}, not {kind_of(value)}", param=name)


def refuse(checks: Mapping[str, tuple[bool, str]]) -> None:
    """Raise RequestError for the first parameter that was asked for and can't be kept: (asked, why)."""
    for param, (asked, why) in checks.items():
        if asked:
            raise RequestError(f"{param}: {why}", param=param)


def find_ignored(data: Mapping[str, Any], *names: str) -> tuple[str, ...]:
    """Return which of *names* the request sets to something."""
    return tuple(filter(data.get, names))
