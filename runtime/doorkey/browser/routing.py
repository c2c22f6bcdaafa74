"""Decides what the pages of one lease may request, and enforces it by Playwright's request routing."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from doorkey.browser.egress_refusals import EgressRefusals
from doorkey.clock import Clock
from doorkey.errors import SiteDown
from doorkey.model.events import SiteEvents
from doorkey.network.addresses import Resolve, as_address, is_public, plain, system_resolve
from doorkey.network.egress import DIRECT, Egress
from doorkey.network.policy import own_ports, refusal

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Route, WebSocketRoute

INLINE = ("about", "data", "blob")
"""Schemes of resources inside a page. They cause no request."""
CACHED = 30.0
"""Seconds that the addresses of a name are kept."""


class EgressRefused(Exception):
    """A page may not make a request. The text says why."""


class RequestRouting:
    """The egress rules of one context: what its pages may request. The filter proxy asks it, too.

    Only requests to other hosts than the site's pass through Python: Playwright's driver lets those to the site go by
    the pattern. Playwright does not route redirects again, so only the filter proxy sees them.
    `last_failure` tells why the site could not be reached the last time, None once it was. `refusals` says which
    requests were refused.
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
        self.last_failure: SiteDown | None = None
        self.refusals = EgressRefusals()
        self._clock = clock
        self._events = events
        self._resolve = resolve or system_resolve
        self._known: dict[str, tuple[float, tuple[str, ...]]] = {}
        self._public_home: bool | None = None

    async def explain_refusal(self, url: str) -> str | None:
        """Say why *url* may not be requested, None if it may. Resolves its name, except behind a proxy."""
        try:
            await self.resolve(url)
        except EgressRefused as why:
            return str(why)
        return None

    async def resolve(self, url: str) -> tuple[str, ...]:
        """Return the addresses that may be connected to for *url*: none behind a proxy, and none for an unknown name.

        A connection has to use one of them, because the name could resolve to another address the next time. Raises
        EgressRefused.
        """
        self._check(url)
        host = urlsplit(url).hostname or ""
        literal = as_address(host)
        if self.egress.proxy is not None or literal is not None:
            return () if literal is None else (str(literal),)
        found = await self._look_up(host)
        self._check(url, found)
        if not found or not self._is_own_host(host) or self._public_home is None:
            return found
        # A site's name may resolve to private or to public addresses, but must not switch (DNS rebinding).
        kept = tuple(address for address in found if _is_public(address) == self._public_home)
        if not kept:
            raise EgressRefused(
                f"{host} resolved to a {'public' if self._public_home else 'private'} address before, and does not now"
            )
        return kept

    def record_success(self, url: str, address: str) -> None:
        """Record a connection for *url* to *address* (empty behind a proxy)."""
        if self._is_own_host(urlsplit(url).hostname or ""):
            self.last_failure = None
            if address and self._public_home is None:
                self._public_home = _is_public(address)

    def record_failure(self, url: str, error: SiteDown) -> None:
        """Record that no connection could be made for *url*."""
        if self._is_own_host(urlsplit(url).hostname or ""):
            self.last_failure = error

    def report_refusal(self, what: str, why: str, url: str, *, document: bool = False) -> None:
        """Report that *what* of the page, a request to *url*, was refused. *document*: for a page or a frame."""
        self._events.report("egress", f"the page's {what} was refused: {why}")
        self.refusals.add(url, why, document=document)

    async def attach(self, context: BrowserContext) -> None:
        foreign = self._match_foreign()
        await asyncio.gather(context.route(foreign, self._route), context.route_web_socket(foreign, self._socket))

    def _match_foreign(self) -> re.Pattern[str]:
        """Return the pattern of all URLs that don't lead to the site's own host and port."""
        site = urlsplit(self.site_url)
        host = (site.hostname or "").lower()
        escaped, ports = re.escape(f"[{host}]" if ":" in host else host), own_ports(site)
        port = "(?::80|:443)?" if 80 in ports else f":{ports[0]}"
        return re.compile(rf"^(?!(?:https?|wss?)://{escaped}{port}(?:[/?#]|$))")

    def _is_own_host(self, host: str) -> bool:
        return plain(host) == plain(urlsplit(self.site_url).hostname or "")

    def _check(self, url: str, addresses: tuple[str, ...] = ()) -> None:
        why = refusal(url, self.site_url, addresses, self.egress.reach)
        if why is not None:
            raise EgressRefused(why)

    async def _route(self, route: Route) -> None:
        url = route.request.url
        inline = url.partition(":")[0].lower() in INLINE and not route.request.is_navigation_request()
        why = None if inline or url == "about:blank" else await self.explain_refusal(url)
        if why is None:
            await route.continue_()
            return
        self.report_refusal("request", why, url, document=route.request.is_navigation_request())
        await route.abort("blockedbyclient")

    async def _socket(self, socket_route: WebSocketRoute) -> None:
        why = await self.explain_refusal(socket_route.url)
        if why is None:
            socket_route.connect_to_server()
            return
        self.report_refusal("WebSocket", why, socket_route.url)
        await socket_route.close(code=1008, reason="refused")

    async def _look_up(self, host: str) -> tuple[str, ...]:
        at, found = self._known.get(host, (float("-inf"), ()))
        if not found or self._clock.now() - at > CACHED:
            found = await self._resolve(host)
            self._known[host] = (self._clock.now(), found)
        return found


def _is_public(text: str) -> bool:
    address = as_address(text)
    return address is not None and is_public(address)
