"""Proposes the settings that a site needs, line by line."""

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
from doorkey.recognition.login_form import LoginForm, find_login_form
from doorkey.recognition.recognize import find_base, find_sign, recognize

NO_PAGES = re.compile(r"(?:/(?:users?|accounts?|auth|members?|sessions?|identity|customers?|profile))+$", re.IGNORECASE)
"""Parts of a login page's URL that are seldom pages themselves."""
WORDS = ("logout", "log-out", "log_out", "signout", "sign-out", "sign_out")
FROM_ENVIRONMENT = "from the environment; or file:PATH, command:PROGRAM"
"""The comment on a login step that fills in the user."""
OUT = tuple(f"[{attribute}*={word} i]" for attribute in ("href", "action") for word in WORDS)
"""Selectors of the logout control: most sites show it to logged-in users only."""


@dataclass(frozen=True, slots=True)
class Line:
    """One setting of a site: its key, its value, and a comment. `inside` holds a comment for each item of a list."""

    key: str
    value: Any
    comment: str
    inside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Login:
    """How to log in: `form` was seen at the path `seen`, and `ready` appears after the login.

    `page` is the path to open for the form. It is empty if `url` itself shows the form to strangers. `shown_at` is the
    URL that was opened for it, and `form_url` the one where it was seen.
    """

    page: str
    seen: str
    form: LoginForm
    ready: str
    shown_at: str = ""
    form_url: str = ""

    @property
    def by_steps(self) -> bool:
        return not self.form.obstacle


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What was found on a page, and the settings that follow from it.

    `path` is a path to try. `variables` are environment variables that the login needs. `login_page` is the URL of an
    optional login.
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


def propose(page: Page, asked: str, site: str, stranger: Proposal | None = None) -> Proposal:
    """Propose the settings of *site*, whose *page* came when *asked* was opened.

    *stranger* is the proposal from before the login, if *page* came after one. Its login is kept, and its kind of site
    if *page* shows none.
    """
    framework, evidence = recognize(page)
    base = find_base(framework, page)
    if stranger is not None and FRAMEWORKS.index(stranger.framework) <= FRAMEWORKS.index(framework):
        framework, evidence, base = stranger.framework, stranger.evidence, base or stranger.base
    base = base or "/"
    if framework.provider != "web":
        lines = _make_first(framework, asked)
        return Proposal(framework=framework, evidence=evidence, url=asked, lines=lines, path=_get_path(asked))
    if stranger is None:
        login, url = _find_login(framework, page, asked, base)
    else:
        login, url = _narrow(stranger.login, page), stranger.url
    token = _choose_token(framework, page, login, after=stranger is not None)
    variables: tuple[str, ...] = ()
    if login is not None and login.by_steps:
        variables = name_variables(site, with_user=bool(login.form.user))
    return Proposal(
        framework=framework,
        evidence=evidence,
        url=url,
        base=base,
        token=token,
        login=login,
        lines=(
            *_make_first(framework, url),
            *_make_ready(login),
            *_make_tokens(framework, token, login, base),
            *_make_stale(framework, token, login),
            *_make_steps(login, variables),
        ),
        path=_fill_base(base, framework.example) or _get_path(url),
        variables=variables,
        login_page=_find_login_page(page) if login is None else "",
    )


def _make_first(framework: Framework, url: str) -> tuple[Line, ...]:
    kind = "any site, by the settings below (docs/web.md)" if framework.provider == "web" else f"for {framework.name}"
    return Line("provider", framework.provider, kind), Line("url", url, "the page that a visit opens")


def _find_login(framework: Framework, page: Page, asked: str, base: str) -> tuple[Login | None, str]:
    """Return the page's login, and the URL to open once logged in."""
    form = find_login_form(page)
    if form is None:
        return None, asked
    home = urljoin(page.url, _fill_base(base, framework.home)) if framework.home else ""
    url = asked
    if home and any(token.later for token in framework.tokens):
        url = home
    elif LOGIN.search(urlsplit(asked).fragment):
        url = urldefrag(asked).url
    elif LOGIN.search(_get_path(asked)):
        # A login page is of no use after the login, so the page above it is opened.
        above = NO_PAGES.sub("", urlsplit(asked).path.rstrip("/").rpartition("/")[0])
        url = home or urljoin(page.url, f"{above}/")
    ready = framework.ready or ", ".join(css for css in OUT if page.find(css) is None)
    opens = "" if url == asked else get_place(asked)
    return Login(opens, _get_path(page.url), form, ready, shown_at=asked, form_url=page.url), url


