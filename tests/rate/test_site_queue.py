"""The queue that processes share: pure transitions, and a text that anybody may have spoiled."""

from __future__ import annotations

import pytest

from doorkey.rate.site_queue import KEPT, POLL, WAITS, Rest, SiteQueue, read_queue, write_queue

NOW = 1_700_000_000.0


def test_they_stand_in_the_order_in_which_they_came() -> None:
    queue, _ = SiteQueue().enter("a", 1, 0.0, NOW)
    queue, second = queue.enter("b", 1, 0.0, NOW)
    queue, third = queue.enter("c", 1, 0.0, NOW)
    assert (second.wait, third.wait) == (POLL, POLL)
    queue = queue.leave("a")
    queue, third = queue.enter("c", 1, 0.0, NOW)
    assert third.wait == POLL, "b came before"
    queue, second = queue.enter("b", 1, 0.0, NOW)
    assert second.wait == 0.0


def test_one_that_asks_no_more_loses_its_place() -> None:
    queue, _ = SiteQueue().enter("a", 1, 0.0, NOW)
    queue, _ = queue.enter("b", 1, 0.0, NOW)
    queue, third = queue.leave("a").enter("c", 1, 0.0, NOW + WAITS + 1)
    assert third.wait == 0.0


def test_a_call_that_has_left_is_not_brought_back_by_its_processs_sign_of_life() -> None:
    queue, _ = SiteQueue().enter("a", 1, 0.0, NOW)
    queue = queue.leave("a").keep(["a"], NOW)
    assert queue.inside == {}


def test_the_next_begins_a_step_later_and_a_request_without_a_place_as_well() -> None:
    queue, _ = SiteQueue().enter("a", 5, 2.0, NOW)
    assert queue.enter("b", 5, 2.0, NOW + 0.5)[1].wait == pytest.approx(1.5)
    assert queue.take_token(2.0, NOW + 0.5)[1].wait == pytest.approx(1.5)
    queue, token = queue.take_token(2.0, NOW + 2.0)
    assert token.wait == 0.0
    assert queue.enter("b", 5, 2.0, NOW + 2.0)[1].wait == pytest.approx(2.0)


def test_times_of_a_wrong_clock_are_not_believed() -> None:
    far = NOW + 86_400
    queue = SiteQueue(far, 1.0, Rest(far, 10.0, "rate limited", "x"), {"a": far}, {"b": far}).corrected(NOW)
    assert (queue.begins, queue.rest.until) == (NOW + 1.0, NOW + 10.0)
    assert (queue.inside["a"], queue.waiting["b"]) == (NOW + KEPT, NOW + WAITS)


def test_a_longer_rest_goes_on() -> None:
    queue = SiteQueue().begin_rest(60.0, "rate limited", "long", NOW).begin_rest(5.0, "rate limited", "short", NOW)
    assert queue.rest.detail == "long"
    waits = queue.enter("a", 1, 0.0, NOW + 1)[1]
    assert waits.rest is not None
    assert waits.rest_left == pytest.approx(59.0)


def test_they_are_read_as_they_were_written() -> None:
    queue, _ = SiteQueue().begin_rest(9.0, "site down", "away", NOW).enter("a", 1, 0.5, NOW)
    assert read_queue(write_queue(queue)) == queue


@pytest.mark.parametrize("text", ["", "nonsense", "[]", "{}", '{"begins": 1}', '{"begins": null, "rest": 3}'])
def test_a_spoiled_text_counts_as_empty(text: str) -> None:
    assert read_queue(text) == SiteQueue()
