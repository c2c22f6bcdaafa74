"""What a visit found, as it may be shown: secrets masked unless they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from doorkey.model.page import place_of
from doorkey.model.session import Cookie, Session
from doorkey.provider import Provider

SHORT = 8
"""Of a secret below this length not even the beginning is shown."""


def masked(value: object) -> str:
    text = str(value)
    return f"{text[:2] if len(text) >= SHORT else ''}… ({len(text)} character{'s' if len(text) != 1 else ''})"


def session_report(session: Session, *, reveal: bool = False) -> dict[str, Any]:
    """The session as a plain structure; with *reveal* its values are there, and with them the key to the site."""

    def secret(value: object) -> object:
        return value if reveal else masked(value)

    return {
        "site": session.key.site,
        "url": session.url if reveal else place_of(session.url),
        "generation": session.gen,
        "by": session.rung,
        "born": datetime.fromtimestamp(session.born, UTC).isoformat(timespec="seconds"),
        "tokens": {name: secret(value) for name, value in session.tokens.items()},
        "cookies": [_cookie(cookie, secret(cookie.value)) for cookie in session.cookies],
        "headers": dict(session.headers),
        "local": {name: secret(value) for name, value in session.local.items()},
    }


def _cookie(cookie: Cookie, value: object) -> dict[str, Any]:
    return {
        "name": cookie.name,
        "value": value,
        "domain": cookie.domain,
        "path": cookie.path,
        "expires": cookie.expires,
    }


def rows(found: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """The lines of a table that shows `session_report`."""
    for key, value in found.items():
        if isinstance(value, list):
            value = {item["name"]: f"{item['value']}  {item['domain']}{item['path']}" for item in value}
        if not isinstance(value, dict):
            yield key, "", str(value)
            continue
        for at, (name, text) in enumerate(value.items()):
            yield key if at == 0 else "", str(name), str(text)


def rules(provider: Provider) -> Iterator[str]:
    """What a visit to this kind of site has to bring, and how long that serves."""
    if provider.ready:
        yield f"the page is ready when it has {provider.ready}"
    if provider.cookies_needed:
        yield f"cookies that requests need: {', '.join(provider.cookies_needed)}"
    elif provider.cookies_required:
        yield "a visit has to bring a cookie"
    yield f"cookies and storage must stay unchanged for {provider.settle:g} s"
    yield f"a session is renewed behind the requests after {_span(provider.soft)}, unused after {_span(provider.hard)}"
    if provider.max_uses is not None:
        yield f"a session serves {provider.max_uses} requests"
    yield "only a browser can enter" if provider.needs_scripts else "its page can be fetched again without a browser"


def _span(seconds: float) -> str:
    return f"{seconds / 3600:g} h" if seconds >= 3600 else f"{seconds:g} s"
