"""Event streams and documents, in whatever pieces they come."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorkey.model.decoders import BODY_LIMIT, LINE_LIMIT, EventStream, JsonDocument
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
    [[b"data: " + b"x" * (LINE_LIMIT + 1)], [b"data: " + b"x" * 100_000 + b"\n\n"] * (BODY_LIMIT // 100_000 + 1)],
)
def test_lines_and_bodies_have_a_limit(pieces: list[bytes]) -> None:
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
