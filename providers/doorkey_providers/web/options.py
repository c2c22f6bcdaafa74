"""The settings of a site of any kind (`provider = "web"`), as TOML writes them."""

from __future__ import annotations

import re
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from doorkey import Provider
from doorkey_providers.web.rules import Rule, rule_of
from doorkey_providers.web.sources import IN_ANSWERS, OF_REQUESTS, ON_PAGES, Source, checked, css_of, source_of
from doorkey_providers.web.templates import Template, check_header
from doorkey_providers.web.when import When, when_of

UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def _listed(value: object) -> object:
    return value if isinstance(value, list | tuple) else [value]


def _css(value: object) -> object:
    return css_of(value) if isinstance(value, str) else value


def _whens(value: object) -> object:
    return tuple(when_of(one) if isinstance(one, str) else one for one in _some(value))


def _rules(value: object) -> object:
    """Statuses and signs; a table `{ is = …, when = … }` holds them to some requests."""
    found: list[Rule] = []
    for one in _some(value):
        if isinstance(one, dict):
            if set(one) - {"is", "when"} or "is" not in one:
                raise ValueError("expected a table with `is` (a rule, or several) and `when`")
            whens = tuple(when_of(str(when)) for when in _some(one.get("when", [])))
            found += [rule_of(rule, whens) for rule in _some(one["is"])]
        elif isinstance(one, str | int) and not isinstance(one, bool):
            found.append(rule_of(one))
        else:
            raise ValueError("expected statuses and rules, like [401, 'redirect:/login']")  # noqa: TRY004  pydantic's
    return tuple(found)


def _some(value: object) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _next(value: object) -> object:
    return source_of(value, IN_ANSWERS) if isinstance(value, str) else value


def _seconds(value: object) -> object:
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhd]?)\s*", value)
    if found is None:
        raise ValueError("expected a time like 90s, 30m, 12h or 7d")
    return float(found[1]) * UNITS[found[2]]


Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]
Css = Annotated[str, Field(min_length=1), BeforeValidator(_css)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False), BeforeValidator(_seconds)]
Rules = Annotated[tuple[Rule, ...], BeforeValidator(_rules)]


class Table(BaseModel):
    # An error's text goes to people and logs: it must not repeat what was typed.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, arbitrary_types_allowed=True)


class TokenOptions(Table):
    """Where one token is read: exactly one source, on the site's page or another. A string is `source_of`'s."""

    css: str | None = Field(default=None, description="A selector: its attribute, else its text.")
    attribute: str = Field(default="", description="The attribute of the selected element.")
    cookie: str | None = Field(default=None, description="A cookie's name.")
    local: str | None = Field(default=None, description="A key in local storage.")
    session: str | None = Field(default=None, description="A key in session storage.")
    indexeddb: str | None = Field(default=None, description="A value in IndexedDB: DATABASE/STORE/KEY.")
    script: str | None = Field(default=None, description="A path from the scripts' global scope.")
    request: str | None = Field(default=None, description="A header of the page's own requests.")
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
    html: str | None = Field(default=None, description="A regular expression: its first group.")
    page: str | None = Field(default=None, pattern=r"^/", description="The page it is on, by its path.")
    inside: str | None = Field(default=None, description="A path into the value, where that is JSON.")
    decode: bool = Field(default=True, description="Whether a cookie's percent-encoding is undone.")
    next: Annotated[Source | None, BeforeValidator(_next)] = Field(
        default=None, description="Where each answer carries the next one, of tokens that serve once."
    )

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        table: dict[str, Any] = value if isinstance(value, dict) else {}
        if isinstance(value, str):
            source = source_of(value)
        elif isinstance(table.get("css"), str) and "attribute" not in table:
            source = source_of(f"css:{table['css']}")  # a selector in a table may name its attribute, too
        else:
            return value
        return {**table, source.kind: source.name, **({"attribute": source.attribute} if source.attribute else {})}

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        named = [kind for kind in ON_PAGES if getattr(self, kind.replace("-", "_")) is not None]
        if len(named) != 1:
            came = " and ".join(named) or "none"
            raise ValueError(f"expected exactly one of {', '.join(ON_PAGES)}; came {came}")
        if self.attribute and self.css is None:
            raise ValueError("expected css beside attribute")
        if self.page is not None and named[0] in ("script", "indexeddb", *OF_REQUESTS):
            raise ValueError(f"{named[0]} is read on the site's own page only: leave out page")
        checked(self.source)
        return self

    @property
    def source(self) -> Source:
        kind = next(kind for kind in ON_PAGES if getattr(self, kind.replace("-", "_")) is not None)
        return Source(kind, getattr(self, kind.replace("-", "_")), self.attribute)


