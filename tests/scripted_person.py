"""What scripted persons share: a mouse in a page, the button of doorkey's bar, and sanitized recordings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.async_api import Page

HIDDEN = ("cookie", "set-cookie", "authorization")
"""Headers that Chrome leaves out of a sanitized recording."""


async def click(page: Page, css: str) -> None:
    """Click the middle of an element with the mouse."""
    element = await page.wait_for_selector(css)
    assert element is not None
    await element.scroll_into_view_if_needed()
    box = await element.bounding_box()
    assert box is not None
    await page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


async def press_bar(page: Page) -> None:
    """Click the button of doorkey's bar. It is found as DevTools sees it, by its place: no script can reach it."""
    await page.wait_for_selector("doorkey-bar", state="attached")
    session = await page.context.new_cdp_session(page)
    root = (await session.send("DOM.getDocument", {"depth": -1, "pierce": True}))["root"]
    bar = next(one for one in walk(root) if one["nodeName"] == "DOORKEY-BAR")
    button = next(one for one in walk(bar) if one["nodeName"] == "BUTTON")
    box = (await session.send("DOM.getBoxModel", {"backendNodeId": button["backendNodeId"]}))["model"]["content"]
    await page.mouse.click((box[0] + box[4]) / 2, (box[1] + box[5]) / 2)


def walk(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a node of DevTools and all in it, closed shadow roots included."""
    yield node
    for inner in (*node.get("children", ()), *node.get("shadowRoots", ())):
        yield from walk(inner)


def sanitize(file: Path) -> None:
    """Take out of a HAR file what Chrome leaves out of a sanitized one."""
    har = json.loads(file.read_text())
    for entry in har["log"]["entries"]:
        for message in (entry["request"], entry["response"]):
            message["headers"] = [one for one in message["headers"] if one["name"].lower() not in HIDDEN]
            message["cookies"] = []
    file.write_text(json.dumps(har))
