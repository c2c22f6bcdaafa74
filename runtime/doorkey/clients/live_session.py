"""A site's session for programs that use it themselves, such as tests with Playwright."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from doorkey.accounts.exports import build_storage_state
from doorkey.config.settings import Settings
from doorkey.model.request import Request
from doorkey.model.session import Session
from doorkey.model.verdict import Kind
from doorkey.runtime import Runtime


async def live_session(runtime: Runtime, site: str) -> Session:
    """The current session of *site*, after its page was fetched with it: a dead session has been renewed.

    Raises Blocked if the site refuses its page to a fresh session, too, and other subclasses of DoorkeyError.
    """
    page = runtime.target(site).site.url
    async with await runtime.send(site, Request(url=page, expects=("text/html",), repeatable=True)) as answer:
        if answer.verdict.kind is Kind.BLOCKED:
            raise answer.verdict.error(site, answer.head.status)
        return answer.session


def storage_state(site: str, *, config: Path | str | None = None) -> dict[str, Any]:
    """Playwright's storage state of a live session of *site*, for `browser.new_context(storage_state=…)`.

    *config* is the settings file, by default the first `doorkey.toml` that is found. Works inside Playwright's
    synchronous programs, too. Session storage is in `origins[0]["sessionStorage"]`; Playwright does not restore it.
    Raises DoorkeyError.
    """

    async def read() -> Session:
        async with Runtime(Settings.load(config)) as runtime:
            return await live_session(runtime, site)

    # A thread of its own: Playwright's synchronous interface runs an event loop in the caller's.
    with ThreadPoolExecutor(1, thread_name_prefix="doorkey") as thread:
        return build_storage_state(thread.submit(asyncio.run, read()).result())
