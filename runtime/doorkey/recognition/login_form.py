"""The form by which a page asks who one is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from doorkey.model.page import Page

if TYPE_CHECKING:
    from bs4 import Tag

PASSWORD = "input[type=password]"  # noqa: S105  a selector
SCOPE = f"form:has({PASSWORD})"
CAPTCHA = "iframe[src*=captcha], [class*=captcha], .cf-turnstile, altcha-widget, cap-widget"
TEXTS = ("", "text", "email", "tel")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginForm:
    """Selectors of what a login needs; `user` is empty where only a password is asked for.

    `obstacle` says why steps can't do it; then the selectors are empty.
    """

    user: str = ""
    password: str = ""
    submit: str = ""
    obstacle: str = ""


def login_form(page: Page) -> LoginForm | None:
    """The page's form for a login; None where it has none. One that makes an account is none."""
    fields = [tag for tag in page.document.select(PASSWORD) if _visible(tag)]
    if not fields:
        asks_first = any(_visible(tag) for tag in page.document.select("form input[autocomplete~=username]"))
        return LoginForm(obstacle="it asks for the name first, and for the password later") if asks_first else None
    forms = [field.find_parent("form") for field in fields]
    for field, form in zip(fields, forms, strict=True):
        if form is None:
            return LoginForm(obstacle="its password's field is in no form: a script sends it")
        new = "new-password" in str(field.get("autocomplete") or "")
        if not new and sum(one is form for one in forms) == 1:
            return _read(form, field, page)
    return None


def _read(form: Tag, password: Tag, page: Page) -> LoginForm:
    if form.select_one(CAPTCHA) is not None or page.find("iframe[src*=captcha]") is not None:
        return LoginForm(obstacle="it asks for a CAPTCHA")
    if form.select_one("input[autocomplete=one-time-code]") is not None:
        return LoginForm(obstacle="it asks for a one-time code")
    if urlsplit(urljoin(page.url, str(form.get("action") or "")))[:2] != urlsplit(page.url)[:2]:
        return LoginForm(obstacle="it is sent to another site")
    inside = form.select("input, button")
    at = next(number for number, tag in enumerate(inside) if tag is password)
    users = [tag for tag in inside[:at] if tag.name == "input" and _kind(tag) in TEXTS and _visible(tag)]
    buttons = [tag for tag in (*inside[at:], *inside[:at]) if _sends(tag) and _visible(tag)]
    if not buttons:
        return LoginForm(obstacle="it has no button that sends it")
    found = [_selector(tag, page) for tag in (*users[-1:], password, buttons[0])]
    if not all(found):
        return LoginForm(obstacle="its fields have no names to find them by")
    return LoginForm(user=found[0] if users else "", password=found[-2], submit=found[-1])


def _kind(tag: Tag) -> str:
    return str(tag.get("type") or "").lower()


def _sends(tag: Tag) -> bool:
    if tag.name == "button":
        return _kind(tag) in ("", "submit")
    return _kind(tag) in ("submit", "image")


def _visible(tag: Tag) -> bool:
    """Whether nothing in the document's own words hides it; style sheets are not read."""
    for one in (tag, *tag.parents):
        style = str(one.get("style") or "").replace(" ", "").lower()
        if one.has_attr("hidden") or "display:none" in style or "visibility:hidden" in style:
            return False
    return _kind(tag) != "hidden"


def _selector(tag: Tag, page: Page) -> str:
    """The shortest selector whose first match is *tag*; empty when there is none."""
    return next((css for css in _selectors(tag) if page.find(css) is tag), "")


def _selectors(tag: Tag) -> Iterator[str]:
    """Names before ids, as a form can't do without them and scripts make ids up; and never a generated id."""
    own = []
    name, known_as = str(tag.get("name") or ""), str(tag.get("id") or "")
    if re.fullmatch(r"[A-Za-z_][\w.:\[\]-]*", name):
        own.append(
            f"{tag.name}[name={name}]" if re.fullmatch(r"[A-Za-z_][\w-]*", name) else f"{tag.name}[name='{name}']"
        )
    if re.fullmatch(r"(?!.*\d{3})[A-Za-z][\w-]*", known_as):
        own.insert(0 if tag.name == "button" else len(own), f"#{known_as}")
    if tag.name == "input" and _kind(tag) in ("submit", "image", "password"):
        own.append(f"input[type={_kind(tag)}]")
    elif tag.name == "button":
        own += ["button[type=submit]", "button"]
    yield from (css for css in own if css not in ("button", "button[type=submit]"))
    yield from (f"{SCOPE} {css}" for css in own)
