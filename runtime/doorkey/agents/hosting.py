"""The agents' tools inside `doorkey serve`: one server of them for the rights of each key."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from aiohttp import web

from doorkey.accounts.confirmations import Confirmations
from doorkey.service.access import Access
from doorkey.service.agents import App

if TYPE_CHECKING:
    from doorkey.agents.tools import Sites

PATH = "/mcp"


class HostedTools:
    """Makes each server when it is first asked for, and ends all by `close`."""

    def __init__(self, runtime: Sites, open_queue: Callable[[], Confirmations]) -> None:
        self._runtime, self._open_queue = runtime, open_queue
        self._apps: dict[Access | None, asyncio.Future[App]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._closing = asyncio.Event()

    async def app_of(self, access: Access | None) -> App:
        """Return the application for the rights *access*. Raises ConfigurationError without the package mcp."""
        if access not in self._apps:
            self._apps[access] = begun = asyncio.get_running_loop().create_future()
            self._tasks.append(asyncio.create_task(self._serve(access, begun), name="agents' tools"))
        return await asyncio.shield(self._apps[access])

    async def close(self, _: web.Application | None = None) -> None:
        """End all (aiohttp's `on_cleanup`)."""
        self._closing.set()
        await asyncio.gather(*self._tasks)

    async def _serve(self, access: Access | None, begun: asyncio.Future[App]) -> None:
        # One task enters and leaves the library's task group, as that requires.
        try:
            # With the library: only who has agents pays for it.
            from doorkey.agents.server import build_app, build_server
            from doorkey.agents.tools import AgentTools, Reach

            reach = Reach() if access is None else Reach(access.sites, access.methods)
            server = build_server(AgentTools(self._runtime, self._open_queue(), reach))
            app = build_app(server, PATH)
            async with app.router.lifespan_context(app):
                begun.set_result(app)
                await self._closing.wait()
        except Exception as error:
            if begun.done():
                raise
            del self._apps[access]  # the next request tries again
            begun.set_exception(error)
