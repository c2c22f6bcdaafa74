"""What a page holds at one moment: its document, storage and cookies."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from doorkey.browser.playwright_errors import translate
from doorkey.clock import Clock
from doorkey.errors import BrowserFailed
from doorkey.model.page import Page
from doorkey.model.session import Cookie

if TYPE_CHECKING:
    from playwright.async_api import Page as BrowserPage

CALL = 5.0
"""Seconds for one call into the page."""

STATE = """(paths) => {
  const stored = (name) => {
    try {
      const held = window[name];  // by index: the keys "key" and "length" are no properties of it
      const names = Array.from({ length: held.length }, (_, at) => held.key(at));
      return Object.fromEntries(names.map((name) => [name, held.getItem(name)]));
    } catch { return {}; }
  };
  const scripts = {};
  for (const path of paths) {
    try {
      let value = window;
      for (const part of path.split(".")) value = value[part];
      if (value !== undefined && typeof value !== "function") scripts[path] = JSON.parse(JSON.stringify(value));
    } catch { /* not there, or nothing that can be said in JSON */ }
  }
  const type = document.doctype ? new XMLSerializer().serializeToString(document.doctype) : "";
  const html = type + (document.documentElement?.outerHTML ?? "");
  return { html, local: stored("localStorage"), session: stored("sessionStorage"), scripts };
}"""
"""The document, and what scripts left in it, by one call. Paths are walked, never evaluated: no setting runs code."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the page held at one moment. `stood`: what stood before the site, where that was asked."""

    page: Page
    cookies: tuple[Cookie, ...]
    stood: str = ""

    def same_state(self, other: Snapshot) -> bool:
        return (self.cookies, self.page.local) == (other.cookies, other.page.local)


async def take_snapshot(page: BrowserPage, clock: Clock, script_values: tuple[str, ...] = ()) -> Snapshot:
    """What *page* holds now. Raises BrowserFailed while it navigates, hangs or is gone."""
    from playwright.async_api import Error

    try:
        async with asyncio.timeout(CALL):
            state, found = await asyncio.gather(page.evaluate(STATE, list(script_values)), page.context.cookies())
    except Error as error:
        raise translate(error, "reading the page") from error
    except TimeoutError as error:
        raise BrowserFailed(f"reading the page: it did not answer within {CALL:g} s") from error
    cookies = tuple(map(as_cookie, found))
    values = {cookie.name: cookie.value for cookie in cookies if cookie.goes_to(page.url, clock.wall())}
    return Snapshot(Page(url=page.url, cookies=values, **state), cookies)


def as_cookie(found: Mapping[str, Any]) -> Cookie:
    """A cookie as Playwright tells of it."""
    return Cookie(
        name=found["name"],
        value=found["value"],
        domain=found["domain"].lstrip("."),
        path=found["path"],
        host_only=not found["domain"].startswith("."),
        secure=found["secure"],
        http_only=found["httpOnly"],
        same_site=found["sameSite"],
        expires=None if found["expires"] < 0 else found["expires"],
    )
