"""The pause of one key, and what a visit is told, by their rules alone."""

from __future__ import annotations

import pytest

from doorkey.errors import Blocked, SiteDown
from doorkey.rate.limits import VisitLimit
from doorkey.sessions.key_state import KeyState
from doorkey.sessions.pause import Pause, PauseRule
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
