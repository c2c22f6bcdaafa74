"""The additions of a service, one at a time: begins them, and ends the one under way with the service."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from aiohttp import web

from doorkey.clock import Clock
from doorkey.errors import RequestError
from doorkey.service.additions.addition import Addition, Order
from doorkey.service.additions.board import AdditionState, Board, Wish
from doorkey.service.failure import Refusal
from doorkey.service.live_view.views import require_room

if TYPE_CHECKING:
    from doorkey.runtime import Runtime

LONGEST_URL = 2000
LONGEST_VALUE = 1000
"""Characters of a user's name or a password."""


class Additions:
    """Adds sites by the browser of *runtime*."""

    def __init__(self, runtime: Runtime, board: Board, clock: Clock) -> None:
        self._runtime, self.board, self._clock = runtime, board, clock
        self._task: asyncio.Task[None] | None = None

    def begin(self, order: Order, key: str) -> None:
        """Begin an addition by the right of the key *key*. Raises RequestError or Refusal."""
        check_order(order)
        if order.show:
            require_room(self._runtime.pool.handovers)
        site = order.name or _name(order)
        state = AdditionState(id=secrets.token_hex(8), pid=os.getpid(), url=order.url, site=site, key=key)
        if not self.board.begin(state):
            raise Refusal(409, "addition_under_way", "a site is being added already: finish or cancel that first")
        # The service's own task: it goes on after the request that began it.
        self._task = asyncio.create_task(Addition(order, state, self._runtime, self.board, self._clock).run())

    def wish(self, id_: str, wish: Wish) -> None:
        """Pass on what a person wants of the addition *id_*. Raises Refusal if it has ended."""
        if not self.board.wish(id_, wish):
            raise Refusal(409, "addition_ended", "this addition has ended: load the dashboard again")

    async def end_with(self, _: web.Application) -> AsyncIterator[None]:
        """End the addition under way when the service ends (aiohttp's `cleanup_ctx`)."""
        yield
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


def check_order(order: Order) -> None:
    """Raise RequestError for what can't be meant."""
    from doorkey.config.settings_schema import web_url

    try:
        web_url(order.url[: LONGEST_URL + 1])
    except ValueError as error:
        raise RequestError(f"the address of the site's page: {error}", param="url") from None
    if len(order.url) > LONGEST_URL:
        raise RequestError(f"the address was expected to have at most {LONGEST_URL} characters", param="url")
    if order.name and not re.fullmatch(r"[a-z0-9_-]{1,64}", order.name):
        raise RequestError("the name was expected to have a-z, 0-9, _ and - only, at most 64", param="name")
    if order.user and not order.password:
        raise RequestError("a user came without a password: give both, or neither", param="password")
    if max(len(order.user), len(order.password)) > LONGEST_VALUE:
        raise RequestError(f"user and password were expected to have at most {LONGEST_VALUE} characters each")


def _name(order: Order) -> str:
    from doorkey.setup.names import derive_name_from_host

    return derive_name_from_host(order.url)