class SendOptions(Table):
    """Where tokens go in a request, as `{name}` in texts; `when` none: in every request."""

    when: Annotated[tuple[When, ...], BeforeValidator(_whens)] = ()
    header: dict[str, str] = Field(default={}, repr=False)
    query: dict[str, str] = Field(default={}, repr=False)
    form: dict[str, str] = Field(default={}, repr=False)
    body: dict[str, Any] = Field(default={}, alias="json", repr=False)

    def templates(self) -> dict[str, Template]:
        """Each text by its key. Raises ValueError, a line for each that is none."""
        found: dict[str, Template] = {}
        faults: list[str] = []
        for place, values in (("header", self.header), ("query", self.query), ("form", self.form), ("json", self.body)):
            for name, text in _leaves(values):
                key = f"{place}.{name}"
                try:
                    found[key] = Template.of(text)
                    if place == "header":
                        check_header(name, text)
                except ValueError as exc:
                    faults.append(f"{key}: {exc}")
        if faults:
            raise ValueError("\n".join(faults))
        return found


def _leaves(values: dict[str, Any]) -> list[tuple[str, str]]:
    """Every text in *values*, tables in tables too, by its dotted key."""
    found: list[tuple[str, str]] = []
    for name, value in values.items():
        if isinstance(value, dict):
            found += [(f"{name}.{inner}", text) for inner, text in _leaves(value)]
        elif isinstance(value, str):
            found.append((name, value))
    return found


class CookieOptions(Table):
    needed: Names = Field(default=(), description="Cookies without which a visit is not done.")
    sliding: Names = Field(default=(), description="Cookies whose new values in answers belong to the session.")


class LifeOptions(Table):
    soft: Seconds | None = Field(default=None, description="Age past which a new session is fetched behind.")
    hard: Seconds = Field(default=12 * 3600.0, description="Age past which a session is not used.")

    @model_validator(mode="before")
    @classmethod
    def _from_time(cls, value: object) -> object:
        return value if isinstance(value, dict) else {"hard": value}

    @model_validator(mode="after")
    def _soft_first(self) -> Self:
        if self.soft is not None and self.soft > self.hard:
            raise ValueError("expected soft to be no longer than hard")
        return self


class VisitOptions(Table):
    steps: Annotated[tuple[Any, ...], BeforeValidator(Provider.steps_of)] = Field(
        default=(), repr=False, description="How a browser logs in where `ready` is not there."
    )


class WebOptions(Table):
    ready: Css | None = Field(default=None, description="A selector of what only a page that let one in has.")
    tokens: dict[str, TokenOptions] = Field(default={}, description="What requests need, each by a name of yours.")
    send: Annotated[tuple[SendOptions, ...], BeforeValidator(_listed)] = Field(
        default=(), description="Where tokens go in requests; several tables for several kinds of request."
    )
    stale: Rules = Field(default=(), description="How an answer looks when the session is dead.")
    alive: Rules = Field(default=(), description="How a good answer looks, where HTTP 200 may be none.")
    max_uses: int | None = Field(default=None, gt=0, description="How many requests a session carries.")
    visit: VisitOptions = VisitOptions()
    cookies: CookieOptions = CookieOptions()
    life: LifeOptions = LifeOptions()

    @model_validator(mode="after")
    def _sends_what_is_read(self) -> Self:
        from difflib import get_close_matches

        faults = [
            f'tokens."{name[:60]}": expected a name of letters, digits, _ and -'
            for name in self.tokens
            if not re.fullmatch(r"[\w-]+", name)
        ]
        if self.visit.steps and self.ready is None:
            faults.append("visit.steps: expected ready beside them: a selector that only a logged-in page has")
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
