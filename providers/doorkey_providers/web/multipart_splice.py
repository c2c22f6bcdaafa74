"""Puts parts into a multipart form, as bytes, and leaves its other parts as they are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise

ESCAPED = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})
"""How browsers write what a part's name can't hold (HTML standard, multipart/form-data encoding algorithm)."""
AFTER_BOUNDARY = re.compile(rb"--|[ \t]*(?:\r\n|\Z)")
DISPOSITION = re.compile(rb"^content-disposition:[^\r\n]*", re.I | re.M)
PARAMETER = re.compile(rb';\s*([\w*-]+)=(?:"((?:\\.|[^"\\])*)"|([^;\s]*))')
LONGEST_HEAD = 64 * 1024
"""Bytes of a part in which its head has to end. A longer head names nothing."""


def splice_parts(body: bytes, boundary: str, values: Mapping[str, str]) -> bytes:
    """*body* with *values* as its first parts, in place of those of the same names (RFC 2046, section 5.1.1).

    All other bytes stay as they are, also what stands before the first boundary.
    """
    gone = {name.translate(ESCAPED) for name in values}
    starts = list(_boundaries(body, boundary.encode())) or [0]
    parts = pairwise([*starts, len(body)])
    kept = (body[start:end] for start, end in parts if _name(body, start, end) not in gone)
    return b"".join([body[: starts[0]], write_parts(values, boundary), *kept])


def write_parts(values: Mapping[str, str], boundary: str) -> bytes:
    """A part for each value, to stand before those of a multipart body."""
    parts = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name.translate(ESCAPED)}"\r\n\r\n{value}\r\n'
        for name, value in values.items()
    )
    return "".join(parts).encode()


def _boundaries(body: bytes, boundary: bytes) -> Iterator[int]:
    """Where the boundary of each part begins, and that of the end."""
    line = b"\r\n--" + boundary
    at = -2 if body.startswith(line[2:]) else body.find(line)
    while at != -1:
        after = at + len(line)
        if AFTER_BOUNDARY.match(body, after):
            yield at + 2
        at = body.find(line, after)


def _name(body: bytes, start: int, end: int) -> str | None:
    """The name of the field in the part between *start*, its boundary, and *end*; None where its head names none."""
    head_end = body.find(b"\r\n\r\n", start, min(end, start + LONGEST_HEAD))
    said = DISPOSITION.search(body, start, head_end) if head_end >= 0 else None
    for name, quoted, bare in PARAMETER.findall(said[0] if said else b""):
        if name.lower() == b"name":
            return bytes(quoted or bare).decode(errors="replace")
    return None
