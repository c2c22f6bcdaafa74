"""The settings of a site with `provider = "web"`, as they stand in TOML."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from doorkey import Provider
from doorkey_providers.web.request_options import LoginOptions, RenewOptions, RequestOptions
from doorkey_providers.web.setting_types import Css, Names, Obstacles, OneRule, Rules, Seconds, Whens, to_tuple
from doorkey_providers.web.sources import BY_ANSWER
from doorkey_providers.web.templates import Template, check_header
from doorkey_providers.web.token_options import Table, TokenOptions


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
    login: LoginOptions | None = Field(default=None, description="How doorkey logs in without a browser.")
    renew: RenewOptions | None = Field(default=None, description="How doorkey renews a session without a browser.")
    max_uses: int | None = Field(default=None, gt=0, description="How many requests a session may carry.")
    visit: VisitOptions = VisitOptions()
    cookies: CookieOptions = CookieOptions()
    life: LifeOptions = LifeOptions()

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        faults = [
            f'tokens."{name[:60]}": expected a name of letters, digits, _ and -'
            for name in self.tokens
            if not re.fullmatch(r"[\w-]+", name)
        ]
        faults += self._check_requests()
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
                    faults.append(f"send.{key}: no token is called {name[:60]!r}{_near(name, self.tokens)}")
        if faults:
            raise ValueError("\n".join(faults))
        return self

    def _check_requests(self) -> Iterator[str]:
        """Describe what does not fit together in `login`, `renew` and `tokens`."""
        declared: dict[str, RequestOptions] = {}
        if self.login is not None:
            declared["login.request"] = self.login.request
        if self.renew is not None:
            declared["renew.request"] = self.renew.request
        for name, token in self.tokens.items():
            if token.header is not None and not declared:
                yield (
                    f"tokens.{name}: expected a place on a page, came header:{token.header}: that is read in the "
                    "answer to login.request or renew.request, and neither is set"
                )
        for key, request in declared.items():
            known = {*request.tokens, *(self.tokens if key == "renew.request" else ())}
            for name in sorted(request.names - known):
                yield f"{key}: no token is called {name[:60]!r}{_near(name, known)}; {_explain_known(key)}"
            for name in sorted(request.answer.keys() - self.tokens.keys()):
                yield f"{key}.answer.{name}: no token is called {name[:60]!r}{_near(name, self.tokens)}"
        login = declared.get("login.request")
        answered = any(token.page is None and token.source.kind in BY_ANSWER for token in self.tokens.values())
        if login is not None and not (self.ready or login.answer or answered or self.cookies.needed):
            yield (
                "login.request: expected ready, a token in its answer, or cookies.needed as well: else nothing tells a "
                "login from a refusal"
            )


def _near(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _explain_known(key: str) -> str:
    if key == "login.request":
        return f"{key}.tokens names those of the page before it"
    return f"expected one of the site's tokens, or of {key}.tokens"
