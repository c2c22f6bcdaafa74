"""Puts members into the text of a JSON object and leaves the rest of the text as it is."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeAlias

JSON: TypeAlias = "str | int | float | bool | list[JSON] | dict[str, JSON] | None"
Values: TypeAlias = "Mapping[str, JSON | Values]"
Edit: TypeAlias = "tuple[int, int, bytes]"
"""The bytes from one position to another, and what takes their place."""

STEP = 64 * 1024
"""Bytes that one step of the scan looks at. Other threads get the interpreter between two steps, not inside one."""
CHUNK = 4096
"""Bytes of a run of brackets that are counted at once."""
MARK = b"\xef\xbb\xbf"
OPEN, CLOSE, QUOTE, BACKSLASH = b"[{", b"]}", b'"'[0], b"\\"[0]

_SPACE, _SCALAR, _TEXT = rb"[ \t\r\n]*+", rb"[-+.\w]", rb'(?:[^"\\]++|\\.)*+'
_STRING = rb'"' + _TEXT + rb'"'
_FLAT = rb'(?:[^"\[\]{}]++|' + _STRING + rb")*+"
SPACE, SCALAR, TEXT = re.compile(_SPACE), re.compile(_SCALAR + rb"*+"), re.compile(_TEXT, re.S)
INNER = re.compile(rb'(?:[^"\[\]{}]++|' + _STRING + rb"|[\[{]" + _FLAT + rb"[\]}])*+", re.S)
"""What lies in a list or an object, up to a bracket that closes it or that has further brackets inside."""


def splice_json(body: bytes, values: Values) -> bytes | None:
    """*body* with *values* as members of its object; None when it holds no JSON object.

    A member of the same name gets the new value, also where the name stands several times. Where both values are
    objects, the new one is merged into the old one. Members that are new come last. All other bytes stay: numbers,
    escapes, order, blanks and a byte order mark. The values of other members are not checked.
    Call it in a thread for a large body: it takes its time, but other threads get the interpreter while it works.
    """
    scan = _Scan(body)
    try:
        start = scan.skip(SPACE, len(MARK) if body.startswith(MARK) else 0)
        end = scan.skip(SPACE, scan.merge(start, values))
    except (ValueError, IndexError, RecursionError):
        return None
    return scan.edited() if end == len(body) else None


@lru_cache(64)
def _others(names: frozenset[bytes]) -> re.Pattern[bytes]:
    """Members that are plain values of other names than these, each with the comma after it."""
    name = rb'"(?!(?:' + b"|".join(map(re.escape, sorted(names))) + rb')")[^"\\]*+"'
    value = rb"(?:" + _STRING + rb"|" + _SCALAR + rb"++)"
    return re.compile(rb"(?:" + _SPACE.join((name, rb":", value, rb",", rb"")) + rb")*+", re.S)


def merge(below: object, above: object) -> Any:
    """*above* in place of *below*; where both are objects, its members merged into those of *below*."""
    if not isinstance(below, Mapping) or not isinstance(above, Mapping):
        return above
    return {**below, **{name: merge(below.get(name), value) for name, value in above.items()}}


class _Scan:
    """One pass over a body, collecting what to change. Its methods raise ValueError or IndexError for broken JSON."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._edits: list[Edit] = []

    def merge(self, at: int, values: Values) -> int:
        """Note how *values* come into the object at *at*, and return where it ends."""
        self._expect(at, b"{")
        wanted = {name.encode("utf-8", "surrogatepass"): name for name in values}
        missing, others = dict(values), _others(frozenset(wanted))
        after_last = at + 1
        at = self.skip(SPACE, after_last)
        empty = self._body[at] == CLOSE[1]
        more = not empty
        while more:
            while (end := self._step(others, at)) > at:
                at = self.skip(SPACE, end)
            name, at = self._name(at)
            if name in wanted:
                missing.pop(wanted[name], None)
                after_last = self._replace(at, values[wanted[name]])
            else:
                after_last = self._value_end(at)
            at = self.skip(SPACE, after_last)
            more = self._body[at] != CLOSE[1]
            if more:
                self._expect(at, b",")
                at = self.skip(SPACE, at + 1)
        if missing:
            members = b",".join(_dump(name) + b":" + _dump(value) for name, value in missing.items())
            self._edits.append((after_last, after_last, members if empty else b"," + members))
        return at + 1

    def _replace(self, at: int, value: JSON | Values) -> int:
        if isinstance(value, Mapping) and self._body[at] == OPEN[1]:
            return self.merge(at, value)
        end = self._value_end(at)
        self._edits.append((at, end, _dump(value)))
        return end

    def _name(self, at: int) -> tuple[bytes, int]:
        """The name of the member at *at*, and where its value begins."""
        self._expect(at, b'"')
        end = self._text_end(at)
        name = self._body[at + 1 : end - 1]
        if BACKSLASH in name:
            name = str(json.loads(self._body[at:end])).encode("utf-8", "surrogatepass")
        at = self.skip(SPACE, end)
        self._expect(at, b":")
        return name, self.skip(SPACE, at + 1)

    def _value_end(self, at: int) -> int:
        first = self._body[at]
        if first == QUOTE:
            return self._text_end(at)
        if first in OPEN:
            return self._nested_end(at)
        end = self.skip(SCALAR, at)
        if end == at:
            raise ValueError("a value was expected")
        return end

    def _text_end(self, at: int) -> int:
        at += 1
        while True:
            at = self._step(TEXT, at)
            if self._body[at] == QUOTE:
                return at + 1
            if self._body[at] == BACKSLASH:
                at += 2  # an escape that the step's end parted

    def _nested_end(self, at: int) -> int:
        depth = 0
        while True:
            byte = self._body[at]
            if byte == QUOTE:
                at = self._text_end(at)
            elif byte in OPEN:
                depth += 1
                at += 1
            elif byte in CLOSE:
                depth -= 1
                at += 1
                if not depth:
                    return at
            end = self._step(INNER, at)
            if end == at:
                run = self._body[at : at + CHUNK].partition(b'"')[0]
                closed = sum(map(run.count, CLOSE))
                if closed < depth:
                    depth += sum(map(run.count, OPEN)) - closed
                    end = at + len(run)
            at = end

    def skip(self, pattern: re.Pattern[bytes], at: int) -> int:
        """The end of what *pattern*, a class of bytes, matches at *at*."""
        while (end := self._step(pattern, at)) == at + STEP:
            at = end
        return end

    def _step(self, pattern: re.Pattern[bytes], at: int) -> int:
        found = pattern.match(self._body, at, at + STEP)
        assert found is not None  # every pattern here matches the empty text
        return found.end()

    def _expect(self, at: int, byte: bytes) -> None:
        if self._body[at] != byte[0]:
            raise ValueError(f"{byte!r} was expected")

    def edited(self) -> bytes:
        """The body with all that was noted."""
        pieces: list[bytes] = []
        at = 0
        for start, end, new in sorted(self._edits):
            pieces += (self._body[at:start], new)
            at = end
        return b"".join([*pieces, self._body[at:]])


def _dump(value: object) -> bytes:
    # In ASCII, which means the same in every encoding that a site may take the body for.
    return json.dumps(value, separators=(",", ":")).encode()
