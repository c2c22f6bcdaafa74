"""The settings of the requests that log in or renew a session without a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from doorkey_providers.web.sources import IN_ANSWERS, Source, parse_source
from doorkey_providers.web.templates import Template, check_header
from doorkey_providers.web.token_options import Table, TokenOptions

REFERENCES = ("env:", "file:", "command:", "secret:")
CODES = ("totp:", "code:")
"""Before a reference: a time-based one-time password made from the secret, or a one-time code that is answered."""
SECRET_NAME = re.compile(r"pass|pwd|pw\b|secret|pin\b|otp|credential|kennwort|authorization|api[-_]?key", re.IGNORECASE)
"""Names of fields and headers whose value must not stand in a settings file."""


def _parse_answer(value: object) -> object:
    return parse_source(value, IN_ANSWERS) if isinstance(value, str) else value


def _check_path(value: object) -> object:
    if isinstance(value, str) and not re.match(r"/([^/\\]|$)|https?://[^/@\\]+(/|$)", value):
        raise ValueError("expected a path like /login, or a complete URL")
    return value


def _check_page(value: object) -> object:
    if isinstance(value, str) and not re.match(r"/([^/\\]|$)", value):
        raise ValueError("expected the path of a page of the site, like /login")
    return value


def _check_method(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(r"[A-Z]+", value):
        raise ValueError("expected a method in capital letters, like POST")
    return value


AnswerSource = Annotated[Source, BeforeValidator(_parse_answer)]


class RequestOptions(Table):
    """A request of `login` or `renew`. Its values are texts with `{name}` for tokens, or env:, file: or command:.

    totp: or code: before these three means a one-time code.
    """

    path: Annotated[str, BeforeValidator(_check_path)] = Field(description="A path of the site, or a complete URL.")
    method: Annotated[str, BeforeValidator(_check_method)] = Field(default="POST", description="The HTTP method.")
    form: dict[str, Any] | None = Field(default=None, repr=False, description="The fields of its form.")
    body: dict[str, Any] | None = Field(default=None, alias="json", repr=False, description="Its JSON object.")
    header: dict[str, str] = Field(default={}, repr=False, description="Headers beside those of a browser.")
    page: Annotated[str | None, BeforeValidator(_check_page)] = Field(
        default=None, description="A page that is fetched before it; if it has tokens, by default its own path."
    )
    tokens: dict[str, TokenOptions] = Field(default={}, description="The tokens of that page, for this request only.")
    answer: dict[str, AnswerSource] = Field(
        default={}, description="Where its answer holds tokens, if not where `tokens` of the site says."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        faults: list[str] = []
        if self.form is not None and self.body is not None:
            faults.append("form: expected form or json, came both")
        for name, value in (self.form or {}).items():
            if isinstance(value, dict | list):
                faults.append(f"form.{name}: expected a text, a number, or true or false")
        for key, value in self._list_values():
            faults += [f"{key}: {fault}" for fault in _find_faults(key, value)]
        for name, token in self.tokens.items():
            if token.page is not None or token.next is not None or token.source.kind not in IN_ANSWERS:
                faults.append(
                    f"tokens.{name}: expected css, html, cookie, header or json of the page that is fetched before the "
                    "request, without page and next"
                )
        if faults:
            raise ValueError("\n".join(faults))
        return self

    @property
    def before(self) -> str | None:
        """The page that is fetched before the request, if any."""
        return self.page if self.page is not None or not self.tokens else self.path

    @property
    def names(self) -> frozenset[str]:
        """The names of the tokens in its values."""
        texts = [value for _, value in self._list_values() if isinstance(value, str)]
        return frozenset(name for text in texts if not refers(text) for name in Template.parse(text).names)

    def _list_values(self) -> Iterator[tuple[str, Any]]:
        """Each value with its dotted key, also in nested tables and lists."""
        for place, values in (("form", self.form), ("json", self.body), ("header", self.header)):
            for name, value in (values or {}).items():
                yield from _list_inner(f"{place}.{name}", value)


def _list_inner(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _list_inner(f"{key}.{name}", inner)
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from _list_inner(f"{key}.{at}", inner)
    else:
        yield key, value


def refers(text: str) -> bool:
    """Whether *text* says where a value is, and is not the value itself."""
    return _without_kind(text).startswith(REFERENCES)


def _without_kind(text: str) -> str:
    """*text* without the "totp:" or "code:" that says what is made of a reference."""
    kind, _, rest = text.partition(":")
    return rest if f"{kind}:" in CODES and rest.startswith(REFERENCES) else text


def _find_faults(key: str, value: Any) -> Iterator[str]:
    place, _, name = key.partition(".")
    last = name.rpartition(".")[2]
    if not isinstance(value, str):
        if not isinstance(value, int | float):
            yield "expected a text, a number, true or false, a table or a list"
        elif SECRET_NAME.search(last) and not isinstance(value, bool):
            yield _explain_secret()
        return
    if place == "header":
        try:
            check_header(name, "" if refers(value) else value)
        except ValueError as exc:
            yield str(exc)
    if refers(value):
        if _without_kind(value) in REFERENCES:
            yield f"expected a name after {value}"
        return
    if value.startswith("totp:"):
        yield f"expected totp: to say where the secret is: {', '.join(f'totp:{one}…' for one in REFERENCES)}"
        return
    try:
        names = Template.parse(value).names
    except ValueError as exc:
        yield str(exc)
        return
    if value and not names and SECRET_NAME.search(last):
        yield _explain_secret()


def _explain_secret() -> str:
    return (
        "the value of what looks like a secret must not stand in a settings file; say where it is: "
        '"env:NAME", "file:PATH" or "command:…"'
    )


class LoginOptions(Table):
    """How doorkey logs in without a browser."""

    request: RequestOptions = Field(description="The request that logs in.")


class RenewOptions(Table):
    """How doorkey renews a session without a browser."""

    request: RequestOptions = Field(description="The request to the site's token endpoint.")
