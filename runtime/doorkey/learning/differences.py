"""Finds tokens by comparing a page in two sessions: what differs is a token, what is the same a constant."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urljoin, urlsplit

from doorkey.learning.bodies import read_json
from doorkey.learning.origins import name_attribute, name_field, name_parameter, name_script
from doorkey.learning.values import JWT, TOKEN_NAME, is_random, may_differ
from doorkey.model.page import Page
from doorkey.recognition.login_form import find_login_form
from doorkey.recognition.selectors import quote

if TYPE_CHECKING:
    from bs4 import Tag

    from doorkey.learning.recording import Script

OF_FORMS = ("field", "action")
SCRIPTED = re.compile(r"""([A-Za-z_$][\w$.-]{1,60})["']?\s*[:=]\s*["']([\w+/=.:~|-]{6,4096})["']""")


@dataclass(frozen=True, slots=True)
class Value:
    """A value at one place of a page. `name` is what the place is called there; `action` is the path of its form.

    `kind`: "field", "action" (a parameter in a form's address), "data", "meta", "script", "local", "session". `page` is
    the place of the page or the script file, if not that of `url`.
    """

    kind: str
    name: str
    source: str
    text: str = field(repr=False)
    inside: str = ""
    action: str = ""
    page: str = ""


def find_differences(first: Page, second: Page | None) -> list[Value]:
    """Return the values of *first* that are others in *second*. Without a second look: those that look like tokens."""
    ours = {_identify(value): value for value in list_values(first)}
    if second is None:
        return [value for value in ours.values() if _looks_like_token(value)]
    theirs: Mapping[object, Value] = {_identify(value): value for value in list_values(second)}
    return [
        value
        for key, value in ours.items()
        if key in theirs and may_differ(value.text, theirs[key].text) and _may_be_sent(value)
    ]


def _identify(value: Value) -> object:
    return value.kind, value.source, value.inside, value.action


def _looks_like_token(value: Value) -> bool:
    return (value.kind in OF_FORMS or bool(TOKEN_NAME.search(value.name))) and is_random(value.text, value.name)


def _may_be_sent(value: Value) -> bool:
    """Fields are sent with their form. Anything else is sent by scripts, and only its name or its form tells."""
    return value.kind in OF_FORMS or bool(TOKEN_NAME.search(value.name)) or bool(JWT.fullmatch(value.text))


def compare_scripts(scripts: Sequence[Script]) -> list[Value]:
    """Return the values in script files that are others in the second session."""
    theirs = {one.place: one.text for one in scripts if one.who == "second"}
    found = []
    for one in scripts:
        other = theirs.get(one.place, one.text)
        if one.who != "first" or other == one.text:
            continue
        known = dict(SCRIPTED.findall(other))
        for key, text in SCRIPTED.findall(one.text):
            value = Value("script", key, name_script(key), text, page=one.place)
            if may_differ(text, known.get(key, text)) and _may_be_sent(value):
                found.append(value)
    return found


def list_values(page: Page) -> Iterator[Value]:
    """List the values of a page that its requests may carry."""
    login = find_login_form(page)
    for form in page.document.select("form"):
        if str(form.get("method") or "get").lower() != "post" or (login and form.select_one("input[type=password]")):
            continue
        action = urlsplit(urljoin(page.url, str(form.get("action") or ""))).path or "/"
        for name, text in parse_qsl(urlsplit(str(form.get("action") or "")).query):
            if is_random(text, name):
                yield Value("action", name, name_parameter(name), text, action=action)
        for tag in form.select("input[type=hidden][name][value]"):
            yield Value("field", str(tag["name"]), f"{name_field(tag, page)}@value", str(tag["value"]), action=action)
    for tag in page.document.select("meta[name][content]"):
        name = str(tag["name"])
        yield Value("meta", name, f"meta[name={quote(name)}]@content", str(tag["content"]))
    for tag in page.document.find_all(_has_token):
        for name in filter(_names_token, tag.attrs):
            yield Value("data", name.removeprefix("data-"), name_attribute(tag, name, page), str(tag[name]))
    for script in page.document.find_all("script"):
        for key, text in SCRIPTED.findall(script.get_text()):
            yield Value("script", key, name_script(key), text)
    yield from _list_stored(page)


def _names_token(attribute: str) -> bool:
    return attribute.startswith("data-") and bool(TOKEN_NAME.search(attribute))


def _has_token(tag: Tag) -> bool:
    return any(map(_names_token, tag.attrs))


def _list_stored(page: Page) -> Iterator[Value]:
    for kind, items in (("local", page.local), ("session", page.session)):
        for key, text in items.items():
            is_json = text.lstrip()[:1] == "{"
            if not is_json and (JWT.fullmatch(text) or TOKEN_NAME.search(key)):
                yield Value(kind, key, f"{kind}:{key}", text)
            for leaf in read_json(text) if is_json else ():
                if not leaf.listed:
                    yield Value(kind, leaf.path.rpartition(".")[2], f"{kind}:{key}", leaf.value, inside=leaf.path)
