"""The settings of a site with `provider = "web"`, as they stand in TOML."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from doorkey import Provider
from doorkey_providers.web.setting_types import Css, Names, Obstacles, OneRule, Rules, Seconds, Whens, to_tuple
from doorkey_providers.web.sources import (
    IN_ANSWERS,
    OF_REQUESTS,
    ON_PAGES,
    Source,
    check_source,
    parse_source,
)
from doorkey_providers.web.templates import Template, check_header


def _parse_next(value: object) -> object:
    return parse_source(value, IN_ANSWERS) if isinstance(value, str) else value


class Table(BaseModel):
    # The text of an error goes to people and logs, so it must not repeat what was typed.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, arbitrary_types_allowed=True)


class TokenOptions(Table):
    """Where one token is read: exactly one source, on the site's page or another. A text is read by `parse_source`."""

    css: str | None = Field(
        default=None, description="A CSS selector. The token is the element's attribute, else its text."
    )
    attribute: str = Field(default="", description="The attribute of the selected element.")
    cookie: str | None = Field(default=None, description="A cookie's name.")
    local: str | None = Field(default=None, description="A key in local storage.")
    session: str | None = Field(default=None, description="A key in session storage.")
    indexeddb: str | None = Field(default=None, description="A value in IndexedDB: DATABASE/STORE/KEY.")
    script: str | None = Field(default=None, description="A path from the scripts' global scope.")
    request: str | None = Field(default=None, description="A header of the requests that the page itself sends.")
    request_query: str | None = Field(
        default=None, alias="request-query", description="A parameter in the query of the page's own requests."
    )
    request_body: str | None = Field(
        default=None, alias="request-body", description="A field of the bodies that the page itself sends."
    )
    response: str | None = Field(default=None, description="A header of the answers to the page's own requests.")
    response_body: str | None = Field(
        default=None, alias="response-body", description="A path into the JSON of the answers to its own requests."
    )
    html: str | None = Field(default=None, description="A regular expression. The token is its first group.")
    page: str | None = Field(default=None, pattern=r"^/", description="The path of the page that the token is on.")
    inside: str | None = Field(default=None, description="A path into the value, if the value is JSON.")
    decode: bool = Field(default=True, description="Whether to undo a cookie's percent-encoding.")
    next: Annotated[Source | None, BeforeValidator(_parse_next)] = Field(
        default=None, description="Where an answer carries the next token, if a token can be used only once."
    )

    @model_validator(mode="before")
    @classmethod
    def _read_text(cls, value: object) -> object:
        table: dict[str, Any] = value if isinstance(value, dict) else {}
        if isinstance(value, str):
            source = parse_source(value)
        elif isinstance(table.get("css"), str) and "attribute" not in table:
            source = parse_source(f"css:{table['css']}")  # a selector in a table may name its attribute as well
        else:
            return value
        return {**table, source.kind: source.name, **({"attribute": source.attribute} if source.attribute else {})}

    @model_validator(mode="after")
    def _check_source(self) -> Self:
        named = [kind for kind in ON_PAGES if getattr(self, kind.replace("-", "_")) is not None]
        if len(named) != 1:
            came = " and ".join(named) or "none"
            raise ValueError(f"expected exactly one of {', '.join(ON_PAGES)}; came {came}")
        if self.attribute and self.css is None:
            raise ValueError("expected css beside attribute")
        if self.page is not None and named[0] in ("script", "indexeddb", *OF_REQUESTS):
            raise ValueError(f"{named[0]} is read on the site's own page only: leave out page")
        check_source(self.source)
        return self

    @property
    def source(self) -> Source:
        kind = next(kind for kind in ON_PAGES if getattr(self, kind.replace("-", "_")) is not None)
        return Source(kind, getattr(self, kind.replace("-", "_")), self.attribute)


class SendOptions(Table):
    """Where tokens go in a request: texts hold them as `{name}`. Without `when` they go into every request."""

    when: Whens = ()
    header: dict[str, str] = Field(default={}, repr=False)
    query: dict[str, str] = Field(default={}, repr=False)
    form: dict[str, str] = Field(default={}, repr=False)
    body: dict[str, Any] = Field(default={}, alias="json", repr=False)

    def templates(self) -> dict[str, Template]:
        """Return the template of each text, by its key. Raises ValueError with a line for each text that is none."""
        found: dict[str, Template] = {}
        faults: list[str] = []
        for place, values in (("header", self.header), ("query", self.query), ("form", self.form), ("json", self.body)):
            for name, text in _find_texts(values):
                key = f"{place}.{name}"
                try:
                    found[key] = Template.parse(text)
                    if place == "header":
                        check_header(name, text)
                except ValueError as exc:
                    faults.append(f"{key}: {exc}")
        if faults:
            raise ValueError("\n".join(faults))
        return found


