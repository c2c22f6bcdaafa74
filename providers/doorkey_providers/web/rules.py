"""Rules of a site's configuration that say how an answer looks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal, TypeAlias, get_args
from urllib.parse import urlsplit

from doorkey import Head, Request
from doorkey_providers.web.values import find_in_start, to_text
from doorkey_providers.web.when import When, get_path, spell

Sign: TypeAlias = Literal["", "redirect", "body", "json", "header", "type"]
SIGNS: tuple[Sign, ...] = get_args(Sign)
STATUS = r"[1-5](?:\d\d|xx)"


@dataclass(frozen=True, slots=True)
class Rule:
    """A status and a sign, both of which must hold.

    `status` is "401", "4xx" or "" for any; `text` is the rule as it was written. `failing`: whether the rule is also
    about a rate limit and a failing site (429, 5xx) where it names no such status.
    """

    text: str
    status: str = ""
    sign: Sign = ""
    name: str = ""
    value: str | None = None
    when: tuple[When, ...] = ()
    failing: bool = False

    def concerns(self, request: Request) -> bool:
        """Whether the rule is meant for *request*."""
        return not self.when or any(when.matches(request) for when in self.when)

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
                return any(leads_to(self.name, url) for url in _find_targets(request, head))
            case "body":
                return self._text_holds(head.text()) or (False if head.complete else None)
            case "json":
                return self._json_holds(head)
            case "header":
                header = head.headers.get(self.name.lower())
                return header is not None and (self.value is None or _text_in(self.value, header))
            case "type":
                return fnmatchcase(head.media_type, self.name)
            case _:
                return True

    def can_tell(self, head: Head) -> bool:
        """Whether an answer of this media type can match at all: a picture holds no text."""
        if self.sign == "json":
            return head.is_json
        return self.sign != "body" or head.is_html or head.media_type.startswith("text/")

    def _fits_status(self, head: Head) -> bool:
        if not self.failing and (head.status == 429 or (head.status >= 500 and not self.status)):
            return False  # a rate limit or a failing site may show any text
        return not self.status or fnmatchcase(str(head.status), self.status.replace("xx", "??"))

    def _text_holds(self, text: str) -> bool:
        pattern = _read_pattern(self.name)
        return bool(re.search(pattern, text)) if pattern else self.name.casefold() in text.casefold()

    def _json_holds(self, head: Head) -> bool | None:
        found = find_in_start(head.text(), self.name)
        if found is None and not head.complete:
            return None
        return found is not None if self.value is None else to_text(found) == self.value


def _text_in(text: str, header: str) -> bool:
    """Whether *header* holds *text*, in any case. A header that is not UTF-8 is ISO-8859-1, as it is to browsers."""
    try:
        header.encode()
    except UnicodeEncodeError:
        header = header.encode("utf-8", "surrogateescape").decode("latin-1")
    return text.casefold() in header.casefold()


def leads_to(target: str, url: str) -> bool:
    """Whether *url* has the path *target* or one below it. *target* may be a glob, hold a query, or be a whole URL.

    A target that ends with `?` means that path without a query.
    """
    target, parts = spell(target), urlsplit(spell(url))
    if target.endswith("?"):
        place = f"{parts.scheme}://{parts.netloc}{parts.path}" if "://" in target else parts.path
        return not parts.query and fnmatchcase(place, target[:-1])
    shown = f"{parts.scheme}://{parts.netloc}{parts.path}" if "://" in target else parts.path
    below = target.rstrip("/") + "/"
    full = f"{shown}?{parts.query}"
    return fnmatchcase(shown, target) or shown.startswith(below) or fnmatchcase(full, target)


def _find_targets(request: Request, head: Head) -> list[str]:
    """Return where the answer redirects to, and where it came from if redirects were followed."""
    told = [] if head.location is None else [head.location]
    came = [head.url] if urlsplit(head.url).path != get_path(request) else []
    return told + came


def parse_rule(text: str | int, when: tuple[When, ...] = ()) -> Rule:
    """Read a rule: a status, a sign, or both ("403 body:CSRF"). Raises ValueError."""
    written = str(text).strip()
    found = re.fullmatch(rf"(?:({STATUS})(?:\s+|$))?(?:(\w+):(.+))?", written, re.S)
    if not written or found is None or (found[2] or "") not in SIGNS:
        expected = "a status (401), redirect:/path, body:text, json:path=value, header:Name=value or type:text/html"
        raise ValueError(f"expected {expected}, or a status with one of them ('403 body:CSRF'); got {written[:60]!r}")
    sign: Sign = found[2] or ""  # type: ignore[assignment]  # checked against SIGNS above
    name, value = found[3] or "", None
    if sign in ("json", "header"):
        name, equals, after = name.partition("=")
        value = after.strip() if equals else None
    name = name.strip()
    if sign and not name:
        raise ValueError(f"expected a value after {sign}:")
    if sign == "body" and (pattern := _read_pattern(name)):
        try:
            re.compile(pattern)
        except re.error as exc:
            raise ValueError(f"expected a regular expression between slashes: {exc}") from exc
    return Rule(written, found[1] or "", sign, name, value, when)


def _read_pattern(text: str) -> str:
    return text[1:-1] if len(text) > 2 and text[0] == text[-1] == "/" else ""
