"""Makes a report of what is known of a failed visit or a refused call. Pure: evidence in, masked report out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from doorkey.model.events import CallRecord, VisitEvent
from doorkey.model.evidence import Trouble, VisitEvidence
from doorkey.model.page import Page, place_of
from doorkey.model.session import Session
from doorkey.reports.clues import Failure
from doorkey.reports.diagnosis import find_causes
from doorkey.reports.good_visit import PageFacts
from doorkey.reports.holdings import STEMS, WHERE, Holding, list_holdings
from doorkey.reports.masking import Masker
from doorkey.reports.report import Cause, Moment, Note, Report
from doorkey.reports.rules import CheckedRule, check_rules
from doorkey.reports.stored_page import store_page

MOST_PLACES = 40
LINES = 30
LONGEST_LINE = 240


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitMaterial:
    """All that a visit's report is made of. `secrets` are known to doorkey; `good` is the last visit that worked.

    With `by_person`, it was a window that a person used, and no visit.
    """

    failure: Failure
    at: float
    version: str
    evidence: VisitEvidence | None = None
    trail: tuple[VisitEvent, ...] = ()
    good: PageFacts | None = None
    recordings: tuple[str, ...] = ()
    by_person: bool = False
    secrets: tuple[str, ...] = field(default=(), repr=False)


def make_visit(material: VisitMaterial) -> tuple[Report, str]:
    """Return the report of a visit, whose `id` is still empty, and the HTML of its page without secrets.

    Parses the page: not for the event loop.
    """
    evidence = material.evidence or VisitEvidence()
    holdings = list_holdings(evidence)
    masker = Masker([*material.secrets, *list_page_secrets(evidence, holdings)], filled=evidence.filled)
    report = _shorten(masker.mask_all(_describe_visit(material, evidence, holdings)))
    return report, store_page(evidence.page, masker) if evidence.page is not None else ""


def _describe_visit(material: VisitMaterial, evidence: VisitEvidence, holdings: list[Holding]) -> Report:
    """Return the report of a visit, with all secrets that it may hold."""
    failure = material.failure
    rules = check_rules(failure.sought, failure.ready, evidence, holdings, failure.missing if failure.code else "")
    page, now = evidence.page, None
    if page is not None:
        now = PageFacts.of(page, rules, at=material.at, status=evidence.status)
    report = Report(
        id="",
        kind="window" if material.by_person else "visit",
        site=failure.site,
        at=material.at,
        code=failure.code,
        message=failure.message,
        version=material.version,
        causes=_guess(material, evidence, rules, now),
        page=place_of(evidence.url) if evidence.url else "",
        status=evidence.status,
        title=evidence.title,
        lines=evidence.lines[:LINES],
        rules=tuple(rule.to_rule() for rule in rules),
        places=tuple(_describe_holdings(holdings)),
        shown=tuple(_describe_shown(evidence)),
        troubles=tuple(_describe_trouble(trouble) for trouble in evidence.troubles),
        redirects=tuple(Note(str(status), f"{came} → {led}") for status, came, led in evidence.redirects),
        timeline=tuple(_describe_trail(material)),
        took=max(0.0, material.at - material.trail[0].at) if material.trail else 0.0,
        has_picture=bool(evidence.picture),
        recordings=material.recordings,
    )
    if material.good is not None and now is not None:
        differences = material.good.list_differences(now)
        report = replace(report, differences=tuple(differences), worked=material.good.at)
    return report


def _guess(
    material: VisitMaterial, evidence: VisitEvidence, rules: list[CheckedRule], now: PageFacts | None
) -> tuple[Cause, ...]:
    good = material.good
    if not material.failure.code:
        return ()
    if good is None or now is None or not good.speaks_otherwise(now):
        return find_causes(material.failure, evidence, rules)
    return find_causes(material.failure, evidence, rules, spoke=good.language, speaks=now.language)


def make_call_report(
    record: CallRecord, failure: Failure, *, version: str, secrets: Iterable[str], request: str
) -> Report:
    """Return the report of a refused call. Its `id` is still empty."""
    timeline = [Moment(0.0, "queue", f"waited {record.waited:.2f} s for its turn")] if record.waited >= 0.01 else []
    after = record.waited
    for attempt in record.attempts:
        after += attempt.took
        status = f"HTTP {attempt.status}" if attempt.status else "no answer"
        said = f"{attempt.what}: {status} by {attempt.transport}, {attempt.verdict} ({attempt.took:.2f} s)"
        timeline.append(Moment(after, "attempt", said))
    timeline += [Moment(after, "check", check) for check in record.checks]
    if record.renewals:
        times = "once" if record.renewals == 1 else f"{record.renewals} times"
        timeline.append(Moment(after, "renewal", f"the session was renewed {times}"))
    report = Report(
        id="",
        kind="call",
        site=failure.site,
        at=record.at,
        code=failure.code,
        message=failure.message,
        calls=(request,) if request else (),
        version=version,
        causes=tuple(_explain_call(record, failure)),
        timeline=tuple(timeline),
        took=record.took,
    )
    return _shorten(Masker(secrets).mask_all(report))


def list_page_secrets(evidence: VisitEvidence, holdings: Iterable[Holding]) -> list[str]:
    """Return the values in a page that no report may repeat."""
    page = evidence.page
    values = [holding.value for holding in holdings if _may_be_secret(holding.name, holding.value)]
    if page is None:
        return values
    values += [*page.cookies.values(), *page.local.values(), *page.session.values()]
    values += [value for name, value in evidence.values.items() if _may_be_secret(name, value)]
    values += [str(value) for value in (*page.scripts.values(), *page.indexed.values())]
    for seen in page.sent:
        values += [seen.headers.get("authorization", ""), seen.headers.get("cookie", "")]
        values += [seen.headers.get("authorization", "").partition(" ")[2]]
    values += [tag.get("value") for tag in page.elements if tag.name == "input"]
    return values


def _may_be_secret(name: str, value: str) -> bool:
    """Tell whether a value that a page calls *name* may be a token: other texts of a page are what a report shows."""
    if any(stem in name.lower() for stem in STEMS):
        return True
    return not re.search(r"\s", value.strip()) and (len(value) >= 16 or any(char.isdigit() for char in value))


def _explain_call(record: CallRecord, failure: Failure) -> Iterator[Cause]:
    last = record.attempts[-1] if record.attempts else None
    if last is None:
        change = f"See the visit's report: doorkey reports {failure.site}"
        yield Cause("not sent", f"The request was not sent: {failure.message}", "", change)
        return
    place = f"{last.what}, HTTP {last.status}" if last.status else last.what
    explained = {
        "session_refused": (
            f"The site refused the request {len(record.attempts)} times, with a renewed session too.",
            f"See what a visit finds: doorkey explain {failure.site}. If the site answers so for another reason than "
            "the session, take that answer out of `stale`",
        ),
        "blocked": (
            "The site refused this request, and a fresh session does not help: it may be the request itself, "
            "or the account may not do this.",
            "Compare it with what the browser sends for the same action",
        ),
        "session_ended": (
            "The session ended while this request was under way, and it must not be sent twice.",
            f"Look at the site whether it was done. To have it sent again in such a case: doorkey check {failure.site} "
            "--probe",
        ),
        "rate_limited": ("The site asked to send less.", f"Lower sites.{failure.site}.manners.rate"),
        "quota": ("The account's quota at the site is used up.", "Wait, or use another account"),
        "may_have_arrived": (
            "The connection broke after the request was sent.",
            "Look at the site whether it was done",
        ),
    }
    what, change = explained.get(failure.code, (failure.message, f"doorkey explain {failure.site}"))
    yield Cause(failure.code, what, place, change)


def _describe_holdings(holdings: list[Holding]) -> Iterator[Note]:
    for holding in holdings[:MOST_PLACES]:
        length = f"{holding.length} characters" if holding.length else "empty"
        yield Note(WHERE[holding.where], length, holding.source)


def _describe_shown(evidence: VisitEvidence) -> Iterator[Note]:
    if evidence.step:
        yield Note("step", evidence.step, evidence.selector)
    if evidence.overlay is not None:
        yield Note("overlay", evidence.overlay.text, evidence.overlay.selector)
    if evidence.asks:
        yield Note("asks for", evidence.asks)
    yield from (Note("button", one.text, one.selector) for one in evidence.buttons)
    yield from (Note("field", one.text, one.selector) for one in evidence.fields)


def _describe_trouble(trouble: Trouble) -> Note:
    return Note(f"{trouble.kind}{f' ({trouble.type})' if trouble.type else ''}", trouble.text, trouble.place)


def _describe_trail(material: VisitMaterial) -> Iterator[Moment]:
    began = material.trail[0].at if material.trail else material.at
    for event in material.trail:
        yield Moment(max(0.0, event.at - began), event.step, event.detail)
    failed = f"failed: {material.failure.code}" if material.failure.code else "worked"
    yield Moment(max(0.0, material.at - began), "end", f"the visit {failed}")


def _shorten(report: Report) -> Report:
    """Cut the page's texts, once they are masked: a part of a secret could not be recognized."""
    lines = tuple(line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]}…" for line in report.lines)
    shown = tuple(replace(note, text=note.text[:LONGEST_LINE]) for note in report.shown)
    troubles = tuple(replace(note, text=note.text[:LONGEST_LINE]) for note in report.troubles)
    return replace(report, lines=lines, shown=shown, troubles=troubles)


def read_facts(page: Page, failure: Failure, *, at: float, status: int) -> PageFacts:
    """Return what is remembered of a visit that worked. Parses the page: not for the event loop."""
    evidence = VisitEvidence(url=page.url, status=status, page=page)
    holdings = list_holdings(evidence)
    facts = PageFacts.of(page, check_rules(failure.sought, failure.ready, evidence, holdings), at=at, status=status)
    return Masker(list_page_secrets(evidence, holdings)).mask_all(facts)


def list_values(session: Session) -> tuple[str, ...]:
    """Return the secrets of *session*."""
    tokens = [str(value) for value in session.tokens.values()]
    return (*tokens, *(cookie.value for cookie in session.cookies), *session.local.values(), *session.tab.values())
