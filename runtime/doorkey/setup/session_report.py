"""Sessions and visit rules in printable form, with secrets masked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from doorkey.model.cookies import Cookie
from doorkey.model.page import place_of
from doorkey.model.request import Request
from doorkey.model.session import Session
from doorkey.provider import Provider

SHORT = 8
"""A secret shorter than this is masked completely; of a longer one the first two characters are shown."""


def mask(value: object) -> str:
    text = str(value)
    return f"{text[:2] if len(text) >= SHORT else ''}… ({len(text)} character{'s' if len(text) != 1 else ''})"


def report_session(session: Session, *, reveal: bool = False) -> dict[str, Any]:
    """The session as plain data. Values are masked unless *reveal* is set."""

    def secret(value: object) -> object:
        return value if reveal else mask(value)

    return {
        "site": session.key.site,
        "url": session.url if reveal else place_of(session.url),
        "generation": session.gen,
        "by": session.rung,
        "born": datetime.fromtimestamp(session.born, UTC).isoformat(timespec="seconds"),
        "tokens": {name: secret(value) for name, value in session.tokens.items()},
        "cookies": [_report_cookie(cookie, secret(cookie.value)) for cookie in session.cookies],
        "headers": dict(session.headers),
        "local": {name: secret(value) for name, value in session.local.items()},
    }


def _report_cookie(cookie: Cookie, value: object) -> dict[str, Any]:
    return {
        "name": cookie.name,
        "value": value,
        "domain": cookie.domain,
        "path": cookie.path,
        "expires": cookie.expires,
    }


def build_rows(found: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """The rows of a table that shows what `report_session` returned."""
    for key, value in found.items():
        if isinstance(value, list):
            value = {item["name"]: f"{item['value']}  {item['domain']}{item['path']}" for item in value}
        if not isinstance(value, dict):
            yield key, "", str(value)
            continue
        for at, (name, text) in enumerate(value.items()):
            yield key if at == 0 else "", str(name), str(text)


def describe_rules(provider: Provider) -> Iterator[str]:
    """What a visit to this kind of site must find, and how long the session lasts, as sentences."""
    if provider.ready:
        yield f"the page is ready when it contains {provider.ready}"
    if provider.cookies_needed:
        yield f"required cookies: {', '.join(provider.cookies_needed)}"
    elif provider.cookies_required:
        yield "a visit must yield a cookie"
    yield f"cookies and storage must stay unchanged for {provider.settle:g} s"
    soft, hard = _format_span(provider.soft), _format_span(provider.hard)
    yield f"a session is renewed in the background after {soft} and expires after {hard}"
    if provider.max_uses is not None:
        yield f"a session carries at most {provider.max_uses} requests"
    if provider.renews_login:
        yield "a renewal asks the token endpoint (renew.request), without a browser"
    if provider.has_login:
        rest = "; the browser reads the rest" if provider.needs_scripts else ", without a browser"
        yield f"a login is sent as a request (login.request){rest}"
    if provider.page_suffices and not provider.needs_scripts:
        yield "a renewal can fetch the page without a browser"
    elif not (provider.renews_login or provider.has_login):
        yield "each renewal needs a browser"


def describe_dressing(provider: Provider, request: Request, session: Session) -> Iterator[str]:
    """Where *request* carries each token of *session*, as sentences without a value."""
    marks = {name: f"doorkey-mark-{at}-" for at, name in enumerate(session.tokens)}
    texts = {name: mark for name, mark in marks.items() if isinstance(session.tokens[name], str)}
    dressed = provider.dress(request, replace(session, tokens={**session.tokens, **texts}))
    sent = list(_list_sent(dressed))
    for name, mark in texts.items():
        places = [place for place, value in sent if mark in value]
        if dressed.body is not request.body and not isinstance(dressed.body, bytes):
            places.append("the body")  # it is made while it is sent
        yield f"token {name} was sent in {' and '.join(places)}" if places else f"token {name} was not sent"


def _list_sent(request: Request) -> Iterator[tuple[str, str]]:
    """The parts of *request* that may hold a token: what each is called, and its text."""
    for name, value in request.headers.items():
        yield f"the header {name}", value
    pairs = request.query.items() if isinstance(request.query, Mapping) else request.query or ()
    for name, value in (*pairs, *parse_qsl(urlsplit(request.url).query, keep_blank_values=True)):
        yield f"the query's {name}", str(value)
    for name, value in (request.form or {}).items():
        yield f"the form's {name}", value
    if request.json is not None:
        yield "the JSON body", str(request.json)
    for part in request.parts or ():
        yield f"the form's {part.name}", part.data.decode(errors="replace")
    if isinstance(request.body, bytes):
        yield "the body", request.body.decode(errors="replace")


def _format_span(seconds: float) -> str:
    return f"{seconds / 3600:g} h" if seconds >= 3600 else f"{seconds:g} s"
