"""What a page holds at one moment: its document, storage and cookies."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from doorkey.browser.playwright_errors import translate
from doorkey.browser.visit.inspector import CALL, PageInspector
from doorkey.browser.visit.reading_scripts import INDEXED, STATE, script_value
from doorkey.clock import Clock
from doorkey.errors import BrowserFailed
from doorkey.model.cookie_jar import CookieJar
from doorkey.model.cookies import Cookie
from doorkey.model.page import Page
from doorkey.model.session import JSON

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the page held at one moment. `stood` names what stood before the site, where that was checked."""

    page: Page
    cookies: tuple[Cookie, ...]
    stood: str = ""

    def same_state(self, other: Snapshot) -> bool:
        """Tell whether cookies and local storage are the same."""
        ours, theirs = ({cookie.identity: cookie.value for cookie in one.cookies} for one in (self, other))
        return ours == theirs and self.page.local == other.page.local


async def take_snapshot(
    inspector: PageInspector,
    clock: Clock,
    script_values: tuple[str, ...] = (),
    indexed_values: tuple[str, ...] = (),
) -> Snapshot:
    """Return what the page holds now. Raises BrowserFailed while it navigates, hangs or is closed."""
    page = inspector.page
    state, found, scripts, indexed = await asyncio.gather(
        inspector.evaluate(STATE),
        read_cookies(page.context),
        _read_scripts(inspector, script_values),
        inspector.evaluate(INDEXED, list(indexed_values)) if indexed_values else _nothing(),
    )
    if not isinstance(state, dict) or not isinstance(state.get("html"), str):
        raise BrowserFailed("reading the page: it holds no document")
    jar = CookieJar.from_playwright(found)
    return Snapshot(
        Page(
            url=page.url,
            html=state["html"],
            cookies=jar.values_at(page.url, clock.wall()),
            local=keep_texts(state["local"]),
            session=keep_texts(state["session"]),
            scripts=scripts,
            indexed=indexed,
        ),
        jar.cookies,
    )


async def _nothing() -> dict[str, JSON]:
    return {}


async def read_cookies(context: BrowserContext) -> Any:
    """Return all cookies of *context* in Playwright's form. Raises BrowserFailed."""
    from playwright.async_api import Error

    try:
        async with asyncio.timeout(CALL):
            return await context.cookies()
    except Error as error:
        raise translate(error, "reading cookies") from error
    except TimeoutError as error:
        raise BrowserFailed(f"reading cookies: the browser did not answer within {CALL:g} s") from error


async def _read_scripts(inspector: PageInspector, paths: tuple[str, ...]) -> dict[str, JSON]:
    found = {path: await inspector.evaluate_in_page(script_value(path)) for path in paths}
    return {path: value for path, value in found.items() if value is not None}


def keep_texts(values: Mapping[object, object]) -> dict[str, str]:
    """Return the entries of *values* whose name and value are text."""
    return {name: value for name, value in values.items() if isinstance(name, str) and isinstance(value, str)}
