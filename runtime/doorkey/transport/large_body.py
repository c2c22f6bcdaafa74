"""Encodes forms and JSON of any size in pieces, so that other requests get their turn in between."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote_plus

from doorkey.errors import RequestError
from doorkey.model.request import LARGE, Request
from doorkey.transport.http_client import COMPACT

AT_ONCE = 0.005
"""Seconds of encoding after which others get their turn."""
TOGETHER = 16 * 1024
"""Values and characters that are encoded in one step, which takes a few milliseconds."""
CONTAINERS = (dict, list, tuple)


def needs_pieces(request: Request) -> bool:
    """Whether the form or JSON of *request* is too large to be encoded at once."""
    if request.form is not None:
        return _is_large(request.form)
    return request.json is not None and _weigh(request.json) > LARGE


async def encode_in_pieces(request: Request) -> Request:
    """Return *request* with its form or JSON as bytes.

    Raises RequestError for text that can't be encoded, TypeError and ValueError for what is no JSON.
    """
    if request.form is not None:
        pieces, kind = _form_pieces(request.form), "application/x-www-form-urlencoded"
    else:
        pieces, kind = _json_pieces(request.json, ()), "application/json"
    body = bytearray()
    began = time.perf_counter()
    try:
        for piece in pieces:
            body += piece.encode()
            if time.perf_counter() - began > AT_ONCE:
                await asyncio.sleep(0)
                began = time.perf_counter()
    except UnicodeEncodeError as error:
        raise RequestError(f"{request.what} holds a lone surrogate: text has to be encodable as UTF-8") from error
    headers = {"content-type": kind, **{name.lower(): value for name, value in request.headers.items()}}
    return replace(request, form=None, json=None, body=bytes(body), headers=headers)


def _is_large(form: Mapping[str, str]) -> bool:
    size = 0
    for name, value in form.items():
        size += len(name) + len(value) + 2
        if size > LARGE:
            return True
    return False


def _form_pieces(form: Mapping[str, str]) -> Iterator[str]:
    separator = ""
    for name, value in form.items():
        yield f"{separator}{quote_plus(name)}="
        for at in range(0, len(value), TOGETHER):
            yield quote_plus(value[at : at + TOGETHER])
        separator = "&"


def _json_pieces(value: Any, around: tuple[int, ...]) -> Iterator[str]:
    """The text of *value*, small members of a list or an object together. *around*: what it stands in, by `id`."""
    if id(value) in around:
        raise ValueError("Circular reference detected")
    around = (*around, id(value))
    if isinstance(value, dict):
        yield from _member_pieces(value.items(), "{}", dict, around)
    elif isinstance(value, list | tuple):
        yield from _member_pieces(
            ((None, item) for item in value), "[]", lambda pairs: [item for _, item in pairs], around
        )
    else:
        yield COMPACT.encode(value)


def _member_pieces(
    members: Iterable[tuple[Any, Any]],
    brackets: str,
    gather: Callable[[list[tuple[Any, Any]]], Any],
    around: tuple[int, ...],
) -> Iterator[str]:
    small: list[tuple[Any, Any]] = []
    size, separator = 0, ""
    yield brackets[0]
    for key, item in members:
        weight = _weigh(item) + (len(key) if isinstance(key, str) else 0)
        if weight <= LARGE:
            small.append((key, item))
            size += weight
        if small and (weight > LARGE or size > TOGETHER):
            yield separator + COMPACT.encode(gather(small))[1:-1]
            small, size, separator = [], 0, ","
        if weight > LARGE:
            # The key as JSON writes it, with its colon.
            yield separator + (COMPACT.encode({key: None})[1:-5] if brackets == "{}" else "")
            yield from _json_pieces(item, around)
            separator = ","
    if small:
        yield separator + COMPACT.encode(gather(small))[1:-1]
    yield brackets[1]


def _weigh(value: Any) -> int:
    """The number of values and characters in *value*. What is over LARGE is not looked at."""
    size, seen = 1, [value]
    for item in seen:  # which grows by what each list and object holds
        if isinstance(item, str):
            size += len(item)
        elif isinstance(item, CONTAINERS):
            size += len(item)
            if size > LARGE:
                return size
            seen += item
            if isinstance(item, dict):
                seen += item.values()
        else:
            continue
        if size > LARGE:
            return size
    return size
