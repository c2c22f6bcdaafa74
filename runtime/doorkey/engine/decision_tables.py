"""The tables of the decision: which cases there are, what their answers mean, and what is done about them.

In both tables exactly one row fits each case, whatever the order of the rows: there is no default.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Literal, TypeAlias

from doorkey.model.verdict import Kind

MOST_RENEWALS = 2
"""How often one call may have its session renewed, not counting sessions that worked for others."""
MOST_EXCUSED = 20
"""How often one call may meet a session that worked for others and has died since."""


class Suspicion(Enum):
    """What the answer's form says about the session."""

    NONE = auto()
    VAGUE = auto()  # the answer differs from accepted ones: the request may have been processed all the same
    REFUSING = auto()  # the answer has a form that only strangers get: if the session is dead, nothing was processed


class CheckOutcome(Enum):
    """What the session check says about the session that the request was sent with."""

    IMPOSSIBLE = auto()  # the site has no check that tells a session from a stranger
    OPEN = auto()  # not asked yet
    POSTPONED = auto()  # asked too recently: the check runs later, and nobody waits for it
    ALIVE = auto()
    RENEWED = auto()  # alive, and the page has other tokens, which are a new generation now
    DEAD = auto()
    UNKNOWN = auto()


class News(Enum):
    """What became known about the generation since the request was sent."""

    NONE = auto()
    ACCEPTED = auto()  # a request of the same kind, sent later, was accepted with the same generation
    SUPERSEDED = auto()  # a newer session is there already
    FRESH = auto()  # made for this call by a visit of this process, and never accepted since


class Resend(Enum):
    """What sending the request again would mean."""

    HARMLESS = auto()  # it may be repeated
    ONCE = auto()  # it must not be processed twice
    IMPOSSIBLE = auto()  # its body is no longer there
    LOGOUT = auto()  # it ends the session: a refused session is what it was sent for


ResendRule: TypeAlias = Literal["certain", "dead", "never"]
"""The site's setting `resend`: which requests that must be processed once are sent again after a death.

"certain": those that the site certainly did not process. "dead": all, as this site refuses before it processes.
"never": none.
"""


@dataclass(frozen=True, slots=True)
class Case:
    """All that a decision depends on. `kind` None: the transport failed without an answer.

    `remembered`: renewing did not help against such a refusal lately. `movable`: the challenge moves the site to
    another transport. `begun`: the caller has been given a part of the answer.
    """

    kind: Kind | None
    suspicion: Suspicion = Suspicion.NONE
    check: CheckOutcome = CheckOutcome.IMPOSSIBLE
    news: News = News.NONE
    remembered: bool = False
    movable: bool = False
    renewals: int = 0
    resend: Resend = Resend.ONCE
    rule: ResendRule = "certain"
    begun: bool = False


class Meaning(Enum):
    """What an answer means for the session and the call."""

    ACCEPTED = auto()
    FINAL = auto()  # the site's say, which has nothing to do with the session
    UNCHECKED = auto()  # it may be a dead session's; nobody can tell
    ASK = auto()  # the session check can tell
    ALIVE = auto()  # a refusal that is no matter of the session
    REMEMBERED = auto()  # a refusal that renewing did not help against lately
    NO_HELP = auto()  # a refusal that a fresh session met, too
    DOUBTED = auto()  # a refusal that nobody has named: one renewal is worth a try
    UNSURE = auto()  # the same, but the request may have been processed
    NAMED = auto()  # the site says by name that it refused the session
    PROVEN = auto()  # the session is dead, and the request was refused
    LOST = auto()  # the session is dead, and the request may have been processed before it died
    MOVED = auto()  # the site lets in only the browser itself
    NO_ANSWER = auto()  # the live page closed under the request, or the site speaks no plain HTTP


class Action(Enum):
    """What is done about an answer."""

    DELIVER = auto()
    TELL = auto()  # the site's own answer: to a plain request as it is, else as its error
    TELL_UNCHECKED = auto()
    BLOCK = auto()  # the site's refusal is the caller's answer
    BLOCK_AND_RENEW = auto()  # the same, and the session is renewed for the next call
    CHECK = auto()
    RENEW = auto()
    MOVE = auto()  # another session or transport, without a refusal of this one
    LOG_OUT = auto()  # the site's answer is the caller's, and nobody uses the session any more
    END = auto()  # the caller is told that the session ended; the session is renewed for the next call
    EXHAUST = auto()  # fresh sessions were refused as well
    BREAK_OFF = auto()  # the answer fails on the way
    FAIL = auto()  # the transport's own error


@dataclass(frozen=True, slots=True)
class Reading:
    """A row of READINGS: which cases it fits, and what their answers mean."""

    means: Meaning
    kind: frozenset[Kind | None]
    suspicion: frozenset[Suspicion] = frozenset(Suspicion)
    check: frozenset[CheckOutcome] = frozenset(CheckOutcome)
    news: frozenset[News] = frozenset(News)
    remembered: frozenset[bool] = frozenset((True, False))
    movable: frozenset[bool] = frozenset((True, False))


