"""Text is read from bytes as browsers read it."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doorkey.model.text import TextDecoder, begins_page, find_encoding, read_text

RUSSIAN = "Сессия истекла, войдите снова"


def page(head: str, encoding: str, body: str = RUSSIAN) -> bytes:
    return f"<html><head>{head}</head><body>{body}</body></html>".encode(encoding)


@pytest.mark.parametrize(
    ("content_type", "encoding", "text"),
    [
        ("text/html; charset=windows-1251", "cp1251", RUSSIAN),
        ("text/html; Charset = 'KOI8-R' ", "koi8-r", RUSSIAN),
        ('text/plain;format=flowed;charset="x-sjis"', "shift_jis", "セッションの有効期限が切れました"),
        ("text/html; charset=ISO-8859-1", "cp1252", "accès refusé – 5 €"),
        ("text/html; charset=us-ascii", "cp1252", "“quoted”"),
        ("text/html; charset=latin1", "latin-1", "é"),
        ("text/html; charset=iso-8859-9", "cp1254", "oturum süresi doldu – ğ"),
        ("text/html; charset=gb2312", "gb18030", "会话已过期"),
        ("text/html; charset=gbk", "gb18030", "会话已过期 𠀀"),
        ("text/html; charset=euc-kr", "cp949", "세션이 만료되었습니다"),
        ("application/json; charset=windows-1251", "cp1251", '{"error": "истекла"}'),
        ("text/plain; charset=utf-16le", "utf-16le", "Sitzung läuft ab"),
        ("text/html; charset=no-such-thing", "utf-8", RUSSIAN),
        ("text/html; charset=rot13", "utf-8", RUSSIAN),
        ("text/html; charset=utf-7", "utf-8", "+AGE-"),
        ("text/html; charset=", "utf-8", RUSSIAN),
        ("text/html; charset=кои", "utf-8", RUSSIAN),
        ("", "utf-8", RUSSIAN),
    ],
)
def test_the_header_names_the_encoding_with_labels_as_browsers_take_them(
    content_type: str, encoding: str, text: str
) -> None:
    assert read_text(text.encode(encoding), content_type) == text


@pytest.mark.parametrize(
    "head",
    [
        '<meta charset="windows-1251">',
        "<META CHARSET=cp1251>",
        '<meta name="a" content="charset=koi8-r"><meta charset=windows-1251>',
        '<meta http-equiv="Content-Type" content="text/html; charset=windows-1251">',
        "<meta content='text/html;charset = windows-1251' http-equiv=content-type />",
        "<!-- <meta charset=koi8-r> --><meta charset=windows-1251>",
        '<meta data-x="a>b" charset=windows-1251 charset=koi8-r>',
        "<meta charset=no-such-thing><meta charset=windows-1251>",
        "<script>" + "x" * 5000 + "</script><meta charset=windows-1251>",
    ],
)
def test_a_page_names_its_own_encoding(head: str) -> None:
    for content_type in ("text/html", ""):
        assert RUSSIAN in read_text(page(head, "cp1251"), content_type)


def test_an_xml_declaration_names_the_encoding() -> None:
    body = f'<?xml version="1.0" encoding="windows-1251"?><a>{RUSSIAN}</a>'.encode("cp1251")
    assert RUSSIAN in read_text(body, "application/xml")


def test_a_page_that_claims_utf_16_in_ascii_is_utf_8() -> None:
    assert RUSSIAN in read_text(page("<meta charset=utf-16>", "utf-8"), "text/html")


def test_the_header_wins_over_the_page_and_a_mark_over_both() -> None:
    body = page("<meta charset=koi8-r>", "cp1251")
    assert RUSSIAN in read_text(body, "text/html; charset=windows-1251")
    marked = b"\xef\xbb\xbf" + page("<meta charset=koi8-r>", "utf-8")
    assert RUSSIAN in read_text(marked, "text/html; charset=windows-1251")


def test_what_is_no_page_names_nothing_in_itself() -> None:
    body = page("<meta charset=windows-1251>", "utf-8")
    assert RUSSIAN in read_text(body, "text/plain")
    assert RUSSIAN in read_text(b"\n{" + body, "")


@pytest.mark.parametrize(
    "start",
    [
        b"\n <!DOCTYPE html>", b"<html\nlang=de>", b"<!-- a comment -->", b"<p>saved", b"<body class=x>", b"<a href=x>",
        b"\xef\xbb\xbf<!doctype html>", "\ufeff<html>".encode("utf-16le"), b'<?xml version="1.0"?>\n<html xmlns="x">',
    ],
)  # fmt: skip
def test_a_page_without_a_media_type_is_known_by_its_beginning(start: bytes) -> None:
    assert begins_page(start)


@pytest.mark.parametrize(
    "start", [b"", b"{", b"<", b"<rss>", b"<abbr>", b"<?xml version='1.0'?><feed>", b"a <p>", b"\xff"]
)
def test_what_is_no_page_does_not_begin_as_one(start: bytes) -> None:
    assert not begins_page(start)


def test_a_declaration_past_the_head_is_none() -> None:
    body = page("", "utf-8", "x" * 2000 + "<meta charset=windows-1251>" + RUSSIAN)
    assert RUSSIAN in read_text(body, "text/html")


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"])
def test_a_byte_order_mark_is_no_text(mark: bytes) -> None:
    encoding = {b"\xef": "utf-8", b"\xff": "utf-16le", b"\xfe": "utf-16be"}[mark[:1]]
    body = mark + '{"error": "é"}'.encode(encoding)
    assert json.loads(read_text(body, "application/json; charset=latin1")) == {"error": "é"}


def test_a_stream_of_events_is_utf_8_whatever_its_header_says() -> None:
    assert read_text("data: é\n".encode(), "text/event-stream; charset=ISO-8859-1") == "data: é\n"


def test_bytes_that_are_no_text_are_replaced() -> None:
    assert read_text(b"a\xffb") == "a�b"


@pytest.mark.parametrize(
    ("content_type", "encoding"), [("", "utf-8"), ("text/html; charset=shift_jis", "shift_jis"), ("", "utf-16")]
)
def test_a_character_that_the_cut_parted_is_dropped(content_type: str, encoding: str) -> None:
    text = "aあいう"
    body = text.encode(encoding)
    for end in range(len(body) + 1):
        assert text.startswith(read_text(body[:end], content_type, cut=True))
    assert read_text(body, content_type, cut=True) == text


@settings(deadline=None)
@given(st.text(), st.sampled_from([b"", b"\xef\xbb\xbf"]), st.lists(st.integers(0, 40)))
def test_pieces_give_the_text_of_the_whole(text: str, mark: bytes, cuts: list[int]) -> None:
    if text.startswith("\ufeff"):
        return
    body = mark + text.encode("utf-8", "replace")
    decoder, pieces, at = TextDecoder(), [], 0
    for cut in sorted(cuts):
        pieces.append(decoder.decode(body[at:cut]))
        at = max(at, min(cut, len(body)))
    pieces.append(decoder.decode(body[at:], final=True))
    assert "".join(pieces) == read_text(body)


def test_pieces_are_decoded_by_the_header() -> None:
    decoder = TextDecoder("application/json; charset=shift_jis")
    body = '{"a": "あ"}'.encode("shift_jis")
    pieces = [decoder.decode(bytes([byte])) for byte in body]
    assert "".join(pieces) + decoder.decode(b"", final=True) == '{"a": "あ"}'


def test_text_that_can_be_no_mark_is_given_at_once() -> None:
    assert TextDecoder().decode(b"d") == "d"


def test_a_hostile_page_costs_little() -> None:
    for part in (b"<meta ", b'<meta charset="', b"<!--", b"<meta a='"):
        begun = time.process_time()
        find_encoding(part * 20_000, "text/html")
        assert time.process_time() - begun < 0.2
