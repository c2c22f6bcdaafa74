"""Collects from a page what a report of its visit needs, before the page is closed."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from doorkey.browser.egress_refusals import EgressRefusals
from doorkey.browser.visit.evidence_scripts import COVER, EXAMINE, UNCOVER, read_globals
from doorkey.browser.visit.inspector import PageInspector
from doorkey.browser.visit.network_log import NetworkLog
from doorkey.browser.visit.page_troubles import PageTroubles
from doorkey.browser.visit.snapshot import take_snapshot
from doorkey.browser.visit.spec import VisitSpec
from doorkey.clock import Clock
from doorkey.errors import BrowserFailed
from doorkey.model.evidence import Element, Trouble, VisitEvidence

log = logging.getLogger("doorkey.browser")
LIMIT = 2.5
PICTURE = 1.5
"""Seconds: for all of it, and for the picture."""
FIELDS = "input, textarea, select, [contenteditable]"
COLOR = "#4a4a4a"
MOST_SECRETS = 400
MOST_NAMES = 300
SHORTEST, LONGEST = 6, 2000
"""Characters of a value that is searched for in the page's texts."""


@dataclass(frozen=True, slots=True)
class VisitState:
    """Where the visit stands: the step that is run, the element that it needs, what was filled in, and what the page
    after the steps asked for."""

    step: str = ""
    selector: str = ""
    filled: tuple[str, ...] = ()
    asked: str = ""


class EvidenceCollector:
    """Collects the evidence of one visit."""

    def __init__(
        self,
        inspector: PageInspector,
        network_log: NetworkLog,
        refusals: EgressRefusals,
        spec: VisitSpec,
        clock: Clock,
    ) -> None:
        self._inspector, self._network_log, self._troubles = inspector, network_log, PageTroubles(inspector)
        self._refusals, self._spec, self._clock = refusals, spec, clock

    async def listen(self) -> None:
        """Start to listen to what goes wrong in the page. The network log has to listen already."""
        await self._troubles.listen()

    async def collect(self, state: VisitState) -> VisitEvidence:
        """Return what can be read of the page within LIMIT. A page that hangs or is gone yields less."""
        evidence = VisitEvidence(
            url=self._inspector.page.url,
            status=self._network_log.status,
            redirects=tuple(self._troubles.redirects),
            troubles=(*self._troubles.entries, *self._list_refused()),
            waiting=self._troubles.waiting,
            step=state.step,
            selector=state.selector,
            filled=state.filled,
            asks=state.asked,
        )
        if self._inspector.page.is_closed():
            return evidence
        try:
            async with asyncio.timeout(LIMIT):
                await self._troubles.find_places()
                evidence = replace(evidence, troubles=(*self._troubles.entries, *self._list_refused()))
                evidence = await self._read_page(evidence)
                evidence = await self._examine(evidence)
                evidence = await self._take_picture(evidence)
        except (BrowserFailed, TimeoutError) as error:
            log.debug("the evidence of a visit is not complete: %s", error)
        return evidence

    def _list_refused(self) -> list[Trouble]:
        return [Trouble("egress", why, host) for host, why in self._refusals.entries()]

    async def _read_page(self, evidence: VisitEvidence) -> VisitEvidence:
        snapshot = await take_snapshot(self._inspector, self._clock, self._spec.script_values)
        declared = await self._inspector.send("Runtime.globalLexicalScopeNames", {})
        told = await self._inspector.evaluate_in_page(read_globals(declared["names"][:MOST_NAMES]))
        values = {name: value for name, value in _parse(told).items() if isinstance(value, str)}
        page = replace(snapshot.page, sent=await self._troubles.read_sent())
        return replace(evidence, page=page, values=values)

    async def _examine(self, evidence: VisitEvidence) -> VisitEvidence:
        selector = evidence.selector.split(" >>> ")[0]
        told = await self._inspector.evaluate(EXAMINE, selector)
        if not isinstance(told, dict):
            return evidence
        return replace(
            evidence,
            title=str(told["title"]),
            lines=tuple(map(str, told["lines"])),
            element=_element(told["element"]),
            overlay=_element(told["overlay"]),
            buttons=tuple(Element(**one) for one in told["buttons"]),
            fields=tuple(Element(**one) for one in told["fields"]),
            asks=evidence.asks or str(told["asks"]),
        )

    async def _take_picture(self, evidence: VisitEvidence) -> VisitEvidence:
        from playwright.async_api import Error

        page = self._inspector.page
        await self._inspector.evaluate(COVER, list_secrets(evidence, self._spec.secrets), COLOR)
        # Playwright's own masks cost more than the picture: they are for what COVER can't reach, the fields in frames.
        masks = [frame.locator(FIELDS) for frame in page.frames if frame != page.main_frame]
        try:
            picture = await page.screenshot(
                type="jpeg", quality=70, mask=masks, mask_color=COLOR, timeout=PICTURE * 1000
            )
        except Error as error:
            log.debug("no picture of the page: %s", error.message.partition("\n")[0])
            return evidence
        finally:
            with suppress(BrowserFailed):  # a page that is gone needs none
                await self._inspector.evaluate(UNCOVER)
        return replace(evidence, picture=picture)


def list_secrets(evidence: VisitEvidence, known: Iterable[str]) -> list[str]:
    """Return the values that must not be seen in the picture: those of a session, and what was filled in."""
    page = evidence.page
    values = list(known)
    if page is not None:
        values += [*page.cookies.values(), *page.local.values(), *page.session.values()]
    found = [value for value in dict.fromkeys(values) if SHORTEST <= len(value) <= LONGEST]
    return [*(value for value in evidence.filled if len(value) > 1), *found][:MOST_SECRETS]


def _element(told: Any) -> Element | None:
    return None if told is None else Element(str(told["selector"]), str(told["text"]))


def _parse(told: object) -> Mapping[str, object]:
    try:
        found = json.loads(told) if isinstance(told, str) else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
