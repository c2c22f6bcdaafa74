"""Incremental decoders of an answer's body: event streams and JSON documents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from doorkey.errors import Changed
from doorkey.model.chat import Delta, FinishReason, read_finish_reason
from doorkey.model.request import Head, MiB, parse_json
from doorkey.model.text import TextDecoder
from doorkey.model.verdict import OK, Kind, Verdict

LINE_LIMIT = MiB // 2
BODY_LIMIT = 8 * MiB
LINES_LIMIT = 256
"""`data:` lines that one event may have where each line may be an event of its own."""


class Decoding:
    """The base of decoders: text that arrives in pieces, a verdict that is set once, and why the answer ended.

    *head* is the answer's; its Content-Type names the encoding. Bytes that are no text become U+FFFD: a site's mistake
    must not lose the rest of its answer.
    """

    def __init__(self, head: Head | None = None) -> None:
        self.verdict: Verdict | None = None
        self.finish_reason: FinishReason | None = None
        self._text = TextDecoder(head.headers.get("content-type", "") if head is not None else "")

    def finish(self, verdict: Verdict = OK) -> None:
        """End the answer, or let it fail. Only the first call counts."""
        if self.verdict is None:
            self.verdict = verdict

    def note_finish_reason(self, told: object) -> None:
        """Keep the site's own word for why the answer ended ("length"), if it is one. The last one counts."""
        self.finish_reason = read_finish_reason(told) or self.finish_reason


class EventStream(Decoding):
    """An event stream (WHATWG HTML, section 9.2), or any body of lines, read line by line.

    A subclass answers `event(name, data)` for each event, and `line(text)` for lines that are no field of one (the
    default ignores them); both return deltas, and call `finish` at the end mark or at a failure. `end_required`:
    whether a body without an end mark was cut. A line over 512 KiB, or an event over 8 MiB, is CHANGED. A stream may
    be of any length.
    """

    end_required = True
    by_line = False
    """Whether each `data:` line is an event of its own, as sites send that leave out the blank lines. Where `is_event`
    says no, the event goes on in the next `data:` line."""

    def __init__(self, head: Head | None = None) -> None:
        super().__init__(head)
        self._rest = ""
        self._name = ""
        self._data: list[str] = []
        self._size = 0

    def event(self, name: str, data: str) -> Iterable[Delta]:
        raise NotImplementedError

    def line(self, text: str) -> Iterable[Delta]:
        return ()

    def is_event(self, data: str) -> bool:
        """With `by_line`: whether *data* is a whole event."""
        return True

    def feed(self, data: bytes) -> Sequence[Delta]:
        return self._lines(self._text.decode(data))

    def close(self) -> Sequence[Delta]:
        tail = self._text.decode(b"", final=True)
        deltas = self._lines(tail + "\n\n" if self._rest or tail or self._data else "")
        if self.verdict is None:
            self.finish(Verdict(Kind.CUT, "the answer's stream ended before its end mark") if self.end_required else OK)
        return deltas

    def _lines(self, text: str) -> list[Delta]:
        # A CR at the end stays behind: its LF may be in the next piece.
        text = self._rest + text
        held = text.endswith("\r")
        lines = text[: -1 if held else None].replace("\r\n", "\n").replace("\r", "\n").split("\n")
        self._rest = lines.pop() + ("\r" if held else "")
        deltas: list[Delta] = []
        for line in lines:
            if self.verdict is not None:
                return deltas
            deltas.extend(self._line(line))
        if len(self._rest) > LINE_LIMIT:
            self.finish(Verdict(Kind.CHANGED, f"a line of the answer is longer than {LINE_LIMIT} bytes"))
        return deltas

    def _line(self, line: str) -> Iterable[Delta]:
        if not line:
            return self._dispatch()
        if line[0] == ":":
            return ()
        field, colon, value = line.partition(":")
        value = value.removeprefix(" ")
        if colon and field == "data":
            self._data.append(value)
            self._size += len(value)
            if self.by_line:
                return self._data_line()
            if self._size > BODY_LIMIT:
                self.finish(Verdict(Kind.CHANGED, f"an event of the answer is longer than {BODY_LIMIT} bytes"))
        elif colon and field == "event":
            self._name = value
        elif not colon or field not in ("id", "retry"):
            return self.line(line)
        return ()

    def _data_line(self) -> Iterable[Delta]:
        data = "\n".join(self._data)
        if self.is_event(data):
            self._data, self._size = [], 0
            return self.event(self._name, data)
        if len(self._data) > LINES_LIMIT or len(data) > LINE_LIMIT:
            self.finish(Verdict(Kind.CHANGED, "an event of the answer has more lines than any site is known to send"))
        return ()

    def _dispatch(self) -> Iterable[Delta]:
        name, data = self._name, "\n".join(self._data)
        had_data = bool(self._data)
        self._name, self._data, self._size = "", [], 0
        return self.event(name, data) if had_data else ()


class JsonDocument(Decoding):
    """A body that is one JSON document, read whole: a subclass answers `document(value)` with the deltas."""

    limit = BODY_LIMIT

    def __init__(self, head: Head | None = None) -> None:
        super().__init__(head)
        self._body = bytearray()

    def document(self, value: Any) -> Iterable[Delta]:
        raise NotImplementedError

    def feed(self, data: bytes) -> Sequence[Delta]:
        self._body += data
        if len(self._body) > self.limit:
            self.finish(Verdict(Kind.CHANGED, f"the answer is longer than {self.limit} bytes"))
        return []

    def close(self) -> Sequence[Delta]:
        if self.verdict is not None:
            return []
        try:
            deltas = list(self.document(parse_json(self._text.decode(bytes(self._body), final=True))))
        except Changed as changed:
            self.finish(Verdict(Kind.CHANGED, changed.message))
            return []
        self.finish()
        return deltas
