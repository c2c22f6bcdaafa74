"""Chooses what to open next on a page: the login, and pages that may hold the forms of writes."""

from __future__ import annotations

import re
from urllib.parse import urljoin, urlsplit

from doorkey.learning.ready import LEAVES
from doorkey.model.page import Page
from doorkey.protections.judge import LOGIN
from doorkey.recognition.login_form import ENTERS, MAKES_ACCOUNT

FORMS = re.compile(
    r"\b(new|create|add|edit|compose|write|submit|post|settings|preferences|profile|account|upload)\b", re.I
)
CHANGES = re.compile(
    r"delet|remov|destroy|trash|toggle|disable|revoke|regenerat|switch|vote|download|export", re.IGNORECASE
)
"""Words of links that are not opened: some sites change something by a link."""


def find_login_link(page: Page) -> str:
    """Return the URL of the link to a login at the same origin; empty if *page* has none."""
    here = urlsplit(page.url)[:2]
    for link in page.document.select("a[href]"):
        url = urljoin(page.url, str(link["href"]).strip())
        words = link.get_text(" ").strip()
        if urlsplit(url)[:2] != here or MAKES_ACCOUNT.search(urlsplit(url).path):
            continue
        if LOGIN.search(urlsplit(url).path) or (len(words) < 40 and ENTERS.match(words)):
            return url
    return ""


def list_form_links(page: Page, most: int = 4) -> list[str]:
    """List the places of links whose pages may hold the forms of writes, likely ones first."""
    found: dict[str, None] = {}
    for link in page.document.select("a[href]"):
        url = urljoin(page.url, str(link["href"]).strip())
        parts = urlsplit(url)
        words = f"{parts.path} {parts.query} {link.get_text(' ')}"
        if parts[:2] != urlsplit(page.url)[:2] or len(parts.query) > 60 or link.has_attr("download"):
            continue
        if any(pattern.search(words) for pattern in (LEAVES, CHANGES, LOGIN, MAKES_NOTHING)) or not FORMS.search(words):
            continue
        found[parts.path + (f"?{parts.query}" if parts.query else "")] = None
    return list(found)[:most]


MAKES_NOTHING = re.compile(r"help|docs?/|about|privacy|terms|\.(?:zip|pdf|png|jpe?g|csv)$", re.IGNORECASE)
"""Words of links that lead to no form."""
