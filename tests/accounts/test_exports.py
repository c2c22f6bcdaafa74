"""A session in the forms of other programs: each reads what the session holds."""

from __future__ import annotations

import ast
import http.cookiejar
import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from doorkey.accounts.exports import FORMS
from doorkey.accounts.imports import read_login
from doorkey.model.cookies import Cookie
from doorkey.model.session import Key, Session

NOW = 1_700_000_000.0
COOKIES = (
    Cookie("sid", "s=1", "wiki.example", "/", host_only=True, secure=True, http_only=True, same_site="Lax"),
    Cookie("wide", '"quoted"', "wiki.example", "/app", host_only=False, expires=NOW + 60),
    Cookie("", "nameless", "wiki.example", "/", host_only=True),
    Cookie("part", "p", "wiki.example", "/", host_only=True, secure=True, partition="https://wiki.example"),
)
SESSION = Session(
    key=Key("wiki", "https://wiki.example/app"),
    gen=7,
    url="https://wiki.example/app/home",
    born=NOW,
    soft=60,
    hard=120,
    cookies=COOKIES,
    headers={"user-agent": "Chromium's own", "accept-language": "en", "sec-ch-ua": '"x"'},
    local={"jwt": "j'1"},
    seeds={"sessionStorage": {"tab": "t1"}},
)


def identities(cookies: tuple[Cookie, ...]) -> set[tuple[object, ...]]:
    return {(one.identity, one.value, one.secure, one.http_only, one.expires) for one in cookies}


def test_a_storage_state_is_read_back_as_the_same_session() -> None:
    found = read_login(FORMS["storage-state"](SESSION, NOW), SESSION.key.url, NOW)
    assert identities(found.cookies) == identities(COOKIES)
    assert (found.local, found.seeds) == ({"jwt": "j'1"}, {"sessionStorage": {"tab": "t1"}})


def test_what_the_last_visit_had_in_its_tab_goes_before_what_was_imported() -> None:
    state = json.loads(FORMS["storage-state"](replace(SESSION, tab={"tab": "t2"}), NOW))
    assert state["origins"][0]["sessionStorage"] == [{"name": "tab", "value": "t2"}]


def test_a_cookies_txt_is_read_back_with_all_that_it_can_hold() -> None:
    found = read_login(FORMS["cookies.txt"](SESSION, NOW), SESSION.key.url, NOW)
    assert {(one.name, one.value, one.domain, one.host_only, one.path, one.secure, one.http_only, one.expires)
            for one in found.cookies} == {
        (one.name, one.value, one.domain, one.host_only, one.path, one.secure, one.http_only, one.expires)
        for one in COOKIES
    }  # fmt: skip


def test_pythons_own_reader_takes_the_cookies_txt(tmp_path: Path) -> None:
    (tmp_path / "cookies.txt").write_text(FORMS["cookies.txt"](SESSION, NOW))
    jar = http.cookiejar.MozillaCookieJar(tmp_path / "cookies.txt")
    jar.load(ignore_discard=True, ignore_expires=True)
    assert {(one.name, one.value) for one in jar} >= {("sid", "s=1"), ("wide", '"quoted"'), ("part", "p")}


def test_curl_sends_what_a_browser_would_send_to_the_page() -> None:
    words = shlex.split(FORMS["curl"](SESSION, NOW))
    assert words[:2] == ["curl", "https://wiki.example/app"]
    sent = words[3::2]
    assert "user-agent: Chromium's own" in sent
    assert 'cookie: wide="quoted"; sid=s=1; nameless; part=p' in sent


def test_the_python_program_sets_every_cookie() -> None:
    tree = ast.parse(FORMS["python"](SESSION, NOW))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    named = [ast.literal_eval(call.args[0]) for call in calls if call.func.attr == "set"]  # type: ignore[attr-defined]
    assert named == [cookie.name for cookie in COOKIES]


@pytest.mark.parametrize("form", FORMS)
def test_a_session_without_anything_is_written_all_the_same(form: str) -> None:
    bare = Session(key=SESSION.key, gen=1, url=SESSION.url, born=NOW, soft=1, hard=2)
    text = FORMS[form](bare, NOW)
    assert json.loads(text) == {"cookies": [], "origins": []} if form == "storage-state" else text
