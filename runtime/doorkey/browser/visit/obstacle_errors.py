"""The errors for what stands before a site and keeps the browser out."""

from __future__ import annotations

from dataclasses import replace

from doorkey.browser.visit.network_log import NetworkLog
from doorkey.errors import Blocked, Changed, DoorkeyError, HeadlessDenied, NeedsPerson, RateLimited, SiteDown
from doorkey.protections.advice import BY_HAND
from doorkey.protections.finding import recognize_page
from doorkey.protections.judge import read_pause
from doorkey.protections.signs import Facts, Finding, Obstacle

PAUSE = 300.0
"""Seconds without a further visit after one that needs a person or was blocked: the next one would end the same way."""
AT_WORK = 60.0
"""The same after a challenge that was not done in time, but at which the browser was still at work."""
ENOUGH = 30.0
"""The same after a rate limit that names no time."""
MOST_TEXT = 160
"""Characters of the page's own text in an error."""
MISSING = (404, 410)
"""Statuses of a page that is not there: nothing stands before it."""


def make_refusal(finding: Finding) -> DoorkeyError | None:
    """Return the error for a *finding* that waiting can't help against, None for another one."""
    words = f"before the site stands {finding.obstacle.value} ({finding.name}); {finding.protection.todo}"
    match finding.obstacle:
        case Obstacle.BLOCK:
            return Blocked(words, by=finding.name, retry_after=PAUSE)
        case Obstacle.HEADLESS:
            return HeadlessDenied(words, by=finding.name, retry_after=PAUSE)
        case Obstacle.RATE:
            return RateLimited(words, retry_after=ENOUGH if finding.retry_after is None else finding.retry_after)
        case _:
            return None


def make_call_for_person(finding: Finding, why: str = "", *, at_work: bool = False) -> NeedsPerson:
    """Return the error for a *finding* that the browser does not pass by itself, for the reason *why*.

    *at_work*: it was still working on it, so that the next visit may end in another way.
    """
    tried = f", and {why}" if why else ""
    shown = "" if finding.page is None else f"; HTTP {finding.page.status}{describe_page(finding.page)}"
    widget = "; if this is the page you want, say in `ready` what it holds" if finding.protection.widget else ""
    return NeedsPerson(
        f"before the site stands {finding.obstacle.value} ({finding.name}{shown}){tried}: "
        f"{finding.protection.todo}{widget}",
        retry_after=AT_WORK if at_work else PAUSE,
    )


def explain_unnamed(facts: Facts, network_log: NetworkLog) -> DoorkeyError | None:
    """Return the error for a page whose status refuses and whose protection nobody knows by name.

    None where the status does not refuse, and where the page is not there (404, 410).
    """
    status = facts.status
    if status < 400 or status in MISSING:
        return None
    shown = f"HTTP {status}{describe_page(facts)}"
    if status >= 500:
        scripts = " It has scripts, but they did not open the site" if facts.may_open else ""
        return SiteDown(
            f"the page came with {shown}.{scripts or ' The site is down, or something before it says so'}. See it "
            "with doorkey open SITE",
            retry_after=read_pause(network_log.head),
        )
    return Blocked(
        f"something that doorkey does not know stands before the site: the page came with {shown}. To get past it, "
        f"{BY_HAND}. If it is the page you want all the same, say in `ready` what it holds; if it only takes longer, "
        "describe it in `challenge` (docs/challenges.md)",
        retry_after=PAUSE,
        answer_status=status,
    )


def describe_page(facts: Facts) -> str:
    """Return the title and the visible text of a page, shortened, as the end of a phrase; empty if it shows nothing."""
    title, text = _shorten(facts.title), _shorten(facts.text)
    named = f', titled "{title}"' if title else ""
    return named + (f', which says "{text}"' if text and text != title else "")


def describe_accepted(facts: Facts) -> str:
    """Return what a page shows that came in place of the one that was asked for, and what it may be, as sentences.

    The text of a page that holds more than a challenge does is left out: it may be somebody's.
    """
    small = facts.is_mostly_widget
    shown = describe_page(facts if small else replace(facts, text=""))
    said = f"The page came with HTTP {facts.status}{shown}"
    if not small:
        return said
    if not facts.may_open:
        return f"{said}. If something before the site shows it, {BY_HAND}"
    return (
        f"{said}. It holds little else and has scripts: it may be a challenge that doorkey does not know by name. If "
        'it opens by itself, describe it by its text, and doorkey waits for it: sites.SITE.challenge = ["body:…"] '
        f"(docs/challenges.md); else {BY_HAND}"
    )


def explain_missing_page(network_log: NetworkLog) -> DoorkeyError:
    """Return the error for an answer without a page, judged by its head."""
    status = network_log.status
    facts = Facts(status=status, headers=network_log.headers)
    found = recognize_page(facts, widgets=False)
    if found is not None:
        return make_refusal(found) or make_call_for_person(found)
    if status == 407:
        return SiteDown("the proxy asks for a name and a password (HTTP 407); see the site's proxy setting")
    return explain_unnamed(facts, network_log) or Changed(f"the page came with HTTP {status}, and is empty")


def _shorten(text: str) -> str:
    # "SITE" is what messages have in place of the site's name.
    line = " ".join(text.split()).replace('"', "'").replace("SITE", "Site")
    return line if len(line) <= MOST_TEXT else line[: MOST_TEXT - 1] + "…"
