"""The gate of a twin: gives the page's script what it needs to make the cookie, and checks the cookie."""

from __future__ import annotations

import secrets

from aiohttp import web

from doorkey.clock import Clock
from doorkey_providers.twins.passes import Passes

TICKET_PATH = "/js/check"


class Gate:
    """Checks the cookie *name*, and the plain counter *hits* if the site has one.

    With `by_agent`, a cookie is valid only with the user agent that it was made with. Changing that setting invalidates
    earlier cookies.
    """

    def __init__(self, clock: Clock, *, name: str, hits: str = "") -> None:
        self.passes = Passes(secrets.token_bytes(32))
        self.by_agent = False
        self.life = 86_400.0
        self._clock = clock
        self._name = name
        self._hits = hits

    def gate(self) -> dict[str, str | int]:
        """Return what the page holds for its script: one half of the pass, and the names of the cookies."""
        seed = self.passes.seed()
        hits = {"hits": self._hits} if self._hits else {}
        return {
            "name": self._name,
            "seed": seed,
            "key": self.passes.key(seed),
            "life": max(1, int(self.life)),
            "from": TICKET_PATH,
            **hits,
        }

    def ticket(self, request: web.Request) -> web.Response:
        """Return what the script fetches: the other half of the pass."""
        ticket = self.passes.ticket(request.query.get("seed", ""), self._clock.wall(), self._agent(request))
        return web.Response(text=ticket, headers={"Cache-Control": "no-store"})

    def lets_in(self, request: web.Request) -> bool:
        """Whether the request has the cookies that only the page's script makes."""
        hits = request.cookies.get(self._hits, "") if self._hits else "1"
        value = request.cookies.get(self._name, "")
        return hits.isdigit() and self.passes.valid(value, self._clock.wall(), self.life, self._agent(request))

    def _agent(self, request: web.Request) -> str:
        return request.headers.get("User-Agent", "") if self.by_agent else ""
