"""Rules of a site's configuration that say how an answer looks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal, TypeAlias, get_args
from urllib.parse import urljoin, urlsplit

from doorkey import Head, Request
from doorkey_providers.web.values import as_text, find_in_start
from doorkey_providers.web.when import When, path_of

Sign: TypeAlias = Literal["", "redirect", "body", "json", "header", "type"]
SIGNS: tuple[Sign, ...] = get_args(Sign)
STATUS = r"[1-5](?:\d\d|xx)"


@dataclass(frozen=True, slots=True)
class Rule:
    """`status` ("401", "4xx", "" for any) and a sign, both of which must hold; `text` is the rule as it was written."""

    text: str
    status: str = ""
    sign: Sign = ""
    name: str = ""
    value: str | None = None
    when: tuple[When, ...] = ()

    def concerns(self, request: Request) -> bool:
        return not self.when or any(when.meets(request) for when in self.when)

    def reads_body(self, head: Head) -> bool:
        """Whether the text of an answer with this *head* decides."""
        return self.sign in ("body", "json") and self._fits_status(head)

    def holds(self, request: Request, head: Head) -> bool | None:
        """Whether the answer looks like this; None while that is unknown.

        It is unknown when the rule looks for something in the body that is not in the part of it that has come.
        """
        if not self._fits_status(head):
            return False
        match self.sign:
            case "redirect":
                return any(leads_to(self.name, url) for url in _led(request, head))
            case "body":
                return self._text_holds(head.text()) or (False if head.complete else None)
            case "json":
                return self._json_holds(head)
            case "header":
                header = head.headers.get(self.name.lower())
                return header is not None and (self.value is None or self.value.casefold() in header.casefold())
            case "type":
                return fnmatchcase(head.media_type, self.name)
            case _:
                return True

    def can_tell(self, head: Head) -> bool:
        """Whether an answer of this type could look like this at all: a picture has no words."""
        if self.sign == "json":
            return head.is_json
        return self.sign != "body" or head.is_html or head.media_type.startswith("text/")

    def _fits_status(self, head: Head) -> bool:
        if head.status == 429 or (head.status >= 500 and not self.status):
            return False  # "enough" and a site that is down may hold any words
        return not self.status or fnmatchcase(str(head.status), self.status.replace("xx", "??"))

    def _text_holds(self, text: str) -> bool:
        pattern = _between_slashes(self.name)
        return bool(re.search(pattern, text)) if pattern else self.name.casefold() in text.casefold()

    def _json_holds(self, head: Head) -> bool | None:
        found = find_in_start(head.text(), self.name)
        if found is None and not head.complete:
            return None
        return found is not None if self.value is None else as_text(found) == self.value


def leads_to(target: str, url: str) -> bool:
    """Whether *url* is the path *target* or lies below it; *target* may be a glob, hold a query, or be a whole URL."""
    parts = urlsplit(url)
    shown = f"{parts.scheme}://{parts.netloc}{parts.path}" if "://" in target else parts.path
    below = target.rstrip("/") + "/"
    full = f"{shown}?{parts.query}"
    return fnmatchcase(shown, target) or shown.startswith(below) or fnmatchcase(full, target)


def _led(request: Request, head: Head) -> list[str]:
    """Where the answer leads to, or came from in the end."""
    told = [urljoin(head.url, head.headers["location"])] if "location" in head.headers else []
    came = [head.url] if urlsplit(head.url).path != path_of(request) else []
    return told + came


def rule_of(text: str | int, when: tuple[When, ...] = ()) -> Rule:
    """The rule that *text* writes: a status, a sign, or both ("403 body:CSRF"). Raises ValueError."""
    written = str(text).strip()
    found = re.fullmatch(rf"(?:({STATUS})(?:\s+|$))?(?:(\w+):(.+))?", written, re.S)
    if not written or found is None or (found[2] or "") not in SIGNS:
        expected = "a status (401), redirect:/path, body:text, json:path=value, header:Name=value or type:text/html"
        raise ValueError(f"expected {expected}, or a status and one of them ('403 body:CSRF'); came {written[:60]!r}")
    sign: Sign = found[2] or ""  # type: ignore[assignment]  # held against SIGNS just above
    name, value = found[3] or "", None
    if sign in ("json", "header"):
        name, equals, after = name.partition("=")
        value = after.strip() if equals else None
    name = name.strip()
    if sign and not name:
        raise ValueError(f"expected something after {sign}:")
    if sign == "body" and (pattern := _between_slashes(name)):
        try:
            re.compile(pattern)
        except re.error as exc:
            raise ValueError(f"expected a regular expression between slashes: {exc}") from exc
    return Rule(written, found[1] or "", sign, name, value, when)


def _between_slashes(text: str) -> str:
    return text[1:-1] if len(text) > 2 and text[0] == text[-1] == "/" else ""
