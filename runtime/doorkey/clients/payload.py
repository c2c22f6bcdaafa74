"""Turns what programs pass as a body (a form, a file, an iterator, a multipart form) into a request's body."""

from __future__ import annotations

import asyncio
import io
import mimetypes
import os
import secrets
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, TypeAlias, TypedDict

from multidict import MultiDict

from doorkey.model.upload import Upload

PIECE = 256 * 1024
File: TypeAlias = "IO[bytes]"
Data: TypeAlias = (
    "str | bytes | File | AsyncIterable[bytes] | Iterable[bytes] | Mapping[str, Any] | Iterable[tuple[str, Any]]"
)
"""Text, bytes, an open file, an iterator of bytes, or the fields of a form. A form is multipart if one of its fields
is a file or a tuple (filename, file or bytes[, media type])."""


Params: TypeAlias = "Mapping[str, Any] | Sequence[tuple[str, Any]] | str"


class RequestOptions(TypedDict, total=False):
    """The arguments of a client's request, beside method and URL. `timeout` is in seconds, for the whole request."""

    params: Params | None
    data: Data | None
    json: Any
    files: Any
    headers: Mapping[str, str] | None
    allow_redirects: bool
    timeout: float | None


@dataclass(frozen=True, slots=True)
class Field:
    """One part of a multipart body."""

    name: str
    data: bytes | File
    filename: str | None = None
    media_type: str | None = None


def body_of(data: Data | None, json: Any = None, files: Any = None) -> tuple[dict[str, Any], str | None]:
    """The arguments of a Request for *data* or *json*, and the body's media type if it determines one.

    Raises TypeError for a type that is no body, ValueError for more than one body.
    """
    if json is not None:
        if data is not None or files is not None:
            raise ValueError("one body was expected: json, or data with files")
        return {"json": json}, None
    if files is not None or isinstance(data, Mapping) or _is_pairs(data):
        return _form([*_pairs(data), *_pairs(files, as_files=True)])
    if data is None:
        return {}, None
    if isinstance(data, str):
        return {"body": data.encode()}, "text/plain; charset=utf-8"
    if isinstance(data, bytes | bytearray | memoryview):
        return {"body": bytes(data)}, None
    if hasattr(data, "read"):
        return {"body": Upload(_read(data), _size(data))}, None
    if isinstance(data, AsyncIterable):
        return {"body": Upload(data)}, None
    if isinstance(data, Iterable):
        return {"body": Upload(_threaded(data))}, None  # type: ignore[arg-type]  # no pairs: they were seen above
    raise TypeError(f"data: text, bytes, a file, an iterator or a form was expected, not {type(data).__name__}")


def _is_pairs(data: object) -> bool:
    return isinstance(data, list | tuple) and all(isinstance(pair, tuple) and len(pair) == 2 for pair in data)


def _pairs(fields: Any, *, as_files: bool = False) -> list[tuple[str, Any]]:
    """Name and value of each field. A list of values makes several fields, None makes none."""
    pairs = fields.items() if isinstance(fields, Mapping) else fields or ()
    return [
        (str(name), _as_file(one) if as_files else one)
        for name, value in pairs
        for one in (value if isinstance(value, list) else [value])
        if one is not None
    ]


def _as_file(value: Any) -> Any:
    return (None, value) if isinstance(value, str | bytes) else value


def _form(pairs: list[tuple[str, Any]]) -> tuple[dict[str, Any], str | None]:
    if any(hasattr(value, "read") or isinstance(value, tuple | bytes) for _, value in pairs):
        fields = [_field(name, value) for name, value in pairs]
        return multipart(fields)
    plain = [(name, str(value)) for name, value in pairs]
    # Encoded later, in pieces: in one step, a form of several MiB would keep other requests waiting.
    return {"form": dict(plain) if len(dict(plain)) == len(plain) else MultiDict(plain)}, None


def _field(name: str, value: Any) -> Field:
    filename: str | None = None
    media_type: str | None = None
    if isinstance(value, tuple):
        filename, value, *rest = value
        media_type = rest[0] if rest else None
    elif hasattr(value, "read"):
        filename = os.path.basename(str(getattr(value, "name", name)))
    if filename and media_type is None:
        media_type = mimetypes.guess_type(filename)[0] or "application/octet-stream"
    return Field(name, value if hasattr(value, "read") else _bytes(value), filename, media_type)


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def multipart(fields: Iterable[Field]) -> tuple[dict[str, Any], str]:
    """A multipart/form-data body. Open files are read while it is sent."""
    boundary = secrets.token_hex(16)
    kind = f"multipart/form-data; boundary={boundary}"
    parts = [(_part_head(field, boundary), field.data) for field in fields]
    end = f"--{boundary}--\r\n".encode()
    in_hand = [head + data + b"\r\n" for head, data in parts if isinstance(data, bytes)]
    if len(in_hand) == len(parts):
        return {"body": b"".join([*in_hand, end])}, kind
    sizes = [_size(data) if hasattr(data, "read") else len(data) for _, data in parts]
    known = sum(size for size in sizes if size is not None) + sum(len(head) + 2 for head, _ in parts) + len(end)

    async def pieces() -> AsyncIterator[bytes]:
        for head, data in parts:
            yield head
            if isinstance(data, bytes):
                yield data
            else:
                async for piece in _read(data):
                    yield piece
            yield b"\r\n"
        yield end

    return {"body": Upload(pieces(), None if None in sizes else known)}, kind


def _part_head(field: Field, boundary: str) -> bytes:
    said = f'form-data; name="{_quoted(field.name)}"'
    if field.filename:
        said += f'; filename="{_quoted(field.filename)}"'
    lines = [f"--{boundary}", f"Content-Disposition: {said}"]
    if field.media_type:
        if any(char in field.media_type for char in "\r\n"):
            raise ValueError(f"the media type of {field.name!r} holds a line break")
        lines.append(f"Content-Type: {field.media_type}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _quoted(name: str) -> str:
    """As browsers write it (HTML standard, multipart/form-data encoding algorithm)."""
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def _size(file: Any) -> int | None:
    """How many bytes of *file* are still to be read; None for a pipe, and for text, which counts otherwise."""
    try:
        if isinstance(file.read(0), str):
            return None
        here = int(file.tell())
        end = int(file.seek(0, io.SEEK_END))
        file.seek(here)
    except (OSError, AttributeError, ValueError):
        return None
    return end - here


async def _read(file: Any) -> AsyncGenerator[bytes, None]:
    while piece := await asyncio.to_thread(file.read, PIECE):
        yield piece if isinstance(piece, bytes) else piece.encode()


async def _threaded(pieces: Iterable[bytes]) -> AsyncGenerator[bytes, None]:
    source = iter(pieces)
    while (piece := await asyncio.to_thread(next, source, None)) is not None:
        yield piece if isinstance(piece, bytes) else str(piece).encode()