def _find_texts(values: dict[str, Any]) -> list[tuple[str, str]]:
    """Return every text in *values*, also in nested tables, with its dotted key."""
    found: list[tuple[str, str]] = []
    for name, value in values.items():
        if isinstance(value, dict):
            found += [(f"{name}.{inner}", text) for inner, text in _find_texts(value)]
        elif isinstance(value, str):
            found.append((name, value))
    return found


class CookieOptions(Table):
    """Which cookies belong to a session."""

    needed: Names = Field(default=(), description="A visit waits for these cookies.")
    sliding: Names = Field(default=(), description="Cookies that the session takes over from answers.")


class LifeOptions(Table):
    """How long a session is used."""

    soft: Seconds | None = Field(default=None, description="Age past which a new session is made in the background.")
    hard: Seconds = Field(default=12 * 3600.0, description="Age past which a session is no longer used.")

    @model_validator(mode="before")
    @classmethod
    def _read_time(cls, value: object) -> object:
        return value if isinstance(value, dict) else {"hard": value}

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.soft is not None and self.soft > self.hard:
            raise ValueError("expected soft to be no longer than hard")
        return self


class VisitOptions(Table):
    """What a browser does on a visit."""

    steps: Annotated[tuple[Any, ...], BeforeValidator(Provider.steps_of)] = Field(
        default=(), repr=False, description="How a browser logs in when `ready` is missing."
    )


class CheckOptions(Table):
    """The session check: `url` is fetched after a suspect answer, and the session lives if `holds` holds there."""

    url: str | None = Field(
        default=None, pattern=r"^/([^/\\]|$)", description="The path that is fetched; without it the page of `url`."
    )
    holds: OneRule | None = Field(
        default=None, description="What its answer looks like while the session lives; without it, `ready` is there."
    )


class WebOptions(Table):
    """The table `[sites.NAME]`, apart from the settings that every site has."""

    ready: Css | None = Field(default=None, description="A CSS selector of something that only a logged-in page has.")
    tokens: dict[str, TokenOptions] = Field(
        default={}, description="The values that requests need, each under a name of your choice."
    )
    send: Annotated[tuple[SendOptions, ...], BeforeValidator(to_tuple)] = Field(
        default=(), description="Where tokens go in requests. Several tables serve several kinds of request."
    )
    stale: Rules = Field(default=(), description="What an answer looks like when the session is dead.")
    alive: Rules = Field(default=(), description="What a good answer looks like, if HTTP 200 alone proves nothing.")
    challenge: Obstacles = Field(
        default=(), description="What stands before the site and lets a browser in that waits, in pages and answers."
    )
    person: Obstacles = Field(default=(), description="What stands before the site and lets in only a person.")
    blocked: Obstacles = Field(default=(), description="How the site blocks: nobody visits for it.")
    limited: Obstacles = Field(default=(), description="How the site says that it limits how much it answers.")
    check: CheckOptions = CheckOptions()
    examples: Annotated[tuple[str, ...], BeforeValidator(to_tuple)] = Field(
        default=(), description='Calls that `doorkey check --probe` sends as a stranger, like "POST /notes title=x".'
    )
    resend: Literal["certain", "dead", "never"] = Field(
        default="certain",
        description="Which requests that must not be repeated are sent again after the session died: those that the "
        "site certainly refused, all, or none.",
    )
    max_uses: int | None = Field(default=None, gt=0, description="How many requests a session may carry.")
    visit: VisitOptions = VisitOptions()
    cookies: CookieOptions = CookieOptions()
    life: LifeOptions = LifeOptions()

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        from difflib import get_close_matches

        faults = [
            f'tokens."{name[:60]}": expected a name of letters, digits, _ and -'
            for name in self.tokens
            if not re.fullmatch(r"[\w-]+", name)
        ]
        if self.visit.steps and self.ready is None:
            faults.append("visit.steps: expected ready as well: a selector of something that only a logged-in page has")
        faults += [
            f'examples: expected a call like "POST /notes title=x"; came {text[:60]!r}'
            for text in self.examples
            if not re.fullmatch(r"[A-Z]+ /\S*( .*)?", text.strip())
        ]
        if self.check.url is not None and self.ready is None and self.check.holds is None:
            faults.append("check.url: expected check.holds or ready as well: what only a living session's answer has")
        for send in self.send:
            try:
                templates = send.templates()
            except ValueError as exc:
                faults += [f"send.{line}" for line in str(exc).splitlines()]
                continue
            for key, template in templates.items():
                for name in template.names - set(self.tokens):
                    near = get_close_matches(name, list(self.tokens), n=1)
                    meant = f" (did you mean {near[0]!r}?)" if near else ""
                    faults.append(f"send.{key}: no token is called {name[:60]!r}{meant}")
        if faults:
            raise ValueError("\n".join(faults))
        return self
