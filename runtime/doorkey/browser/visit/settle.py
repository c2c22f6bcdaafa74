"""What a page that has loaded holds: read once it is all there, and nothing changes any more."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from doorkey.browser.routing import RequestRouting
from doorkey.browser.visit.challenge import Challenge, refused
from doorkey.browser.visit.login import StepLogin
from doorkey.browser.visit.network_log import NetworkLog
from doorkey.browser.visit.snapshot import Snapshot, take_snapshot
from doorkey.browser.visit.spec import VisitSpec
from doorkey.clock import Clock
from doorkey.errors import BrowserFailed, Changed, DoorkeyError, MissingCookies, MissingToken
from doorkey.model.session import Tokens
from doorkey.model.urls import origin_of

if TYPE_CHECKING:
    from playwright.async_api import Page as BrowserPage

POLL = 0.05
MOST_SETTLING = 2.0
TOKENS = 10.0
GATE = 5.0
WAIT_READY = 2.0
"""Seconds: between two looks, for settling at most (longer when asked), for tokens that scripts may add to a page that
has loaded, for scripts to open a gate without a name (401, 403), for them to show that one is logged in."""


class PageSettler:
    """Reads what is wanted of a page, for a third of the visit's limit at most."""

    def __init__(
        self,
        page: BrowserPage,
        spec: VisitSpec,
        guard: RequestRouting,
        network_log: NetworkLog,
        challenge: Challenge,
        login: StepLogin,
        clock: Clock,
    ) -> None:
        self._page, self._spec, self._guard, self._clock = page, spec, guard, clock
        self._network_log, self._challenge, self._login = network_log, challenge, login
        self._ready = spec.ready is None
        self._others: Mapping[str, BrowserPage] = {}

    async def done(self, others: Mapping[str, BrowserPage]) -> tuple[Snapshot, Tokens]:
        """The look that holds everything wanted, and the tokens read from it; *others* are the further pages by path.

        Raises what was missing last when its share of time is over, and what `Challenge.passed` raises.
        """
        self._others = others
        while True:
            snapshot, tokens = await self._settled(*await self._found())
            widgets = not self._spec.steps and not self._proven(snapshot, tokens)
            if not await self._challenge.passed(widgets=widgets):
                return snapshot, tokens
            # It came late, and what was read may be its own.

    async def _found(self) -> tuple[Snapshot, Tokens]:
        """The first look that holds everything wanted, of a page that is the site's own.

        Raises what was missing last when its share of time is over, and what `Challenge.passed` raises.
        """
        share = min(TOKENS, self._spec.limit / 3)
        came, widgets, first = self._clock.now(), False, True
        while True:
            try:
                # Not before the first look: `done` asks after the last one.
                if not first and await self._challenge.passed(widgets=widgets):
                    came = self._clock.now()
                snapshot = await self._snapshot()
                tokens = await self._read(snapshot)
                if self._spec.steps or self._proven(snapshot, tokens):
                    return snapshot, tokens
                if widgets:
                    if self._network_log.status not in (401, 403):
                        return snapshot, tokens
                    if "<script" not in snapshot.page.html or self._clock.now() >= came + GATE:
                        raise refused(self._network_log.status)
                    await self._clock.sleep(POLL)
            except (MissingToken, MissingCookies, Changed, BrowserFailed) as error:
                waited = self._clock.now() - came
                # A page that asks who one is shows by itself that nobody is logged in.
                if waited >= share or (waited >= WAIT_READY and not self._ready and await self._login.asks_password()):
                    raise self._explained(error, self._network_log.status) from error
                if not first:
                    await self._clock.sleep(POLL)
            # What was wanted is not there, or nothing of the page was: a widget may be all there is.
            widgets, first = not self._spec.steps, False

    def _proven(self, snapshot: Snapshot, tokens: Tokens) -> bool:
        """Whether the page shows something by which the site was to be told."""
        values = [str(value) for value in tokens.values() if isinstance(value, str | int)]
        return self._spec.ready is not None or any(len(value) > 3 and value in snapshot.page.html for value in values)

    async def _settled(self, snapshot: Snapshot, tokens: Tokens) -> tuple[Snapshot, Tokens]:
        """The look after which cookies and storage stayed as they were for the settle time, while the page's scripts
        waited for nothing; or the last one.

        Raises what the last one lacked: the page was drawn anew, and did not become whole again.
        """
        settle = self._spec.settle + self._spec.longer
        now = self._clock.now()
        since, end = now, now + max(MOST_SETTLING, settle)
        lacks: DoorkeyError | None = None
        while self._clock.now() - since < settle and self._clock.now() < end:
            await self._clock.sleep(min(POLL, settle))
            try:
                later = await self._snapshot()
            except BrowserFailed:
                since = self._clock.now()  # it navigates: not settled
                continue
            if lacks or not later.same_state(snapshot) or later.page.html != snapshot.page.html:
                moved = lacks is not None or not later.same_state(snapshot)
                try:
                    tokens, lacks = await self._read(later), None
                except (MissingToken, MissingCookies, Changed) as error:
                    moved, lacks = True, error
                since = self._clock.now() if moved else since
            if self._network_log.awaited:
                since = self._clock.now()
            snapshot = later
        if lacks is not None:
            raise self._explained(lacks, self._network_log.status) from lacks
        return snapshot, tokens

    async def _snapshot(self) -> Snapshot:
        snapshot = await take_snapshot(self._page, self._clock, self._spec.script_values)
        if not self._others and not self._network_log.seen:
            return snapshot
        others = {path: (await take_snapshot(page, self._clock)).page for path, page in self._others.items()}
        return replace(snapshot, page=replace(snapshot.page, others=others, sent=tuple(self._network_log.seen)))

    async def _read(self, snapshot: Snapshot) -> Tokens:
        self._check_landing(snapshot.page.url)
        spec = self._spec
        if not self._ready:
            self._ready = await asyncio.to_thread(self._spec.is_ready, snapshot.page)
        tokens = await asyncio.to_thread(spec.read, snapshot.page)
        if not self._ready:
            raise MissingToken("sign of being ready", spec.ready or "")
        names = {cookie.name for cookie in snapshot.cookies}
        missing = [name for name in spec.cookies_needed if name not in names]
        if missing or (spec.cookies_required and not names):
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
