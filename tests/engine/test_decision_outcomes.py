"""What each action means for the caller and for the session, over every case."""

from __future__ import annotations

from collections import defaultdict
from typing import TypeAlias

import pytest

from doorkey.engine.decision import (
    Check,
    Decision,
    Deliver,
    Fail,
    Renew,
    SiteAnswer,
    choose_action,
    decide,
    read_case,
)
from doorkey.engine.decision_tables import MOST_EXCUSED, MOST_RENEWALS, Action, Case, CheckOutcome, Meaning
from doorkey.errors import Blocked, NeedsPerson, SessionEnded, SessionRefused, SiteDown
from doorkey.model.verdict import OK, Kind, Verdict

from .test_decision import BOTH, CALLS, KINDS

Met: TypeAlias = tuple[Case, Meaning]


def cases_by_action() -> dict[Action, list[Met]]:
    found: dict[Action, list[Met]] = defaultdict(list)
    for case in [*(case for case, _ in CALLS), *(Case(kind, begun=begun) for kind in KINDS for begun in BOTH)]:
        meaning = read_case(case)
        found[choose_action(case, meaning)].append((case, meaning))
    return found


BY_ACTION = cases_by_action()
LOST = SiteDown("no connection", arrived=False)


def told(case: Case, *, plain: bool, template: str = "POST /note") -> SiteAnswer:
    verdict = OK if case.kind in (None, Kind.OK) else Verdict(case.kind, "said", by="a wall")
    return SiteAnswer("wiki", verdict, 403, plain, template, LOST if case.kind is None else None)


def outcomes(action: Action, *, plain: bool) -> list[tuple[Case, Meaning, Decision]]:
    met = BY_ACTION[action]
    assert met, "the action is never taken"
    return [(case, meaning, decide(case, told(case, plain=plain))) for case, meaning in met]


def is_doubt(case: Case, meaning: Meaning) -> bool:
    return meaning in (Meaning.DOUBTED, Meaning.UNSURE) or case.kind is Kind.CHALLENGED


def test_every_action_is_met() -> None:
    assert set(BY_ACTION) == set(Action)
    assert (MOST_RENEWALS, MOST_EXCUSED) == (2, 20)


@pytest.mark.parametrize("plain", [True, False])
def test_what_is_delivered_checked_moved_or_renewed_says_no_more_than_that(plain: bool) -> None:
    assert {out for _, _, out in outcomes(Action.DELIVER, plain=plain)} == {Deliver()}
    assert {out for _, _, out in outcomes(Action.CHECK, plain=plain)} == {Check()}
    assert {out for _, _, out in outcomes(Action.MOVE, plain=plain)} == {Renew("not")}
    for case, meaning, out in outcomes(Action.RENEW, plain=plain):
        assert out == Renew("doubted" if is_doubt(case, meaning) else "named")


@pytest.mark.parametrize("plain", [True, False])
def test_a_request_without_an_answer_fails_by_its_own_error(plain: bool) -> None:
    for _, _, out in outcomes(Action.FAIL, plain=plain):
        assert out == Fail(LOST)


def test_the_sites_own_say_is_delivered_or_raised() -> None:
    assert {out for _, _, out in outcomes(Action.TELL, plain=True)} == {Deliver()}
    for _, _, out in outcomes(Action.TELL, plain=False):
        assert isinstance(out, Fail)
        assert (out.refused, out.behind) == ("not", False)
        assert "said" in out.error.message


def test_an_unchecked_answer_is_marked_for_a_plain_request_alone() -> None:
    for case, _, out in outcomes(Action.TELL_UNCHECKED, plain=True):
        assert isinstance(out, Deliver)
        detail = "said" if case.kind is not Kind.OK else "POST /note got an answer that a dead session may have got"
        assert (out.verdict.kind, out.verdict.detail, out.refused, out.behind) == (Kind.UNCHECKED, detail, "not", False)
    for case, _, out in outcomes(Action.TELL_UNCHECKED, plain=False):
        assert (out == Deliver()) if case.kind is Kind.OK else isinstance(out, Fail)


