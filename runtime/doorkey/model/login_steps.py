"""The steps of a login, as settings write them: what a browser does on the page of a site that let nobody in."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, cast
from urllib.parse import urlsplit

from doorkey.model.secret import REFERENCES

Action: TypeAlias = Literal["open", "fill", "select", "check", "click", "press", "wait"]
ACTIONS: tuple[Action, ...] = ("open", "fill", "select", "check", "click", "press", "wait")
Kind: TypeAlias = Literal["value", "totp", "code"]
KINDS: tuple[Kind, ...] = ("value", "totp", "code")
"""What a fill step types: a value, a time-based one-time password, or a one-time code that somebody answers."""
OPTIONS = ("frame", "optional", "on")
SECRET_FIELD = re.compile(r"pass|pwd|pw\b|secret|pin\b|otp|code|credential|kennwort", re.IGNORECASE)
"""Selectors of fields whose value must not stand in a settings file. A field's own type says so, too."""
FORM = 'expected a step like { open = "/login" }, { fill = "#user", value = "env:NAME" }, { click = "button" }'


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a login.

    `target` is a path or URL (open), the name of a key (press), a CSS selector (the others) or "url:GLOB" (wait).
    `value` is what a fill or select step enters: "env:NAME", "file:PATH", "command:…", or the text itself. With the
    `kind` "totp" it is the secret of the codes, with "code" it refers to the program that answers one. `frame` is the
    CSS selector of the frame that holds the element. `on` is the element that a press step sends the key to. An
    `optional` step is skipped where its element is not there.
    """

    action: Action
    target: str
    value: str = field(default="", repr=False)
    kind: Kind = "value"
    frame: str = ""
    optional: bool = False
    on: str = ""

    @property
    def refers(self) -> bool:
        """Whether `value` says where the value is, and is not the value itself."""
        return self.value.startswith(REFERENCES)

    @property
    def place(self) -> str:
        """The URL (perhaps a glob) that the step names, empty for a step on the page that it finds."""
        if self.action == "open":
            return self.target
        return self.target.removeprefix("url:") if self.target.startswith("url:") else ""

    @property
    def selector(self) -> str:
        """The CSS selector of the element that the step needs, empty for a step without one."""
        if self.action == "press":
            return self.on
        return "" if self.place else self.target

    def __str__(self) -> str:
        inside = f" in {self.frame}" if self.frame else ""
        return f"{self.action} {self.target}{f' on {self.on}' if self.on else ''}{inside}"


def is_login(steps: tuple[Step, ...]) -> bool:
    """Tell whether *steps* log in. Steps that fill in nothing only clear the way, such as through a consent wall."""
    return any(step.action == "fill" for step in steps)


def steps_of(tables: object) -> tuple[Step, ...]:
    """Parse the steps in TOML's *tables*. Raises ValueError with a line for each faulty one, without its value."""
    if not isinstance(tables, list | tuple):
        raise ValueError(FORM)  # noqa: TRY004  pydantic takes no other
    found: list[Step] = []
    faults: list[str] = []
    for number, table in enumerate(tables, 1):
        try:
            found.append(table if isinstance(table, Step) else _parse(table))
        except ValueError as exc:
            faults.append(f"step {number}: {exc}")
    if faults:
        raise ValueError("\n".join(faults))
    return tuple(found)


def _parse(table: object) -> Step:
    if not isinstance(table, dict):
        raise ValueError(FORM)  # noqa: TRY004  as above
    named = [name for name in table if name in ACTIONS]
    strange = [str(name)[:40] for name in table if name not in (*ACTIONS, *KINDS, *OPTIONS)]
    if len(named) != 1 or strange:
        raise ValueError(f"{FORM}; came {', '.join(strange or named) or 'none of ' + ', '.join(ACTIONS)}")
    action, target = cast("Action", named[0]), table[named[0]]
    if not isinstance(target, str) or not target.strip():
        what = {"open": "path", "press": "key, such as Enter"}.get(action, "CSS selector")
        raise ValueError(f"expected {action} to name a {what}")
    kinds = [kind for kind in KINDS if kind in table]
    _check_keys(action, kinds, table)
    value = table[kinds[0]] if kinds else ""
    if not isinstance(value, str):
        raise ValueError(f"expected the value of {target!r} to be a text")  # noqa: TRY004  as above
    step = Step(
        action,
        target.strip(),
        value,
        kinds[0] if kinds else "value",
        _text(table, "frame"),
        _flag(table, "optional"),
        _text(table, "on"),
    )
    _check(step)
    return step


def _check_keys(action: Action, kinds: list[Kind], table: dict[str, object]) -> None:
    """Raise ValueError for a key that does not belong to *action*, and for one that is missing."""
    if action == "fill" and len(kinds) != 1:
        raise ValueError("expected one of value, totp and code beside fill")
    if action == "select" and kinds != ["value"]:
        raise ValueError("expected a value beside select: the option's text or its value")
    if action not in ("fill", "select") and kinds:
        raise ValueError(f"expected no {kinds[0]} beside {action}: only fill and select enter something")
    if "on" in table and action != "press":
        raise ValueError(f"expected no on beside {action}: it is the element that a key is pressed on")
    if "frame" in table and action == "open":
        raise ValueError("expected no frame beside open: it opens the page itself")


def _text(table: dict[str, object], name: str) -> str:
    value = table.get(name, "")
    if not isinstance(value, str) or (name in table and not value.strip()):
        raise ValueError(f"expected {name} to be a CSS selector")
    return value.strip()


def _flag(table: dict[str, object], name: str) -> bool:
    value = table.get(name, False)
    if not isinstance(value, bool):
        raise ValueError(f"expected {name} to be true or false")  # noqa: TRY004  as above
    return value


def _check(step: Step) -> None:
    if step.action == "open" and not step.target.startswith("/") and not _is_web_url(step.target):
        raise ValueError("expected open to name a path like /login, or an http(s) URL")
    if step.action not in ("fill", "select"):
        return
    if not step.value.strip() or step.value in REFERENCES:
        raise ValueError(f'expected a value for {step.target!r}, like "env:NAME", "file:PATH" or "command:…"')
    if step.kind == "value" and (step.refers or step.action == "select" or not SECRET_FIELD.search(step.target)):
        return
    if step.kind == "code" and not step.refers:
        raise ValueError('expected code to name what answers it: "command:…", "file:PATH" or "env:NAME"')
    if not step.refers:
        what = "a TOTP secret" if step.kind == "totp" else "the value of what looks like a password's field"
        raise ValueError(
            f"{step.target!r}: {what} must not stand in a settings file; say where it is: "
            '"env:NAME", "file:PATH" or "command:…"'
        )


def _is_web_url(text: str) -> bool:
    parts = urlsplit(text)
    return parts.scheme in ("http", "https") and bool(parts.netloc) and "@" not in parts.netloc
