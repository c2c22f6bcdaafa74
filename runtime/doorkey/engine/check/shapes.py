"""How accepted answers look, by what was asked for: no bodies and no values, only their form."""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

from doorkey.model.request import Head, Request

MOST_TEMPLATES = 1000
"""Templates that are remembered of one site; the one that was used longest ago is forgotten first."""
MOST_SHAPES = 16
ENOUGH = 10
"""Accepted answers of a template after which another form is suspect."""
MOST_KEY_SETS = 3
"""Sets of top-level JSON keys past which a template's keys say nothing."""
MOST_JSON = 64 * 1024
"""Bytes of JSON that are parsed for their keys."""
MOST_FORM = 64 * 1024
"""Bytes of a form that are looked through for names."""
MOST_NAME = 200
FORM = "application/x-www-form-urlencoded"
APART = re.compile(r"[\W_]+")
VARIES = re.compile(r"\d+|[0-9a-fA-F-]{8,}|[\w-]{22,}")
"""A segment of a path that names one thing of many: a number, an id."""

Template: TypeAlias = tuple[str, str, str]
"""What was asked for: method, path with `*` for ids, and the query's keys."""


def template_of(request: Request, url: str) -> Template:
    """The template of *request*, which went to *url*."""
    path, keys = place_of(url)
    return request.method.upper(), path, keys


def place_of(url: str) -> tuple[str, str]:
    """The path of *url* with `*` for ids, and its query's keys."""
    parts = urlsplit(url)
    path = "/".join("*" if VARIES.fullmatch(part) else part for part in parts.path.split("/")) or "/"
    keys = ",".join(sorted({name for name, _ in parse_qsl(parts.query, keep_blank_values=True)})) if parts.query else ""
    return path, keys


@dataclass(frozen=True, slots=True)
class Shape:
    """The form of an answer. `leads` is the place of a redirect; `keys` are the top-level keys of JSON, None where
    those are not known; `empty` says that there was no body."""

    status: int
    media_type: str
    leads: tuple[str, str] | None = None
    keys: str | None = None
    empty: bool = False


def shape_of(head: Head, request: Request) -> Shape:
    """The form of the answer *head* to *request*."""
    location = head.location if 300 <= head.status < 400 else None
    leads = _lead_of(location, head, request) if location else None
    body = head.held or head.start
    return Shape(head.status, head.media_type, leads, _keys(head, body), head.complete and not body)


def _lead_of(location: str, head: Head, request: Request) -> tuple[str, str]:
    """The place of *location*, with `*` for what *request* named: a wiki leads from ?title=Cats to /wiki/Cats."""
    path, keys = place_of(location)
    queried = parse_qsl(urlsplit(head.url).query) + parse_qsl(urlsplit(request.url).query)
    sent = [*(value for _, value in queried), *(request.form or {}).values()]
    if request.media_type == FORM and isinstance(request.body, bytes) and len(request.body) <= MOST_FORM:
        sent += [value for _, value in parse_qsl(request.body.decode("utf-8", "replace"))]
    named = {_plain_name(value) for value in sent if len(value) <= MOST_NAME} - {""}
    return "/".join("*" if _plain_name(unquote(part)) in named else part for part in path.split("/")), keys


def _plain_name(text: str) -> str:
    """*text* as it may stand in an address: "Black cats" in /wiki/Black_cats or /posts/black-cats."""
    return APART.sub("-", text).strip("-").casefold()


def _keys(head: Head, body: bytes) -> str | None:
    if not head.is_json or not head.complete or len(body) > MOST_JSON:
        return None
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return ",".join(sorted(found)) if isinstance(found, dict) else f"({type(found).__name__})"