REASONS = {
    Meaning.ALIVE: ", while the same session is accepted elsewhere",
    Meaning.REMEMBERED: "; renewing did not help lately",
    Meaning.NO_HELP: ", by a fresh session too",
    Meaning.DOUBTED: ", by renewed sessions too",
    Meaning.UNSURE: ", by renewed sessions too",
}


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize("action", [Action.BLOCK, Action.BLOCK_AND_RENEW])
def test_a_refusal_is_the_callers_with_its_reason_and_is_renewed_behind_or_not(action: Action, plain: bool) -> None:
    renews = action is Action.BLOCK_AND_RENEW
    for case, meaning, out in outcomes(action, plain=plain):
        living = case.check in (CheckOutcome.ALIVE, CheckOutcome.RENEWED)
        why = "" if renews else "; the session is alive" if living else REASONS[meaning]
        assert isinstance(out, Deliver | Fail)
        refused = "not" if not renews else "doubted" if is_doubt(case, meaning) else "named"
        assert (out.refused, out.behind) == (refused, renews)
        if case.kind is Kind.OK:
            detail = "POST /note got an answer that a dead session may have got"
            assert out == Deliver(Verdict(Kind.UNCHECKED, detail), refused, renews)
        elif plain:
            assert out == Deliver(Verdict(Kind.BLOCKED, f"wiki: said{why}" if why else "said"), refused, renews)
        else:
            assert isinstance(out, Fail)
            assert isinstance(out.error, Blocked)
            assert (out.error.message, out.error.answer_status, out.error.by) == (f"wiki: said{why}", 403, "a wall")


@pytest.mark.parametrize("plain", [True, False])
def test_after_a_logout_the_session_is_not_used_whatever_the_answer_says(plain: bool) -> None:
    for case, _, out in outcomes(Action.LOG_OUT, plain=plain):
        if plain or case.kind is Kind.OK:
            assert out == Deliver(refused="named")
        else:
            assert isinstance(out, Fail)
            assert (out.refused, out.behind) == ("named", False)


@pytest.mark.parametrize("plain", [True, False])
def test_a_request_at_the_sessions_end_is_told_and_renewed_behind(plain: bool) -> None:
    for _, _, out in outcomes(Action.END, plain=plain):
        assert isinstance(out, Fail)
        assert isinstance(out.error, SessionEnded)
        assert (out.refused, out.behind, out.error.answer_status) == ("named", True, 403)


@pytest.mark.parametrize("plain", [True, False])
def test_the_last_refusal_says_that_renewing_did_not_help(plain: bool) -> None:
    for case, meaning, out in outcomes(Action.EXHAUST, plain=plain):
        refused = "doubted" if is_doubt(case, meaning) else "named"
        if case.kind is Kind.CHALLENGED:
            assert isinstance(out, Fail), "a person is asked, whatever the caller wants"
            assert isinstance(out.error, NeedsPerson)
        elif plain:
            assert isinstance(out, Deliver)
            assert out.verdict.kind is Kind.BLOCKED
        else:
            assert isinstance(out, Fail)
            assert isinstance(out.error, SessionRefused) or case.kind not in (Kind.OK, Kind.STALE)
            assert "said" in out.error.message or case.kind is Kind.OK
        if case.kind is Kind.OK and isinstance(out, Fail):
            assert "POST /note got the answer of a dead session from renewed sessions, too" in out.error.message
        assert isinstance(out, Deliver | Fail)
        assert (out.refused, out.behind) == (refused, False)


@pytest.mark.parametrize("plain", [True, False])
def test_once_an_answer_has_begun_a_refusal_ends_it(plain: bool) -> None:
    for case, meaning, out in outcomes(Action.BREAK_OFF, plain=plain):
        assert isinstance(out, Fail)
        named = case.kind in (Kind.STALE, Kind.CHALLENGED)
        refused = "not" if not named else "doubted" if is_doubt(case, meaning) else "named"
        assert (out.refused, out.behind) == (refused, False)
