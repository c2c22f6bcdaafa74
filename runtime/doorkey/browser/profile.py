"""Profiles: how a browser appears to sites. Some are shipped, others are a user's own."""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass, fields
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast, get_args

from doorkey.errors import ConfigurationError

Display: TypeAlias = Literal["headless", "virtual", "screen"]
DISPLAYS: tuple[str, ...] = get_args(Display)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One profile. It forges neither a user agent nor a fingerprint.

    `display` overrides the configured one. `viewport` is width and height in CSS pixels. `language` is a BCP 47 tag.
    None keeps the browser's own language.
    """

    name: str
    description: str = ""
    display: Display | None = None
    viewport: tuple[int, int] = (1280, 800)
    language: str | None = None


def load_profile(name: str, directory: Path | None = None) -> Profile:
    """Load the profile *name* from *directory* (`NAME.toml`) if it is there, else a shipped one.

    Raises ConfigurationError for an unknown profile, key or value. The error names the nearest known one.
    """
    found = _find_files(directory)
    if name not in found:
        raise ConfigurationError(f"there is no profile {name!r}{_suggest(name, found)}; known: {', '.join(found)}")
    try:
        data = tomllib.loads(found[name].read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ConfigurationError(f"profile {name!r} can't be read: {error}") from error
    return _validate(name, data)


def list_profiles(directory: Path | None = None) -> tuple[str, ...]:
    return tuple(_find_files(directory))


def _find_files(directory: Path | None) -> dict[str, Traversable]:
    shipped: list[Traversable] = list(files("doorkey_profiles").iterdir())
    users: list[Traversable] = list(directory.iterdir()) if directory is not None and directory.is_dir() else []
    found = {item.name.removesuffix(".toml"): item for item in [*shipped, *users] if item.name.endswith(".toml")}
    return dict(sorted(found.items()))


def _validate(name: str, data: dict[str, Any]) -> Profile:
    known = [field.name for field in fields(Profile) if field.name != "name"]
    for key in data:
        if key not in known:
            raise ConfigurationError(
                f"profile {name!r}: unknown key {key!r}{_suggest(key, known)}; known: {', '.join(known)}"
            )
    display = data.get("display")
    if display is not None and display not in DISPLAYS:
        raise ConfigurationError(
            f"profile {name!r}: expected display to be one of {', '.join(DISPLAYS)}, got {display!r}"
        )
    for key in ("description", "language"):
        if not isinstance(data.get(key, ""), str):
            raise ConfigurationError(f"profile {name!r}: expected {key} to be a text, got {data[key]!r}")
    return Profile(
        name=name,
        description=data.get("description", ""),
        display=cast("Display | None", display),
        viewport=_parse_viewport(name, data.get("viewport", (1280, 800))),
        language=data.get("language") or None,
    )


def _parse_viewport(name: str, value: object) -> tuple[int, int]:
    if isinstance(value, list | tuple) and len(value) == 2:
        width, height = value
        if all(type(side) is int and 200 <= side <= 8000 for side in (width, height)):
            return width, height
    raise ConfigurationError(
        f"profile {name!r}: expected viewport to be [width, height] in pixels (200 to 8000), got {value!r}"
    )


def _suggest(name: str, known: Any) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f": did you mean {close[0]!r}?" if close else ""
