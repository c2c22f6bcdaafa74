"""Fresh copies of the keeper's modules, each as it is or with one fault put into its source."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import doorkey.sessions

PACKAGE = "doorkey.sessions"
FOLDER = Path(doorkey.sessions.__file__).parent
NAMES = (
    "store", "memory", "pause", "use_budget", "key_state", "key_states", "held", "renewed_cookies", "flights", "keeper",
)  # fmt: skip


@dataclass(frozen=True)
class Fault:
    """In the module *module*, `right` is replaced by `wrong`; the text stands there exactly once."""

    name: str
    module: str
    right: str
    wrong: str

    def apply(self, source: str) -> str:
        assert source.count(self.right) == 1, f"{self.name}: {self.right!r} stands {source.count(self.right)} times"
        return source.replace(self.right, self.wrong)


@dataclass(frozen=True)
class Parts:
    """The copies by their names."""

    modules: dict[str, ModuleType]

    def __getattr__(self, name: str) -> ModuleType:
        return self.modules[name]


class _Loader(InspectLoader):
    def __init__(self, source: str) -> None:
        self._source = source

    def get_source(self, fullname: str) -> str:
        return self._source


class _Finder(MetaPathFinder):
    def __init__(self, fault: Fault | None) -> None:
        self._fault = fault

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package, _, name = fullname.rpartition(".")
        if package != PACKAGE or name not in NAMES:
            return None
        source = (FOLDER / f"{name}.py").read_text(encoding="utf-8")
        if self._fault is not None and self._fault.module == name:
            source = self._fault.apply(source)
        return importlib.util.spec_from_loader(fullname, _Loader(source))


def load(fault: Fault | None = None) -> Parts:
    """The copies, with *fault* in its module. What others have imported stays as it is."""
    with _set_aside():
        finder = _Finder(fault)
        sys.meta_path.insert(0, finder)
        try:
            return Parts({name: importlib.import_module(f"{PACKAGE}.{name}") for name in NAMES})
        finally:
            sys.meta_path.remove(finder)


@contextmanager
def _set_aside() -> Iterator[None]:
    names = {name: f"{PACKAGE}.{name}" for name in NAMES}
    held = {name: importlib.import_module(full) for name, full in names.items()}
    for full in names.values():
        del sys.modules[full]
    try:
        yield
    finally:
        for name, full in names.items():
            sys.modules[full] = held[name]
            setattr(doorkey.sessions, name, held[name])