@dataclass(frozen=True, slots=True)
class Rule:
    """A row of ACTIONS: which cases it fits, and what is done."""

    does: Action
    meaning: frozenset[Meaning]
    renewals: frozenset[int] = frozenset(range(MOST_RENEWALS + 1))
    resend: frozenset[Resend] = frozenset(Resend)
    rule: frozenset[ResendRule] = frozenset(("certain", "dead", "never"))
    begun: bool = False


S, C, N, R, M = Suspicion, CheckOutcome, News, Resend, Meaning
ACCEPTED_KINDS = frozenset((Kind.OK,))
FAILED = frozenset((Kind.SITE_DOWN, Kind.CHANGED))
DOUBTFUL = ACCEPTED_KINDS | FAILED
"""Kinds of answers that a dead session may have got, though they do not look like a refusal."""
SAID = frozenset((Kind.RATE_LIMITED, Kind.QUOTA, Kind.BLOCKED, Kind.CUT))
REFUSED, STALE, CHALLENGED = frozenset((Kind.REFUSED,)), frozenset((Kind.STALE,)), frozenset((Kind.CHALLENGED,))
YES, NO = frozenset((True,)), frozenset((False,))
SUSPECT, VAGUE, REFUSING = frozenset((S.VAGUE, S.REFUSING)), frozenset((S.VAGUE,)), frozenset((S.REFUSING,))
UNSUSPECTED = frozenset((S.NONE,))
MILD = UNSUSPECTED | VAGUE
NO_CHECK, UNKNOWN, OPEN = frozenset((C.IMPOSSIBLE,)), frozenset((C.UNKNOWN,)), frozenset((C.OPEN,))
DEAD, RENEWED = frozenset((C.DEAD,)), frozenset((C.RENEWED,))
UNTOLD = NO_CHECK | UNKNOWN
"""The check does not tell."""
QUIET, LATER, SUPERSEDED, FRESH = (frozenset((news,)) for news in (N.NONE, N.ACCEPTED, N.SUPERSEDED, N.FRESH))

READINGS: tuple[Reading, ...] = (
    Reading(M.NO_ANSWER, frozenset((None,))),
    Reading(M.FINAL, SAID),
    # Answers that do not look like a refusal.
    Reading(M.ACCEPTED, ACCEPTED_KINDS, UNSUSPECTED),
    Reading(M.FINAL, FAILED, UNSUSPECTED),
    Reading(M.ACCEPTED, ACCEPTED_KINDS, SUSPECT, frozenset((C.IMPOSSIBLE, C.ALIVE))),
    Reading(M.FINAL, FAILED, SUSPECT, frozenset((C.IMPOSSIBLE, C.ALIVE))),
    Reading(M.ACCEPTED, ACCEPTED_KINDS, VAGUE, RENEWED),
    Reading(M.FINAL, FAILED, VAGUE, RENEWED),
    Reading(M.ASK, DOUBTFUL, SUSPECT, OPEN),
    Reading(M.UNCHECKED, DOUBTFUL, SUSPECT, frozenset((C.POSTPONED,))),
    Reading(M.UNCHECKED, DOUBTFUL, VAGUE, UNKNOWN),
    Reading(M.UNCHECKED, DOUBTFUL, REFUSING, UNKNOWN, LATER | FRESH),
    Reading(M.UNCHECKED, DOUBTFUL, REFUSING, UNKNOWN, QUIET, YES),
    Reading(M.UNSURE, DOUBTFUL, REFUSING, UNKNOWN, QUIET, NO),
    Reading(M.UNSURE, DOUBTFUL, REFUSING, UNKNOWN, SUPERSEDED),
    Reading(M.PROVEN, DOUBTFUL, REFUSING, frozenset((C.DEAD, C.RENEWED))),
    Reading(M.LOST, DOUBTFUL, VAGUE, DEAD),
    # Refusals that nobody has named, where a check tells.
    Reading(M.ASK, REFUSED, check=OPEN),
    Reading(M.UNCHECKED, REFUSED, check=frozenset((C.POSTPONED,))),
    Reading(M.ALIVE, REFUSED, check=frozenset((C.ALIVE,))),
    Reading(M.ALIVE, REFUSED, MILD, RENEWED),
    Reading(M.LOST, REFUSED, MILD, DEAD),
    Reading(M.PROVEN, REFUSED, REFUSING, frozenset((C.DEAD, C.RENEWED))),
    # The same, where no check tells.
    Reading(M.ALIVE, REFUSED, check=UNTOLD, news=LATER),
    Reading(M.NO_HELP, REFUSED, check=UNTOLD, news=FRESH),
    Reading(M.REMEMBERED, REFUSED, check=UNTOLD, news=QUIET, remembered=YES),
    Reading(M.DOUBTED, REFUSED, REFUSING | UNSUSPECTED, NO_CHECK, QUIET, NO),
    Reading(M.DOUBTED, REFUSED, REFUSING | UNSUSPECTED, NO_CHECK, SUPERSEDED),
    Reading(M.UNSURE, REFUSED, VAGUE, NO_CHECK, QUIET, NO),
    Reading(M.UNSURE, REFUSED, VAGUE, NO_CHECK, SUPERSEDED),
    Reading(M.UNSURE, REFUSED, check=UNKNOWN, news=QUIET, remembered=NO),
    Reading(M.UNSURE, REFUSED, check=UNKNOWN, news=SUPERSEDED),
    # Refusals that have a name.
    Reading(M.MOVED, CHALLENGED, movable=YES),
    Reading(M.REMEMBERED, CHALLENGED, news=QUIET | LATER, remembered=YES, movable=NO),
    Reading(M.NAMED, CHALLENGED, news=QUIET | LATER, remembered=NO, movable=NO),
    Reading(M.NAMED, CHALLENGED, news=SUPERSEDED | FRESH, movable=NO),
    Reading(M.REMEMBERED, STALE, news=QUIET | LATER, remembered=YES),
    Reading(M.NAMED, STALE, news=QUIET | LATER, remembered=NO),
    Reading(M.NAMED, STALE, news=SUPERSEDED | FRESH),
)


