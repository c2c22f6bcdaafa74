"""The steps of a login, as settings write them: what a browser does on the page of a site that let nobody in."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, cast
from urllib.parse import urlsplit

Action: TypeAlias = Literal["open", "fill", "click", "wait"]
ACTIONS: tuple[Action, ...] = ("open", "fill", "click", "wait")
REFERENCES = ("env:", "file:", "command:")
SECRET_FIELD = re.compile(r"pass|pwd|pw\b|secret|pin\b|otp|code|credential|kennwort", re.IGNORECASE)
"""Selectors of fields whose value must not stand in a settings file; the page's own word is its field's type."""
FORM = 'expected a step like { open = "/login" }, { fill = "#user", value = "env:NAME" }, { click = "button" }'


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `target` is a path or URL (open), a CSS selector (fill, click, wait) or "url:GLOB" (wait).

    `value`, of a fill, is "env:NAME", "file:PATH", "command:…", or a text as it is.
    """

    action: Action
    target: str
    value: str = field(default="", repr=False)

    @property
    def refers(self) -> bool:
        """Whether `value` says where the value is, and is not the value itself."""
        return self.value.startswith(REFERENCES)

    @property
    def place(self) -> str:
        """The URL (perhaps a glob) that the step names; empty for one that is about the page it finds."""
        if self.action == "open":
            return self.target
        return self.target.removeprefix("url:") if self.target.startswith("url:") else ""

    def __str__(self) -> str:
        return f"{self.action} {self.target}"


def steps_of(tables: object) -> tuple[Step, ...]:
    """The steps that TOML's *tables* tell. Raises ValueError, with a line for each one that is none and no value."""
    if not isinstance(tables, list | tuple):
        raise ValueError(FORM)  # noqa: TRY004  pydantic takes no other
    found: list[Step] = []
    faults: list[str] = []
    for number, table in enumerate(tables, 1):
        try:
            found.append(table if isinstance(table, Step) else _step(table))
        except ValueError as exc:
            faults.append(f"step {number}: {exc}")
    if faults:
        raise ValueError("\n".join(faults))
    return tuple(found)


def _step(table: object) -> Step:
    if not isinstance(table, dict):
        raise ValueError(FORM)  # noqa: TRY004  as above
    named = [name for name in table if name in ACTIONS]
    strange = [str(name)[:40] for name in table if name not in (*ACTIONS, "value")]
    if len(named) != 1 or strange:
        raise ValueError(f"{FORM}; came {', '.join(strange or named) or 'none of open, fill, click, wait'}")
    action, target = cast("Action", named[0]), table[named[0]]
    if not isinstance(target, str) or not target.strip():
        raise ValueError(f"expected {action} to name a {'path' if action == 'open' else 'CSS selector'}")
    if (action == "fill") != ("value" in table):
        raise ValueError("expected a value beside fill, and beside nothing else")
    value = table.get("value", "")
    if not isinstance(value, str):
        raise ValueError(f"expected the value of {target!r} to be a text")  # noqa: TRY004  as above
    return _checked(Step(action, target.strip(), value))


def _checked(step: Step) -> Step:
    if step.action == "open" and not step.target.startswith("/") and not _is_web_url(step.target):
        raise ValueError("expected open to name a path like /login, or an http(s) URL")
    if step.action == "fill":
        if not step.value.strip() or step.value in REFERENCES:
            raise ValueError(f'expected a value for {step.target!r}, like "env:NAME", "file:PATH" or "command:…"')
        if not step.refers and SECRET_FIELD.search(step.target):
            raise ValueError(
                f"{step.target!r} looks like a password's field: its value must not stand in a settings file; say "
                'where it is: "env:NAME", "file:PATH" or "command:…"'
            )
    return step


def _is_web_url(text: str) -> bool:
    parts = urlsplit(text)
    return parts.scheme in ("http", "https") and bool(parts.netloc) and "@" not in parts.netloc
