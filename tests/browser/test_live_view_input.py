"""A viewer's input and the audience, without a browser: what reaches DevTools, what does not, who has control."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, cast

import pytest
from playwright.async_api import Page

from doorkey.browser.live_view.audience import Audience, Frame, Viewer
from doorkey.browser.live_view.input import Asked, BadMessage, Command, Resize, parse
from doorkey.browser.live_view.screencast import Screencast
from doorkey.browser.visit.person_visit import describe_need
from doorkey.errors import NeedsPerson
from doorkey.protections.advice import BY_HAND


def read(**message: object) -> object:
    return parse(json.dumps(message), 1000, 500)


def test_positions_are_shares_of_the_picture() -> None:
    command = read(type="pointer", event="down", x=0.5, y=0.1, button=0, buttons=1, clicks=2, modifiers=8)
    assert isinstance(command, Command)
    assert command.method == "Input.dispatchMouseEvent"
    wanted = {"x": 500, "y": 50, "button": "left", "buttons": 1, "clickCount": 2, "modifiers": 8}
    assert command.values == {"type": "mousePressed", **wanted}


def test_a_move_with_a_held_button_drags() -> None:
    command = read(type="pointer", event="move", x=0, y=1, buttons=1)
    assert isinstance(command, Command)
    assert (command.values["type"], command.values["button"]) == ("mouseMoved", "left")


def test_fingers_go_together_and_end_without_points() -> None:
    start = read(type="touch", event="start", points=[{"x": 0, "y": 0, "id": 0}, {"x": 1, "y": 1, "id": 1}])
    end = read(type="touch", event="end", points=[])
    assert isinstance(start, Command)
    assert isinstance(end, Command)
    assert start.values["touchPoints"] == [{"x": 0, "y": 0, "id": 0}, {"x": 1000, "y": 500, "id": 1}]
    assert end.values == {"type": "touchEnd", "touchPoints": []}


def test_letters_type_and_combinations_do_not() -> None:
    typed, combined = read(type="key", event="down", key="ä"), read(type="key", event="down", key="a", modifiers=2)
    assert isinstance(typed, Command)
    assert isinstance(combined, Command)
    assert (typed.values["type"], typed.values["text"]) == ("keyDown", "ä")
    assert (combined.values["type"], combined.values.get("text")) == ("rawKeyDown", None)


def test_text_of_input_methods_and_the_clipboard_goes_in_as_a_whole() -> None:
    assert read(type="text", text="日本語") == Command("text", "Input.insertText", {"text": "日本語"})


def test_the_page_is_as_large_as_the_picture_within_bounds() -> None:
    assert read(type="size", width=390.4, height=99999) == Resize(390, 1600)
    assert read(type="ask", wish="give up") == Asked("give up")


@pytest.mark.parametrize("key", ["o", "s", "p", "t", "n", "w", "j", "l", "+"])
def test_the_browsers_own_shortcuts_stay_out(key: str) -> None:
    with pytest.raises(BadMessage, match="combination"):
        read(type="key", event="down", key=key, modifiers=2)


@pytest.mark.parametrize(
    "message",
    [
        {"type": "key", "event": "down", "key": "F12"},
        {"type": "key", "event": "down", "key": "ArrowLeft", "modifiers": 1},
        {"type": "key", "event": "down", "key": "\x00"},
        {"type": "pointer", "event": "down", "x": 2, "y": 0, "button": 0, "buttons": 1, "clicks": 1},
        {"type": "pointer", "event": "down", "x": True, "y": 0, "button": 0, "buttons": 1, "clicks": 1},
        {"type": "wheel", "x": 0, "y": 0, "dx": float("nan"), "dy": 0},
        {"type": "touch", "event": "start", "points": [7]},
        {"type": "touch", "event": "start", "points": [{"x": 0, "y": 0, "id": 0}] * 11},
        {"type": "text", "text": ""},
        {"type": "text", "text": "x" * 10_001},
        {"type": "ask", "wish": "Browser.close"},
        {"type": "Page.navigate", "url": "file:///etc/passwd"},
        [],
        "a" * 70_000,
    ],
)
def test_anything_else_is_refused_without_being_repeated(message: object) -> None:
    with pytest.raises(BadMessage) as raised:
        parse(json.dumps(message), 1000, 500)
    assert "passwd" not in str(raised.value)


async def test_a_slow_viewer_gets_the_latest_picture_only_and_the_first_taker_asks_for_more() -> None:
    audience, quick, slow = Audience(), Viewer("quick"), Viewer("slow")
    audience.join(quick)
    audience.join(slow)
    asked: list[bytes] = []
    for jpeg in (b"1", b"2"):
        audience.show(Frame(jpeg, None, (1, 1), lambda jpeg=jpeg: asked.append(jpeg)))  # type: ignore[misc]  # bound by value
        assert await pictures(quick) == [jpeg]
    assert await pictures(slow) == [b"2"]
    assert asked == [b"1", b"2"]


async def test_who_joins_late_sees_a_still_page_and_who_leaves_frees_control() -> None:
    audience, first, late = Audience(), Viewer("first"), Viewer("late")
    audience.join(first)
    audience.show(Frame(b"still", None, (1, 1), lambda: None))
    audience.join(late)
    assert audience.controlling is first
    assert await pictures(late) == [b"still"]
    audience.leave(first)
    late.leave()
    roles = [json.loads(news)["role"] async for news in drained(late)]
    assert (audience.controlling, roles) == (None, ["free"])


class FewPictures:
    """A page whose browser makes a picture for each that was acknowledged, and has at most two on their way."""

    def __init__(self) -> None:
        self.context = self
        self.unacknowledged = 0
        self._hear: Callable[[dict[str, Any]], None] = lambda _: None

    async def new_cdp_session(self, _: object) -> FewPictures:
        return self

    def is_closed(self) -> bool:
        return False

    def on(self, _: str, hear: Callable[[dict[str, Any]], None]) -> None:
        self._hear = hear

    async def send(self, method: str, _: object = None) -> None:
        match method:
            case "Page.startScreencast":
                self.unacknowledged = 0
            case "Page.screencastFrameAck":
                self.unacknowledged -= 1
            case _:
                return
        while self.unacknowledged < 2:
            self.unacknowledged += 1
            self._hear({"sessionId": 1, "data": "", "metadata": {"deviceWidth": 8, "deviceHeight": 6}})


async def test_pictures_that_nobody_took_are_acknowledged_with_the_next_that_is_taken() -> None:
    page, came = FewPictures(), list[Frame]()
    screencast = Screencast(cast("Page", page), came.append)
    await screencast.start()
    for _ in range(3):
        assert (len(came), page.unacknowledged) == (2, 2)
        newest = came[-1]
        came.clear()
        newest.take()
        await asyncio.sleep(0)  # the acknowledgements run
    await screencast.stop()
    newest = came[-1]
    came.clear()
    newest.take()
    await asyncio.sleep(0)
    assert came == []


async def pictures(viewer: Viewer) -> list[bytes]:
    """Everything up to the next picture; the texts before it are left out."""
    while not isinstance(news := await viewer.next(), bytes):
        assert news is not None
    return [news]


async def drained(viewer: Viewer):  # type: ignore[no-untyped-def]  # a helper of one test
    while (news := await viewer.next()) is not None:
        yield news


def test_a_person_at_the_page_is_told_what_stands_there_and_no_command() -> None:
    said = f"before the site stands a challenge (Any; HTTP 403): {BY_HAND}; if this is the page you want, say so"
    assert describe_need(NeedsPerson(said), "wiki") == "Before the site stands a challenge (Any; HTTP 403)"
    assert describe_need(NeedsPerson(said.replace("SITE", "wiki")), "wiki").endswith("(Any; HTTP 403)")
    asked = "wiki: /login asks for a one-time code. Add a step for it, or log in by hand: doorkey login SITE --by-hand"
    assert describe_need(NeedsPerson(asked), "wiki") == "/login asks for a one-time code"
