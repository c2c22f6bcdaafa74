"""A viewer's input: parses their messages, and says them as commands of DevTools' `Input` domain. No I/O."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

LONGEST_MESSAGE = 64 * 1024
LONGEST_TEXT = 10_000
"""Characters of a message, and of a text that is typed or pasted."""
MOST_TOUCHES = 10
LARGEST_SIDE, SMALLEST_SIDE = 1600, 280
"""CSS pixels of the page's width and height, which follow those of the viewer's picture."""
MODIFIERS = 15
"""All of DevTools' bits: Alt 1, Control 2, Meta 4, Shift 8."""
CONTROL, COMMANDS = 2, 1 | 2 | 4
COMBINATIONS = frozenset("abcixyzu")
"""Letters that go to the page with Control. Others may be the browser's own shortcuts: open a file, save, print."""
NAMED_KEYS = {
    "Backspace": 8, "Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "PageUp": 33, "PageDown": 34, "End": 35, "Home": 36,
    "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "Delete": 46, "Shift": 16,
}  # fmt: skip
"""The keys with a name that go to the page, with their Windows virtual key codes (which DevTools expects)."""
BUTTONS = {0: "left", 1: "middle", 2: "right"}
POINTER = {"down": "mousePressed", "up": "mouseReleased", "move": "mouseMoved"}
TOUCH = {"start": "touchStart", "move": "touchMove", "end": "touchEnd", "cancel": "touchCancel"}
Wish: TypeAlias = Literal["control", "reload", "back", "done", "give up"]
WISHES: dict[str, Wish] = {
    "control": "control", "reload": "reload", "back": "back", "done": "done", "give up": "give up",
}  # fmt: skip


class BadMessage(ValueError):
    """A viewer's message is not one of the protocol's. The text says what was expected, without the message."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command of DevTools. `kind` is what the audit counts."""

    kind: Literal["pointer", "wheel", "touch", "key", "text"]
    method: str
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Resize:
    """The page is to be as large as the viewer's picture (CSS pixels)."""

    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Asked:
    """A button of the view's own bar was pressed."""

    wish: Wish


Message: TypeAlias = Command | Resize | Asked


def parse(text: str, width: float, height: float) -> Message:
    """Return what the message *text* asks for, in a page of *width* and *height* CSS pixels.

    Positions in messages are shares of the picture, from 0 to 1. Raises BadMessage.
    """
    if len(text) > LONGEST_MESSAGE:
        raise BadMessage(f"a message of at most {LONGEST_MESSAGE} characters was expected")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise BadMessage("a JSON object was expected") from None
    if not isinstance(data, dict):
        raise BadMessage("a JSON object was expected")
    match data.get("type"):
        case "pointer":
            return _parse_pointer(data, width, height)
        case "wheel":
            moved = {"deltaX": _number(data, "dx", -2000, 2000), "deltaY": _number(data, "dy", -2000, 2000)}
            point = _point(data, width, height)
            return Command("wheel", "Input.dispatchMouseEvent", {"type": "mouseWheel", **point, **moved})
        case "touch":
            return _parse_touch(data, width, height)
        case "key":
            return _parse_key(data)
        case "text":
            typed = data.get("text")
            if not isinstance(typed, str) or not 0 < len(typed) <= LONGEST_TEXT:
                raise BadMessage(f"text: a string of 1 to {LONGEST_TEXT} characters was expected")
            return Command("text", "Input.insertText", {"text": typed})
        case "size":
            sides = (_number(data, side, 1, 100_000) for side in ("width", "height"))
            return Resize(*(round(min(LARGEST_SIDE, max(SMALLEST_SIDE, side))) for side in sides))
        case "ask":
            wish = WISHES.get(str(data.get("wish")))
            if wish is None:
                raise BadMessage(f"wish: one of {', '.join(WISHES)} was expected")
            return Asked(wish)
    raise BadMessage("type: pointer, wheel, touch, key, text, size or ask was expected")


def _parse_pointer(data: dict[str, Any], width: float, height: float) -> Command:
    kind = POINTER.get(str(data.get("event")))
    if kind is None:
        raise BadMessage("event: down, up or move was expected")
    values: dict[str, Any] = {"type": kind, **_point(data, width, height), "modifiers": _modifiers(data)}
    values["buttons"] = int(_number(data, "buttons", 0, 7))
    if kind == "mouseMoved":
        held = values["buttons"]
        values["button"] = next((BUTTONS[at] for at, bit in ((0, 1), (2, 2), (1, 4)) if held & bit), "none")
    else:
        values["button"] = BUTTONS.get(int(_number(data, "button", 0, 2)), "left")
        values["clickCount"] = int(_number(data, "clicks", 1, 3))
    return Command("pointer", "Input.dispatchMouseEvent", values)


def _parse_touch(data: dict[str, Any], width: float, height: float) -> Command:
    kind, points = TOUCH.get(str(data.get("event"))), data.get("points")
    if kind is None or not isinstance(points, list) or len(points) > MOST_TOUCHES:
        raise BadMessage(f"event: start, move, end or cancel was expected, with at most {MOST_TOUCHES} points")
    if not all(isinstance(point, dict) for point in points) or bool(points) != (kind in ("touchStart", "touchMove")):
        raise BadMessage("points: objects were expected with start and move, none with end and cancel")
    placed = [{**_point(point, width, height), "id": int(_number(point, "id", 0, 2**31))} for point in points]
    return Command("touch", "Input.dispatchTouchEvent", {"type": kind, "touchPoints": placed})


def _parse_key(data: dict[str, Any]) -> Command:
    key, event, modifiers = data.get("key"), data.get("event"), _modifiers(data)
    if event not in ("down", "up") or not isinstance(key, str):
        raise BadMessage("a key's name was expected, and the event down or up")
    code = data.get("code") if isinstance(data.get("code"), str) else ""
    assert isinstance(code, str)
    values: dict[str, Any] = {"type": "keyUp" if event == "up" else "rawKeyDown", "key": key, "modifiers": modifiers}
    if len(code) <= 20 and code.isalnum():
        values["code"] = code
    if key in NAMED_KEYS:
        if modifiers & 1:
            raise BadMessage("this key goes to no page with Alt")
        values["windowsVirtualKeyCode"] = NAMED_KEYS[key]
        typed = {"Enter": "\r", " ": " "}.get(key)
        if event == "down" and typed and not modifiers & CONTROL:
            values |= {"type": "keyDown", "text": typed}
        return Command("key", "Input.dispatchKeyEvent", values)
    if len(key) != 1 or not key.isprintable():
        raise BadMessage("this key goes to no page")
    if modifiers & COMMANDS:
        if modifiers & COMMANDS != CONTROL or key.lower() not in COMBINATIONS:
            raise BadMessage("this combination of keys goes to no page")
    elif event == "down":
        values |= {"type": "keyDown", "text": key}
    if key.isascii() and key.isalnum():
        values["windowsVirtualKeyCode"] = ord(key.upper())
    return Command("key", "Input.dispatchKeyEvent", values)


def _point(data: dict[str, Any], width: float, height: float) -> dict[str, float]:
    return {"x": _number(data, "x", 0, 1) * width, "y": _number(data, "y", 0, 1) * height}


def _modifiers(data: dict[str, Any]) -> int:
    return int(_number({"modifiers": 0, **data}, "modifiers", 0, MODIFIERS))


def _number(data: dict[str, Any], name: str, least: float, most: float) -> float:
    value = data.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise BadMessage(f"{name}: a number was expected")
    if not least <= value <= most:
        raise BadMessage(f"{name}: a number from {least:g} to {most:g} was expected")
    return value
