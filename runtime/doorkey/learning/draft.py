"""What was learned of a site: the settings that follow, each with its evidence, and what is unsure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from doorkey.recognition.proposal import Line

Source: TypeAlias = "str | Mapping[str, str]"
"""Where a token is read, as the setting `tokens.NAME` has it."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why something was concluded. It names places and never holds a value."""

    text: str


@dataclass(frozen=True, slots=True)
class Doubt:
    """What is not sure, and why. `settles` says what a person can do about it."""

    what: str
    settles: str = ""

    def __str__(self) -> str:
        return f"{self.what}: {self.settles}" if self.settles else self.what


@dataclass(frozen=True, slots=True)
class TokenDraft:
    """A value that requests must carry: its `name` in the settings, and the `source` where it is read."""

    name: str
    source: Source
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class SendDraft:
    """What goes into the requests that `when` selects (empty: into all)."""

    when: str = ""
    header: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)
    json: Mapping[str, Any] = field(default_factory=dict)

    @property
    def table(self) -> dict[str, Any]:
        places = {"header": self.header, "query": self.query, "form": self.form, "json": self.json}
        return {**({"when": self.when} if self.when else {}), **{name: what for name, what in places.items() if what}}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginDraft:
    """How the site is entered: by `steps` of a browser, by `request`, or by both. `seen` is the login page's path."""

    steps: tuple[Mapping[str, str], ...] = ()
    comments: tuple[str, ...] = ()
    request: Mapping[str, Any] | None = None
    renew: Mapping[str, Any] | None = None
    variables: tuple[str, ...] = ()
    seen: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """A call that was recorded. `fields` are the names of what was typed; tokens are left out."""

    method: str
    path: str
    kind: str = ""
    fields: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.method} {self.path}" + (f" ({', '.join(self.fields)})" if self.fields else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """The settings of one site, as they were learned."""

    url: str
    ready: str = ""
    ready_evidence: Evidence = Evidence("")
    login: LoginDraft | None = None
    tokens: tuple[TokenDraft, ...] = ()
    sends: tuple[SendDraft, ...] = ()
    cookies: tuple[str, ...] = ()
    check: Mapping[str, str] | None = None
    stale: tuple[Any, ...] = ()
    calls: tuple[Call, ...] = ()
    doubts: tuple[Doubt, ...] = ()

    @property
    def needs_cookies(self) -> bool:
        """Whether only its cookies tell that the login by request was accepted."""
        request = self.login.request if self.login is not None else None
        return request is not None and not (self.ready or self.tells_login) and bool(self.cookies)

    @property
    def tells_login(self) -> bool:
        """Whether the answer to the login holds a token."""
        return any(isinstance(one.source, str) and one.source.startswith(("json:", "header:")) for one in self.tokens)

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables that the login needs."""
        return self.login.variables if self.login is not None else ()

    def lines(self) -> Iterator[Line]:
        """The settings, in the order in which they are written."""
        yield Line("provider", "web", "any site, by the settings below (docs/web.md)")
        yield Line("url", self.url, "the page that a visit opens")
        if self.ready:
            yield Line("ready", self.ready, self.ready_evidence.text or "only on a logged-in page")
        for token in self.tokens:
            yield Line(f"tokens.{token.name}", token.source, token.evidence.text)
        yield from self._list_sends()
        if self.needs_cookies:
            yield Line("cookies.needed", self.cookies, "came with the login: they tell a login from a refusal")
        if self.check is not None:
            yield Line("check", self.check, "what is asked to learn whether the session lives")
        if self.stale:
            yield Line("stale", self.stale, "what an answer looks like when the session is dead")
        yield from self._list_login()

    def _list_sends(self) -> Iterator[Line]:
        names = [name for one in self.sends for what in (one.header, one.query, one.form, one.json) for name in what]
        if len(self.sends) > 1 or any("." in name for name in names):
            said = tuple("in these requests" if one.when else "in all requests" for one in self.sends)
            yield Line("send", tuple(one.table for one in self.sends), "where tokens go", said)
            return
        for key, value in (pair for one in self.sends for pair in one.table.items()):
            if key == "when":
                yield Line("send.when", value, "only in these requests")
                continue
            for name, text in value.items():
                yield Line(f"send.{key}.{name}", text, f"goes into the {key} of a request")

    def _list_login(self) -> Iterator[Line]:
        if self.login is None:
            return
        if self.login.request is not None:
            yield Line("login.request", self.login.request, "logs in without a browser")
        if self.login.renew is not None:
            yield Line("renew.request", self.login.renew, "gets new tokens without a login")
        if self.login.steps:
            said = "how the browser logs in when `ready` is missing"
            yield Line("visit.steps", self.login.steps, said, self.login.comments)

    def write(self, site: str) -> str:
        """Return the table of *site* in TOML, ready to be appended to a settings file."""
        from doorkey.recognition.toml_table import write_lines

        return write_lines(self.lines(), site, "as doorkey learned it")
