"""Reads the facts of a page that tell whether something stands before the site, and recognizes it."""

from __future__ import annotations

import re

from doorkey.browser.visit.inspector import CALL, UNREADABLE, Navigating, PageInspector
from doorkey.browser.visit.network_log import NetworkLog
from doorkey.browser.visit.reading_scripts import FACTS
from doorkey.clock import Clock
from doorkey.errors import BrowserFailed, Changed
from doorkey.model.request import Request
from doorkey.model.visit_needs import VisitNeeds
from doorkey.protections.finding import SELECTORS, recognize_own, recognize_page
from doorkey.protections.signs import Facts, Finding

POLL = 0.1
"""Seconds between two readings."""


class FactsReader:
    """Looks at one page. *needs* say what is known of the page behind, and what the provider itself recognizes.

    `url` is the one that was loaded last. Since then, `led_on` tells whether its page has led to another one, and
    `failed` whether the site refused what the page's scripts sent, or did not answer it.
    """

    def __init__(self, inspector: PageInspector, network_log: NetworkLog, needs: VisitNeeds, clock: Clock) -> None:
        self._inspector, self._network_log, self._needs, self._clock = inspector, network_log, needs, clock
        self._patient = needs.ready is not None or bool(needs.cookies_needed)
        self.url, self._documents, self._failures = "", 0, 0

    def note_opened(self, url: str) -> None:
        """Take note that *url* is loaded now."""
        log = self._network_log
        self.url, self._documents, self._failures = url, log.documents, log.failures

    @property
    def led_on(self) -> bool:
        return self._network_log.documents > self._documents + 1

    @property
    def failed(self) -> bool:
        return self._network_log.failures > self._failures

    async def find(self, *, widgets: bool) -> Finding | None:
        """Return what stands before the site now. `recognize_page` describes *widgets*."""
        return self.recognize(await self.read(), widgets=widgets)

    def recognize(self, facts: Facts, *, widgets: bool, final: bool = False) -> Finding | None:
        """Return what stands before the site by *facts*. *final*: the page was given its time to open by itself."""
        if self._needs.recognizes:
            asked = Request(url=self.url or facts.url, what="the page", expects=("text/html",))
            own = recognize_own(facts, asked, self._needs.recognize)
            if own is not None:
                return own
        return recognize_page(facts, widgets=widgets, patient=self._patient and not final)

    async def read(self) -> Facts:
        """Read the facts, also while the page navigates. Raises Changed where it always does, and BrowserFailed."""
        end = self._clock.now() + CALL
        while True:
            try:
                return await self.read_once()
            except BrowserFailed as error:
                over = self._clock.now() >= end
                if over and isinstance(error, Navigating):
                    raise Changed(UNREADABLE) from error
                if over or self._inspector.page.is_closed():
                    raise
            await self._clock.sleep(POLL)

    async def read_once(self) -> Facts:
        """Read the facts. Raises BrowserFailed while the page navigates, hangs or is closed."""
        log = self._network_log
        refused = log.status >= 400
        told = await self._inspector.evaluate(
            FACTS, [list(SELECTORS), self._needs.ready, refused, self._needs.recognizes]
        )
        header = re.match(r"\s*(\d+)", log.headers.get("refresh", ""))
        refresh = told.pop("refresh")
        return Facts(
            url=self._inspector.page.url,
            found=frozenset(told.pop("found")),
            status=log.status,
            headers=log.headers,
            refresh=float(header[1]) if header else refresh,
            **told,
        )
