"""What is remembered of the last visit that worked: names and places, never values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self
from urllib.parse import urljoin, urlsplit

from doorkey.model.page import Page
from doorkey.reports.report import Difference
from doorkey.reports.rules import CheckedRule

MOST = 60
FEW = 6
"""Names that one difference tells at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFacts:
    """What the rules of a visit depend on. `found` are the names of the rules that held, `fields` the selectors of what
    can be filled in, `scripts` the paths of the page's scripts, without their queries.
    """

    at: float
    path: str = ""
    status: int = 0
    title: str = ""
    generator: str = ""
    language: str = ""
    found: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    scripts: tuple[str, ...] = ()

    @classmethod
    def of(cls, page: Page, rules: Iterable[CheckedRule], *, at: float, status: int) -> Self:
        """Take the facts from a page. Parses it: not for the event loop."""
        title = next((tag.text for tag in page.elements if tag.name == "title"), "")
        language = next((tag.get("lang") for tag in page.elements if tag.name == "html"), "")
        metas = (tag for tag in page.elements if tag.name == "meta")
        generator = next((tag.get("content") for tag in metas if tag.get("name") == "generator"), "")
        return cls(
            at=at,
            path=urlsplit(page.url).path,
            status=status,
            title=" ".join(title.split())[:120],
            generator=generator[:80],
            language=language[:20],
            found=tuple(rule.name for rule in rules if rule.found),
            fields=tuple(_list_fields(page)),
            scripts=tuple(_list_scripts(page)),
        )

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The reverse of `to_json`. Raises TypeError or KeyError for another structure."""
        lists = {name: tuple(map(str, data[name])) for name in ("found", "fields", "scripts")}
        return cls(**{**data, **lists})

    def speaks_otherwise(self, now: PageFacts) -> bool:
        """Return whether both pages name a language (`<html lang>`), and not the same one."""
        before, after = (facts.language.lower().partition("-")[0] for facts in (self, now))
        return bool(before and after) and before != after

    def list_differences(self, now: PageFacts) -> list[Difference]:
        """Return what is otherwise *now* than in these facts."""
        found = [
            Difference(what, before, after)
            for what, before, after in (
                ("the page's path", self.path, now.path),
                ("the document's status", str(self.status), str(now.status)),
                ("the page's title", self.title, now.title),
                ("the software (meta generator)", self.generator, now.generator),
            )
            if before != after
        ]
        if self.speaks_otherwise(now):
            found.append(Difference("the page's language", self.language, now.language))
        gone = [name for name in self.found if name not in now.found]
        if gone:
            found.append(Difference("rules that held", _name(gone), "not found"))
        for what, before_names, after_names in (
            ("form fields", self.fields, now.fields),
            ("scripts", self.scripts, now.scripts),
        ):
            lost = [name for name in before_names if name not in after_names]
            new = [name for name in after_names if name not in before_names]
            if lost or new:
                found.append(Difference(what, _name(lost), _name(new)))
        return found


def _list_fields(page: Page) -> list[str]:
    fields = []
    for tag in page.elements:
        fillable = tag.name in ("input", "select", "textarea")
        if not fillable or tag.get("type") in ("submit", "button", "image", "reset"):
            continue
        named = tag.get("id"), tag.get("name")
        if named[0] or named[1]:
            fields.append(f"#{named[0]}" if named[0] else f"[name={named[1]}]")
    return list(dict.fromkeys(fields))[:MOST]


def _list_scripts(page: Page) -> list[str]:
    found = []
    for tag in page.elements:
        if tag.name != "script" or "src" not in tag.attributes:
            continue
        parts = urlsplit(urljoin(page.url, tag.get("src")))
        same = parts[:2] == urlsplit(page.url)[:2]
        found.append(parts.path if same else f"{parts.scheme}://{parts.netloc}{parts.path}")
    return list(dict.fromkeys(found))[:MOST]


def _name(names: list[str]) -> str:
    if not names:
        return "none"
    return ", ".join(names[:FEW]) + (f" and {len(names) - FEW} more" if len(names) > FEW else "")
