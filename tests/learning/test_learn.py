"""What is learned by comparing pages: of a stranger with a member's, and of one session with another."""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

import doorkey
from doorkey import Page, Recording, Settings
from doorkey.config.registry import build_sites, make_provider
from doorkey.learning import Draft, Exchange, NotEnough, Snapshot, learn
from doorkey.learning.links import find_login_link, list_form_links
from doorkey.learning.recording import Script
from doorkey.learning.values import is_random
from doorkey.recognition.login_form import find_login_form

SITE = "https://shop.example/"
ONE, TWO = "9a8b7c6d5e4f3021", "77aa66bb55cc44dd"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.{}"
STRANGER = '<a href="/help">Help</a><a href="/login">Log in</a>'


def page(html: str, url: str = SITE, **more: Any) -> Page:
    return Page(url=url, html=html, **more)


def seen(first: Page, second: Page | None = None, *others: Page, stranger: str = STRANGER, **more: Any) -> Draft:
    """What is learned from a page in one session, in a second one, and further pages of that."""
    snapshots = [Snapshot(page(stranger), "stranger", SITE), Snapshot(first, "first", SITE)]
    if second is not None:
        snapshots.append(Snapshot(second, "second", SITE))
    snapshots += [Snapshot(other, "second", other.url) for other in others]
    return learn(Recording(url=SITE, snapshots=tuple(snapshots), **more), "shop")


def settings(draft: Draft) -> dict[str, Any]:
    """The table that is written, after doorkey itself has taken it."""
    tables = tomllib.loads(draft.write("shop"))["sites"]
    make_provider(build_sites(Settings.load(Path("/dev/null"), sites=tables))["shop"], "web")
    table: dict[str, Any] = tables["shop"]
    return table


class TestTheSignOfALogin:
    @pytest.mark.parametrize(
        ("inside", "ready"),
        [
            ('<a href="/help">Help</a><a href="/logout?t=1">Leave</a>', "[href*=logout i]"),
            ('<button id="bye" aria-label="Sign out">x</button>', "#bye"),
            ('<button class="leave-site">Log out</button>', "button.leave-site"),
            ('<form action="/end"><button>Log out</button></form>', "form[action^='/end']"),
            ('<a href="/help">Help</a><div class="member-menu">Ada</div>', "div.member-menu"),
            ('<a href="/help">Help</a><a href="/account/me">Ada</a>', "a[href^='/account/me']"),
        ],
    )
    def test_is_what_members_see_and_strangers_do_not(self, inside: str, ready: str) -> None:
        draft = seen(page(inside), page(inside))
        found = page(inside).find(draft.ready)
        assert found is not None
        assert page(STRANGER).find(draft.ready) is None
        if not inside.startswith("<form"):
            assert draft.ready == ready

    def test_is_nothing_that_one_session_has_alone(self) -> None:
        draft = seen(page('<p id="tip">Tip of the day</p><p id="menu">'), page('<p id="menu">'))
        assert draft.ready == "#menu"

    def test_is_none_where_strangers_see_the_same_page(self) -> None:
        assert seen(page(STRANGER), page(STRANGER)).ready == ""


