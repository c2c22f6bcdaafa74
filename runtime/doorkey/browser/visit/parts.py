"""What one visit works with: the parts that look at its page, log in, wait and read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from doorkey.browser.routing import RequestRouting
from doorkey.browser.visit.challenge import Challenge
from doorkey.browser.visit.evidence_collector import EvidenceCollector
from doorkey.browser.visit.facts_reader import FactsReader
from doorkey.browser.visit.inspector import PageInspector
from doorkey.browser.visit.login import StepLogin
from doorkey.browser.visit.login_observer import LoginObserver
from doorkey.browser.visit.network_log import NetworkLog
from doorkey.browser.visit.settle import PageSettler
from doorkey.browser.visit.spec import VisitSpec
from doorkey.browser.visit.state_watch import StateWatch
from doorkey.browser.visit.step_target import StepTargets
from doorkey.clock import Clock
from doorkey.config.one_time_codes import OneTimeCodes
from doorkey.model.events import SiteEvents

if TYPE_CHECKING:
    from playwright.async_api import Page as BrowserPage


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitParts:
    """The parts of one visit. `watch` is None where nothing is kept in the middle of it."""

    inspector: PageInspector
    network_log: NetworkLog
    reader: FactsReader
    collector: EvidenceCollector
    challenge: Challenge
    watch: StateWatch | None
    targets: StepTargets
    observer: LoginObserver
    login: StepLogin
    settler: PageSettler

    @classmethod
    def build(
        cls,
        page: BrowserPage,
        spec: VisitSpec,
        routing: RequestRouting,
        clock: Clock,
        events: SiteEvents,
        codes: OneTimeCodes,
    ) -> Self:
        inspector = PageInspector(page)
        log = NetworkLog(inspector, recording=spec.sees_requests, with_answers=spec.sees_answers)
        reader = FactsReader(inspector, log, spec, clock)
        challenge = Challenge(inspector, log, reader, spec.challenge, clock, events)
        targets = StepTargets(inspector, clock)
        observer = LoginObserver(targets, spec, routing, events)
        login = StepLogin(targets, observer, spec, routing, challenge, reader, codes, clock, events)
        return cls(
            inspector=inspector,
            network_log=log,
            reader=reader,
            collector=EvidenceCollector(inspector, log, routing.refusals, spec, clock),
            challenge=challenge,
            watch=StateWatch(inspector, routing.site_url, spec.keep, spec.local) if spec.keep else None,
            targets=targets,
            observer=observer,
            login=login,
            settler=PageSettler(inspector, spec, routing, log, challenge, login, clock),
        )
