"""The decision on an answer: a pure function from what is known about it to what happens next.

`decide` works in two steps, each a table (`decision_tables`): `READINGS` says what the answer means for the session,
and `ACTIONS` says what is done about that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from doorkey.engine.decision_tables import ACTIONS, READINGS, Action, Case, CheckOutcome, Meaning, Reading, Rule
from doorkey.errors import Blocked, DoorkeyError, SessionEnded, SiteError
from doorkey.model.verdict import OK, Kind, Verdict

Refused: TypeAlias = Literal["named", "doubted", "not"]
"""How the site refused a session. "named": nobody uses it any more. "doubted": others use it until there is a newer
one, as for a challenge. "not": it was not refused."""


@dataclass(frozen=True, slots=True)
class Deliver:
    """The answer is the caller's, and `verdict` says what it means.

    `behind`: the session is renewed all the same, for the next call.
    """

    verdict: Verdict = OK
    refused: Refused = "not"
    behind: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """The session check is asked; then the answer is decided on again."""


@dataclass(frozen=True, slots=True)
class Renew:
    """The call goes on with a newer session."""

    refused: Refused


@dataclass(frozen=True, slots=True)
class Fail:
    """The caller gets `error`. `behind` is as in Deliver."""

    error: DoorkeyError
    refused: Refused = "not"
    behind: bool = False


Decision: TypeAlias = Deliver | Check | Renew | Fail


@dataclass(frozen=True, slots=True)
class SiteAnswer:
    """What the site said to a request, and in which form the caller wants it.

    `plain`: the caller wants the site's own answer, whatever its status. `template` is the request's method and path.
    `error` is the transport's, where no answer came.
    """

    site: str
    verdict: Verdict
    status: int
    plain: bool
    template: str = ""
    error: DoorkeyError | None = None


WHY = {
    Meaning.ALIVE: ", while the same session is accepted elsewhere",
    Meaning.REMEMBERED: "; renewing did not help lately",
    Meaning.NO_HELP: ", by a fresh session too",
    Meaning.DOUBTED: ", by renewed sessions too",
    Meaning.UNSURE: ", by renewed sessions too",
}
"""Why the session is not renewed for a refusal, as the end of a sentence."""


def reads(row: Reading, case: Case) -> bool:
    """Whether *case* is one of those that *row* reads."""
    return (
        case.kind in row.kind
        and case.suspicion in row.suspicion
        and case.check in row.check
        and case.news in row.news
        and case.remembered in row.remembered
        and case.movable in row.movable
    )


def applies(row: Rule, case: Case, meaning: Meaning) -> bool:
    """Whether *row* says what is done about *case*."""
    return (
        meaning in row.meaning
        and case.renewals in row.renewals
        and case.resend in row.resend
        and case.rule in row.rule
        and case.begun is row.begun
    )


def read_case(case: Case) -> Meaning:
    """What the answer means for the session."""
    for row in READINGS:
        if reads(row, case):
            return row.means
    raise AssertionError(f"no row of READINGS fits {case}")


def choose_action(case: Case, meaning: Meaning) -> Action:
    """What is done about an answer of this meaning."""
    for row in ACTIONS:
        if applies(row, case, meaning):
            return row.does
    raise AssertionError(f"no row of ACTIONS fits {case}, {meaning}")


def decide(case: Case, told: SiteAnswer) -> Decision:
    """What happens next to the call whose answer is *told*; *case* is all that this depends on."""
    meaning = read_case(case)
    refused: Refused = "doubted" if meaning in (Meaning.DOUBTED, Meaning.UNSURE) or case.kind is CHALLENGED else "named"
    match choose_action(case, meaning):
        case Action.DELIVER:
            return Deliver()
        case Action.CHECK:
            return Check()
        case Action.RENEW:
            return Renew(refused)
        case Action.MOVE:
            return Renew("not")
        case Action.TELL:
            return Deliver() if told.plain else Fail(told.verdict.error(told.site, told.status))
        case Action.TELL_UNCHECKED:
            return tell_unchecked(told)
        case Action.BLOCK:
            return block(told, "; the session is alive" if case.check in LIVING else WHY[meaning])
        case Action.BLOCK_AND_RENEW:
            return block(told, "", refused)
        case Action.LOG_OUT:
            return log_out(told)
        case Action.END:
            return Fail(session_ended(told), "named", behind=True)
        case Action.EXHAUST:
            return exhaust(told, refused)
        case Action.BREAK_OFF:
            return Fail(told.verdict.error(told.site, told.status), refused if case.kind in NAMED else "not")
        case Action.FAIL:
            assert told.error is not None, "a request without an answer has failed for a reason"
            return Fail(told.error)


CHALLENGED = Kind.CHALLENGED
NAMED = (Kind.STALE, Kind.CHALLENGED)
LIVING = (CheckOutcome.ALIVE, CheckOutcome.RENEWED)


def tell_unchecked(told: SiteAnswer) -> Decision:
    """The site's own answer, marked: it may be a dead session's."""
    if told.plain:
        return Deliver(Verdict(Kind.UNCHECKED, told.verdict.detail or unchecked(told)))
    return Deliver() if told.verdict else Fail(told.verdict.error(told.site, told.status))


def unchecked(told: SiteAnswer) -> str:
    return f"{told.template} got an answer that a dead session may have got"


def block(told: SiteAnswer, why: str, refused: Refused = "not") -> Decision:
    """The site's refusal, as the caller's answer. *refused* other than "not" has the session renewed behind."""
    behind, detail = refused != "not", told.verdict.detail
    if told.verdict:
        return Deliver(Verdict(Kind.UNCHECKED, unchecked(told)), refused, behind)
    if told.plain:
        return Deliver(Verdict(Kind.BLOCKED, f"{told.site}: {detail}{why}" if why else detail), refused, behind)
    error = Blocked(f"{told.site}: {detail}{why}", site=told.site, answer_status=told.status, by=told.verdict.by)
    return Fail(error, refused, behind)


def log_out(told: SiteAnswer) -> Decision:
    """The answer to a logout. Whatever it says, the session is not used again."""
    if told.plain or told.verdict:
        return Deliver(refused="named")
    return Fail(told.verdict.error(told.site, told.status), "named")


def exhaust(told: SiteAnswer, refused: Refused) -> Decision:
    """The refusal of the last session that the call may use."""
    if told.verdict:
        detail = f"{told.template} got the answer of a dead session from renewed sessions, too"
        error: DoorkeyError = Verdict(Kind.STALE, detail).error(told.site, told.status)
    else:
        error = told.verdict.error(told.site, told.status)
    if told.plain and isinstance(error, SiteError):
        return Deliver(Verdict(Kind.BLOCKED, error.message), refused)
    return Fail(error, refused)


def session_ended(told: SiteAnswer) -> SessionEnded:
    """The error of a request that was sent when its session ended, and that is not sent again."""
    return SessionEnded(
        f"{told.site}: the session had ended when {told.template} was answered with HTTP {told.status}. The site may "
        "have processed the request before the session ended, so it was not sent again. Look at the site whether it "
        f"was. The session is renewed. To settle it for all such requests: doorkey check {told.site} --probe, or "
        f'sites.{told.site}.resend = "dead" if the site refuses requests before it processes them',
        site=told.site,
        answer_status=told.status,
    )