class TestTwoSessions:
    def form(self, token: str, constant: str = "list-42ab99cd") -> Page:
        return page(
            f'<a href="/logout">x</a><form method="post" action="/items">'
            f'<input type="hidden" name="sig" value="{token}">'
            f'<input type="hidden" name="list" value="{constant}"></form>'
        )

    def test_what_differs_is_a_token_and_what_is_the_same_is_not(self) -> None:
        table = settings(seen(self.form(ONE), self.form(TWO)))
        assert table["tokens"] == {"sig": "input[name=sig]@value"}
        assert table["send"] == {"form": {"sig": "{sig}"}, "when": "POST,PUT,PATCH,DELETE /*"}

    def test_times_and_counts_are_no_tokens(self) -> None:
        draft = seen(self.form("1795848953"), self.form("1795848999"))
        assert draft.tokens == ()
        assert seen(self.form("2026-11-28T10:00"), self.form("2026-11-28T10:01")).tokens == ()

    def test_a_meta_tag_goes_into_the_usual_header_and_that_is_said_to_be_unsure(self) -> None:
        html = '<a href="/logout">x</a><meta name="csrf-token" content="{}"><meta name="build" content="{}">'
        draft = seen(page(html.format(ONE, ONE)), page(html.format(TWO, TWO)))
        table = settings(draft)
        assert table["tokens"] == {"csrf": "meta[name=csrf-token]@content"}
        assert table["send"]["header"] == {"X-CSRF-Token": "{csrf}"}
        assert any("guess" in str(doubt) for doubt in draft.doubts)

    def test_one_value_at_two_places_is_one_token(self) -> None:
        html = '<a href="/logout">x</a><meta name="csrf-token" content="{0}"><form method="post"><input type="hidden" '
        html += 'name="authenticity" value="{0}"></form>'
        assert len(seen(page(html.format(ONE)), page(html.format(TWO))).tokens) == 1

    def test_a_jwt_in_storage_is_a_bearer_token(self) -> None:
        def stored(signature: str) -> Page:
            kept = '{"user": "ada", "access": {"jwt": "' + JWT.format(signature) + '"}}'
            return page('<a href="/logout">x</a>', local={"auth": kept})

        table = settings(seen(stored(ONE), stored(TWO)))
        assert table["tokens"] == {"jwt": {"local": "auth", "inside": "access.jwt"}}
        assert table["send"] == {"header": {"Authorization": "Bearer {jwt}"}}

    def test_a_refresh_token_beside_the_one_that_is_sent_is_no_second_header(self) -> None:
        def stored(signature: str) -> Page:
            kept = {"access": JWT.format(signature), "refresh": JWT.format(f"{signature}r")}
            return page("<p id=shell></p>", local={"session": json.dumps(kept)})

        own = Exchange(method="GET", url=f"{SITE}x", headers={"authorization": f"Bearer {JWT.format(ONE)}"}, status=200)
        home = Exchange(method="GET", url=SITE, status=200, answer_type="text/html", answer_body="<p id=shell></p>")
        table = settings(seen(stored(ONE), stored(TWO), exchanges=(home, own)))
        assert table["tokens"] == {"authorization": {"local": "session", "inside": "access"}}
        assert table["send"] == {"header": {"authorization": "Bearer {authorization}"}}
        assert "stale" not in table, "the page's source shows a session"
        unseen = settings(seen(stored(ONE), stored(TWO), exchanges=(own,)))
        assert unseen["stale"] == [401], "nothing tells what the page's source shows"

    def test_what_the_page_keeps_of_the_login_s_answer_is_read_there(self) -> None:
        token = JWT.format(ONE)
        login = Exchange(
            method="POST", url=f"{SITE}auth", status=200, body="user=ada&password=secret-1",
            headers={"content-type": "application/x-www-form-urlencoded"}, answer_type="application/json",
            answer_body=json.dumps({"access_token": token}),
        )  # fmt: skip
        own = Exchange(method="GET", url=f"{SITE}x", headers={"authorization": f"Bearer {token}"}, status=200)
        stranger = page('<form action="/auth" method="post"><input name="user"><input name="password" type="password">')
        inside = page("<p id=shell></p>", local={"auth": json.dumps({"access_token": token})})
        snapshots = (Snapshot(stranger, "first", SITE, 0), Snapshot(inside, "first", SITE, 2))
        draft = learn(Recording(url=SITE, snapshots=snapshots, exchanges=(login, own)), "shop")
        assert settings(draft)["tokens"] == {"authorization": {"local": "auth", "inside": "access_token"}}

    @pytest.mark.parametrize(
        ("html", "send"),
        [
            (
                '<div id="box" data-nonce="{}"></div><script>fetch("/a", {{ method: "POST", body: new URLSearchParams('
                '{{ _nonce: box.dataset.nonce, text: "" }}) }})</script>',
                {"when": "POST,PUT,PATCH,DELETE /*", "form": {"_nonce": "{nonce}"}},
            ),
            (
                '<script>const s = {{ "formKey": "{}" }}; fetch("/a", {{ method: "PUT", body: JSON.stringify('
                "{{ key: s.formKey }}) }})</script>",
                None,
            ),
            (
                '<script>s = {{ "csrfKey": "{}" }}; fetch("/a", {{ headers: {{ "X-App": s.csrfKey }} }})</script>',
                {"when": "POST,PUT,PATCH,DELETE /*", "header": {"X-App": "{csrf}"}},
            ),
            (
                '<form method="post" action="/a?_token={}"></form>',
                {"when": "POST /a", "query": {"_token": "{token}"}},
            ),
        ],
    )
    def test_the_pages_scripts_and_forms_tell_where_a_token_goes(self, html: str, send: dict[str, Any] | None) -> None:
        one, two = (page(f'<a href="/logout">x</a>{html.format(token)}') for token in (ONE, TWO))
        found = settings(seen(one, two))["send"]
        assert found == send if send is not None else "json" in found

    def test_a_script_file_that_differs_holds_a_token(self) -> None:
        inside = page('<a href="/logout">x</a><script>send({ headers: { "X-App-Token": ENV.csrf } })</script>')
        scripts = [
            Script("/env.js", f'ENV = {{"csrf": "{token}"}}', who) for token, who in ((ONE, "first"), (TWO, "second"))
        ]
        table = settings(seen(inside, inside, scripts=tuple(scripts)))
        assert table["tokens"]["csrf"]["page"] == "/env.js"
        assert table["send"]["header"] == {"X-App-Token": "{csrf}"}

    def test_the_pages_own_requests_tell_where_a_token_goes(self) -> None:
        html = '<a href="/logout">x</a><meta name="csrf-token" content="{}">'
        own = Exchange(method="GET", url=f"{SITE}api/list", headers={"x-guard": ONE}, status=200)
        draft = seen(page(html.format(ONE)), page(html.format(TWO)), exchanges=(own,))
        assert settings(draft)["send"] == {"header": {"x-guard": "{x_guard}"}}
        assert settings(draft)["tokens"] == {"x_guard": "meta[name=csrf-token]@content"}
        assert draft.doubts == ()

    def test_a_recorded_page_that_was_seen_anew_still_tells_where_a_value_stood(self) -> None:
        inside, new = page('<a href="/logout">x</a>'), f"{SITE}items/new"
        html = '<form method="post" action="/save"><input type="hidden" name="sig" value="{}"></form>'
        write = Exchange(
            method="POST", url=f"{SITE}ajax", body=f"sig={ONE}&text=x", status=200,
            headers={"content-type": "application/x-www-form-urlencoded"},
        )  # fmt: skip
        snapshots = [Snapshot(page(STRANGER), "stranger", SITE), Snapshot(inside, "first", SITE)]
        snapshots += [Snapshot(inside, "second", SITE), Snapshot(page(html.format(TWO), new), "second", new)]
        snapshots.append(Snapshot(page(html.format(ONE), new), "recorded", new))
        table = settings(learn(Recording(url=SITE, snapshots=tuple(snapshots), exchanges=(write,)), "shop"))
        assert table["tokens"]["sig"] == {"page": "/items/new", "css": "input[name=sig]", "attribute": "value"}
        assert table["send"] == {"when": "POST /ajax", "form": {"sig": "{sig}"}}

    def test_forms_on_further_pages_are_used_where_the_page_has_no_token(self) -> None:
        inside = page('<a href="/logout">x</a>')
        new = page(self.form(ONE).html, f"{SITE}items/new")
        table = settings(seen(inside, inside, new))
        assert table["tokens"]["sig"] == {"page": "/items/new", "css": "input[name=sig]", "attribute": "value"}

    def test_the_search_and_the_login_form_hold_no_token_of_writes(self) -> None:
        html = '<a href="/logout">x</a><form><input type="hidden" name="csrf" value="{}"><input name="q"></form>'
        assert seen(page(html.format(ONE)), page(html.format(TWO))).tokens == ()


