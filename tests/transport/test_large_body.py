"""Forms and JSON of several MiB are the same bytes as small ones, and are encoded without stopping the loop."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any
from urllib.parse import urlencode

import pytest
from multidict import MultiDict

from doorkey.errors import RequestError
from doorkey.model.request import LARGE, Request
from doorkey.transport.large_body import encode_in_pieces, needs_pieces

ROW = {"id": 7, "name": 'Grüße, 𝄞 "quoted"\n', "price": 1.10, "none": None, "yes": True, "list": [], "empty": {}}
VALUES: list[Any] = [
    [ROW] * 20_000,
    {"rows": [ROW] * 20_000, "text": "ü" * 2_000_000, 1: (1, 2), 2.5: 1e400, None: "-", False: ""},
    {f"key{n}": n for n in range(100_000)},
    {"k" * LARGE * 2: 1},
    "x" * 3_000_000,
    [[[["y" * 3_000_000]]]],
]


@pytest.mark.parametrize("value", VALUES, ids=["rows", "mixed", "keys", "key", "text", "nested"])
async def test_large_json_is_what_small_json_is(value: Any) -> None:
    request = Request(url="/", method="POST", json=value)
    assert needs_pieces(request)
    encoded = await encode_in_pieces(request)
    assert encoded.body == json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    assert (encoded.json, encoded.is_json) == (None, True)


async def test_a_large_form_is_what_a_small_form_is() -> None:
    form = {"a b": "1 2&=+ü" * 200_000, "ü": "", "c": "~-._*"}
    encoded = await encode_in_pieces(Request(url="/", method="POST", form=form, headers={"Content-Type": "x/form"}))
    assert encoded.body == urlencode(form).encode()
    assert (encoded.form, encoded.headers) == (None, {"content-type": "x/form"})


async def test_a_large_form_with_repeated_names_is_what_a_small_one_is() -> None:
    pairs = [(f"a b{number % 7}", "1 2&=+ü" * (number % 9)) for number in range(50_000)]
    encoded = await encode_in_pieces(Request(url="/", method="POST", form=MultiDict(pairs)))
    assert encoded.body == urlencode(pairs).encode()
    many = MultiDict([("x", "")] * LARGE)
    assert (await encode_in_pieces(Request(url="/", method="POST", form=many))).body == urlencode(
        list(many.items())
    ).encode()


async def test_small_bodies_are_left_alone() -> None:
    for request in (Request(url="/", json=ROW), Request(url="/", form={"a": "b"}), Request(url="/", body=b"x")):
        assert not needs_pieces(request)


async def test_what_is_no_json_or_no_text_is_told() -> None:
    circular: list[Any] = ["x" * LARGE * 2]
    circular.append(circular)
    with pytest.raises(ValueError, match="Circular"):
        await encode_in_pieces(Request(url="/", method="POST", json=circular))
    with pytest.raises(TypeError, match="set"):
        await encode_in_pieces(Request(url="/", method="POST", json=["x" * LARGE * 2, {1, 2}]))
    for body in ({"json": ["\ud800" * LARGE * 2]}, {"form": {"a": "\ud800" * LARGE * 2}}):
        with pytest.raises(RequestError, match="lone surrogate"):
            await encode_in_pieces(Request(url="/", method="POST", **body))  # type: ignore[arg-type]  # one of the two


BODIES: dict[str, dict[str, Any]] = {
    "json": {"json": [ROW] * 20_000},
    "a form of few values": {"form": {"a": "1 2&=+ü" * 500_000}},
    "a form of repeated names": {"form": MultiDict([("a b", "1 2&=+ü" * 10)] * 50_000)},
}


@pytest.mark.parametrize("body", BODIES)
async def test_others_get_their_turn_in_between(body: str) -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    began = time.perf_counter()
    await encode_in_pieces(Request(url="/", method="POST", **BODIES[body]))
    counting.cancel()
    # One turn each 5 ms at least; the walk through one element and the machine's other work come on top.
    assert turns > (time.perf_counter() - began) / 0.1
