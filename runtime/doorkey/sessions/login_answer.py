"""What the answer to a login that was sent as a request says: whether the site refused it, and in which words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from doorkey.errors import Changed, DoorkeyError, NeedsPerson
from doorkey.model.page import Page, place_of
from doorkey.model.request import Reply, parse_json
from doorkey.model.session import JSON

PAUSE = 60.0
"""Seconds without another login after one that was sent: sites lock accounts that try too often."""
UNSUITED = (404, 405, 406, 410, 411, 413, 415)
"""Statuses that refuse the request itself, whatever the values in it."""
PASSWORD = "input[type=password]"  # noqa: S105  a selector
SAYS = ("error_description", "message", "detail", "error", "title", "msg", "reason", "errors", "non_field_errors")
"""Names under which APIs put their messages, the most telling first."""
WORDS = "[role=alert], [class*=error], [class*=alert], [class*=flash], [class*=invalid], [id*=error]"
"""Elements in which pages usually say what went wrong."""
MOST_TEXT = 200
INVISIBLE = re.compile(r"(?is)<(script|style|template|noscript|head)\b.*?</\1\s*>")


def shows_login_form(reply: Reply) -> bool:
    """Whether *reply* is a page that asks for a password."""
    return reply.is_html and Page(url=reply.url, html=reply.text()).find(PASSWORD) is not None


def explain_refused(reply: Reply, before: Reply | None, secrets: Iterable[str]) -> NeedsPerson:
    """The error of a login that the site refused in *reply*. *before* is the answer that was shown before it."""
    return NeedsPerson(
        f"the site did not take the login: {_describe(reply)} at {place_of(reply.url)}{quote(reply, before, secrets)}. "
        "Check the values that login.request refers to; a login by hand: doorkey login SITE --by-hand",
        retry_after=PAUSE,
    )


def explain_end(
    error: DoorkeyError, reply: Reply, before: Reply | None, secrets: Iterable[str], *, last: bool
) -> DoorkeyError:
    """The error where *reply* answered the login and *error* came after it. Parses the page that answered the login.

    The site's login form means that it refused the login. Else the login may be good and the settings wrong; *last*: no
    other way in is left to try.
    """
    if shows_login_form(reply):
        return explain_refused(reply, before, secrets)
    said = f"{_describe(reply)}, but that did not lead in: {error.message}{quote(reply, before, secrets)}"
    if last:
        return NeedsPerson(f"{said}. A login by hand: doorkey login SITE --by-hand", retry_after=PAUSE)
    return Changed(said)


def _describe(reply: Reply) -> str:
    return f"login.request was answered with HTTP {reply.status} ({reply.media_type or 'no type'})"


def quote(reply: Reply, before: Reply | None, secrets: Iterable[str]) -> str:
    """The site's own words in *reply*, as the end of a sentence; empty where it says none. They hold no secret."""
    known = set(_lines(before)) if before is not None else set()
    text = " / ".join(dict.fromkeys(line for line in _lines(reply) if line not in known))
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "…")
    text = text if len(text) <= MOST_TEXT else text[: MOST_TEXT - 1] + "…"
    return f'. The site says: "{text}"' if text else ""


def _lines(reply: Reply) -> list[str]:
    """What *reply* shows or says, line by line."""
    text = reply.text()
    if reply.is_html:
        document = Page(url=reply.url, html=INVISIBLE.sub(" ", text)).document
        found = [one.get_text(" ") for one in document.select(WORDS)] or document.get_text("\n").splitlines()
    elif text.lstrip()[:1] in ("{", "["):
        try:
            found = list(_messages(parse_json(text)))
        except Changed:
            found = []
    else:
        found = text[: MOST_TEXT * 4].splitlines() if reply.media_type.startswith("text/") else []
    return [line for line in (" ".join(one.split()) for one in found) if line]


def _messages(value: JSON) -> Iterator[str]:
    """The texts under the names by which APIs tell errors. Other values may be secrets."""
    if isinstance(value, dict):
        for name in SAYS:
            yield from _texts(value.get(name))
        for name, inner in value.items():
            if isinstance(inner, dict) and name not in SAYS:
                yield from _messages(inner)


def _texts(value: JSON) -> Iterator[str]:
    """The texts in *value*, which tells an error: one, a list, or one for each field of the form."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, dict):
        said = list(_messages(value))
        yield from said or [text for one in value.values() for text in _texts(one)]
