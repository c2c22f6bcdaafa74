"""The cookies and the local storage of an earlier visit, put into a new context."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from doorkey.model.cookies import Cookie
from doorkey.model.session import JSON

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext


QUOTA = 5 * 1024 * 1024
"""UTF-16 units of local storage that Chromium allows an origin."""


class StoredState:
    """State for a new context. `dropped` names what the browser refused, without values.

    The browser gets the values as data: no script of ours holds them.
    """

    def __init__(
        self, cookies: tuple[Cookie, ...], origin: str, local: Mapping[str, str], indexed: JSON = None
    ) -> None:
        self._cookies = [cookie.to_playwright() for cookie in cookies if cookie.storable]
        # A store of an older version may hold values that are no texts.
        items: list[dict[str, object]] = [{"name": name, "value": value} for name, value in local.items()]
        self._local = [item for item in items if _is_text(item["name"]) and _is_text(item["value"])]
        self._origin, self._indexed = origin, indexed
        lost = [repr(str(item["name"])[:60]) for item in items if item not in self._local]
        if sum(len(str(item["name"])) + len(str(item["value"])) for item in self._local) > QUOTA:
            lost, self._local = ["all of it"], []
        refused = [f"the cookie {cookie.name[:60]!r}" for cookie in cookies if not cookie.storable]
        self.dropped = ", ".join([*([f"local storage ({', '.join(lost)})"] if lost else []), *refused])

    async def open_context(self, browser: Browser, options: dict[str, Any]) -> BrowserContext:
        """Open a context with the state. What the browser refuses of it is left out."""
        from playwright.async_api import Error

        if not self._cookies and not self._local and not self._indexed:
            return await browser.new_context(**options)
        try:
            return await browser.new_context(**options, storage_state=self._build(self._cookies, self._local))
        except Error:
            if not browser.is_connected():
                raise
        return await self._open_piecemeal(browser, options)

    async def _open_piecemeal(self, browser: Browser, options: dict[str, Any]) -> BrowserContext:
        from playwright.async_api import Error

        refused = [self.dropped] if self.dropped else []
        if self._indexed:
            self._indexed = None
            refused.append("its IndexedDB")
        try:
            context = await browser.new_context(**options, storage_state=self._build([], self._local))
        except Error:
            if not browser.is_connected():
                raise
            refused.append("its local storage")
            context = await browser.new_context(**options)
        for cookie in self._cookies:
            try:
                await context.add_cookies([cookie])  # type: ignore[list-item]  # Playwright's own TypedDict
            except Error:
                if not browser.is_connected():
                    raise
                refused.append(f"the cookie {str(cookie['name'])[:60]!r}")
        self.dropped = ", ".join(refused)
        return context

    def _build(self, cookies: list[dict[str, object]], local: list[dict[str, object]]) -> Any:
        stored = {"localStorage": local, **({"indexedDB": self._indexed} if self._indexed else {})}
        origins = [{"origin": self._origin, **stored}] if local or self._indexed else []
        return {"cookies": cookies, "origins": origins}


def _is_text(value: object) -> bool:
    """Tell whether *value* is a text that can be stored. Half a surrogate pair is none."""
    try:
        return (isinstance(value, str) and bool(value.encode())) or value == ""
    except UnicodeEncodeError:
        return False