def _find_login_page(page: Page) -> str:
    """Return the URL of a link to a login page at the same origin; empty if *page* has none."""
    here = urlsplit(page.url)[:2]
    for link in page.document.select("a[href]"):
        url = urljoin(page.url, str(link["href"]).strip())
        if urlsplit(url)[:2] == here and LOGIN.search(_get_path(url)):
            return url
    return ""


def _narrow(login: Login | None, page: Page) -> Login | None:
    """Return *login* with the part of its `ready` that is on *page*, which came after the login."""
    parts = login.ready.split(", ") if login is not None else []
    if login is None or not set(parts) <= set(OUT):
        return login
    return replace(login, ready=next((css for css in parts if page.find(css) is not None), login.ready))


def _choose_token(framework: Framework, page: Page, login: Login | None, *, after: bool) -> Token | None:
    """Return the token that is on the page, or with a login the one that appears only after it."""
    if login is not None:
        later = next((token for token in framework.tokens if token.later), None)
        if later is not None:
            return later
    for token in framework.tokens:
        # Other pages need not have a field of the login form.
        elsewhere = login is None or after or not token.at.startswith("input")
        if token.at and elsewhere and find_sign(token.at, page):
            return token
    return None


def _make_ready(login: Login | None) -> tuple[Line, ...]:
    return (Line("ready", login.ready, "only on a logged-in page"),) if login is not None else ()


def _make_tokens(framework: Framework, token: Token | None, login: Login | None, base: str) -> tuple[Line, ...]:
    if token is None:
        return ()
    read = {key: _fill_base(base, text) for key, text in token.reads.items()}
    lines = [Line(f"tokens.{token.name}", read or token.at, "what requests must carry, and where a visit finds it")]
    lines += [
        Line(f"send.{key}", text, f"goes into the {key.partition('.')[0]} of a request") for key, text in token.sends
    ]
    if login is not None:
        lines += [Line(f"send.{key}", text, "sent beside it") for key, text in framework.more]
    if framework.when != "*":
        lines.append(Line("send.when", framework.when, "only in these requests"))
    return tuple(lines)


def _make_stale(framework: Framework, token: Token | None, login: Login | None) -> tuple[Line, ...]:
    if token is None and login is None:
        return ()
    rules = list(framework.stale)
    seen = urlsplit(login.seen).path.rstrip("/") if login is not None else ""
    if LOGIN.search(seen):
        rules = [rule for rule in rules if not str(rule).startswith("redirect:")]
        rules.append(f"redirect:{seen}")
    if not rules:
        return ()
    return (Line("stale", rules, "what an answer looks like when the session is dead"),)


def _make_steps(login: Login | None, variables: tuple[str, ...]) -> tuple[Line, ...]:
    if login is None or not login.by_steps:
        return ()
    form = login.form
    steps, said = make_steps(form, variables, login.page)
    return (Line("visit.steps", steps, "how the browser logs in when `ready` is missing", said),)


def make_steps(
    form: LoginForm, variables: tuple[str, ...], opens: str
) -> tuple[tuple[Mapping[str, str], ...], tuple[str, ...]]:
    """Return the login steps for *form* on the page *opens* (empty: the site's own), and a comment for each."""
    steps: list[tuple[Mapping[str, str], str]] = []
    if opens:
        steps.append(({"open": opens}, "the page with the form"))
    if form.user:
        value = f"env:{variables[0]}"
        steps.append(({"fill": form.user, "value": value}, FROM_ENVIRONMENT))
    if form.two_pages:
        leads = {"click": form.first} if form.first else {"press": "Enter", "on": form.user}
        steps.append((leads, "leads to the password"))
    steps.append(({"fill": form.password, "value": f"env:{variables[-1]}"}, "never the password itself"))
    sends = {"click": form.submit} if form.submit else {"press": "Enter", "on": form.password}
    steps.append((sends, "sends the form"))
    return tuple(step for step, _ in steps), tuple(comment for _, comment in steps)


def name_variables(site: str, *, with_user: bool) -> tuple[str, ...]:
    """Return the names of the environment variables that hold the login's values: of the user, if any, and password."""
    prefix = re.sub(r"[^A-Z0-9]", "_", site.upper())
    prefix = f"SITE_{prefix}" if prefix[:1].isdigit() else prefix
    return (*((f"{prefix}_USER",) if with_user else ()), f"{prefix}_PASSWORD")


def _get_path(url: str) -> str:
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def get_place(url: str) -> str:
    """Return the path of *url* with its fragment, in which applications of scripts keep their own path."""
    fragment = urlsplit(url).fragment
    return _get_path(url) + (f"#{fragment}" if fragment else "")


def _fill_base(base: str, text: str) -> str:
    return text.replace("{base}", base)
