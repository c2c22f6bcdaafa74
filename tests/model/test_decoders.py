"""Event streams and documents, in whatever pieces they come."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorkey.model.decoders import BODY_LIMIT, LINE_LIMIT, LINES_LIMIT, EventStream, JsonDocument
from doorkey.model.request import Head
from doorkey.model.verdict import Kind, Verdict


class Events(EventStream):
    def event(self, name: str, data: str) -> Iterable[str]:
        if data == "[DONE]":
            self.finish()
            return ()
        return (f"{name}|{data}",)

    def line(self, text: str) -> Iterable[str]:
        return (f"line|{text}",)


class Lines(Events):
    by_line = True
    end_required = False


class Objects(Lines):
    def is_event(self, data: str) -> bool:
        return data.endswith("}")


class Answers(JsonDocument):
    def document(self, value: Any) -> Iterable[str]:
        return (value["answer"],)


def decoded(decoder: Any, pieces: Sequence[bytes]) -> tuple[list[Any], Verdict | None]:
    items: list[Any] = []
    for piece in pieces:
        if decoder.verdict is None:
            items.extend(decoder.feed(piece))
    if decoder.verdict is None:
        items.extend(decoder.close())
    return items, decoder.verdict


STREAM = (
    ': a comment\r\n\r\nevent: message\ndata: {"a": "é €"}\n\ndata: two\rdata: lines\r\r'
    "id: 7\nretry: 5\ndata:no space\n\nplain\ndata: [DONE]\n\ndata: too late\n\n"
).encode()
SAID = ['message|{"a": "é €"}', "|two\nlines", "|no space", "line|plain"]


def test_an_event_stream_is_read_by_the_standard() -> None:
    assert decoded(Events(), [STREAM]) == (SAID, Verdict(Kind.OK))


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_how_a_stream_is_split_changes_nothing(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[start:end] for start, end in pairwise(edges)]
    assert decoded(Events(), pieces) == (SAID, Verdict(Kind.OK))


def test_a_stream_without_its_end_mark_is_cut_after_what_it_said() -> None:
    items, verdict = decoded(Events(), [b"data: one\n\ndata: tw"])
    assert items == ["|one", "|tw"]
    assert verdict is not None
    assert verdict.kind is Kind.CUT


def test_lines_that_are_events_of_their_own_need_no_blank_line() -> None:
    assert decoded(Lines(), [b"data: one\ndata: two\ndata: three"]) == (["|one", "|two", "|three"], Verdict(Kind.OK))


def test_bytes_that_are_no_utf8_lose_nothing_else() -> None:
    items, _ = decoded(Events(), [b"data: a\xffb\n\ndata: [DONE]\n\n"])
    assert items == ["|a\ufffdb"]


@pytest.mark.parametrize(
    "pieces",
    [[b"data: " + b"x" * (LINE_LIMIT + 1)], [b"data: " + b"x" * 100_000 + b"\n"] * (BODY_LIMIT // 100_000 + 1)],
)
def test_lines_and_events_have_a_limit(pieces: list[bytes]) -> None:
    _, verdict = decoded(Events(), pieces)
    assert verdict is not None
    assert verdict.kind is Kind.CHANGED


def test_a_document_is_read_when_it_is_whole() -> None:
    assert decoded(Answers(), [b'{"ans', b'wer": "yes"}']) == (["yes"], Verdict(Kind.OK))


@pytest.mark.parametrize("body", [b"", b"<html>", b"[" * 20_000, b"\xff\xfe", b"x" * (BODY_LIMIT + 1)])
def test_what_is_no_document_is_a_changed_site(body: bytes) -> None:
    items, verdict = decoded(Answers(), [body])
    assert items == []
    assert verdict is not None
    assert verdict.kind is Kind.CHANGED


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b""])
def test_a_byte_order_mark_costs_no_event(mark: bytes) -> None:
    for size in (1, 2, 100):
        body = mark + b"data: one\n\ndata: [DONE]\n\n"
        pieces = [body[at : at + size] for at in range(0, len(body), size)]
        assert decoded(Events(), pieces) == (["|one"], Verdict(Kind.OK))
    assert decoded(Answers(), [mark + b'{"answer": "one"}']) == (["one"], Verdict(Kind.OK))


def test_a_document_is_read_in_the_encoding_of_its_head() -> None:
    head = Head(status=200, headers={"content-type": "application/json; charset=windows-1251"})
    assert decoded(Answers(head), ['{"answer": "да"}'.encode("cp1251")]) == (["да"], Verdict(Kind.OK))


def test_an_event_by_line_may_go_on_in_the_next_line() -> None:
    body = b'data: {"a":\ndata: 1\ndata: }\ndata: {}\n\ndata: {\n\n'
    assert decoded(Objects(), [body])[0] == ['|{"a":\n1\n}', "|{}", "|{"]


def test_an_event_by_line_has_an_end() -> None:
    for line, count in ((b"data: {\n", LINES_LIMIT + 1), (b"data: " + b"x" * (LINE_LIMIT // 2) + b"\n", 3)):
        assert decoded(Objects(), [line * count])[1].kind is Kind.CHANGED


@pytest.mark.parametrize(
    ("told", "meant"),
    [("length", "length"), ("MAX_TOKENS", "length"), ("content_filter", "content_filter"), ("SAFETY", "content_filter"),
     ("stop", "stop"), ("tool_calls", None), (None, None), (7, None)],
)  # fmt: skip
def test_a_reason_for_the_end_is_one_that_clients_know(told: object, meant: str | None) -> None:
    decoder = Events()
    decoder.note_finish_reason(told)
    assert decoder.finish_reason == meant
    decoder.note_finish_reason(None)
    assert decoder.finish_reason == meant


def test_a_stream_may_be_of_any_length() -> None:
    decoder = Events()
    piece = b"data: " + b"x" * 1_000_000 + b"\n\n"
    for _ in range(20):
        assert len(decoder.feed(piece)) == 1
    assert decoder.verdict is None
