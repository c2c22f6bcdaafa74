"""What an answer's head says."""

from __future__ import annotations

from dataclasses import replace
from email.utils import parsedate_to_datetime

import pytest

from doorkey.model.request import Head

YEAR = 31_536_000.0
DATE = "Tue, 14 Nov 2023 22:13:20 GMT"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("", None),
        ("soon", None),
        ("-5", None),
        ("0", 0.0),
        (" 120 ", 120.0),
        ("99999999999", YEAR),
        ("9" * 400, YEAR),
        ("Tue, 14 Nov 2023 22:13:50 GMT", 30.0),
        ("Tue, 14 Nov 2023 22:13:10 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", YEAR),
    ],
)
def test_how_long_a_site_wants_to_be_left_alone(value: str, seconds: float | None) -> None:
    assert Head(status=429, headers={"retry-after": value, "date": DATE}).retry_after == seconds


def test_a_date_without_the_answers_own_counts_from_its_arrival() -> None:
    head = Head(status=429, headers={"retry-after": DATE})
    assert head.retry_after is None
    at = parsedate_to_datetime(DATE).timestamp()
    assert replace(head, received=at - 90).retry_after == 90
    assert replace(head, received=at + 90).retry_after == 0
    assert replace(head, headers={"retry-after": DATE, "date": DATE}, received=at - 90).retry_after == 0
    assert replace(head, headers={"retry-after": DATE, "date": "soon"}, received=at - 90).retry_after == 90
