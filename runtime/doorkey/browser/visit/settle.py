"""Reads a loaded page once everything that is needed is there and nothing changes any more."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from doorkey.browser.routing import RequestRouting
from doorkey.browser.visit.challenge import Challenge
from doorkey.browser.visit.inspector import RESTLESS, UNREADABLE, Navigating, PageInspector
from doorkey.browser.visit.login import StepLogin
from doorkey.browser.visit.network_log import NetworkLog
from doorkey.browser.visit.obstacle_errors import MISSING
from doorkey.browser.visit.snapshot import Snapshot, take_snapshot
from doorkey.browser.visit.spec import VisitSpec
from doorkey.clock import Clock
from doorkey.errors import BrowserFailed, Changed, DoorkeyError, MissingCookies, MissingToken
from doorkey.model.session import Tokens
from doorkey.model.urls import origin_of

POLL = 0.05
MOST_SETTLING = 2.0
TOKENS = 10.0
GATE = 5.0
OPENING = 20.0
WAIT_READY = 2.0
"""Seconds: between two readings; for settling at most, unless more was asked for; for scripts to add tokens to a loaded
page; for scripts to open an unnamed gate, where nothing tells the page behind it; the same where something does; for
scripts to show that the visitor is logged in."""


class PageSettler:
    """Reads what a visit needs from a page. Takes a third of the visit's limit at most."""

    def __init__(
        self,
        inspector: PageInspector,
        spec: VisitSpec,
        routing: RequestRouting,
        network_log: NetworkLog,
        challenge: Challenge,
        login: StepLogin,
        clock: Clock,
    ) -> None:
        self._inspector, self._spec, self._routing, self._clock = inspector, spec, routing, clock
        self._network_log, self._challenge, self._login = network_log, challenge, login
        self._ready = spec.ready is None
        self._others: Mapping[str, PageInspector] = {}

    async def settle(self, others: Mapping[str, PageInspector]) -> tuple[Snapshot, Tokens]:
        """Return a snapshot with everything that is needed, and its tokens. *others* are the further pages, by path.

        Raises the last thing that was missing when its share of the time is over, and what `Challenge.wait_passed`
        raises.
        """
        self._others = others
        while True:
            snapshot, tokens = await self._wait_unchanged(*await self._wait_complete())
            widgets = not self._spec.steps and not self._is_proven(snapshot, tokens)
            if not await self._challenge.wait_passed(widgets=widgets):
                return snapshot, tokens
            # The challenge came late: what was read may belong to its page.

    async def _wait_complete(self) -> tuple[Snapshot, Tokens]:
        """Return the first snapshot with everything that is needed, of a page that is the site's own."""
        share = min(TOKENS, self._spec.limit / 3)
        came, widgets, first = self._clock.now(), False, True
        lack: DoorkeyError | None = None
        while True:
            try:
                # Not before the first snapshot: `settle` checks after the last one.
                if not first and not self._was_stopped() and await self._challenge.wait_passed(widgets=widgets):
                    came = self._clock.now()
                refused = self._refuses()  # asked before: the page may open while it is read
                snapshot = await self._snapshot()
                tokens = await self._read(snapshot)
                if self._spec.steps or self._is_proven(snapshot, tokens):
                    return snapshot, tokens
                if widgets:
                    if not refused and not self._refuses():
                        return snapshot, tokens
                    opening = await self._challenge.find_opening_time(GATE)
                    if self._refuses() and self._clock.now() >= came + opening:
                        await self._raise_refusal()
                    await self._clock.sleep(POLL)
            except (MissingToken, MissingCookies, Changed, BrowserFailed) as error:
                # A page that loads itself again and again lacks what it lacked when it could be read.
                lack = lack if lack and isinstance(error, Navigating) else error
                waited = self._clock.now() - came
                # A page that asks for a password shows by itself that nobody is logged in.
                time = await self._challenge.find_opening_time(OPENING) if self._refuses() else share
                over = waited >= time or (
                    waited >= WAIT_READY and not self._ready and await self._login.asks_password()
                )
                if over and not first:
                    raise await self._explain(lack, restless=isinstance(error, Navigating)) from error
                if not first:
                    await self._clock.sleep(POLL)
            # Something is missing: a widget may be all that the page has.
            widgets, first = not self._spec.steps, False

    def _is_proven(self, snapshot: Snapshot, tokens: Tokens) -> bool:
        """Tell whether the page shows something that only the site's own page has."""
        values = [str(value) for value in tokens.values() if isinstance(value, str | int)]
        return self._spec.ready is not None or any(len(value) > 3 and value in snapshot.page.html for value in values)

    async def _wait_unchanged(self, snapshot: Snapshot, tokens: Tokens) -> tuple[Snapshot, Tokens]:
        """Return the snapshot after which cookies and storage did not change for the settle time, or the last one.

        The settle time starts again while the page's scripts wait for an answer. Raises what the last snapshot lacks
        if the page was redrawn and did not become complete again.
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
                since = self._clock.now()  # the page navigates
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
            raise await self._explain(lacks) from lacks
        return snapshot, tokens

    async def _snapshot(self) -> Snapshot:
        snapshot = await take_snapshot(
            self._inspector, self._clock, self._spec.script_values, self._spec.indexed_values
        )
        if not self._others and not self._network_log.seen:
            return snapshot
        others = {path: (await take_snapshot(other, self._clock)).page for path, other in self._others.items()}
        return replace(snapshot, page=replace(snapshot.page, others=others, sent=self._network_log.seen))

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
        """Raise Changed on another origin than the site's: its tokens don't belong to the site."""
        found, site = origin_of(url), origin_of(self._routing.site_url)
        if found != site:
            raise Changed(
                f"the page led away from {site} to {found}: nothing is read there. If the site has moved to that "
                "address, set its url to it"
            )

    def _was_stopped(self) -> bool:
        """Tell whether the egress rules kept the page from where it led: nothing there can open by itself."""
        away = origin_of(self._inspector.page.url) != origin_of(self._routing.site_url)
        return away and self._routing.refusals.has_documents

    def _refuses(self) -> bool:
        """Tell whether the page came with a status that lets nobody in. A page elsewhere is not the site's refusal."""
        status = self._network_log.status
        here = origin_of(self._inspector.page.url) == origin_of(self._routing.site_url)
        return here and status >= 400 and status not in MISSING

    async def _raise_refusal(self) -> None:
        error = await self._challenge.explain()
        if error is not None:
            raise error

    async def _explain(self, error: DoorkeyError, *, restless: bool = False) -> DoorkeyError:
        """Return the error of a page that lacks something: what stands before it, if its status refuses, else what it
        shows. One that is *restless* navigates all the time.
        """
        if restless:
            return _add(error, RESTLESS) if isinstance(error, Changed) else Changed(UNREADABLE)
        if not isinstance(error, MissingToken | MissingCookies) or await self._login.asks_password():
            return error.again()  # it is another site's, or the login page
        status = self._network_log.status
        if status < 400:
            return _add(error, await self._challenge.describe())
        if (refusal := await self._challenge.explain()) is not None:
            return refusal
        if isinstance(error, MissingToken):
            return MissingToken(error.name, error.sought, site=error.site, came=f"come with HTTP {status}")
        return error.again()


def _add(error: DoorkeyError, sentence: str) -> DoorkeyError:
    told = error.again()
    told.message = f"{error.message}. {sentence}"
    told.args = (told.message,)
    return told
