"""The settings that a page's site needs, line by line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urldefrag, urljoin, urlsplit

from doorkey.model.page import Page
from doorkey.protections.judge import LOGIN
from doorkey.recognition.framework import Framework, Token
from doorkey.recognition.frameworks import FRAMEWORKS, NOTHING_KNOWN
from doorkey.recognition.login_form import LoginForm, login_form
from doorkey.recognition.recognize import base_of, recognised, shown

NO_PAGES = re.compile(r"(?:/(?:users?|accounts?|auth|members?|sessions?|identity|customers?|profile))+$", re.IGNORECASE)
"""Parts of the addresses of login pages that are seldom pages of their own."""
WORDS = ("logout", "log-out", "log_out", "signout", "sign-out", "sign_out")
OUT = tuple(f"[{attribute}*={word} i]" for attribute in ("href", "action") for word in WORDS)
"""What most sites show to somebody who is logged in, and to nobody else."""


@dataclass(frozen=True, slots=True)
class Line:
    """One setting of a site: its key, its value, and what it is for. `inside`: what each item of a list is for."""

    key: str
    value: Any
    comment: str
    inside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Login:
    """How to log in: by `form`, which was seen at the path `seen`; then `ready` is there.

    `page` is the path to open for it, empty where the site's own page shows it to strangers.
    """

    page: str
    seen: str
    form: LoginForm
    ready: str

    @property
    def by_steps(self) -> bool:
        return not self.form.obstacle


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What was found on a page, and the settings that follow from it.

    `path` is one to try; `variables` must be set for the login; `login_page` is where one may log in who need not.
    """

    framework: Framework
    evidence: str
    url: str
    base: str = "/"
    token: Token | None = None
    login: Login | None = None
    lines: tuple[Line, ...] = ()
    path: str = "/"
    variables: tuple[str, ...] = ()
    login_page: str = ""

    @property
    def kind(self) -> str:
        return "a login page" if self.framework.name == NOTHING_KNOWN and self.login else self.framework.name

    @property
    def steps(self) -> tuple[Mapping[str, str], ...]:
        return next((line.value for line in self.lines if line.key == "visit.steps"), ())


def proposed(page: Page, asked: str, site: str, stranger: Proposal | None = None) -> Proposal:
    """The settings for the site called *site*, whose *page* came when *asked* was opened.

    *stranger* is what was proposed before the login, where *page* is what came after it: its login is kept, and its
    kind of site, where *page* tells none.
    """
    framework, evidence = recognised(page)
    base = base_of(framework, page)
    if stranger is not None and FRAMEWORKS.index(stranger.framework) <= FRAMEWORKS.index(framework):
        framework, evidence, base = stranger.framework, stranger.evidence, base or stranger.base
    base = base or "/"
    if framework.provider != "web":
        lines = _first(framework, asked)
        return Proposal(framework=framework, evidence=evidence, url=asked, lines=lines, path=_path(asked))
    if stranger is None:
        login, url = _login(framework, page, asked, base)
    else:
        login, url = _narrowed(stranger.login, page), stranger.url
    token = _token(framework, page, login, after=stranger is not None)
    variables = _variables(site, login) if login is not None and login.by_steps else ()
    return Proposal(
        framework=framework,
        evidence=evidence,
        url=url,
        base=base,
        token=token,
        login=login,
        lines=(
            *_first(framework, url),
            *_ready(login),
            *_tokens(framework, token, login, base),
            *_stale(framework, token, login),
            *_steps(login, variables),
        ),
        path=_in(base, framework.example) or _path(url),
        variables=variables,
        login_page=_login_page(page) if login is None else "",
    )


def _first(framework: Framework, url: str) -> tuple[Line, ...]:
    kind = "any site, as told below (docs/web.md)" if framework.provider == "web" else f"knows {framework.name}"
    return Line("provider", framework.provider, kind), Line("url", url, "the page that a visit opens")


def _login(framework: Framework, page: Page, asked: str, base: str) -> tuple[Login | None, str]:
    """The page's login, and the page to open instead of it once logged in."""
    form = login_form(page)
    if form is None:
        return None, asked
    home = urljoin(page.url, _in(base, framework.home)) if framework.home else ""
    url = asked
    if home and any(token.later for token in framework.tokens):
        url = home
    elif LOGIN.search(urlsplit(asked).fragment):
        url = urldefrag(asked).url
    elif LOGIN.search(_path(asked)):
        # A page for logging in says no more once one is in: what lies above it does.
        above = NO_PAGES.sub("", urlsplit(asked).path.rstrip("/").rpartition("/")[0])
        url = home or urljoin(page.url, f"{above}/")
    ready = framework.ready or ", ".join(css for css in OUT if page.find(css) is None)
    return Login("" if url == asked else _place(asked), _path(page.url), form, ready), url


