"""Fields go into a form, and its other bytes stay."""

from __future__ import annotations

from urllib.parse import parse_qsl, quote, quote_plus, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doorkey_providers.web.form_splice import STEP, splice_form

NAMES = st.sampled_from(["_csrf", "a", "a b", "é", "x[]", "", "csrf"])
PAIRS = st.lists(st.tuples(NAMES, st.text("a&=+%é ", max_size=4)), max_size=6)


@settings(deadline=None)
@given(PAIRS, st.sampled_from([quote, quote_plus, lambda text, *_: "".join(f"%{byte:02x}" for byte in text.encode())]))
def test_the_form_reads_as_the_old_fields_and_then_the_new(pairs: list[tuple[str, str]], how) -> None:
    written = urlencode(pairs, quote_via=how)
    body = splice_form(written.encode(), {"_csrf": "tök&", "é": ""})
    kept = [pair for pair in pairs if pair[0] not in ("_csrf", "é")]
    assert parse_qsl(body.decode(), keep_blank_values=True) == [*kept, ("_csrf", "tök&"), ("é", "")]
    assert body.startswith("&".join(urlencode([pair], quote_via=how) for pair in kept).encode())


@pytest.mark.parametrize(
    ("body", "came"),
    [
        (b"", b"t=1"),
        (b"a=%e9+~%7E&&b", b"a=%e9+~%7E&&b&t=1"),
        (b"a=1&", b"a=1&t=1"),
        (b"t=0&a=1&%74=2&t", b"a=1&t=1"),
        (b"t", b"t=1"),
        (b"t=", b"t=1"),
        (b"tt=0&xt=0&a=t&t%3D=0", b"tt=0&xt=0&a=t&t%3D=0&t=1"),
        (b"a=\xff\xfe", b"a=\xff\xfe&t=1"),
    ],
)
def test_other_fields_stay_byte_for_byte(body: bytes, came: bytes) -> None:
    assert splice_form(body, {"t": "1"}) == came


def test_raw_bytes_of_a_name_are_its_name() -> None:
    assert splice_form("é=0&a=1".encode(), {"é": "1"}) == b"a=1&%C3%A9=1"
    assert splice_form(b"a%20b=0&a+b=0", {"a b": "1"}) == b"a+b=1"


@pytest.mark.parametrize("shift", range(-8, 3))
def test_a_step_may_end_anywhere(shift: int) -> None:
    first = b"a=" + b"x" * (STEP - 2 + shift)
    assert splice_form(first + b"&t%6f%6B=0&tokx=1&to", {"tok": "1"}) == first + b"&tokx=1&to&tok=1"
