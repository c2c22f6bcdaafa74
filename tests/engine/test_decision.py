"""The decision on an answer: one row fits each case, none can be left out, and what the rows promise together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import pytest

from doorkey.engine.decision import Check, Deliver, Fail, Renew, SiteAnswer, applies, decide, read_case, reads
from doorkey.engine.decision_tables import (
    ACTIONS,
    MOST_RENEWALS,
    READINGS,
    Action,
    Case,
    CheckOutcome,
    Meaning,
    News,
    Resend,
    ResendRule,
    Suspicion,
)
from doorkey.errors import Blocked, NeedsPerson, RateLimited, SessionEnded, SessionRefused, SiteDown
from doorkey.model.verdict import OK, Kind, Verdict

KINDS: tuple[Kind | None, ...] = (None, *(kind for kind in Kind if kind is not Kind.UNCHECKED))
"""`UNCHECKED` is what a decision says of an answer; no provider gives it."""
RULES: tuple[ResendRule, ...] = ("certain", "dead", "never")
BOTH = (True, False)


ANSWERS = [
    Case(kind, suspicion, check, news, remembered, movable)
    for kind, suspicion, check, news, remembered, movable in product(KINDS, Suspicion, CheckOutcome, News, BOTH, BOTH)
]
"""Every case, as far as what an answer means depends on it."""
READ = {case: [row for row in READINGS if reads(row, case)] for case in ANSWERS}
OF_MEANING = {row.means: case for case, rows in READ.items() for row in rows}
CALLS = [
    (replace(answer, renewals=renewals, resend=resend, rule=rule, begun=begun), meaning)
    for meaning, answer in OF_MEANING.items()
    for renewals, resend, rule, begun in product(range(MOST_RENEWALS + 1), Resend, RULES, BOTH)
]
"""Every case, as far as what is done about an answer of a meaning depends on it."""
DONE = {(case, meaning): [row for row in ACTIONS if applies(row, case, meaning)] for case, meaning in CALLS}


def test_every_meaning_occurs() -> None:
    assert set(OF_MEANING) == set(Meaning)


def test_exactly_one_row_says_what_an_answer_means() -> None:
    assert [case for case, rows in READ.items() if len(rows) != 1] == []


def test_exactly_one_row_says_what_is_done() -> None:
    assert [case for case, rows in DONE.items() if len(rows) != 1] == []


@pytest.mark.parametrize("row", READINGS, ids=lambda row: row.means.name)
def test_no_row_of_the_readings_can_be_left_out(row: object) -> None:
    assert [row] in READ.values()


@pytest.mark.parametrize("row", ACTIONS, ids=lambda row: row.does.name)
def test_no_row_of_the_actions_can_be_left_out(row: object) -> None:
    assert [row] in DONE.values()


SENT_AGAIN = (Action.RENEW, Action.MOVE)


@pytest.mark.parametrize(
    ("promise", "holds"),
    [
        (
            "after the first item nothing is sent again, and nobody is asked",
            lambda case, meaning, action: not case.begun or action is Action.BREAK_OFF,
        ),
        (
            "a call has its session renewed at most twice",
            lambda case, meaning, action: action not in SENT_AGAIN or case.renewals < MOST_RENEWALS,
        ),
        (
            "a request whose body is gone is never sent again",
            lambda case, meaning, action: action not in SENT_AGAIN or case.resend is not Resend.IMPOSSIBLE,
        ),
        (
            "a logout is never sent again",
            lambda case, meaning, action: action not in SENT_AGAIN or case.resend is not Resend.LOGOUT,
        ),
        (
            "what may have been processed is sent again only where it is harmless, or the site's setting says so",
            lambda case, meaning, action: (
                action not in SENT_AGAIN
                or meaning is not Meaning.LOST
                or case.resend is Resend.HARMLESS
                or (case.rule == "dead" and case.renewals == 0)
            ),
        ),
        (
            "what may have been processed is sent again on no doubt",
            lambda case, meaning, action: (
                action not in SENT_AGAIN or meaning is not Meaning.UNSURE or case.resend is Resend.HARMLESS
            ),
        ),
        (
            "where the setting says never, only what is harmless is sent again",
            lambda case, meaning, action: (
                action is not Action.RENEW or case.rule != "never" or case.resend is Resend.HARMLESS
            ),
        ),
        (
            "a request that must be processed once is sent again on a proof only once",
            lambda case, meaning, action: (
                action not in SENT_AGAIN
                or meaning not in (Meaning.PROVEN, Meaning.LOST)
                or case.resend is Resend.HARMLESS
                or case.renewals == 0
            ),
        ),
        (
            "a death is never told as a success",
            lambda case, meaning, action: (
                meaning not in (Meaning.PROVEN, Meaning.LOST) or action not in (Action.DELIVER, Action.TELL)
            ),
        ),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "",
)
def test_the_rows_keep_this_promise(promise: str, holds: Callable[[Case, Meaning, Action], bool]) -> None:
    done = [(case, meaning, rows[0].does) for (case, meaning), rows in DONE.items()]
    broken = [(case, action) for case, meaning, action in done if not holds(case, meaning, action)]
    assert broken == [], promise


def test_a_check_is_asked_only_where_it_was_not() -> None:
    asked = {case.check for case in ANSWERS if read_case(case) is Meaning.ASK}
    assert asked == {CheckOutcome.OPEN}


def test_without_a_check_an_answer_that_is_no_refusal_is_the_callers() -> None:
    for suspicion, news in product(Suspicion, News):
        assert read_case(Case(Kind.OK, suspicion, news=news)) is Meaning.ACCEPTED


def told(verdict: Verdict, *, plain: bool = False) -> SiteAnswer:
    return SiteAnswer("wiki", verdict, 403, plain, "POST /note")


REFUSED = Verdict(Kind.REFUSED, "the call was refused with HTTP 403")


def test_a_plain_request_gets_the_sites_own_refusal_and_a_chat_an_error() -> None:
    alive = Case(Kind.REFUSED, Suspicion.REFUSING, CheckOutcome.ALIVE)
    plain = decide(alive, told(REFUSED, plain=True))
    assert isinstance(plain, Deliver)
    assert plain.verdict.kind is Kind.BLOCKED
    failed = decide(alive, told(REFUSED))
    assert isinstance(failed, Fail)
    assert isinstance(failed.error, Blocked)
    assert "the session is alive" in failed.error.message


def test_a_write_that_a_dead_session_may_have_made_is_told_and_not_sent_again() -> None:
    lost = decide(Case(Kind.OK, Suspicion.VAGUE, CheckOutcome.DEAD), told(OK, plain=True))
    assert isinstance(lost, Fail)
    assert isinstance(lost.error, SessionEnded)
    assert "POST /note" in lost.error.message
    assert (lost.refused, lost.behind) == ("named", True)


def test_a_dead_session_that_was_refused_is_renewed_for_everybody() -> None:
    assert decide(Case(Kind.OK, Suspicion.REFUSING, CheckOutcome.DEAD), told(OK)) == Renew("named")
    assert decide(Case(Kind.REFUSED, Suspicion.REFUSING), told(REFUSED)) == Renew("doubted")
    assert decide(Case(Kind.CHALLENGED, movable=True), told(Verdict(Kind.CHALLENGED))) == Renew("not")
    assert decide(Case(Kind.REFUSED, Suspicion.REFUSING, CheckOutcome.OPEN), told(REFUSED)) == Check()


@pytest.mark.parametrize(
    ("kind", "error"),
    [(Kind.RATE_LIMITED, RateLimited), (Kind.SITE_DOWN, SiteDown), (Kind.BLOCKED, Blocked)],
)
def test_the_sites_own_say_is_told(kind: Kind, error: type[Exception]) -> None:
    failed = decide(Case(kind), told(Verdict(kind, "said")))
    assert isinstance(failed, Fail)
    assert isinstance(failed.error, error)
    assert decide(Case(kind), told(Verdict(kind, "said"), plain=True)) == Deliver()


def test_the_last_refusal_is_the_callers() -> None:
    spent = Case(Kind.STALE, renewals=MOST_RENEWALS)
    failed = decide(spent, told(Verdict(Kind.STALE, "stale")))
    assert isinstance(failed, Fail)
    assert isinstance(failed.error, SessionRefused)
    person = decide(replace(spent, kind=Kind.CHALLENGED), told(Verdict(Kind.CHALLENGED, "a wall"), plain=True))
    assert isinstance(person, Fail)
    assert isinstance(person.error, NeedsPerson)


def test_an_answer_nobody_could_check_is_marked() -> None:
    unknown = Case(Kind.OK, Suspicion.VAGUE, CheckOutcome.UNKNOWN)
    marked = decide(unknown, told(OK, plain=True))
    assert isinstance(marked, Deliver)
    assert marked.verdict.kind is Kind.UNCHECKED
