"""What a page that has loaded holds: read once it is all there, and nothing changes any more."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from doorkey.browser.arrival import Wanted
from doorkey.browser.challenge import Challenge, refused
from doorkey.browser.egress import Guard
from doorkey.browser.look import Look, look_at
from doorkey.browser.steps import Login
from doorkey.browser.traffic import Traffic
from doorkey.clock import Clock
from doorkey.errors import BrowserFailed, Changed, DoorkeyError, MissingCookies, MissingToken
from doorkey.origin import origin_of
from doorkey.session import Tokens

if TYPE_CHECKING:
    from playwright.async_api import Page as BrowserPage

POLL = 0.05
MOST_SETTLING = 2.0
TOKENS = 10.0
GATE = 5.0
WAIT_READY = 2.0
"""Seconds: between two looks, for settling at most (longer when asked), for tokens that scripts may add to a page that
has loaded, for scripts to open a gate without a name (401, 403), for them to show that one is logged in."""


class Reading:
    """Reads what is wanted of a page, for a third of the visit's limit at most."""

    def __init__(
        self,
        page: BrowserPage,
        wanted: Wanted,
        guard: Guard,
        traffic: Traffic,
        challenge: Challenge,
        login: Login,
        clock: Clock,
    ) -> None:
        self._page, self._wanted, self._guard, self._clock = page, wanted, guard, clock
        self._traffic, self._challenge, self._login = traffic, challenge, login
        self._ready = wanted.ready is None
        self._others: Mapping[str, BrowserPage] = {}

    async def done(self, others: Mapping[str, BrowserPage]) -> tuple[Look, Tokens]:
        """The look that holds everything wanted, and the tokens read from it; *others* are the further pages by path.

        Raises what was missing last when its share of time is over, and what `Challenge.passed` raises.
        """
        self._others = others
        while True:
            look, tokens = await self._settled(*await self._found())
            widgets = not self._wanted.steps and not self._proven(look, tokens)
            if not await self._challenge.passed(widgets=widgets):
                return look, tokens
            # It came late, and what was read may be its own.

    async def _found(self) -> tuple[Look, Tokens]:
        """The first look that holds everything wanted, of a page that is the site's own.

        Raises what was missing last when its share of time is over, and what `Challenge.passed` raises.
        """
        share = min(TOKENS, self._wanted.limit / 3)
        came, widgets, first = self._clock.now(), False, True
        while True:
            try:
                # Not before the first look: `done` asks after the last one.
                if not first and await self._challenge.passed(widgets=widgets):
                    came = self._clock.now()
                look = await self._look()
                tokens = await self._read(look)
                if self._wanted.steps or self._proven(look, tokens):
                    return look, tokens
                if widgets:
                    if self._traffic.status not in (401, 403):
                        return look, tokens
                    if "<script" not in look.page.html or self._clock.now() >= came + GATE:
                        raise refused(self._traffic.status)
                    await self._clock.sleep(POLL)
            except (MissingToken, MissingCookies, Changed, BrowserFailed) as error:
                waited = self._clock.now() - came
                # A page that asks who one is shows by itself that nobody is logged in.
                if waited >= share or (waited >= WAIT_READY and not self._ready and await self._login.asks_password()):
                    raise self._explained(error, self._traffic.status) from error
                if not first:
                    await self._clock.sleep(POLL)
            # What was wanted is not there, or nothing of the page was: a widget may be all there is.
            widgets, first = not self._wanted.steps, False

    def _proven(self, look: Look, tokens: Tokens) -> bool:
        """Whether the page shows something by which the site was to be told."""
        values = [str(value) for value in tokens.values() if isinstance(value, str | int)]
        return self._wanted.ready is not None or any(len(value) > 3 and value in look.page.html for value in values)

    async def _settled(self, look: Look, tokens: Tokens) -> tuple[Look, Tokens]:
        """The look after which cookies and storage stayed as they were for the settle time, while the page's scripts
        waited for nothing; or the last one.

        Raises what the last one lacked: the page was drawn anew, and did not become whole again.
        """
        settle = self._wanted.settle + self._wanted.longer
        now = self._clock.now()
        since, end = now, now + max(MOST_SETTLING, settle)
        lacks: DoorkeyError | None = None
        while self._clock.now() - since < settle and self._clock.now() < end:
            await self._clock.sleep(min(POLL, settle))
            try:
                later = await self._look()
            except BrowserFailed:
                since = self._clock.now()  # it navigates: not settled
                continue
            if lacks or not later.same_state(look) or later.page.html != look.page.html:
                moved = lacks is not None or not later.same_state(look)
                try:
                    tokens, lacks = await self._read(later), None
                except (MissingToken, MissingCookies, Changed) as error:
                    moved, lacks = True, error
                since = self._clock.now() if moved else since
            if self._traffic.awaited:
                since = self._clock.now()
            look = later
        if lacks is not None:
            raise self._explained(lacks, self._traffic.status) from lacks
        return look, tokens

    async def _look(self) -> Look:
        look = await look_at(self._page, self._clock, self._wanted.script_values)
        if not self._others and not self._traffic.seen:
            return look
        others = {path: (await look_at(page, self._clock)).page for path, page in self._others.items()}
        return replace(look, page=replace(look.page, others=others, sent=tuple(self._traffic.seen)))

    async def _read(self, look: Look) -> Tokens:
        self._check_landing(look.page.url)
        wanted = self._wanted
        if not self._ready:
            self._ready = await asyncio.to_thread(self._wanted.is_ready, look.page)
        tokens = await asyncio.to_thread(wanted.read, look.page)
        if not self._ready:
            raise MissingToken("sign of being ready", wanted.ready or "")
        names = {cookie.name for cookie in look.cookies}
        missing = [name for name in wanted.cookies_needed if name not in names]
        if missing or (wanted.cookies_required and not names):
            raise MissingCookies(
                f"the visit ended without {'the cookies ' + ', '.join(missing) if missing else 'any cookie'} that "
                f"requests need (it has: {', '.join(sorted(names)) or 'none'})"
            )
        return tokens

    def _check_landing(self, url: str) -> None:
        """Raises Changed on another origin than the site's: its tokens are not ours to send back to the site."""
        found, site = origin_of(url), origin_of(self._guard.site_url)
        if found != site:
            raise Changed(
                f"the page led away from {site} to {found}: nothing is read there. If that is the site's place now, "
                "set the site's url to it"
            )

    def _explained(self, error: DoorkeyError, status: int) -> DoorkeyError:
        if isinstance(error, MissingToken) and status >= 400:
            return MissingToken(error.name, error.sought, site=error.site, came=f"come with HTTP {status}")
        return error.again()
