"""Finds the login form of a page."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from doorkey.model.page import Page
from doorkey.recognition.selectors import find_selector

if TYPE_CHECKING:
    from bs4 import Tag

PASSWORD = "input[type=password]"  # noqa: S105  a selector
SCOPE = f"form:has({PASSWORD})"
CAPTCHA = "iframe[src*=captcha], [class*=captcha], .cf-turnstile, altcha-widget, cap-widget"
TEXTS = ("", "text", "email", "tel")
MAKES_ACCOUNT = re.compile(r"regist|sign[\s_-]?up|create|join|new[\s_-]?account|reset|change|forgot", re.IGNORECASE)
ENTERS = re.compile(
    r"log[\s_-]?in|sign[\s_-]?in|log[\s_-]?on|anmeld|einlogg|connexion|connect|entrar|accedi", re.IGNORECASE
)
ASIDE = re.compile(r"header|nav(?:bar)?\b|modal|dropdown|popup|popover|off-?canvas|drawer|collapse", re.IGNORECASE)
"""Ids and classes of parts of a page that style sheets often hide."""
NAMES_USER = re.compile(r"user|login|e-?mail|account|name", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginForm:
    """The selectors that a login needs. `user` is empty if the form asks for a password only, and `submit` if it is
    sent by Enter. `two_pages`: the user name is asked for first, and the button `first` (empty: Enter) leads to the
    password. `aside`: it stands where style sheets often hide a form until a click. `obstacle` says why login steps
    can't use the form; then the selectors are empty.
    """

    user: str = ""
    password: str = ""
    submit: str = ""
    first: str = ""
    two_pages: bool = False
    aside: bool = False
    obstacle: str = ""


def find_login_form(page: Page) -> LoginForm | None:
    """The page's form for a login; None where it has none. One that makes an account is none."""
    fields = [tag for tag in page.document.select(PASSWORD) if _is_visible(tag)]
    if not fields:
        return _read_first(page)
    fields.sort(key=_is_aside)
    forms = [field.find_parent("form") for field in fields]
    for wanted in (False, True):
        for field, form in zip(fields, forms, strict=True):
            alone = sum(one is form for one in forms) == 1
            new = "new-password" in str(field.get("autocomplete") or "")
            if alone and new == wanted and not (new and _makes_account(form, page)):
                return replace(_read_form(form, field, page), aside=_is_aside(field))
    return None


def _is_aside(tag: Tag) -> bool:
    """Whether *tag* stands where sites keep a second form that opens by a click, beside the one on the login page."""
    for one in (tag, *tag.parents):
        classes = one.get("class") or ()
        if one.name in ("header", "nav", "dialog") or ASIDE.search(f"{one.get('id') or ''} {' '.join(classes)}"):
            return True
    return False


def _read_first(page: Page) -> LoginForm | None:
    """Return the form of a page that asks for the user name, and for the password on the next one."""
    for tag in page.document.select("form input"):
        named = "username" in str(tag.get("autocomplete") or "").split()
        form = tag.find_parent("form")
        if form is None or _get_type(tag) not in TEXTS or not _is_visible(tag):
            continue
        fields = [one for one in form.select("input") if _get_type(one) in TEXTS and _is_visible(one)]
        asks = NAMES_USER.search(f"{tag.get('name') or ''} {tag.get('id') or ''}") and ENTERS.search(_read_text(form))
        if named or (asks and len(fields) == 1 and not MAKES_ACCOUNT.search(_read_text(form))):
            button = next((one for one in form.select("input, button") if _is_submit(one) and _is_visible(one)), None)
            user = find_selector(tag, page, "form")
            first = find_selector(button, page, f"form:has({user})") if button is not None else ""
            return LoginForm(user=user, password=PASSWORD, first=first, two_pages=True)
    return None


def _read_form(form: Tag | None, password: Tag, page: Page) -> LoginForm:
    obstacle = _find_obstacle(form, page)
    if obstacle:
        return LoginForm(obstacle=obstacle)
    inside = form.select("input, button") if form is not None else page.document.select("input, button, [role=button]")
    at = next(number for number, tag in enumerate(inside) if tag is password)
    users = [tag for tag in inside[:at] if tag.name == "input" and _get_type(tag) in TEXTS and _is_visible(tag)]
    if form is None:
        users = [tag for tag in users if tag.find_parent("form") is None]
        buttons = [tag for tag in inside[at:] if _is_button(tag) and _is_visible(tag)]
    else:
        buttons = [tag for tag in (*inside[at:], *inside[:at]) if _is_submit(tag) and _is_visible(tag)]
        buttons = buttons or [tag for tag in inside if _is_button(tag) and ENTERS.search(_get_label(tag))]
    buttons.sort(key=lambda tag: bool(MAKES_ACCOUNT.search(_get_label(tag))))
    scope = SCOPE if form is not None else ""
    found = [find_selector(tag, page, scope) for tag in (*users[-1:], password, *buttons[:1])]
    user = found.pop(0) if users else ""
    return LoginForm(user=user, password=found[0], submit=found[1] if buttons else "")


def _find_obstacle(form: Tag | None, page: Page) -> str:
    around = form if form is not None else page.document
    if around.select_one(CAPTCHA) is not None or page.find("iframe[src*=captcha]") is not None:
        return "it asks for a CAPTCHA"
    if around.select_one("input[autocomplete=one-time-code]") is not None:
        return "it asks for a one-time code"
    action = str(form.get("action") or "") if form is not None else ""
    if urlsplit(urljoin(page.url, action))[:2] != urlsplit(page.url)[:2] and not action.startswith("javascript:"):
        return "it is sent to another origin"
    return ""


def _makes_account(form: Tag | None, page: Page) -> bool:
    """Whether a form with a single password field marked as new makes an account: its own words say so."""
    words = _read_text(form) if form is not None else page.document.get_text(" ")
    return bool(MAKES_ACCOUNT.search(words)) and not ENTERS.search(words)


def _read_text(form: Tag) -> str:
    """Return the words by which the form says what it does: its address, names, texts and buttons."""
    labels = " ".join(_get_label(tag) for tag in form.select("input[type=submit], button"))
    return f"{form.get('action') or ''} {form.get('id') or ''} {form.get('class') or ''} {form.get_text(' ')} {labels}"


def _get_label(tag: Tag) -> str:
    return " ".join(str(part) for part in (tag.get_text(" "), tag.get("value"), tag.get("aria-label")) if part)


def _get_type(tag: Tag) -> str:
    return str(tag.get("type") or "").lower()


def _is_submit(tag: Tag) -> bool:
    if tag.name == "button":
        return _get_type(tag) in ("", "submit")
    return _get_type(tag) in ("submit", "image")


def _is_button(tag: Tag) -> bool:
    return tag.name == "button" or _is_submit(tag) or _get_type(tag) == "button" or tag.get("role") == "button"


def _is_visible(tag: Tag) -> bool:
    """Whether no attribute of the element or its parents hides it. Style sheets are not read."""
    for one in (tag, *tag.parents):
        style = str(one.get("style") or "").replace(" ", "").lower()
        if one.has_attr("hidden") or "display:none" in style or "visibility:hidden" in style:
            return False
    return _get_type(tag) != "hidden"
