"""What stands before a site is recognised by the head of an answer, and nothing else is taken for it."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from doorkey.errors import Blocked, NeedsPerson, RateLimited
from doorkey.model.request import Head
from doorkey.model.session import Key, Session
from doorkey.model.site import Site
from doorkey.model.verdict import Kind
from doorkey.protections.judge import KINDS, SIGNS, recognize_head
from doorkey.protections.signs import Obstacle
from doorkey.protections.table import PROTECTIONS
from doorkey.provider import Provider

from .heads import ASKED, HITS, MISSES, Case

SESSION = Session(key=Key("site", "https://site.example/"), gen=1, url="", born=0.0, soft=1.0, hard=2.0)
PROVIDER = Provider(Site(name="site", url="https://site.example/"))
RENEWS = (Kind.STALE, Kind.CHALLENGED, Kind.REFUSED)


def kind_of(case: Case) -> Kind:
    return PROVIDER.judge(case.request, case.head, SESSION).kind


def row_of(case: Case) -> str:
    found = recognize_head(case.request, case.head)
    return found.name if found is not None else ""


@pytest.mark.parametrize("case", [*HITS, *MISSES], ids=lambda case: case.name)
def test_each_saved_head_is_what_it_is(case: Case) -> None:
    assert (row_of(case), kind_of(case)) == (case.row, case.kind)


@pytest.mark.parametrize("case", [case for case in HITS if case.kind is Kind.RATE_LIMITED], ids=lambda case: case.name)
def test_a_rate_limit_tells_for_how_long(case: Case) -> None:
    assert PROVIDER.judge(case.request, case.head, SESSION).retry_after == case.after


def test_no_head_is_misjudged(capsys: pytest.CaptureFixture[str]) -> None:
    cases = (*HITS, *MISSES)
    matrix = Counter((case.kind, kind_of(case)) for case in cases)
    false_renew = [case.name for case in cases if kind_of(case) in RENEWS and case.kind not in RENEWS]
    false_ok = [case.name for case in cases if kind_of(case) is Kind.OK and case.kind is not Kind.OK]
    with capsys.disabled():
        print(f"\n{len(HITS)} heads of protections, {len(MISSES)} near misses; meant -> judged:")
        for (meant, judged), count in sorted(matrix.items(), key=lambda entry: (entry[0][0].value, entry[0][1].value)):
            print(f"  {meant.value:>13} -> {judged.value:<13} {count:>3}{'' if meant is judged else '  WRONG'}")
        print(f"  false renew: {len(false_renew)}, false OK: {len(false_ok)}")
    assert (false_renew, false_ok) == ([], [])
    assert [key for key in matrix if key[0] is not key[1]] == []
    assert len(MISSES) >= len(HITS)


def test_every_row_has_a_hit() -> None:
    told = {row.name for row, _ in SIGNS}
    assert told - {case.row for case in HITS} == set()


def test_every_kind_of_obstacle_is_in_the_table_and_means_something() -> None:
    assert {row.obstacle for row in PROTECTIONS} == set(KINDS) == set(Obstacle)


def test_names_are_one_row_each() -> None:
    assert [name for name, count in Counter(row.name for row in PROTECTIONS).items() if count > 1] == []


def test_the_documents_table_is_the_table() -> None:
    text = (Path(__file__).parents[2] / "docs" / "challenges.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.*?) \| (.*?) \| (.*?) \| (run|doc|sig|weak) \|$", text, re.M)
    assert rows == [
        (row.name, row.obstacle.value, ", ".join(part for part in (row.cookie, row.tied) if part), row.source)
        for row in PROTECTIONS
    ]


def test_a_block_names_who_blocks() -> None:
    case = next(case for case in HITS if case.row == "Cloudflare block")
    error = PROVIDER.judge(case.request, case.head, SESSION).error("wiki", 403)
    assert isinstance(error, Blocked)
    assert (error.by, error.answer_status) == ("Cloudflare block", 403)
    assert "Cloudflare" in error.message


def test_a_challenge_says_to_the_person_what_to_do() -> None:
    case = next(case for case in HITS if case.row == "HUMAN (PerimeterX)")
    error = PROVIDER.judge(case.request, case.head, SESSION).error("wiki", 403)
    assert isinstance(error, NeedsPerson)
    assert "doorkey login wiki" in error.message


def test_a_date_without_the_answers_own_date_names_no_time() -> None:
    for header in ("retry-after", "x-ratelimit-reset"):
        value = "Sat, 21 Nov 2026 12:00:42 GMT" if header == "retry-after" else "1795262430"
        error = PROVIDER.judge(ASKED, Head(status=429, headers={header: value}), SESSION).error("wiki")
        assert isinstance(error, RateLimited)
        assert error.retry_after is None