def _set(*members: Meaning) -> frozenset[Meaning]:
    return frozenset(members)


FIRST, SECOND, SPENT = frozenset((0,)), frozenset((1,)), frozenset((MOST_RENEWALS,))
LEFT = FIRST | SECOND
HARMLESS, ONCE, GONE, LOGOUT = (frozenset((resend,)) for resend in Resend)
OTHERS = HARMLESS | ONCE | GONE
NEVER: frozenset[ResendRule] = frozenset(("never",))
ALLOWED: frozenset[ResendRule] = frozenset(("certain", "dead"))
BY_DEATH: frozenset[ResendRule] = frozenset(("dead",))
BY_PROOF: frozenset[ResendRule] = frozenset(("certain", "never"))

ACTIONS: tuple[Rule, ...] = (
    Rule(Action.BREAK_OFF, frozenset(Meaning), begun=True),
    Rule(Action.DELIVER, _set(M.ACCEPTED)),
    Rule(Action.TELL, _set(M.FINAL)),
    Rule(Action.TELL_UNCHECKED, _set(M.UNCHECKED)),
    Rule(Action.CHECK, _set(M.ASK)),
    Rule(Action.BLOCK, _set(M.ALIVE, M.REMEMBERED, M.NO_HELP)),
    Rule(Action.RENEW, _set(M.DOUBTED, M.UNSURE), LEFT, HARMLESS),
    Rule(Action.RENEW, _set(M.DOUBTED), LEFT, ONCE, ALLOWED),
    Rule(Action.BLOCK_AND_RENEW, _set(M.DOUBTED), LEFT, ONCE, NEVER),
    Rule(Action.BLOCK_AND_RENEW, _set(M.UNSURE), LEFT, ONCE),
    Rule(Action.BLOCK_AND_RENEW, _set(M.DOUBTED, M.UNSURE), LEFT, GONE),
    Rule(Action.BLOCK, _set(M.DOUBTED, M.UNSURE), SPENT, OTHERS),
    Rule(Action.LOG_OUT, _set(M.DOUBTED, M.UNSURE, M.NAMED, M.PROVEN, M.LOST), resend=LOGOUT),
    Rule(Action.RENEW, _set(M.NAMED, M.PROVEN, M.LOST), LEFT, HARMLESS),
    Rule(Action.RENEW, _set(M.NAMED), LEFT, ONCE, ALLOWED),
    Rule(Action.END, _set(M.NAMED), LEFT, ONCE, NEVER),
    Rule(Action.BLOCK_AND_RENEW, _set(M.NAMED, M.PROVEN), LEFT, GONE),
    Rule(Action.EXHAUST, _set(M.NAMED, M.PROVEN), SPENT, OTHERS),
    # A request that must be processed once is sent again on a proof only once.
    Rule(Action.RENEW, _set(M.PROVEN), FIRST, ONCE, ALLOWED),
    Rule(Action.END, _set(M.PROVEN), FIRST, ONCE, NEVER),
    Rule(Action.EXHAUST, _set(M.PROVEN), SECOND, ONCE),
    Rule(Action.RENEW, _set(M.LOST), FIRST, ONCE, BY_DEATH),
    Rule(Action.END, _set(M.LOST), FIRST, ONCE, BY_PROOF),
    Rule(Action.END, _set(M.LOST), SECOND | SPENT, ONCE),
    Rule(Action.END, _set(M.LOST), resend=GONE),
    Rule(Action.EXHAUST, _set(M.LOST), SPENT, HARMLESS),
    Rule(Action.MOVE, _set(M.MOVED), LEFT, HARMLESS | ONCE),
    Rule(Action.BLOCK_AND_RENEW, _set(M.MOVED), LEFT, GONE | LOGOUT),
    Rule(Action.EXHAUST, _set(M.MOVED), SPENT),
    Rule(Action.MOVE, _set(M.NO_ANSWER), LEFT, HARMLESS),
    Rule(Action.FAIL, _set(M.NO_ANSWER), LEFT, ONCE | GONE | LOGOUT),
    Rule(Action.FAIL, _set(M.NO_ANSWER), SPENT),
)
