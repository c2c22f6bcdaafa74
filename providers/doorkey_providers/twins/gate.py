"""The way into a twin: what its page's script needs to make the cookie, and whether a request brings it."""

from __future__ import annotations

import secrets

from aiohttp import web

from doorkey.clock import Clock
from doorkey_providers.twins.passes import Passes

TICKET_PATH = "/js/check"


class Gate:
    """Makes and checks the cookie *name*, and beside it the plain counter *hits* where a site has one.

    With `by_agent`, a cookie is only good with the user agent it was made with; turning it kills the earlier ones.
    """

    def __init__(self, clock: Clock, *, name: str, hits: str = "") -> None:
        self.passes = Passes(secrets.token_bytes(32))
        self.by_agent = False
        self.life = 86_400.0
        self._clock = clock
        self._name = name
        self._hits = hits

    def gate(self) -> dict[str, str | int]:
        """What the page holds for its script: the page's half, and the names of the cookies."""
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
        """What the script fetches: the other half."""
        ticket = self.passes.ticket(request.query.get("seed", ""), self._clock.wall(), self._agent(request))
        return web.Response(text=ticket, headers={"Cache-Control": "no-store"})

    def lets_in(self, request: web.Request) -> bool:
        """Whether the request brings the cookies that only the page's script makes."""
        hits = request.cookies.get(self._hits, "") if self._hits else "1"
        value = request.cookies.get(self._name, "")
        return hits.isdigit() and self.passes.valid(value, self._clock.wall(), self.life, self._agent(request))

    def _agent(self, request: web.Request) -> str:
        return request.headers.get("User-Agent", "") if self.by_agent else ""
