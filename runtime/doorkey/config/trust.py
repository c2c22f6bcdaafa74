"""Which settings files found in a working directory may run programs and read files and secrets of the user.

A folder may come from anybody: a checkout, an archive. So a `doorkey.toml` that only lies there must not do more than
name sites. The user's word is kept as a digest of the file's path and content, and a changed file needs it anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doorkey.errors import ConfigurationError

REGISTER = "trusted.json"
REFERENCE = re.compile(r"\s*(?:(?:totp|code):)?(command|secret|file):\s*(.*)", re.DOTALL)
PROGRAMS = ("browser.executable", "notify.command")
"""Settings that name a program to run."""
MOST = 500
"""Files that are remembered, the latest."""


@dataclass(frozen=True, slots=True)
class Risk:
    """A setting that does more than name a site. `what` says what it does, without its arguments."""

    key: str
    what: str

    def __str__(self) -> str:
        return f"{self.key}: {self.what}"


def find_risks(data: Mapping[str, Any], folder: Path) -> list[Risk]:
    """List what a settings file in *folder* with this *data* would run, and read outside *folder*."""
    risks = []
    for key, text in _list_texts(data, ""):
        if key in PROGRAMS:
            risks.append(Risk(key, f"runs {_first_word(text)}"))
            continue
        found = REFERENCE.match(text)
        if found is None:
            continue
        kind, rest = found[1], found[2].strip()
        if kind == "command":
            risks.append(Risk(key, f"runs {_first_word(rest)}"))
        elif kind == "secret":
            risks.append(Risk(key, f"reads your secret {rest[:40]}"))
        elif not _is_inside(rest, folder):
            risks.append(Risk(key, f"reads {rest[:80]}"))
    return risks


def _list_texts(value: Any, key: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _list_texts(inner, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list):
        for at, inner in enumerate(value, 1):
            yield from _list_texts(inner, f"{key}.{at}")
    elif isinstance(value, str):
        yield key, value


def _is_inside(path: str, folder: Path) -> bool:
    try:
        return (folder / Path(path).expanduser()).resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError):
        return False  # a loop of links, an unknown user's home: nothing that can be told to lie inside


def _first_word(line: str) -> str:
    return (line.split() or ["a program"])[0][:80]


def check_trusted(path: Path, text: str, data: Mapping[str, Any], state: Callable[[], Path]) -> None:
    """Raise ConfigurationError if the file *path* does more than name sites and is not trusted with this *text*.

    *state* returns the folder of the register; it is asked for only where it is needed.
    """
    risks = find_risks(data, path.parent)
    if not risks or is_trusted(path, text, state()):
        return
    told = "".join(f"\n  {risk}" for risk in risks[:10])
    raise ConfigurationError(
        f"{path} lies in the working directory and is not trusted to run programs or to read your files:{told}\n"
        "Look at it. If it is yours, run: doorkey trust"
    )


def is_trusted(path: Path, text: str, state: Path) -> bool:
    return _digest(path, text) in _read(state / REGISTER)


def trust(path: Path, text: str, state: Path) -> None:
    """Remember that the file *path* with this *text* is trusted."""
    register = state / REGISTER
    known = _read(register)
    digest = _digest(path, text)
    known.pop(digest, None)
    known[digest] = str(path.resolve())
    kept = dict(list(known.items())[-MOST:])
    draft = register.with_name(f".{REGISTER}.{os.getpid()}")
    number = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(number, "w", encoding="utf-8") as file:
        json.dump(kept, file, indent=1)
    draft.replace(register)


def _digest(path: Path, text: str) -> str:
    return hashlib.sha256(f"{path.resolve()}\0{text}".encode()).hexdigest()


def _read(register: Path) -> dict[str, str]:
    try:
        known = json.loads(register.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # nothing is trusted where the register is missing or damaged
    return known if isinstance(known, dict) else {}