def _login_page(page: Page) -> str:
    """Where a link of *page* leads for logging in, on the site itself; empty where none does."""
    here = urlsplit(page.url)[:2]
    for link in page.document.select("a[href]"):
        url = urljoin(page.url, str(link["href"]).strip())
        if urlsplit(url)[:2] == here and LOGIN.search(_path(url)):
            return url
    return ""


def _narrowed(login: Login | None, page: Page) -> Login | None:
    """*login*, whose `ready` is only what *page* has of it, now that one is logged in."""
    parts = login.ready.split(", ") if login is not None else []
    if login is None or not set(parts) <= set(OUT):
        return login
    return replace(login, ready=next((css for css in parts if page.find(css) is not None), login.ready))


def _token(framework: Framework, page: Page, login: Login | None, *, after: bool) -> Token | None:
    """The token that is on the page; beside a login, the one that is there only later."""
    if login is not None:
        later = next((token for token in framework.tokens if token.later), None)
        if later is not None:
            return later
    for token in framework.tokens:
        # A field of the login's own form need not be on other pages.
        elsewhere = login is None or after or not token.at.startswith("input")
        if token.at and elsewhere and shown(token.at, page):
            return token
    return None


def _ready(login: Login | None) -> tuple[Line, ...]:
    return (Line("ready", login.ready, "there only when one is logged in"),) if login is not None else ()


def _tokens(framework: Framework, token: Token | None, login: Login | None, base: str) -> tuple[Line, ...]:
    if token is None:
        return ()
    read = {key: _in(base, text) for key, text in token.reads.items()}
    lines = [Line(f"tokens.{token.name}", read or token.at, "what requests have to carry: where each visit finds it")]
    lines += [
        Line(f"send.{key}", text, f"goes into the {key.partition('.')[0]} of a request") for key, text in token.sends
    ]
    if login is not None:
        lines += [Line(f"send.{key}", text, "said beside it") for key, text in framework.more]
    if framework.when != "*":
        lines.append(Line("send.when", framework.when, "in these requests only"))
    return tuple(lines)


def _stale(framework: Framework, token: Token | None, login: Login | None) -> tuple[Line, ...]:
    if token is None and login is None:
        return ()
    rules = list(framework.stale)
    seen = urlsplit(login.seen).path.rstrip("/") if login is not None else ""
    if LOGIN.search(seen):
        rules = [rule for rule in rules if not str(rule).startswith("redirect:")]
        rules.append(f"redirect:{seen}")
    if not rules:
        return ()
    return (Line("stale", rules, "how an answer looks when the session is dead"),)


def _steps(login: Login | None, variables: tuple[str, ...]) -> tuple[Line, ...]:
    if login is None or not login.by_steps:
        return ()
    form = login.form
    steps: list[dict[str, str]] = []
    said: list[str] = []
    if login.page:
        steps.append({"open": login.page})
        said.append("the page with the form")
    if form.user:
        steps.append({"fill": form.user, "value": f"env:{variables[0]}"})
        said.append("from the environment; or file:PATH, command:PROGRAM")
    steps += [{"fill": form.password, "value": f"env:{variables[-1]}"}, {"click": form.submit}]
    said += ["never the password itself", "sends the form"]
    return (Line("visit.steps", tuple(steps), "the login, done by the browser when `ready` is not there", tuple(said)),)


def _variables(site: str, login: Login) -> tuple[str, ...]:
    """The names of the environment's variables that hold the login's values."""
    prefix = re.sub(r"[^A-Z0-9]", "_", site.upper())
    prefix = f"SITE_{prefix}" if prefix[:1].isdigit() else prefix
    return (*((f"{prefix}_USER",) if login.form.user else ()), f"{prefix}_PASSWORD")


def _path(url: str) -> str:
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _place(url: str) -> str:
    """The path of *url* as a browser is told it: applications of scripts put their own behind a #."""
    fragment = urlsplit(url).fragment
    return _path(url) + (f"#{fragment}" if fragment else "")


def _in(base: str, text: str) -> str:
    return text.replace("{base}", base)
