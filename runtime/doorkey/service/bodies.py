"""The fields of request bodies: pydantic models that check them, and that the OpenAPI document is made from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema

from doorkey.errors import RequestError
from doorkey.model.chat import Image, Message, kind_of, parse_messages

Body = TypeVar("Body", bound=BaseModel)
EXPECTED = {
    "bool_type": "true or false",
    "string_type": "a text",
    "int_type": "a whole number",
    "list_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
}
"""What a field must be, by the type of pydantic's error."""
ROLES = ("system", "developer", "user", "assistant", "tool", "function")
SAMPLING = ("temperature", "top_p", "presence_penalty", "frequency_penalty", "seed")
"""Parameters of OpenAI's chats and completions that say how an answer is drawn."""
ONE = {"enum": [1, None]}
SOME_TEXT = {"type": "string", "pattern": r"\S"}
TEXT_OR_PARTS = {
    "anyOf": [
        SOME_TEXT,
        {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "properties": {"type": {"const": "text"}, "text": SOME_TEXT},
                "required": ["type", "text"],
            },
        },
    ]
}


def _message(*roles: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"role": {"enum": [*roles]}, "content": TEXT_OR_PARTS},
        "required": ["role", "content"],
    }


def _messages(*roles: str) -> dict[str, Any]:
    return {"type": "array", "minItems": 1, "items": _message(*roles)}


def _read_stop(most: int) -> BeforeValidator:
    def read(stop: object) -> object:
        given = [stop] if isinstance(stop, str) else [] if stop is None else stop
        if not isinstance(given, list) or len(given) > most or not all(isinstance(t, str) and t for t in given):
            raise ValueError(f"must be a text or a list of at most {most}, none of them empty")
        return tuple(given)

    return BeforeValidator(read)


def _stop_schema(most: int) -> WithJsonSchema:
    text = {"type": "string", "minLength": 1}
    return WithJsonSchema({"anyOf": [text, {"type": "array", "items": text, "maxItems": most}, {"type": "null"}]})


def _read_number(value: object) -> object:
    """Let a finite number through as it is: 1 stays 1, and does not become 1.0."""
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)):
        return value
    raise ValueError("must be a finite number" + ("" if isinstance(value, float) else f", not {kind_of(value)}"))


Number = Annotated[Any, BeforeValidator(_read_number), WithJsonSchema({"type": ["number", "null"]})]


def _read_whole(value: object) -> object:
    """Return 5.0 as 5: to JSON both are the same whole number."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = Annotated[int | None, BeforeValidator(_read_whole)]
Tokens = Annotated[Annotated[int, Field(ge=1)] | None, BeforeValidator(_read_whole)]
Stop = Annotated[tuple[str, ...], _read_stop(4), _stop_schema(4)]
ManyStops = Annotated[tuple[str, ...], _read_stop(16), _stop_schema(16)]
Required = Annotated[str | None, WithJsonSchema({"type": "string", "pattern": r"\S"})]
"""A text that must be there. The model lets it be missing, so that the error can say what to do."""
Ignored = Annotated[Any, Field(description="Taken, without effect; `x-doorkey-ignored` names it.")]


class Fields(BaseModel):
    """What all bodies have in common. Parameters that are not listed are taken, without effect."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", defer_build=True)

    model: Required = Field(default=None, description="The model, as `site/model`, or an alias.")
    stream: bool | None = Field(default=None, description="Whether the answer is a stream of events.")


class StreamOptions(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", defer_build=True)

    include_usage: bool | None = Field(default=None, description="Whether a stream ends with its usage.")


class Sampling(Fields):
    """The sampling parameters that OpenAI's chats and completions share."""

    temperature: Number = None
    top_p: Number = None
    presence_penalty: Number = None
    frequency_penalty: Number = None
    seed: Whole = None
    stop: Stop = ()
    max_tokens: Tokens = None
    stream_options: StreamOptions | None = None
    n: Annotated[Any, WithJsonSchema(ONE)] = None

    def sampling(self) -> dict[str, int | float]:
        """Return what was said of sampling."""
        return _present(self, *SAMPLING)


class ChatBody(Sampling):
    """A chat in OpenAI's shape."""

    messages: Annotated[Any, WithJsonSchema(_messages(*ROLES))] = None
    max_completion_tokens: Tokens = None
    tools: Ignored = None


class CompletionBody(Sampling):
    """A prompt in the shape of OpenAI's older completions."""

    prompt: Annotated[
        Any,
        WithJsonSchema({"anyOf": [SOME_TEXT, {"type": "array", "items": SOME_TEXT, "minItems": 1, "maxItems": 1}]}),
    ] = None


class ResponseBody(Fields):
    """A request of OpenAI's Responses API, without state."""

    input: Annotated[
        Any,
        WithJsonSchema({"anyOf": [SOME_TEXT, {"type": "array", "items": _message(*ROLES), "minItems": 1}]}),
    ] = None
    instructions: str | None = None
    temperature: Number = None
    top_p: Number = None
    max_output_tokens: Tokens = None
    text: dict[str, Any] | None = Field(default=None, description="The format; only text can be promised.")
    tools: Ignored = None

    def sampling(self) -> dict[str, int | float]:
        """Return what was said of sampling."""
        return _present(self, "temperature", "top_p")


class MessagesBody(Fields):
    """A chat in Anthropic's shape."""

    messages: Annotated[list[Any] | None, WithJsonSchema(_messages("user", "assistant"))] = None
    system: Annotated[Any, WithJsonSchema({"anyOf": [*TEXT_OR_PARTS["anyOf"], {"type": "null"}]})] = None
    max_tokens: Tokens = None
    stop_sequences: ManyStops = ()
    temperature: Number = None
    top_p: Number = None
    tools: Ignored = None

    def sampling(self) -> dict[str, int | float]:
        """Return what was said of sampling."""
        return _present(self, "temperature", "top_p")


class ImageBody(BaseModel):
    """An image in OpenAI's shape."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", defer_build=True)

    model: Required = Field(default=None, description="The model, as `site/model`, or an alias.")
    prompt: Required = Field(default=None, description="What the image is to show.")
    response_format: Annotated[Any, WithJsonSchema({"enum": ["b64_json", "url", None]})] = None
    size: str | None = None
    quality: str | None = None
    style: str | None = None
    n: Annotated[Any, WithJsonSchema(ONE)] = None

    def looks(self) -> dict[str, Any]:
        """Return what was said of how the image is to look."""
        return _present(self, "size", "quality", "style")


class DecisionBody(BaseModel):
    """A person's decision about what an agent waits for."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", defer_build=True)

    allow: Annotated[bool | None, WithJsonSchema({"type": "boolean"})] = Field(
        default=None, description="Whether the request may be sent."
    )
    note: str | None = Field(default=None, description="What to tell the agent.")


def read_body(kind: type[Body], data: Mapping[str, Any]) -> Body:
    """Check the fields of *data*. Raises RequestError for the first one at fault. It repeats no value."""
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_context=True)[0]
    param = ".".join(map(str, fault["loc"]))
    said = EXPECTED.get(fault["type"])
    match fault["type"]:
        case "greater_than_equal":
            message = f"{param} must be at least {fault['ctx']['ge']}"
        case "value_error":
            message = f"{param} {fault['msg'].removeprefix('Value error, ')}"
        case _:
            message = f"{param} must be {said or 'of another type'}, not {kind_of(fault['input'])}"
    raise RequestError(message, param=param)


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


def _present(body: BaseModel, *names: str) -> dict[str, Any]:
    return {name: value for name in names if (value := getattr(body, name)) is not None}
