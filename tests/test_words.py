"""Retired words do not come back: names that said nothing to a reader who knows this field."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = [path for root in ("runtime", "providers", "bench", "tests") for path in sorted((ROOT / root).rglob("*.py"))]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "browser_profiles" / "README.md"]

TERMS = {"journey", "weighing", "likeness", "succession", "onlooker", "entrance", "stay", "stays"}
"""Retired as any part of a name."""
NAMES = {"light", "own", "look", "arrival", "opened", "threshold"}
"""Retired as the whole name of a module, class, function, parameter or attribute; ordinary words otherwise."""
MODULES = {"outcome"}
"""Retired as the name of a module. Otherwise an outcome is that of a session check."""
CLASSES = {
    "Added", "Adding", "Arrival", "Asker", "Caller", "Entrance", "Entry", "Fetched", "Fetching", "Home", "InPage",
    "Incoming", "Journey", "Ladder", "Light", "Look", "Onlooker", "Opened", "Own", "Paces", "Pauses", "Person",
    "Placard", "Record", "Records", "Refusals", "Running", "Starter", "Stay", "Stays", "Traffic", "Turn", "Turns",
    "Wait", "Waits", "Wanted", "Weighing",
}  # fmt: skip
PROSE = re.compile(rf"(?i)\b(?:{'|'.join(sorted(TERMS - {'stay', 'stays'}))})s?\b")
MARKED = re.compile(rf"[*`](?:{'|'.join(sorted(TERMS | NAMES))})[*`]")
"""A word as a term: emphasised, or in code quotes."""


def retired(name: str, *, alone: bool) -> bool:
    """Whether *name* says a retired word; *alone*: as a definition, which may not be one of NAMES as a whole either."""
    parts = [part.lower() for part in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+", name)]
    return bool(TERMS & set(parts)) or (alone and len(parts) == 1 and parts[0] in NAMES)


def definitions(tree: ast.AST) -> Iterator[str]:
    """The names that a module gives to classes, functions, parameters and attributes."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name
            case ast.arg():
                yield node.arg
            case ast.Attribute(ctx=ast.Store()):
                yield node.attr
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name


def faults(source: str, module: str) -> list[str]:
    """The retired names in the source of *module*."""
    tree = ast.parse(source)
    found = [f"module {module}"] if retired(module, alone=True) or module in MODULES else []
    if "test" not in module:
        found += [name for name in definitions(tree) if retired(name, alone=True)]
        found += [node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name in CLASSES]
        found += PROSE.findall(source)
    used = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]
    used += [node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    return found + [name for name in used if retired(name, alone=False)]


def test_no_name_is_a_retired_word() -> None:
    found = []
    for path in SOURCES:
        inside = path.relative_to(ROOT)
        module = f"test {inside.stem}" if inside.parts[0] == "tests" else inside.stem
        source = "" if path == Path(__file__) else path.read_text(encoding="utf-8")
        found += [f"{inside}: {fault}" for fault in faults(source, module)]
    assert found == []


def test_no_page_uses_a_retired_word_as_a_term() -> None:
    texts = {page.name: page.read_text(encoding="utf-8") for page in PAGES}
    found = {name: PROSE.findall(text) + MARKED.findall(text) for name, text in texts.items()}
    assert {name: words for name, words in found.items() if words} == {}


@pytest.mark.parametrize(
    "source",
    ["class Journey: ...", "def light(): ...", "def f(own): ...", "self.arrival = 1", "x.stays.open()", "# likeness"],
)
def test_a_retired_word_is_found(source: str) -> None:
    assert faults(source, "module")


@pytest.mark.parametrize(
    "source", ["own = []", "own_host: bool", "def looks_into(self): ...", "# it stays as it is", "opened = f()"]
)
def test_ordinary_english_is_let_through(source: str) -> None:
    assert faults(source, "module") == []


def test_a_module_named_by_a_retired_word_is_found() -> None:
    assert faults("", "succession") == ["module succession"]
    assert faults("", "outcome") == ["module outcome"]
    assert faults("", "test test_succession") == ["module test test_succession"]
