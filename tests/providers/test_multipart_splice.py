"""Parts go into a multipart form, and its other bytes stay."""

from __future__ import annotations

import pytest

from doorkey_providers.web.multipart_splice import splice_parts

NEW = b'--B\r\nContent-Disposition: form-data; name="t"\r\n\r\nnew\r\n'


def part(name: str, value: bytes, more: str = "") -> bytes:
    return f'--B\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + value + b"\r\n"


def spliced(body: bytes) -> bytes:
    return splice_parts(body, "B", {"t": "new"})


ONE, END = part("a", b"1"), b"--B--\r\n"
INSIDE = part("a", b"--B\r\n--Bx\r\n\r\n--Bt")
PADDED = ONE.replace(b"--B\r\n", b"--B \t\r\n")
FILE = part("f", bytes(range(256)), '; filename="t"')


@pytest.mark.parametrize(
    ("body", "came"),
    [
        (ONE + END, NEW + ONE + END),
        (ONE + part("t", b"old") + FILE + part("t", b"older") + END, NEW + ONE + FILE + END),
        (END, NEW + END),
        (b"for old clients\r\n" + ONE + END + b"the end", b"for old clients\r\n" + NEW + ONE + END + b"the end"),
        (INSIDE + END, NEW + INSIDE + END),
        (PADDED + END, NEW + PADDED + END),
        (b"--B\r\nCONTENT-DISPOSITION: form-data;name=t\r\nX: y\r\n\r\nold\r\n" + END, NEW + END),
        (b"--B\r\nname=t\r\n", NEW + b"--B\r\nname=t\r\n"),
        (b"nothing of that kind", NEW + b"nothing of that kind"),
        (b"\r\n" + ONE + END, b"\r\n" + NEW + ONE + END),
    ],
)
def test_other_parts_stay_byte_for_byte(body: bytes, came: bytes) -> None:
    assert spliced(body) == came


def test_a_name_is_written_as_browsers_do() -> None:
    old = b'--B\r\nContent-Disposition: form-data; name="a%22%0D%0A"\r\n\r\nold\r\n'
    body = splice_parts(old + b"--B--", "B", {'a"\r\n': "new"})
    assert body == old.replace(b"old", b"new") + b"--B--"


def test_a_boundary_of_any_characters_is_taken_as_it_is() -> None:
    body = b"--a.b?\r\n\r\n1\r\n--a.b?--"
    assert splice_parts(body, "a.b?", {}) == body
    assert splice_parts(body.replace(b"a.b?", b"axb"), "a.b?", {}) == body.replace(b"a.b?", b"axb")
