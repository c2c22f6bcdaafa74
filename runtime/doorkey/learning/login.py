"""Finds the login in a recording, and writes it as steps of a browser or as a request."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from doorkey.learning.bodies import Leaf, read_json, rewrite_json
from doorkey.learning.draft import LoginDraft
from doorkey.learning.origins import find_origin
from doorkey.learning.recording import Exchange, Recording, Snapshot
from doorkey.learning.values import PASSWORD_NAME, SECRET_NAME, is_random, make_name
from doorkey.protections.judge import LOGIN
from doorkey.recognition.login_form import MAKES_ACCOUNT, NAMES_USER, LoginForm, find_login_form
from doorkey.recognition.proposal import make_steps, name_variables

REFRESH_NAME = re.compile(r"refresh", re.IGNORECASE)
STANDARD = re.compile(
    r"accept.*|cache-control|connection|content-.*|cookie|dnt|host|if-.*|origin|pragma|priority|referer|sec-.*|te|"
    r"upgrade.*|user-agent|x-requested-with|:.*|traceparent|tracestate|sentry-.*|baggage|purpose|range|expect"
)
"""Request headers that a browser or a monitoring script sets by itself."""
INPUT = re.compile(r"<input\b[^>]{0,1000}>", re.IGNORECASE)
OF_PASSWORD = re.compile(r"""\stype\s*=\s*["']?password""", re.IGNORECASE)
NAMED = re.compile(r"""\sname\s*=\s*["']?([^"'\s>]+)""", re.IGNORECASE)
ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.\w+")
NAMES_PROGRAM = re.compile(r"operation|client|app|device|type|realm|domain|action|redirect|url", re.IGNORECASE)
"""Names of fields that name something else than a user."""
NAMES_ANYTHING = re.compile(r"name|account|login", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Found:
    """The login in a recording: exchange number `at`, and the leaves of its body that hold the credentials."""

    at: int
    exchange: Exchange
    user: Leaf | None
    password: Leaf


def find_login(exchanges: Sequence[Exchange], typed: Set[str] = frozenset()) -> Found | None:
    """Return the last login that was accepted, or else the last one; None where nobody logged in.

    One that was sent to where a page was opened wins over others: what trackers send may look like a login. *typed* are
    values that were typed into password fields, if that is known.
    """
    every, asked = [], set[str]()
    for at, exchange in enumerate(exchanges):
        if exchange.writes and (one := _read_login(at, exchange, typed, asked)) is not None:
            every.append(one)
        if exchange.is_html:
            asked |= _list_password_fields(exchange.answer_body)
    opened = {one.origin for one in exchanges if one.navigates}
    found = [one for one in every if one.exchange.origin in opened] or every
    accepted = [one for one in found if one.exchange.status < 400]
    return next(reversed(accepted or found), None)


def _list_password_fields(page: str) -> set[str]:
    """Return the names of the fields for passwords in the source of *page*."""
    tags = [tag for tag in INPUT.findall(page) if OF_PASSWORD.search(tag)] if "password" in page else []
    return {name[1] for tag in tags if (name := NAMED.search(tag)) is not None}


def _read_login(at: int, exchange: Exchange, typed: Set[str], asked: Set[str]) -> Found | None:
    """Return the login that *exchange* is. *asked* are the names of the password fields that earlier pages had."""
    named = [leaf for leaf in exchange.fields if PASSWORD_NAME.search(leaf.path.rpartition(".")[2])]
    secrets = named or [leaf for leaf in exchange.fields if leaf.value in typed or leaf.path in asked]
    if not secrets and LOGIN.search(exchange.path):
        secrets = [leaf for leaf in exchange.fields if SECRET_NAME.search(leaf.path.rpartition(".")[2])]
    if len({leaf.path for leaf in secrets}) != 1 or MAKES_ACCOUNT.search(exchange.path):
        return None
    return Found(at, exchange, _find_user(exchange.fields, secrets[0]), secrets[0])


def _find_user(fields: Sequence[Leaf], password: Leaf) -> Leaf | None:
    """Return the field with the user's name: one named so beside the password in JSON, an address, or a plain name."""
    inside = password.path.rpartition(".")[0] if password.kind == "json" else ""
    found: list[tuple[int, Leaf]] = []
    for leaf in fields:
        outer, _, last = leaf.path.rpartition(".") if leaf.kind == "json" else ("", "", leaf.path)
        if leaf is password or not leaf.value or SECRET_NAME.search(leaf.path) or not NAMES_USER.search(last):
            continue
        if NAMES_PROGRAM.search(last) or (is_random(leaf.value) and not ADDRESS.fullmatch(leaf.value)):
            continue
        rank = (
            4 * (outer == inside) + 2 * bool(ADDRESS.fullmatch(leaf.value)) + (NAMES_ANYTHING.fullmatch(last) is None)
        )
        found.append((rank, leaf))
    return max(found, key=lambda pair: pair[0])[1] if found else None


def list_left_out(found: Found, typed: Set[str] = frozenset()) -> list[str]:
    """List the fields whose values may be secrets beside the password: by name, or because they were *typed*."""
    others = [one for one in found.exchange.fields if one is not found.password and one is not found.user]
    return [one.path for one in others if SECRET_NAME.search(one.path) or one.value in typed]


def draft_login(recording: Recording, found: Found, home: str, site: str) -> LoginDraft:
    """Return the way in that *found* shows. *home* is the URL that a visit opens."""
    shown = _find_form(recording, found)
    variables = name_variables(site, with_user=asks_user(recording, found))
    steps: tuple[Mapping[str, str], ...] = ()
    comments: tuple[str, ...] = ()
    seen = found.exchange.path
    if shown is not None:
        form, page = shown
        seen = urlsplit(page.page.url).path or "/"
        steps, comments = make_steps(form, variables, "" if page.page.url == home else _place(page.page.url))
    request = None
    if found.password.kind == "json" or shown is None:
        request = write_request(recording, found, home, variables)
        if steps and _lacks_token(request, found.exchange):
            request = None
    return LoginDraft(steps=steps, comments=comments, request=request, variables=variables, seen=seen)


def _lacks_token(request: Mapping[str, Any], exchange: Exchange) -> bool:
    """Whether the recorded login carried a header with a token, and *request* does not know where it comes from."""
    sent = [name for name, value in exchange.headers.items() if is_random(value, name) and not STANDARD.fullmatch(name)]
    return any(name not in request.get("header", {}) for name in sent if name != "authorization")


def asks_user(recording: Recording, found: Found) -> bool:
    """Whether the login takes a user's name, be it on a page before that of the password."""
    shown = _find_form(recording, found)
    return found.user is not None or (shown is not None and bool(shown[0].user))


def _find_form(recording: Recording, found: Found) -> tuple[LoginForm, Snapshot] | None:
    """Return the form that was filled in, and the page where the login begins."""
    earlier = [one for one in recording.snapshots if one.at <= found.at and one.who == "stranger"]
    forms = [(form, one) for one in earlier if (form := find_login_form(one.page)) is not None and not form.obstacle]
    if not forms:
        return None
    form, page = forms[-1]
    first = next((pair for pair in reversed(forms) if pair[0].two_pages), None)
    if first is not None and not form.two_pages:
        both = replace(first[0], password=form.password, submit=form.submit)
        return both, first[1]
    return form, page


def write_request(recording: Recording, found: Found, home: str, variables: tuple[str, ...]) -> dict[str, Any]:
    """Return the login *found* as `login.request` has it, with references to *variables* in place of the values."""
    exchange = found.exchange
    local = exchange.origin == urlsplit(home)[:2]
    request: dict[str, Any] = {"path": exchange.place if local else exchange.url}
    if exchange.method != "POST":
        request["method"] = exchange.method
    tokens: dict[str, str] = {}

    def write(leaf: Leaf) -> str | None:
        if leaf.path == found.password.path:
            return f"env:{variables[-1]}"
        if found.user is not None and leaf.path == found.user.path:
            return f"env:{variables[0]}"
        if leaf.value in recording.typed:
            return None  # what else a person typed there may be valid once only, or a secret
        return _refer(leaf.value, leaf.path, recording, found, request, tokens)

    if found.password.kind == "json":
        request["json"] = rewrite_json(exchange.body, write)
    else:
        texts = {leaf.path: write(leaf) for leaf in exchange.fields}
        request["form"] = {name: text for name, text in texts.items() if text is not None}
    headers = {}
    for name, value in exchange.headers.items():
        if not STANDARD.fullmatch(name) and is_random(value, name) and name != "authorization":
            headers[name] = _refer(value, name, recording, found, request, tokens) or ""
    headers = {name: value for name, value in headers.items() if value.startswith("{")}
    if headers:
        request["header"] = headers
    if tokens:
        request["tokens"] = tokens
    return request


def _refer(
    value: str, name: str, recording: Recording, found: Found, request: dict[str, Any], tokens: dict[str, str]
) -> str | None:
    """Return what stands in the request for *value*: a token of the page before, the value itself, or nothing.

    A value that looks random and whose origin is unknown is left out: it may be a secret.
    """
    if not is_random(value, name):
        return value.replace("{", "{{").replace("}", "}}") if not SECRET_NAME.search(name) else None
    origin = find_origin(value, recording, found.at)
    if origin is None or origin.kind not in ("cookie", "page", "json"):
        return None
    called = make_name(name)
    tokens[called] = origin.text
    request.setdefault("page", origin.page or _find_setting(origin.text, recording, found) or "/")
    return f"{{{called}}}"


def _find_setting(source: str, recording: Recording, found: Found) -> str:
    """Return the place whose answer set the cookie of *source* last before the login."""
    name = source.removeprefix("cookie:")
    for one in reversed(recording.exchanges[: found.at]):
        set_here = any(text.partition("=")[0].strip() == name for text in one.set_cookies)
        if set_here and not one.writes and one.origin == found.exchange.origin:
            return one.place
    return ""


@dataclass(frozen=True, slots=True)
class Renewal:
    """A request that renews the session: exchange number `at`. `path` is that of its token in the login's answer."""

    at: int
    request: Mapping[str, Any]
    path: str


def find_renewal(recording: Recording, found: Found) -> Renewal | None:
    """Return the request that renews the session by a refresh token; None where no such request was recorded."""
    told = [leaf for leaf in read_json(found.exchange.answer_body) if REFRESH_NAME.search(leaf.path)]
    known = {leaf.value: leaf.path for leaf in told if is_random(leaf.value, leaf.path)}
    for at, exchange in enumerate(recording.exchanges[found.at + 1 :], found.at + 1):
        held = next((leaf for leaf in exchange.fields if leaf.value in known and not leaf.listed), None)
        if held is None or not exchange.writes:
            continue
        values: dict[str, Any] = {}
        for leaf in exchange.fields:
            if leaf is held:
                put(values, leaf, "{refresh}")
            elif not is_random(leaf.value, leaf.path) and not SECRET_NAME.search(leaf.path):
                put(values, leaf, leaf.value)
        local = exchange.origin == found.exchange.origin
        path = exchange.place if local else exchange.url
        return Renewal(at, {"path": path, held.kind: values}, known[held.value])
    return None


def put(values: dict[str, Any], leaf: Leaf, value: Any) -> None:
    """Put *value* where *leaf* stands: nested in JSON, under its name in a form."""
    *outer, last = leaf.path.split(".") if leaf.kind == "json" else (leaf.path,)
    for name in outer:
        values = values.setdefault(name, {})
    values[last] = value


def _place(url: str) -> str:
    parts = urlsplit(url)
    tail = (f"?{parts.query}" if parts.query else "") + (f"#{parts.fragment}" if parts.fragment else "")
    return (parts.path or "/") + tail
