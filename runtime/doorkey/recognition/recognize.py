"""Recognizes the kind of site by the signs on a page.

A sign is a CSS selector, `SELECTOR@ATTRIBUTE`, `cookie:NAME` (a glob), `host:NAME`, `script:a.path` or `html:/REGEX/`.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from urllib.parse import urljoin, urlsplit

from doorkey.model.page import Page
from doorkey.recognition.framework import Framework
from doorkey.recognition.frameworks import FRAMEWORKS


def find_sign(sign: str, page: Page) -> str:
    """Return the text that *sign* finds on *page*; empty if the sign does not hold."""
    kind, colon, rest = sign.partition(":")
    match kind if colon else "":
        case "cookie":
            return next((value for name, value in page.cookies.items() if value and fnmatchcase(name, rest)), "")
        case "host":
            host = urlsplit(page.url).hostname or ""
            return host if host == rest or host.endswith(f".{rest}") else ""
        case "script":
            value = page.scripts.get(rest)
            return "" if value is None else str(value)
        case "html":
            found = re.search(rest[1:-1], page.html)
            return found[0] if found else ""
    selector, at, attribute = sign.rpartition("@")
    tag = page.find(selector if at else sign)
    if tag is None:
        return ""
    if at:
        return str(tag.get(attribute) or "").strip()
    return str(tag.get("content") or "").strip() or tag.get_text().strip() or tag.name


def recognize(page: Page) -> tuple[Framework, str]:
    """Return the first row whose signs hold on *page*, and those signs. The last row needs none."""
    return next(
        (framework, " and ".join(signs))
        for framework in FRAMEWORKS
        for signs in framework.signs
        if all(find_sign(sign, page) for sign in signs)
    )


def find_base(framework: Framework, page: Page) -> str:
    """Return the path of the application's folder. It is empty if the page does not name one at its own origin."""
    for sign, pattern in framework.base:
        found = re.search(pattern, find_sign(sign, page))
        if found is not None:
            url = urljoin(page.url, found[1])
            if urlsplit(url)[:2] == urlsplit(page.url)[:2]:
                return urlsplit(url).path or "/"
    return ""


SCRIPT_VALUES = tuple(
    dict.fromkeys(
        token.at.removeprefix("script:")
        for framework in FRAMEWORKS
        for token in framework.tokens
        if token.at.startswith("script:")
    )
)
"""Script values that a visit has to read."""
