"""Secrets leave no text, in whichever form a page repeats them."""

from __future__ import annotations

import base64
import json
import re
from html import escape
from urllib.parse import quote, quote_plus

import pytest

from doorkey.reports.masking import MASK, Masker
from doorkey.reports.report import Note

SECRET = 'p"ss/wörd+&=%1'
FORMS = {
    "plain": SECRET,
    "percent": quote(SECRET, safe=""),
    "percent, lower case": re.sub("%..", lambda match: match[0].lower(), quote(SECRET, safe="")),
    "form": quote_plus(SECRET),
    "percent twice": quote(quote(SECRET, safe=""), safe=""),
    "JSON": json.dumps(SECRET)[1:-1],
    "JSON, not ASCII": json.dumps(SECRET, ensure_ascii=False)[1:-1],
    "HTML": escape(SECRET),
    "hex": SECRET.encode().hex(),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_masked_in_each_form(form: str) -> None:
    assert Masker([SECRET]).mask(f"before {FORMS[form]} after") == f"before {MASK} after"


@pytest.mark.parametrize("before", ["", "a", "ab", "user:", "ada:"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_secret_inside_a_base64_text_is_masked(before: str, encode: object) -> None:
    encoded = encode(f"{before}{SECRET}@host".encode()).decode()  # type: ignore[operator]
    masked = Masker([SECRET]).mask(f"Basic {encoded}")
    assert MASK in masked
    pieces = [encoded[at : at + 8] for at in range(len(encoded) // 4, len(encoded) // 4 * 3 - 8)]
    assert not any(piece in masked for piece in pieces)


def test_texts_inside_a_json_value_are_secrets_too() -> None:
    stored = json.dumps({"user": {"jwt": "inner-value-1"}})
    assert Masker([stored]).mask("sent inner-value-1") == f"sent {MASK}"


def test_a_short_value_is_a_secret_only_if_it_was_filled_in() -> None:
    assert Masker(["en"], filled=["1234"]).mask("en 1234") == f"en {MASK}"


@pytest.mark.parametrize(
    "text", ["eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc_-1", "aB3dE6gH9jK2mN5pQ8sT", "0123456789abcdef0123"]
)
def test_what_looks_like_a_token_is_masked(text: str) -> None:
    assert Masker([]).mask(f"got {text} here") == f"got {MASK} here"


@pytest.mark.parametrize(
    "text",
    ["#cookie-consent-banner-2", "http://127.0.0.1:8000/assets/app-v2/main.js:12", "wiki-1128-064453",
     "meta[name=csrf-token]@content", "Cannot read properties of undefined", "login step 2 (fill #username)"],
)  # fmt: skip
def test_names_and_places_are_not_masked(text: str) -> None:
    assert Masker(["a-secret-value-1"]).mask(text) == text


def test_every_text_of_a_structure_is_masked() -> None:
    notes = (Note("a", "has secret-1", "at secret-1"),)
    assert Masker(["secret-1"]).mask_all(notes) == (Note("a", f"has {MASK}", f"at {MASK}"),)
