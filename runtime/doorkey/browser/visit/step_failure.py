"""Says why a login step failed, from what Playwright reports and from what the page shows."""

from __future__ import annotations

import re
from collections.abc import Iterable

MOST_TEXT = 200
"""Characters of the page's own text in an error."""

COVERED = re.compile(r"^(.*) intercepts pointer events", re.MULTILINE)
TAG = re.compile(r"<[a-zA-Z][^>]*>")
REASONS = (
    ("outside of the viewport", "it lies off screen"),
    ("element is not visible", "it is hidden"),
    ("element is not enabled", "it is disabled"),
    ("element is not editable", "it can't be edited"),
    ("did not find some options", "it has no such option"),
    ("Element is not an <input>", "it is no field that takes text"),
    ("not a <select> element", "it is no list to choose from"),
    ("Not a checkbox or radio button", "it is no checkbox"),
    ("Unknown key", "there is no such key"),
    ("is not a valid selector", "it is no valid CSS selector"),
    ("Unexpected token", "it is no valid CSS selector"),
    ("Unknown engine", "it is no valid CSS selector"),
    ("element was detached", "the page removed it"),
    ("element is not stable", "it keeps moving"),
)
"""Parts of Playwright's messages, and what they mean. The messages themselves may hold what was filled in."""


def explain(message: str, limit: float) -> str:
    """Return the reason in Playwright's *message* in plain words. It repeats no value and no text of the page."""
    covered = COVERED.search(message)
    # "<a>…</a> from <div>…</div> subtree intercepts pointer events": the last one is what lies on top.
    tag = TAG.search(covered[1].rpartition(" from ")[2]) if covered else None
    if tag:
        return (
            f"it is covered by {describe_tag(tag[0])}, which takes the click: close that by a step before it, such as "
            '{ click = "…", optional = true }'
        )
    for part, reason in REASONS:
        if part in message:
            return reason
    return f"it did not work within {limit:g} s"


def describe_tag(tag: str) -> str:
    """Shorten the opening *tag* of an element to its name and what tells it apart."""
    name = re.match(r"<([\w-]+)", tag)
    shown = [f"{key}={value}" for key in ("id", "name", "role", "class") for value in _attribute(tag, key)][:1]
    return f"<{' '.join([name[1] if name else 'element', *shown])}>"


def _attribute(tag: str, name: str) -> list[str]:
    found = re.search(rf'\s{name}="([^"]{{1,60}})', tag)
    return [found[1]] if found else []


def select_new_text(before: Iterable[str], after: Iterable[str], secrets: Iterable[str]) -> str:
    """Return the lines that a page shows *after* a step and did not show *before*, without the *secrets* in them."""
    known = set(before)
    text = " / ".join(line for line in after if line not in known)[: MOST_TEXT * 4]
    for secret in sorted(secrets, key=len, reverse=True):
        if secret:
            text = text.replace(secret, "…")
    return text if len(text) <= MOST_TEXT else text[: MOST_TEXT - 1] + "…"