@dataclass(slots=True)
class Accepted:
    """The accepted answers of one template: how many, and of which shapes."""

    count: int = 0
    shapes: set[Shape] = field(default_factory=set)

    def add(self, shape: Shape) -> bool:
        """Remember *shape*; whether it is a new one."""
        self.count += 1
        if shape in self.shapes or len(self.shapes) >= MOST_SHAPES:
            return False
        self.shapes.add(shape)
        return True

    def leads_elsewhere(self, shape: Shape) -> bool:
        """Whether accepted answers are redirects, and none leads where *shape* does."""
        leads = {known.leads for known in self.shapes if known.leads is not None}
        return bool(leads) and shape.leads not in leads

    def difference(self, shape: Shape) -> str:
        """How *shape* differs from all accepted ones, in words; empty where it does not."""
        if not self.count or shape in self.shapes:
            return ""
        if shape.leads is not None and self.leads_elsewhere(shape):
            return f"a redirect to {shape.leads[0]}, where accepted answers lead elsewhere"
        if shape.leads is not None and any(known.leads for known in self.shapes):
            return ""
        if self.count < ENOUGH:
            return ""
        if all(known.status // 100 != shape.status // 100 for known in self.shapes):
            return f"HTTP {shape.status}, which accepted answers do not have"
        if all(known.media_type != shape.media_type for known in self.shapes):
            return f"another media type ({shape.media_type or 'none'}) than accepted answers have"
        if shape.empty and not any(known.empty for known in self.shapes):
            return "an empty body, where accepted answers have one"
        keys = {known.keys for known in self.shapes if known.keys is not None}
        if shape.keys is not None and keys and len(keys) <= MOST_KEY_SETS and shape.keys not in keys:
            return "other top-level keys in its JSON than accepted answers have"
        return ""


class AcceptedShapes:
    """The shapes of one site's accepted answers, by template. `cookies` are the names that accepted answers set."""

    def __init__(self) -> None:
        self._templates: OrderedDict[Template, Accepted] = OrderedDict()
        self.cookies: set[str] = set()
        self.changed = False

    def of(self, template: Template) -> Accepted:
        """The accepted answers of *template*; none yet is an empty one, which is not kept."""
        return self._templates.get(template) or Accepted()

    def add(self, template: Template, shape: Shape, cookies: set[str]) -> None:
        """An answer of this shape was accepted."""
        accepted = self._templates.get(template)
        if accepted is None:
            accepted = self._templates[template] = Accepted()
            if len(self._templates) > MOST_TEMPLATES:
                self._templates.popitem(last=False)
        self.changed |= accepted.add(shape) or accepted.count == ENOUGH
        if cookies - self.cookies:
            self.cookies |= cookies
            self.changed = True

    def merge(self, others: AcceptedShapes) -> None:
        """Take over what *others* have met, too. What both have counted is not counted twice."""
        self.cookies |= others.cookies
        for template, theirs in others._templates.items():
            ours = self._templates.get(template) or Accepted()
            ours.count = max(ours.count, theirs.count)
            ours.shapes |= set(list(theirs.shapes - ours.shapes)[: MOST_SHAPES - len(ours.shapes)])
            self._templates[template] = ours
        while len(self._templates) > MOST_TEMPLATES:
            self._templates.popitem(last=False)

    def to_json(self) -> dict[str, Any]:
        """A plain structure for a store."""
        return {
            "cookies": sorted(self.cookies),
            "templates": [
                [*template, accepted.count, sorted((_plain(shape) for shape in accepted.shapes), key=repr)]
                for template, accepted in self._templates.items()
            ],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> AcceptedShapes:
        """The reverse of `to_json`. Raises ValueError, TypeError or KeyError for another structure."""
        found = cls()
        found.cookies = set(data["cookies"])
        for method, path, keys, count, shapes in data["templates"]:
            made = {Shape(status, kind, tuple(leads) if leads else None, names, empty) for
                    status, kind, leads, names, empty in shapes}  # fmt: skip
            found._templates[method, path, keys] = Accepted(int(count), made)
        return found


def _plain(shape: Shape) -> list[Any]:
    return [shape.status, shape.media_type, list(shape.leads) if shape.leads else None, shape.keys, shape.empty]
