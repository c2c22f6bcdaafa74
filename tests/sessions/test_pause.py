"""The pause of one key, and what a visit is told, by their rules alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from doorkey.errors import (
    Blocked,
    BrowserFailed,
    Changed,
    ConfigurationError,
    DoorkeyError,
    NeedsPerson,
    QuotaReached,
    RateLimited,
    SessionRefused,
    SiteDown,
    VisitFailed,
)
from doorkey.rate.limits import VisitLimit
from doorkey.sessions.key_state import KeyState
from doorkey.sessions.pause import Pause, PauseRule, remembered
from doorkey.sessions.use_budget import UseBudget
from stepped_clock import SteppedClock

from .conftest import KEY, made

RULE = PauseRule(first=1.0, longest=300.0, away=10.0, uniform=lambda low, high: high)
AWAY = SiteDown("refused the connection", arrived=False, away=True)


def test_a_known_site_that_takes_no_connections_is_tried_at_the_first_pause_for_a_while() -> None:
    pause = Pause(RULE)
    for now in (100.0, 103.0, 109.0):
        pause.remember(AWAY, now, known=True)
        assert (pause.until, pause.failures) == (now + 1.0, 0)
    pause.remember(AWAY, 110.0, known=True)
    assert (pause.until, pause.failures, pause.away_until) == (111.0, 1, 110.0)
    pause.remember(AWAY, 111.0, known=True)
    assert (pause.until, pause.failures) == (113.0, 2)


def test_an_address_that_never_answered_may_be_wrong_and_is_not_waited_for() -> None:
    pause = Pause(RULE)
    pause.remember(AWAY, 100.0, known=False)
    assert (pause.away_until, pause.failures) == (0.0, 1)
    pause.remember(SiteDown("dropped", arrived=True, away=True), 200.0, known=False)
    assert (pause.away_until, pause.failures) == (210.0, 1)


def test_a_site_that_is_away_again_much_later_is_waited_for_again() -> None:
    pause = Pause(RULE)
    pause.remember(AWAY, 100.0, known=True)
    pause.remember(AWAY, 410.0, known=True)
    assert (pause.away_until, pause.failures) == (110.0, 1), "the last one is not long ago"
    pause.remember(AWAY, 410.1, known=True)
    assert (pause.away_until, pause.failures) == (420.1, 1)


def test_another_failure_ends_the_waiting_and_asks_for_its_own_pause() -> None:
    pause = Pause(RULE)
    pause.remember(AWAY, 100.0, known=True)
    pause.remember(Blocked("no", retry_after=60.0), 101.0, known=True)
    assert (pause.until, pause.away_until, pause.failures) == (161.0, 0.0, 1)
    assert pause.why is not None
    assert pause.why.message == "no"
    pause.remember(Blocked("no", retry_after=0.5), 170.0, known=True)
    assert pause.until == 172.0, "its own pause is longer than what the error asks for"


def test_only_visits_within_the_limits_span_count_for_it() -> None:
    pause = Pause(RULE, VisitLimit(visits=2, seconds=600.0))
    pause.count(100.0, made(1, SteppedClock(), gen=1))
    assert pause.next_length(100.0) == 1.0
    pause.count(200.0, SiteDown("503"))
    assert pause.next_length(700.0) == 600.0, "the first one began just 600 s ago"
    assert pause.next_length(700.1) == 1.0
    pause.grow(200.0)
    assert pause.until == 800.0, "kept to the second"
    pause.forgive(1)
    assert pause.next_length(200.0) == 2.0
    pause.count(210.0, SiteDown("no connection", arrived=False))
    assert len(pause.useless) == 1, "it never reached the site"


def test_another_processes_pause_does_not_hide_an_error_of_our_own() -> None:
    pause, first = Pause(RULE), Blocked("ours")
    pause.remember(first, 100.0, known=True)
    pause.adopt(50.0, Blocked("theirs"), 100.0)
    assert (pause.until, pause.why) == (150.0, first)
    assert "that was 5 s ago" in pause.explain("wiki", 105.0).message
    assert "remembered" not in pause.explain("wiki", 100.9).message, "the caller waited for this one"
    pause.end()
    pause.adopt(50.0, Blocked("theirs"), 100.0)
    told = pause.explain("wiki", 110.0)
    assert "theirs (remembered: that was in another process; the next try is in 40 s" in told.message
    assert told.retry_after == 40.0
    assert pause.explain("wiki", 500.0).retry_after == 0.0


def test_a_budget_is_believed_after_three_alike_and_given_up_when_one_ends_earlier() -> None:
    budget = UseBudget()
    for successes in (5, 5):
        budget.successes = successes
        budget.learn()
    assert budget.learned is None
    budget.learn()
    assert budget.learned == 5
    budget.learn()
    assert budget.learned == 5
    budget.successes = 4
    budget.learn()
    assert budget.learned is None
    nothing = UseBudget()
    for _ in range(4):
        nothing.learn()
    assert nothing.learned is None, "sessions that never worked teach nothing"


def test_a_budget_runs_out_at_four_fifths_and_is_spent_at_its_end(clock: SteppedClock) -> None:
    budget, session = UseBudget(), made(1, clock, max_uses=10)
    seen = []
    for used in range(12):
        budget.used = used
        seen.append((budget.runs_out(session), budget.is_spent(session)))
    assert seen == [(False, False)] * 8 + [(True, False)] * 2 + [(True, True)] * 2
    assert not budget.is_spent(None)
    assert not budget.runs_out(made(1, clock))


@pytest.mark.parametrize("gen", [1, 2, 3])
def test_a_visit_begins_with_the_newest_session_that_is_known(clock: SteppedClock, gen: int) -> None:
    state, stored = KeyState(KEY), made(7, clock, gen=gen)
    assert state.reason(None).previous is None
    assert state.reason(stored).previous == stored
    held = made(1, clock, gen=2)
    state.publish(held, clock.now())
    assert state.reason(None).previous == held
    reason = state.reason(stored)
    assert reason.previous == (held if gen == 1 else stored)
    assert reason.refused is None


def test_a_visit_is_told_which_session_was_refused_and_how(clock: SteppedClock) -> None:
    state, held = KeyState(KEY), made(1, clock, gen=2)
    state.end_visit(held, clock.now())
    state.refuse(2, clock.now(), named=False)
    reason = state.reason(None)
    assert (reason.refused, reason.named, reason.fresh) == (held, False, True)
    state.accept(2)
    state.refuse(2, clock.now(), named=True)
    reason = state.reason(None)
    assert (reason.refused, reason.named, reason.fresh) == (held, True, False)
    login = made(2, clock, gen=3)
    assert (state.reason(login).previous, state.reason(login).refused) == (login, None), "somebody has logged in"


def test_a_refusal_tells_before_it_is_made_how_long_nobody_would_visit(clock: SteppedClock) -> None:
    state, now = KeyState(KEY, Pause(RULE)), clock.now()
    state.end_visit(made(1, clock, gen=2), now)
    assert state.pause_after(2, now) == 1.0
    assert state.pause_after(1, now) == 0.0, "late news"
    assert state.pause_after(3, now) == 0.0
    state.refuse(2, now, named=False)
    assert state.pause_after(2, now) == 1.0, "the pause that has begun"
    state.pause.until = 0.0
    assert state.pause_after(2, now) == 0.0
    state.end_visit(made(2, clock, gen=5), now)
    state.accept(5)
    assert state.pause_after(5, now) == 0.0, "it has worked"


def test_new_tokens_are_taken_for_their_generation_alone(clock: SteppedClock) -> None:
    state = KeyState(KEY)
    state.replace_tokens(1, {"a": "b"}, renews_budget=True)
    assert state.current is None
    state.publish(made(1, clock, gen=1), clock.now())
    state.hand_out()
    state.replace_tokens(2, {"nonce": "other"}, renews_budget=True)
    assert state.current is not None
    assert (state.current.tokens, state.budget.used) == ({"nonce": "nonce-1"}, 1)
    state.replace_tokens(1, {"next": "n"}, renews_budget=False)
    assert (state.current.tokens, state.budget.used) == ({"nonce": "nonce-1", "next": "n"}, 1)
    state.replace_tokens(1, {"nonce": "m"}, renews_budget=True)
    assert (state.current.tokens, state.budget.used) == ({"nonce": "m", "next": "n"}, 0)


def test_the_successor_is_fetched_past_the_soft_age_or_the_budget_and_only_once(clock: SteppedClock) -> None:
    state, now = KeyState(KEY, Pause(RULE)), clock.now()
    assert not state.needs_successor(now)
    state.publish(made(1, clock, gen=1), now)
    assert state.soft_at == now + 600.0
    assert not state.needs_successor(now + 599.9)
    assert state.needs_successor(now + 600.0)
    state.pause.until = now + 700.0
    assert not state.needs_successor(now + 650.0)
    assert state.needs_successor(now + 700.0)


def test_news_of_an_older_session_changes_nothing_whether_it_was_refused_before_or_not(clock: SteppedClock) -> None:
    state = KeyState(KEY, Pause(RULE))
    for gen in (1, 2):
        state.end_visit(made(gen, clock, gen=gen), clock.now())
        state.accept(gen)
    state.refuse(1, clock.now(), named=True)
    assert (state.refused, state.doubted, state.pause.until) == (-1, -1, 0.0)
    state.refuse(2, clock.now(), named=False)
    state.refuse(2, clock.now(), named=False)
    assert (state.refused, state.doubted, state.budget.lifetimes) == (-1, 2, ())
    state.refuse(2, clock.now(), named=True)
    assert (state.refused, state.doubted, state.budget.lifetimes) == (2, 2, (1,))
    state.refuse(2, clock.now(), named=True)
    assert state.budget.lifetimes == (1,), "once for a generation"
    state.end_visit(made(3, clock, gen=3), clock.now())
    for _ in range(2):
        state.refuse(3, clock.now(), named=False)
    assert (state.unproven, state.pause.failures) == (1, 1)


def test_a_new_session_waits_only_behind_one_that_can_still_be_used(clock: SteppedClock) -> None:
    def published(change: Callable[[KeyState], object], **changes: object) -> tuple[int, int]:
        state = KeyState(KEY, Pause(RULE))
        state.publish(made(1, clock, gen=1, **changes), clock.now())
        change(state)
        state.publish(made(2, clock, gen=2, **changes), clock.now())
        waiting = state.waiting_session
        return state.generation, waiting.gen if waiting is not None else -1

    assert published(lambda state: state.hand_out(), max_uses=2) == (1, 2)
    assert published(lambda state: state.hand_out()) == (2, -1), "no budget"
    assert published(lambda state: [state.hand_out(), state.hand_out()], max_uses=2) == (2, -1), "spent"
    assert published(lambda state: state.refuse(1, clock.now(), named=True), max_uses=2) == (2, -1)
    assert published(lambda state: state.refuse(1, clock.now(), named=False), max_uses=2) == (2, -1)
    assert published(lambda state: None, max_uses=2, hard=0.0) == (2, -1), "too old"


def test_a_waiting_session_is_taken_once_and_only_where_it_is_usable(clock: SteppedClock) -> None:
    state, now = KeyState(KEY, Pause(RULE)), clock.now()
    assert not state.promote(-1, now)
    for newer_than, at, taken in ((2, now, False), (1, now + 1200.0, False), (1, now + 1199.0, True)):
        state = KeyState(KEY, Pause(RULE))
        state.publish(made(1, clock, gen=1, max_uses=2), now)
        state.publish(made(2, clock, gen=2, max_uses=2), now)
        assert state.promote(newer_than, at) is taken
        assert (state.generation, state.waiting_session) == (2 if taken else 1, None)
        assert not state.promote(-1, now)
    assert state.budget.used == 0
    assert state.born == now


def test_a_site_counts_as_closed_after_three_sessions_that_never_worked(clock: SteppedClock) -> None:
    state = KeyState(KEY, Pause(RULE))
    for gen, closed in ((1, False), (2, False), (3, True)):
        state.end_visit(made(gen, clock, gen=gen), clock.now())
        state.refuse(gen, clock.now(), named=True)
        assert (state.is_open, state.unproven, state.visits, state.pause.failures) == (closed, gen, gen, gen)
    state.join(made(4, clock, gen=4), clock.now())
    state.refuse(4, clock.now(), named=True)
    assert (state.unproven, state.visits, state.pause.until) == (3, 3, 0.0), "one from the store may have worked there"
    state.accept(5)
    assert (state.is_open, state.unproven, state.pause.failures) == (False, 0, 0)
    state.unproven = 3
    state.accept(5)
    assert state.unproven == 3, "only a session newer than all used before"
    state.adopt(made(6, clock, gen=6), clock.now())
    assert (state.unproven, state.generation, state.pause.until) == (0, 6, 0.0)


def test_a_visit_asked_for_by_name_heeds_nothing_that_is_at_hand(clock: SteppedClock) -> None:
    state = KeyState(KEY, Pause(RULE))
    state.publish(made(1, clock, gen=1, max_uses=2), clock.now())
    state.publish(made(2, clock, gen=2, max_uses=2), clock.now())
    state.fail_visit(Blocked("no", retry_after=60.0), clock.now(), known=True)
    state.hurry()
    assert (state.pause.until, state.waiting_session, state.hurried, state.doubted) == (0.0, None, True, 1)
    state.refuse(5, clock.now(), named=False)
    state.hurry()
    assert state.doubted == 5


def test_what_a_flight_does_is_noted_until_its_end(clock: SteppedClock) -> None:
    state, now = KeyState(KEY, Pause(RULE, VisitLimit(2, 600.0))), clock.now()
    state.wait_for("another process visits")
    state.begin_visit(now)
    assert (state.visit_began, state.waits) == (now, "")
    state.wait_for("a person")
    state.end_visit(made(1, clock, gen=1), now + 5)
    assert (state.visit_began, state.made, state.visits, state.born) == (None, 1, 1, now + 5)
    assert state.pause.useless == ((now, 1),)
    state.hurry()
    state.end_flight()
    assert (state.flight, state.hurried, state.waits) == (None, False, "")
    state.fail_visit(SiteDown("503"), now + 6, known=True)
    assert state.pause.useless == ((now, 1),), "no visit had begun"
    state.begin_visit(now + 7)
    state.fail_visit(SiteDown("503"), now + 8, known=True)
    assert state.pause.useless == ((now, 1), (now + 7, -1))
    state.accept(1)
    assert state.pause.useless == ((now + 7, -1),)
    state.begin_wait()
    assert state.callers == 1
    state.end_wait()
    assert state.callers == 0


def test_uses_and_successes_are_counted_for_the_current_session(clock: SteppedClock) -> None:
    state = KeyState(KEY)
    state.accept(1)
    assert (state.generation, state.spent, state.accepted, state.budget.successes) == (-1, False, 1, 0)
    state.publish(made(3, clock, gen=3, max_uses=1), clock.now())
    state.accept(2)
    assert (state.accepted, state.budget.successes, state.spent) == (2, 0, False)
    state.hand_out()
    state.accept(3)
    state.accept(3)
    assert (state.accepted, state.budget.successes, state.budget.used, state.spent) == (3, 2, 1, True)
    state.publish(made(4, clock, gen=4), clock.now())
    assert (state.budget.successes, state.budget.used, state.spent) == (0, 0, False)


def test_a_shared_budget_is_not_learned(clock: SteppedClock) -> None:
    for shared in (False, True):
        state = KeyState(KEY, shared=shared)
        for gen in (1, 2, 3):
            state.publish(made(gen, clock, gen=gen), clock.now())
            state.accept(gen)
            state.accept(gen)
            state.refuse(gen, clock.now(), named=True)
        assert state.budget.learned == (None if shared else 2)
    other = KeyState(KEY)
    other.join(made(1, clock, gen=1), clock.now())
    assert other.shared


@pytest.mark.parametrize(
    ("kind", "code"),
    [(kind, kind.code) for kind in (Blocked, Changed, NeedsPerson, QuotaReached, RateLimited, SessionRefused)]
    + [(VisitFailed, "visit_failed"), (VisitFailed, "something newer"), (VisitFailed, "")],
)
def test_the_error_of_another_processes_visit_is_of_its_own_class(kind: type[DoorkeyError], code: str) -> None:
    error = remembered(code, "wiki: it failed", site="wiki")
    assert type(error) is kind
    assert "it failed" in error.message


def test_a_pause_doubles_to_its_longest() -> None:
    assert [PauseRule(1.0, 300.0).length(failures) for failures in (1, 2, 3, 9, 10, 5000)] == [1, 2, 4, 256, 300, 300]
    assert PauseRule(1.0, 1e12).length(5000) == 2.0**30
    asked: list[tuple[float, float]] = []

    def lowest(low: float, high: float) -> float:
        asked.append((low, high))
        return low

    pause = Pause(PauseRule(1.0, 300.0, 10.0, lowest))
    pause.grow(100.0)
    assert (pause.until, asked) == (100.5, [(0.5, 1.0)])
    pause.remember(AWAY, 200.0, known=True)
    assert (pause.until, asked) == (200.5, [(0.5, 1.0)] * 2)


def test_visits_are_not_counted_where_the_site_has_no_limit_on_them(clock: SteppedClock) -> None:
    state = KeyState(KEY, Pause(RULE))
    for _ in range(3):
        state.begin_visit(clock.now())
        state.fail_visit(SiteDown("503"), clock.now(), known=True)
    assert state.pause.useless == ()


def test_only_visits_that_reached_the_site_count_as_useless() -> None:
    pause = Pause(RULE)
    for made_of in (
        SiteDown("no connection", arrived=False), ConfigurationError("wrong"), BrowserFailed("died"),
        SiteDown("503", arrived=True), Blocked("no"),
    ):  # fmt: skip
        pause.count(1.0, made_of)
    assert pause.useless == ((1.0, -1), (1.0, -1))


def test_the_end_of_a_pause_keeps_its_growth_and_a_use_ends_both() -> None:
    pause = Pause(RULE)
    pause.remember(AWAY, 100.0, known=True)
    pause.remember(Blocked("no"), 120.0, known=True)
    pause.remember(AWAY, 130.0, known=True)
    pause.end()
    assert (pause.until, pause.why, pause.failures, pause.away_until) == (0.0, None, 1, 140.0)
    pause.remember(AWAY, 131.0, known=True)
    pause.forget()
    assert (pause.until, pause.why, pause.failures, pause.away_until) == (0.0, None, 0, 0.0)


def test_a_pause_says_since_when_and_how_to_end_it() -> None:
    pause = Pause(RULE)
    pause.grow(100.0)
    assert pause.explain("wiki", 100.0).message == (
        "wiki: new sessions are refused as well; the next try is in 1 s, or at once by doorkey visit wiki"
    )
    pause.remember(Blocked("no", retry_after=60.0), 100.0, known=True)
    assert pause.explain("wiki", 100.5).message == "no (the next try is in 60 s, or at once by doorkey visit wiki)"
    told = pause.explain("wiki", 101.0)
    assert "no (remembered: that was 1 s ago; the next try is in 59 s" in told.message
    assert (told.retry_after, type(told)) == (59.0, Blocked)
