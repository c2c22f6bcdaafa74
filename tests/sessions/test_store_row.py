"""The rules of a store's row, and how it lies in a store as text."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from doorkey.model.cookies import Cookie
from doorkey.model.session import Key, Session
from doorkey.sessions.store import Backoff, Busy, Claim, Newer, Row
from doorkey.sessions.stored import KINDS, read_row_text, write_row_text

KEY = Key("wiki", "http://127.0.0.1:1/")
NOW, TTL = 100.0, 15.0


def session(**changes: Any) -> Session:
    cookies = (Cookie("sid", "s3cret", "127.0.0.1", expires=2e9, same_site="Lax"),)
    plain = Session(
        key=KEY, gen=7, url=KEY.url, born=NOW, soft=600.0, hard=1200.0, cookies=cookies, headers={"user-agent": "C"},
        tokens={"nonce": "abc", "bots": [1, {"x": None}]}, local={"a": "b"}, visitor="v", rung="browser",
        rungs={"browser": 2}, seeds={"indexedDB": []}, tab={"t": "v"},
    )  # fmt: skip
    return replace(plain, **changes)


def begun(row: Row, seen: int = -1, wall: float = NOW, *, patient: bool = True) -> tuple[Row, Any]:
    return row.begin(KEY, seen, TTL, wall, patient)


def claimed(row: Row, seen: int = -1) -> tuple[Row, Claim]:
    after, claim = begun(row, seen)
    assert isinstance(claim, Claim)
    return after, claim


@pytest.mark.parametrize(
    ("row", "wall"),
    [
        (Row(session=session(), whole=True, gen=7), NOW),
        (Row(session=session(), whole=True, gen=7), NOW + 1199.0),
        (Row(session=session(), whole=True, claim="c", claimed_until=110.0, failed_until=120.0, failed_for=30.0), NOW),
    ],
)
def test_a_whole_session_newer_than_the_seen_one_is_handed_out(row: Row, wall: float) -> None:
    after, result = begun(row, 6, wall)
    assert result == Newer(session())
    assert after is row, "nothing is to be written"


@pytest.mark.parametrize(
    ("row", "seen", "wall"),
    [
        (Row(), -1, NOW),
        (Row(session=session(), whole=True, gen=7), 7, NOW),
        (Row(session=session(), whole=True, gen=7), 8, NOW),
        (Row(session=session(), whole=False, gen=7), -1, NOW),
        (Row(session=session(), whole=True, gen=7), -1, NOW + 1200.0),
        (Row(claim="c", claimed_until=NOW), -1, NOW),
        (Row(claim="", claimed_until=NOW + 5), -1, NOW),
        (Row(failed_until=NOW, failed_for=30.0), -1, NOW),
    ],
)
def test_without_a_session_a_pause_or_a_claim_one_visits(row: Row, seen: int, wall: float) -> None:
    after, claim = begun(row, seen, wall)
    assert isinstance(claim, Claim)
    assert (claim.key, claim.floor, claim.previous) == (KEY, max(row.gen, seen), row.session)
    assert after == replace(row, claim=claim.token, claimed_until=wall + TTL)
    assert after.claim == claim.token
    assert begun(row, seen, wall)[1].token != claim.token


def test_a_pause_is_heeded_to_its_end_but_by_who_is_asked_for_by_name() -> None:
    row = Row(failed_until=130.0, failed_for=30.0, why="down", code="provider_unavailable")
    assert begun(row) == (row, Backoff(30.0, "down", "provider_unavailable"))
    assert isinstance(begun(row, patient=False)[1], Claim)
    both = replace(row, claim="c", claimed_until=110.0)
    assert begun(both)[1] == Backoff(30.0, "down", "provider_unavailable")
    assert begun(both, patient=False)[1] == Busy(10.0)


def test_who_comes_while_another_visits_is_told_how_long_the_claim_lasts() -> None:
    row = Row(claim="c", claimed_until=110.0)
    assert begun(row) == (row, Busy(10.0))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((115.0, 130.0), None),
        ((115.1, 130.0), (115.0, 130.0)),
        ((110.0, 130.1), (110.0, 130.0)),
        ((3700.0, 3700.0), (115.0, 130.0)),
    ],
)
def test_times_that_only_a_wrong_clock_can_have_written_are_cut(
    before: tuple[float, float], after: tuple[float, float] | None
) -> None:
    row = Row(claim="c", claimed_until=before[0], failed_until=before[1], failed_for=30.0)
    corrected = row.corrected(TTL, NOW)
    if after is None:
        assert corrected is row, "a copy would be written"
    assert (corrected.claimed_until, corrected.failed_until) == (after or before)


@pytest.mark.parametrize(
    ("gen", "seen", "wall", "expected"),
    [(7, -1, 0.001, 8), (7, 9, 0.001, 10), (7, 9, 0.0129, 13), (-1, -1, 0.0, 1)],
)
def test_a_committed_session_is_above_the_row_the_seen_one_and_the_time(
    gen: int, seen: int, wall: float, expected: int
) -> None:
    row, claim = claimed(Row(gen=gen, failed_until=5.0, failed_for=30.0, why="down", code="x"), seen)
    done = row.commit(claim, session(), wall)
    assert done == (Row(session=session(gen=expected), whole=True, gen=expected), session(gen=expected))


def test_a_budgets_session_leaves_its_login_and_not_its_tokens() -> None:
    row, claim = claimed(Row())
    done = row.commit(claim, session(max_uses=1), 0.0)
    kept = session(gen=1, max_uses=1, tokens={})
    assert done == (Row(session=kept, whole=False, gen=1), session(gen=1, max_uses=1))


def test_who_lost_the_claim_changes_nothing() -> None:
    _, lost = claimed(Row())
    row, _ = claimed(Row())
    results = (
        row.renew(lost, TTL, NOW), row.commit(lost, session(), NOW), row.keep(lost, session()),
        row.fail(lost, "late", "x", 60.0, NOW),
    )  # fmt: skip
    assert results == (None, None, None, None)


def test_who_holds_the_claim_renews_it_keeps_what_came_and_tells_of_a_failure() -> None:
    held = Row(session=session(), whole=True, gen=7)
    row, claim = claimed(held, 7)
    assert row.renew(claim, TTL, NOW + 10) == replace(row, claimed_until=125.0)
    assert row.keep(claim, session(gen=99, local={})) == replace(row, session=session(local={}), whole=False)
    first, claim_of_first = claimed(Row())
    assert first.keep(claim_of_first, session()) == replace(first, session=session(gen=-1), whole=False)
    told = Row(session=session(), whole=True, gen=7, failed_until=160.0, failed_for=60.0, why="down", code="x")
    assert row.fail(claim, "down", "x", 60.0, NOW) == replace(told, claimed_until=0.0)


def test_renewed_cookies_are_for_their_generation_and_not_for_a_visits_half_session() -> None:
    new = session(cookies=(Cookie("sid", "rotated", "127.0.0.1"),), soft=1.0, hard=2.0, local={"not": "taken"})
    row = Row(session=session(), whole=True, gen=7)
    taken = replace(row, session=session(cookies=new.cookies, soft=1.0, hard=2.0))
    assert row.renew_cookies(new) == taken
    assert Row().renew_cookies(new) is None
    assert row.renew_cookies(replace(new, gen=6)) is None
    assert row.renew_cookies(replace(new, gen=8)) is None
    assert replace(row, claim="c").renew_cookies(new) == replace(taken, claim="c")
    assert replace(row, whole=False).renew_cookies(new) == replace(taken, whole=False)
    assert replace(row, whole=False, claim="c").renew_cookies(new) is None, "a visit keeps its own there"


FULL = Row(session(), True, 9, "token", 110.0, 120.0, 30.0, "down", "x")


def test_a_row_comes_back_from_its_text() -> None:
    for row in (FULL, Row(), replace(FULL, session=session(max_uses=3))):
        assert read_row_text(KEY, write_row_text(row)) == (row, True)


def changed_text(change: Callable[[dict[str, Any]], object], row: Row = FULL) -> str:
    values = json.loads(write_row_text(row))
    change(values)
    return json.dumps(values)


@pytest.mark.parametrize("name", KINDS)
def test_a_wrong_value_in_a_row_counts_as_absent_and_is_named(name: str, caplog: pytest.LogCaptureFixture) -> None:
    text = changed_text(lambda values: values.update({name: ["wrong"]}))
    absent = {"gen": 7} if name == "gen" else {name: getattr(Row(), name)}
    assert read_row_text(KEY, text) == (replace(FULL, **absent), True)
    assert f"wiki: the store's row has a wrong {name}, which" in caplog.text


def test_a_generation_that_is_lost_with_its_session_begins_anew(caplog: pytest.LogCaptureFixture) -> None:
    text = changed_text(lambda values: values.update(gen=None, why=None), replace(FULL, session=None))
    assert read_row_text(KEY, text) == (replace(FULL, session=None, gen=-1, why=""), True)
    assert "a wrong gen and why" in caplog.text


@pytest.mark.parametrize("text", ["", "no json", "[1]", "5", "null"])
def test_what_is_no_row_counts_as_absent_and_is_said(text: str, caplog: pytest.LogCaptureFixture) -> None:
    assert read_row_text(KEY, text) == (Row(), False)
    assert "wiki: the store's row can't be read" in caplog.text


def test_a_sound_row_is_read_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    read_row_text(KEY, write_row_text(FULL))
    assert caplog.text == ""


WRONG: list[tuple[str, object]] = [
    ("url", 5), ("visitor", None), ("rung", 5), ("gen", "7"), ("born", None), ("soft", "1"), ("hard", "1"),
    ("max_uses", "1"), ("headers", {"a": 1}), ("headers", []), ("local", {"a": 1}), ("local", 5), ("rungs", {"a": "1"}),
    ("rungs", []), ("tokens", 5), ("seeds", 5), ("cookies", 5), ("cookies", [5]), ("key", 5), ("key", {"site": "wiki"}),
    ("key.site", 5), ("key.url", 5), ("key.profile", 5), ("key.egress", None), ("key.caller", 5), ("cookie.name", 5),
    ("cookie.value", 5), ("cookie.domain", 5), ("cookie.path", None), ("cookie.same_site", 5),
    ("cookie.host_only", "1"), ("cookie.secure", "1"), ("cookie.http_only", None), ("cookie.expires", "1"),
    ("cookie.other", "1"), ("other", "1"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_session_with_a_value_of_a_wrong_type_counts_as_absent(
    name: str, value: object, caplog: pytest.LogCaptureFixture
) -> None:
    def change(values: dict[str, Any]) -> None:
        held = json.loads(values["session"])
        owner, _, field = name.rpartition(".")
        inner = held["cookies"][0] if owner == "cookie" else held[owner] if owner else held
        inner[field] = value
        values["session"] = json.dumps(held)

    assert read_row_text(KEY, changed_text(change)) == (replace(FULL, session=None), False)
    assert "wiki: the stored session can't be read" in caplog.text
    assert "s3cret" not in caplog.text