def test_the_page_that_was_asked_for_is_kept_unless_it_is_the_login() -> None:
    inside = page('<a href="/logout">x</a>', f"{SITE}board")
    for asked, url in ((f"{SITE}reports", f"{SITE}reports"), (f"{SITE}login", f"{SITE}board")):
        snapshots = (
            Snapshot(page(STRANGER), "stranger", asked),
            Snapshot(inside, "first", asked),
            Snapshot(inside, "second", asked),
        )
        assert doorkey.learn(Recording(url=asked, snapshots=snapshots)).url == url


def test_an_empty_recording_is_not_enough() -> None:
    with pytest.raises(NotEnough, match="not enough"):
        learn(Recording(url=SITE))


def test_a_login_is_found_by_its_address_or_its_words() -> None:
    for link in ('<a href="/users/sign_in">Members</a>', '<a href="/go">Log in</a>', '<a href="/x">Sign in here</a>'):
        assert find_login_link(page(f'<a href="/help">Help</a>{link}'))
    for link in ('<a href="/register">Log in or register</a>', '<a href="https://other.example/login">Log in</a>'):
        assert find_login_link(page(link)) == ""


def test_only_links_that_change_nothing_are_opened() -> None:
    links = (
        "/notes/new",
        "/settings",
        "/notes/1/delete",
        "/logout",
        "/toggle?edit=1",
        "/about",
        "/login",
        "/export/new",
    )
    html = "".join(f'<a href="{link}">x</a>' for link in links) + '<a href="https://other.example/new">x</a>'
    assert list_form_links(page(html)) == ["/notes/new", "/settings"]


def test_of_two_login_forms_the_one_that_no_header_hides_is_taken() -> None:
    form = '<form method="post"><input name="login"><input name="password" type="password"><input type="submit"></form>'
    found = find_login_form(page(f'<div class="header-login">{form}</div><div id="main">{form}</div>'))
    assert found is not None
    assert found.password.startswith("#main")


@pytest.mark.parametrize("name", ["md5", "sha1", "sha256"])
def test_the_hash_of_an_empty_text_is_no_token(name: str) -> None:
    assert is_random(hashlib.new(name, b"a").hexdigest(), "wpAutoSummary")
    assert not is_random(hashlib.new(name).hexdigest(), "wpAutoSummary")
