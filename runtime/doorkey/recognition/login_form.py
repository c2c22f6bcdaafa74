"""Finds the login form of a page."""

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
    """The selectors that a login needs. `user` is empty if the form asks for a password only.

    `obstacle` says why login steps can't use the form; then the selectors are empty.
    """

    user: str = ""
    password: str = ""
    submit: str = ""
    obstacle: str = ""


def find_login_form(page: Page) -> LoginForm | None:
    """The page's form for a login; None where it has none. One that makes an account is none."""
    fields = [tag for tag in page.document.select(PASSWORD) if _is_visible(tag)]
    if not fields:
        asks_first = any(_is_visible(tag) for tag in page.document.select("form input[autocomplete~=username]"))
        return (
            LoginForm(obstacle="it asks for the user name first and for the password on a later page")
            if asks_first
            else None
        )
    forms = [field.find_parent("form") for field in fields]
    for field, form in zip(fields, forms, strict=True):
        if form is None:
            return LoginForm(obstacle="its password field is in no form, so a script sends it")
        new = "new-password" in str(field.get("autocomplete") or "")
        if not new and sum(one is form for one in forms) == 1:
            return _read_form(form, field, page)
    return None


def _read_form(form: Tag, password: Tag, page: Page) -> LoginForm:
    if form.select_one(CAPTCHA) is not None or page.find("iframe[src*=captcha]") is not None:
        return LoginForm(obstacle="it asks for a CAPTCHA")
    if form.select_one("input[autocomplete=one-time-code]") is not None:
        return LoginForm(obstacle="it asks for a one-time code")
    if urlsplit(urljoin(page.url, str(form.get("action") or "")))[:2] != urlsplit(page.url)[:2]:
        return LoginForm(obstacle="it is sent to another origin")
    inside = form.select("input, button")
    at = next(number for number, tag in enumerate(inside) if tag is password)
    users = [tag for tag in inside[:at] if tag.name == "input" and _get_type(tag) in TEXTS and _is_visible(tag)]
    buttons = [tag for tag in (*inside[at:], *inside[:at]) if _is_submit(tag) and _is_visible(tag)]
    if not buttons:
        return LoginForm(obstacle="it has no submit button")
    found = [_find_selector(tag, page) for tag in (*users[-1:], password, buttons[0])]
    if not all(found):
        return LoginForm(obstacle="its fields have no names or ids to select them by")
    return LoginForm(user=found[0] if users else "", password=found[-2], submit=found[-1])


def _get_type(tag: Tag) -> str:
    return str(tag.get("type") or "").lower()


def _is_submit(tag: Tag) -> bool:
    if tag.name == "button":
        return _get_type(tag) in ("", "submit")
    return _get_type(tag) in ("submit", "image")


def _is_visible(tag: Tag) -> bool:
    """Whether no attribute of the element or its parents hides it. Style sheets are not read."""
    for one in (tag, *tag.parents):
        style = str(one.get("style") or "").replace(" ", "").lower()
        if one.has_attr("hidden") or "display:none" in style or "visibility:hidden" in style:
            return False
    return _get_type(tag) != "hidden"


def _find_selector(tag: Tag, page: Page) -> str:
    """Return the first selector whose first match is *tag*; empty if there is none."""
    return next((css for css in _list_selectors(tag) if page.find(css) is tag), "")


def _list_selectors(tag: Tag) -> Iterator[str]:
    """Names before ids, as a form can't do without them and scripts make ids up; and never a generated id."""
    own = []
    name, known_as = str(tag.get("name") or ""), str(tag.get("id") or "")
    if re.fullmatch(r"[A-Za-z_][\w.:\[\]-]*", name):
        own.append(
            f"{tag.name}[name={name}]" if re.fullmatch(r"[A-Za-z_][\w-]*", name) else f"{tag.name}[name='{name}']"
        )
    if re.fullmatch(r"(?!.*\d{3})[A-Za-z][\w-]*", known_as):
        own.insert(0 if tag.name == "button" else len(own), f"#{known_as}")
    if tag.name == "input" and _get_type(tag) in ("submit", "image", "password"):
        own.append(f"input[type={_get_type(tag)}]")
    elif tag.name == "button":
        own += ["button[type=submit]", "button"]
    yield from (css for css in own if css not in ("button", "button[type=submit]"))
    yield from (f"{SCOPE} {css}" for css in own)
