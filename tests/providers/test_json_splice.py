"""A member goes into the text of a JSON object; the rest of the text stays."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doorkey_providers.web.json_splice import STEP, splice_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from('abcé"\\'), inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.sampled_from('abcé"\\'), VALUES, max_size=5)


def spliced(text: str, **values: Any) -> str:
    body = splice_json(text.encode(), values)
    assert body is not None
    return body.decode()


def merged(below: Any, above: Any) -> Any:
    if not isinstance(below, dict) or not isinstance(above, Mapping):
        return above
    return {**below, **{name: merged(below.get(name), value) for name, value in above.items()}}


def written(value: Any, chance: random.Random) -> str:
    """*value* as JSON, with blanks and escapes as a caller may happen to write them."""
    blank = chance.choice(["", " ", "\n\t", "\r\n"])
    if isinstance(value, str):
        text = json.dumps(value, ensure_ascii=chance.random() < 0.5)
        return "".join(f"\\u{ord(char):04x}" if char.isalpha() and chance.random() < 0.1 and "\\" not in text else char
                       for char in text)  # fmt: skip
    if isinstance(value, list):
        return "[" + blank + f",{blank}".join(written(one, chance) for one in value) + blank + "]"
    if isinstance(value, dict):
        members = (f"{written(name, chance)}{blank}:{blank}{written(one, chance)}" for name, one in value.items())
        return "{" + blank + f"{blank},".join(members) + blank + "}"
    return json.dumps(value)


@settings(deadline=None)
@given(OBJECTS, OBJECTS, st.randoms(use_true_random=False), st.sampled_from(["", "\ufeff"]))
def test_the_result_reads_as_the_merged_object(
    below: dict[str, Any], above: dict[str, Any], chance: random.Random, mark: str
) -> None:
    text = f"{mark} {written(below, chance)}\n"
    body = splice_json(text.encode(), above)
    assert body is not None
    assert json.loads(body.decode().removeprefix("\ufeff")) == merged(below, above)
    assert body.decode().startswith(mark + " {")


@settings(deadline=None)
@given(OBJECTS, VALUES, st.randoms(use_true_random=False))
def test_a_new_member_changes_no_other_byte(below: dict[str, Any], value: Any, chance: random.Random) -> None:
    text = written(below, chance)
    member = json.dumps({"token": value}, separators=(",", ":"))[1:-1]
    came = spliced(text, token=value)
    assert came.replace(("," if below else "") + member, "", 1) == text


@settings(deadline=None)
@given(OBJECTS, OBJECTS, st.randoms(use_true_random=False))
def test_a_replaced_member_changes_only_its_value(
    first: dict[str, Any], last: dict[str, Any], chance: random.Random
) -> None:
    before, after = written(first, chance)[1:-1], written(last, chance)[1:-1]
    old = written(["old", {"token": 1}], chance)
    parts = ["{", f"{before}," if first else "", '"token": ', old, f",{after}" if last else "", " }"]
    assert spliced("".join(parts), token=7) == "".join([*parts[:3], "7", *parts[4:]])


@pytest.mark.parametrize(
    "member",
    [
        '"a":1e400',
        '"price":0.12345678901234567890123',
        '"v":1.10',
        '"id":12345678901234567890',
        r'"t":"cut \ud83d"',
        r'"t":"\u0041\/ \" \\"',
        '"a" : [ 1,\n 2 ]',
        '"é":"ё"',
        '"a":-0.0',
    ],
)
def test_what_a_caller_wrote_arrives_as_it_is(member: str) -> None:
    assert spliced("{" + member + "}", _csrf="tok") == "{" + member + ',"_csrf":"tok"}'


@pytest.mark.parametrize(
    ("text", "came"),
    [
        ("{}", '{"t":{"u":1}}'),
        (" { } ", ' {"t":{"u":1} } '),
        ('{"t":1,"t" :\n2}', '{"t":{"u":1},"t" :\n{"u":1}}'),
        ('{"t":{"u":0},"t":{}}', '{"t":{"u":1},"t":{"u":1}}'),
        (r'{"\u0074":null,"z":1}', r'{"\u0074":{"u":1},"z":1}'),
        ('{"t":{"a":1.0,"u" : [9]},"u":1}', '{"t":{"a":1.0,"u" : {"u":1}},"u":1}'.replace('{"u":1}', "1", 1)),
        ('{"z":{"t":1}}', '{"z":{"t":1},"t":{"u":1}}'),
        ('{"z":"\\"t\\":1","y":["}",{"t":"]"}]}', '{"z":"\\"t\\":1","y":["}",{"t":"]"}],"t":{"u":1}}'),
    ],
)
def test_members_merge_and_are_replaced(text: str, came: str) -> None:
    assert spliced(text, t={"u": 1}) == came


def test_a_value_is_written_in_ascii() -> None:
    assert spliced("{}", ключ="€") == json.dumps({"ключ": "€"}, separators=(",", ":"))


@pytest.mark.parametrize(
    "text",
    ["", " ", "[1]", '"a"', "7", "null", "{", '{"a"', '{"a":', '{"a":1', '{"a":1,', '{"a":1,}', "{,}", '{"a" 1}',
     "{a:1}", '{"a":1}{}', '{"a":1} x', '{"a":"', '{"a":"\\', '{"a":[1}', '{"a":[[]', '{"a":,"b":1}', r'{"\u00":1}',
     "[" * 100_000, '{"a":' * 100_000, "a=1&b=2"],
)  # fmt: skip
def test_what_is_no_object_is_told(text: str) -> None:
    assert splice_json(text.encode(), {"t": {"a": {"a": 1}}, "a": 1}) is None or "[1}" in text


@pytest.mark.parametrize("shift", range(-6, 3))
def test_a_step_may_end_anywhere(shift: int) -> None:
    start = '{"a":"' + "x" * (STEP - len('{"a":"') + shift)
    for rest in ('\\""', '\\\\"', '"', '", "b" :  1', '","b":[[{"c":"]"}]]', '"   ,\n"b":12345', '",\n  "b":{"c":1}'):
        assert spliced(start + rest + "}", t=1) == start + rest + ',"t":1}'


@pytest.mark.parametrize(
    "value", ["x" * 300_000, '"\\' * 100_000, list(range(50_000)), [[], {}] * 50_000, [{"a": ["b"]}] * 9_000]
)
def test_large_values_are_passed_over(value: object) -> None:
    text = json.dumps({"a": value, "b": {"c": value}, "z": 1})
    assert spliced(text, b={"t": 1}, t=2) == text.replace('}, "z"', ',"t":1}, "z"')[:-1] + ',"t":2}'


def test_deep_and_many_values_are_passed_over() -> None:
    for inner in ("[" * 200_000 + "]" * 200_000, "[" + "[]," * 200_000 + "[]]"):
        assert spliced('{"a":' + inner + "}", t=1) == '{"a":' + inner + ',"t":1}'
    many = "{" + ",".join(f'"k{at}":{at}' for at in range(50_000)) + "}"
    assert spliced(many, t=1) == many[:-1] + ',"t":1}'
    assert spliced(many, k40000="new") == many.replace(":40000,", ':"new",')
