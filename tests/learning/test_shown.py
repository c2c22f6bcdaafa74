"""What a person has shown: which values are secrets, which pages are whose, and the write that may be tried."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, urlencode

import pytest

from doorkey.learning import Event, Exchange, Recording, learn, read_credentials
from doorkey.learning.sample import ADDED, make_sample
from doorkey.learning.shown import Shot, assemble
from doorkey.learning.values import holds_secret

SITE = "https://shop.example"
FORM = "application/x-www-form-urlencoded"
TOKEN = "9a8b7c6d5e4f3021"
PASSWORD = 'a "long" passphrase & more'
LOGIN_PAGE = '<form method="post" action="/login"><input name="user"><input name="pw" type="password"><button>'
INSIDE = (
    f'<a href="/logout">Leave</a><form method="post" action="/api"><input type="hidden" name="key" value="{TOKEN}">'
)


def post(path: str, body: str, kind: str = FORM, status: int = 303, answer: str = "", **more: str) -> Exchange:
    return Exchange(
        method="POST",
        url=SITE + path,
        headers={"content-type": kind},
        body=body,
        status=status,
        answer_type="application/json" if answer else "",
        answer_body=answer,
        set_cookies=("sid=5e55109a8b7c5e55109a8b7c; Path=/",),
        **more,
    )


def get(path: str) -> Exchange:
    return Exchange(method="GET", url=SITE + path, status=200, answer_type="text/html", navigates=True)


def fill(value: str, *, secret: bool = False) -> Event:
    return Event("fill", "input", value, secret=secret)


def show(*writes: Exchange, login: Exchange | None = None, events: tuple[Event, ...] = ()) -> Recording:
    """A stranger's page, a login, the page inside, and what was written there."""
    login = login or post("/login", urlencode({"user": "ada", "pw": PASSWORD}))
    typed = (fill("ada"), fill(PASSWORD, secret=True), *events)
    shots = [Shot(url=f"{SITE}/login", html=LOGIN_PAGE, at=1), Shot(url=f"{SITE}/", html=INSIDE, at=3)]
    return assemble(f"{SITE}/", (get("/login"), login, get("/"), *writes), shots, typed)


def test_a_page_after_the_login_is_a_members_and_one_after_the_logout_is_not() -> None:
    shots = [Shot(url=f"{SITE}{path}", html=html, at=at) for path, html, at in
             (("/login", LOGIN_PAGE, 1), ("/", INSIDE, 3), ("/end", "<p>Goodbye", 4))]  # fmt: skip
    exchanges = (get("/login"), post("/login", f"user=ada&pw={quote(PASSWORD)}"), get("/"), get("/logout"))
    recording = assemble(f"{SITE}/", exchanges, shots, ())
    assert [one.who for one in recording.snapshots] == ["stranger", "first", "stranger"]


def test_the_password_is_known_by_having_been_typed_as_one_and_the_user_by_standing_beside_it() -> None:
    login = post("/in", json.dumps({"a": "ada", "b": PASSWORD, "keep": "yes"}), "application/json", 200, '{"t": 1}')
    recording = show(login=login)
    assert read_credentials(recording, "shop") == {"SHOP_USER": "ada", "SHOP_PASSWORD": PASSWORD}
    draft = learn(recording, "shop")
    assert draft.login is not None
    assert draft.login.request == {
        "path": "/in", "json": {"a": "env:SHOP_USER", "b": "env:SHOP_PASSWORD", "keep": "yes"},
    }  # fmt: skip


def test_a_one_time_code_that_was_typed_is_left_out_and_told() -> None:
    login = post("/in", json.dumps({"user": "ada", "pw": PASSWORD, "digits": "123456"}), "application/json", 200, "{}")
    draft = learn(show(login=login, events=(fill("123456", secret=True),)), "shop")
    text = draft.write("shop")
    assert "123456" not in text
    assert PASSWORD not in text
    assert any("field digits is left out" in doubt.what for doubt in draft.doubts)


@pytest.mark.parametrize(
    "text",
    [
        PASSWORD,
        quote(PASSWORD, safe=""),
        json.dumps({"pw": PASSWORD}),
        base64.b64encode(PASSWORD.encode()).decode(),
        f"Basic {base64.b64encode(PASSWORD.encode()).decode()}",
    ],
)
def test_a_secret_is_found_in_each_form(text: str) -> None:
    assert holds_secret(f"value = {text}", [PASSWORD])
    assert not holds_secret("value = something else", [PASSWORD, ""])


class TestTheWriteToTry:
    def test_is_the_form_with_another_text_and_without_its_token(self) -> None:
        body = urlencode({"key": TOKEN, "text": "hello", "kind": "note"})
        recording = show(post("/ping", "n=1"), post("/api", body), post("/seen", "n=2"), events=(fill("hello"),))
        sample = make_sample(recording, learn(recording, "shop"))
        assert sample is not None
        assert (sample.request.method, sample.request.url) == ("POST", "/api")
        assert sample.request.form == {"text": f"hello{ADDED}", "kind": "note"}
        assert sample.changed == ("text",)
        assert "hello" not in str(sample)

    def test_is_json_of_the_same_shape(self) -> None:
        body = json.dumps({"key": TOKEN, "note": {"text": "hello", "tags": ["a"], "count": 2}})
        recording = show(post("/api", body, "application/json"), events=(fill("hello"),))
        sample = make_sample(recording, learn(recording, "shop"))
        assert sample is not None
        assert sample.request.json == {"note": {"text": f"hello{ADDED}", "tags": ["a"], "count": 2}}

    def test_is_multipart_with_a_small_file_in_place_of_the_one_that_was_sent(self) -> None:
        def part(name: str, value: str, more: str = "") -> str:
            return f'--b\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n{value}\r\n'

        photo = part("photo", "", '; filename="a.txt"\r\nContent-Type: text/plain')
        body = f"{part('key', TOKEN)}{part('text', 'hello')}{photo}--b--\r\n"
        recording = show(post("/api", body, "multipart/form-data; boundary=b"), events=(fill("hello"),))
        sample = make_sample(recording, learn(recording, "shop"))
        assert sample is not None
        assert sample.request.parts is not None
        parts = {one.name: (one.data, one.filename) for one in sample.request.parts}
        assert parts == {"text": (f"hello{ADDED}".encode(), None), "photo": (b"tried by doorkey\n", "a.txt")}

    def test_of_a_recording_that_does_not_tell_what_was_typed_changes_the_longest_text(self) -> None:
        body = urlencode({"key": TOKEN, "title": "one", "text": "a longer text", "on": "2026-11-28", "n": "12"})
        login = post("/login", urlencode({"user": "ada", "pw": PASSWORD}))
        recording = Recording(url=f"{SITE}/", exchanges=(get("/login"), login, get("/"), post("/api", body)))
        sample = make_sample(recording, learn(recording, "shop"))
        assert sample is not None
        assert sample.changed == ("text",)

    def test_is_none_where_nothing_was_written(self) -> None:
        recording = show()
        assert make_sample(recording, learn(recording, "shop")) is None
