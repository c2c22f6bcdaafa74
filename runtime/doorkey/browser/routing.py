"""Says for one lease what its page may request and where that lies; holds it by request routing."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from doorkey.clock import Clock
from doorkey.errors import SiteDown
from doorkey.model.events import SiteEvents
from doorkey.network.addresses import Resolve, as_address, is_public, plain, system_resolve
from doorkey.network.egress import DIRECT, Egress
from doorkey.network.policy import own_ports, refusal

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Route, WebSocketRoute

INLINE = ("about", "data", "blob")
"""Schemes of things inside a page: they cause no request."""
CACHED = 30.0
"""Seconds that a name's addresses are kept."""


class EgressRefused(Exception):
    """A request that a page may not make; its text says why."""


class RequestRouting:
    """Refuses what a page may not request. One for each context; the filter before the browser asks it too.

    By routing, only hosts other than the site's pass through Python: for the site's own, Playwright's driver matches
    the pattern and lets the request go. Redirects are not routed again (Playwright): the filter sees them.
    `trouble`: why the site was not reached the last time; None once it was. `refusals`: what was refused, each once.
    """

    def __init__(
        self,
        site_url: str,
        *,
        clock: Clock,
        events: SiteEvents,
        egress: Egress = DIRECT,
        resolve: Resolve | None = None,
    ) -> None:
        self.site_url = site_url
        self.egress = egress
        self.trouble: SiteDown | None = None
        self.refusals: list[str] = []
        self._clock = clock
        self._events = events
        self._resolve = resolve or system_resolve
        self._known: dict[str, tuple[float, tuple[str, ...]]] = {}
        self._public_home: bool | None = None

    async def refuses(self, url: str) -> str | None:
        """Why *url* may not be requested; None when it may. Resolves its name, but behind a proxy."""
        try:
            await self.addresses(url)
        except EgressRefused as why:
            return str(why)
        return None

    async def addresses(self, url: str) -> tuple[str, ...]:
        """The addresses at which *url* may be asked for: none behind a proxy, and none of a name that has none.

        Raises Refused. Whoever connects takes one of these: to resolve the name again could lead elsewhere.
        """
        self._check(url)
        host = urlsplit(url).hostname or ""
        literal = as_address(host)
        if self.egress.proxy is not None or literal is not None:
            return () if literal is None else (str(literal),)
        found = await self._addresses(host)
        self._check(url, found)
        if not found or not self._is_own_host(host) or self._public_home is None:
            return found
        # A site's own name may lead to a private address, or to public ones: never first here and then there.
        kept = tuple(address for address in found if _public(address) == self._public_home)
        if not kept:
            raise EgressRefused(
                f"{host} has led to a {'public' if self._public_home else 'private'} address, now to another"
            )
        return kept

    def reached(self, url: str, address: str) -> None:
        """*url* was connected to, at *address* (empty behind a proxy)."""
        if self._is_own_host(urlsplit(url).hostname or ""):
            self.trouble = None
            if address and self._public_home is None:
                self._public_home = _public(address)

    def missed(self, url: str, trouble: SiteDown) -> None:
        """*url* could not be connected to."""
        if self._is_own_host(urlsplit(url).hostname or ""):
            self.trouble = trouble

    def refused(self, what: str, why: str) -> None:
        """Tell whoever follows the lease's steps that *what* of the page was refused."""
        self._events.report("egress", f"the page's {what} was refused: {why}")
        if why not in self.refusals:
            self.refusals.append(why)

    async def attach(self, context: BrowserContext) -> None:
        foreign = self._foreign()
        await asyncio.gather(context.route(foreign, self._route), context.route_web_socket(foreign, self._socket))

    def _foreign(self) -> re.Pattern[str]:
        """What every URL matches that is not at the site's own host and port."""
        site = urlsplit(self.site_url)
        host = (site.hostname or "").lower()
        shown, ports = re.escape(f"[{host}]" if ":" in host else host), own_ports(site)
        port = "(?::80|:443)?" if 80 in ports else f":{ports[0]}"
        return re.compile(rf"^(?!(?:https?|wss?)://{shown}{port}(?:[/?#]|$))")

    def _is_own_host(self, host: str) -> bool:
        return plain(host) == plain(urlsplit(self.site_url).hostname or "")

    def _check(self, url: str, addresses: tuple[str, ...] = ()) -> None:
        why = refusal(url, self.site_url, addresses, self.egress.reach)
        if why is not None:
            raise EgressRefused(why)

    async def _route(self, route: Route) -> None:
        url = route.request.url
        inline = url.partition(":")[0].lower() in INLINE and not route.request.is_navigation_request()
        why = None if inline or url == "about:blank" else await self.refuses(url)
        if why is None:
            await route.continue_()
            return
        self.refused("request", why)
        await route.abort("blockedbyclient")

    async def _socket(self, socket_route: WebSocketRoute) -> None:
        why = await self.refuses(socket_route.url)
        if why is None:
            socket_route.connect_to_server()
            return
        self.refused("WebSocket", why)
        await socket_route.close(code=1008, reason="refused")

    async def _addresses(self, host: str) -> tuple[str, ...]:
        at, found = self._known.get(host, (float("-inf"), ()))
        if not found or self._clock.now() - at > CACHED:
            found = await self._resolve(host)
            self._known[host] = (self._clock.now(), found)
        return found


def _public(text: str) -> bool:
    address = as_address(text)
    return address is not None and is_public(address)
