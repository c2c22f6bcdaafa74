"""Fixtures for tests with pytest-playwright that begin logged in: `pytest_plugins = ["doorkey.pytest_plugin"]`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import pytest

RESTORE = """(([origin, items]) => {
    const done = "doorkey-restored";
    if (location.origin !== origin || sessionStorage.getItem(done)) return;
    items.forEach((item) => sessionStorage.setItem(item.name, item.value));
    sessionStorage.setItem(done, "1");
})"""
"""Restores session storage once in each page: what the site has changed there since is its own."""


class BrowserContext(Protocol):
    """What is needed of Playwright's own class, which only the browser package may import."""

    def add_init_script(self, script: str) -> object: ...


ContextT = TypeVar("ContextT", bound=BrowserContext)


@pytest.fixture(scope="session")
def doorkey_state() -> Callable[[str], dict[str, Any]]:
    """Returns `state(site)`: Playwright's storage state of a live session, read once for a test run."""
    from doorkey.clients.live_session import storage_state

    known: dict[str, dict[str, Any]] = {}

    def state(site: str) -> dict[str, Any]:
        if site not in known:
            known[site] = storage_state(site)
        return known[site]

    return state


@pytest.fixture
def doorkey_context(
    new_context: Callable[..., ContextT], doorkey_state: Callable[[str], dict[str, Any]]
) -> Callable[..., ContextT]:
    """Returns `context(site, **options)`: a new browser context of pytest-playwright that is logged in to *site*.

    Session storage is restored too, once in each new page.
    """

    def context(site: str, **options: Any) -> ContextT:
        state = doorkey_state(site)
        origins = [{**one} for one in state["origins"]]
        seeded = [(one["origin"], one.pop("sessionStorage")) for one in origins if "sessionStorage" in one]
        made = new_context(storage_state={**state, "origins": origins}, **options)
        for origin, items in seeded:
            made.add_init_script(f"{RESTORE}({json.dumps([origin, items])})")
        return made

    return context
