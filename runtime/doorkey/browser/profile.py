"""How a browser appears: profiles, shipped ones and a user's own."""

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
    """One way to appear, without pretence: no user agent and no fingerprint is forged.

    `display` overrides the configured one. `viewport` is width and height in CSS pixels. `language` is a BCP 47 tag;
    None leaves the browser's own.
    """

    name: str
    description: str = ""
    display: Display | None = None
    viewport: tuple[int, int] = (1280, 800)
    language: str | None = None


def load_profile(name: str, directory: Path | None = None) -> Profile:
    """The profile *name*: from *directory* (`NAME.toml`) if it is there, else a shipped one.

    Raises ConfigurationError for an unknown profile, key or value, naming the nearest that is known.
    """
    found = _sources(directory)
    if name not in found:
        raise ConfigurationError(f"there is no profile {name!r}{_nearest(name, found)}; known: {', '.join(found)}")
    try:
        data = tomllib.loads(found[name].read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ConfigurationError(f"profile {name!r} can't be read: {error}") from error
    return _checked(name, data)


def profile_names(directory: Path | None = None) -> tuple[str, ...]:
    return tuple(_sources(directory))


def _sources(directory: Path | None) -> dict[str, Traversable]:
    shipped: list[Traversable] = list(files("doorkey_profiles").iterdir())
    own: list[Traversable] = list(directory.iterdir()) if directory is not None and directory.is_dir() else []
    found = {item.name.removesuffix(".toml"): item for item in [*shipped, *own] if item.name.endswith(".toml")}
    return dict(sorted(found.items()))


def _checked(name: str, data: dict[str, Any]) -> Profile:
    known = [field.name for field in fields(Profile) if field.name != "name"]
    for key in data:
        if key not in known:
            raise ConfigurationError(
                f"profile {name!r}: unknown key {key!r}{_nearest(key, known)}; known: {', '.join(known)}"
            )
    display = data.get("display")
    if display is not None and display not in DISPLAYS:
        raise ConfigurationError(f"profile {name!r}: display is one of {', '.join(DISPLAYS)}, not {display!r}")
    for key in ("description", "language"):
        if not isinstance(data.get(key, ""), str):
            raise ConfigurationError(f"profile {name!r}: {key} is a text, not {data[key]!r}")
    return Profile(
        name=name,
        description=data.get("description", ""),
        display=cast("Display | None", display),
        viewport=_viewport(name, data.get("viewport", (1280, 800))),
        language=data.get("language") or None,
    )


def _viewport(name: str, value: object) -> tuple[int, int]:
    if isinstance(value, list | tuple) and len(value) == 2:
        width, height = value
        if all(type(side) is int and 200 <= side <= 8000 for side in (width, height)):
            return width, height
    raise ConfigurationError(f"profile {name!r}: viewport is [width, height] in pixels (200 to 8000), not {value!r}")


def _nearest(name: str, known: Any) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f": did you mean {close[0]!r}?" if close else ""
