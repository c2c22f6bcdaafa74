"""What is learned of a site from a HAR file of its use."""

from __future__ import annotations

import base64
import json
import random
import sys
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

import doorkey
from doorkey import Settings
from doorkey.config.registry import build_sites, make_provider
from doorkey.learning import Draft, NotEnough
from doorkey.learning.har import read_har

sys.path.insert(0, str(Path(__file__).parent))
from har_formats import FORMATS
from hars import LOGIN_PAGE, PASSWORD, SITE, USER, Har

TOKEN, OTHER = "9a8b7c6d5e4f3021", "77aa66bb55cc44dd"
HOME = '<title>Home</title><a href="/logout">Log out</a>'


def learned(har: Har | bytes) -> Draft:
    return doorkey.learn(read_har(har if isinstance(har, bytes) else har.dump()).recording, "shop")


def settings(draft: Draft) -> dict[str, Any]:
    """The table that is written, after doorkey itself has taken it."""
    tables = tomllib.loads(draft.write("shop"))["sites"]
    checked = Settings.load(Path("/dev/null"), sites=tables)
    make_provider(build_sites(checked)["shop"], "web")
    table: dict[str, Any] = tables["shop"]
    return table


class TestAFormLogin:
    def test_becomes_steps_and_a_sign_that_strangers_do_not_see(self) -> None:
        har = Har().log_in().add("GET", "/", html=HOME).add("POST", "/items", 302, form={"title": "one"})
        table = settings(learned(har))
        assert (table["url"], table["ready"]) == (f"{SITE}/", "[href*=logout i]")
        assert table["visit"]["steps"] == [
            {"open": "/login"},
            {"fill": "input[name=user]", "value": "env:SHOP_USER"},
            {"fill": "input[name=pw]", "value": "env:SHOP_PASSWORD"},
            {"click": "form:has(input[type=password]) button"},
        ]
        assert "tokens" not in table

    def test_keeps_the_page_that_was_asked_for_and_not_one_that_leads_to_the_login(self) -> None:
        har = Har().add("GET", "/login", html=LOGIN_PAGE.format("f0f1f2f3f4f5f6f7"))
        har.add("POST", "/login", 302, form={"user": USER, "pw": PASSWORD}, answers=(("location", "/board"),))
        har.add("GET", "/board", html=HOME)
        assert learned(har).url == f"{SITE}/board"

    def test_whose_user_name_is_asked_for_on_a_page_of_its_own_takes_both_pages(self) -> None:
        first = '<form action="/login"><input name="login" autocomplete="username"><button>Next</button></form>'
        second = '<form><input type="password" name="pass"><button id="go">Go</button></form>'
        har = Har().add("GET", "/login", html=first).add("POST", "/login", html=second, form={"login": USER})
        har.add("POST", "/login/2", 302, form={"pass": PASSWORD}).add("GET", "/", html=HOME)
        steps = settings(learned(har))["visit"]["steps"]
        assert [next(iter(step.items())) for step in steps] == [
            ("open", "/login"),
            ("fill", "input[name=login]"),
            ("click", "form:has(input[name=login]) button"),
            ("fill", "input[name=pass]"),
            ("click", "#go"),
        ]

    def test_that_failed_once_is_taken_from_the_try_that_succeeded(self) -> None:
        har = Har().add("POST", "/login", 403, form={"user": USER, "pw": "wrong"}).log_in().add("GET", "/", html=HOME)
        assert learned(har).ready == "[href*=logout i]"


class TestATokenOfAWrite:
    def test_that_stood_in_a_hidden_field_goes_into_forms(self) -> None:
        home = f'{HOME}<form method="post" action="/items"><input type="hidden" name="_token" value="{TOKEN}"></form>'
        har = Har().log_in().add("GET", "/", html=home)
        table = settings(learned(har.add("POST", "/items", 302, form={"_token": TOKEN, "title": "one"})))
        assert table["tokens"] == {"token": "input[name=_token]@value"}
        assert table["send"] == {"form": {"_token": "{token}"}, "when": "POST,PUT,PATCH,DELETE /*"}

    def test_that_stood_on_another_page_is_read_there(self) -> None:
        page = f'<form method="post" action="/items"><input type="hidden" name="csrf" value="{TOKEN}"></form>'
        har = Har().log_in().add("GET", "/", html=HOME).add("GET", "/items/new", html=page)
        table = settings(learned(har.add("POST", "/items", 302, form={"csrf": TOKEN, "title": "one"})))
        assert table["tokens"] == {"csrf": {"page": "/items/new", "css": "input[name=csrf]", "attribute": "value"}}
        assert table["send"] == {"form": {"csrf": "{csrf}"}, "when": "POST /items"}

    def test_of_one_form_among_others_is_that_forms_own(self) -> None:
        form = '<form method="post" action="{}"><input type="hidden" name="csrf" value="{}"></form>'
        home = HOME + form.format("/a", OTHER) + form.format("/b", TOKEN)
        har = Har().log_in().add("GET", "/", html=home)
        har.add("POST", "/b", 302, form={"csrf": TOKEN, "x": "1"}).add("POST", "/a", 302, form={"csrf": OTHER})
        table = settings(learned(har))
        assert table["tokens"] == {
            "csrf": "form[action='/b'] input[name=csrf]@value",
            "csrf_2": "form[action='/a'] input[name=csrf]@value",
        }
        assert [one["when"] for one in table["send"]] == ["POST /b", "POST /a"]

    @pytest.mark.parametrize(
        ("home", "source"),
        [
            (f'{HOME}<meta name="csrf-token" content="{TOKEN}">', "meta[name=csrf-token]@content"),
            (f'<body data-csrf="{TOKEN}">{HOME}', "body[data-csrf]@data-csrf"),
            (f'{HOME}<script>var app = {{"csrf": "{TOKEN}"}}</script>', None),
        ],
    )
    def test_in_a_header_is_found_wherever_the_page_holds_it(self, home: str, source: str | None) -> None:
        har = Har().log_in().add("GET", "/", html=home)
        har.add("POST", "/api/items", body={"title": "one"}, headers={"X-CSRF-Token": TOKEN}, data={"id": 1})
        table = settings(learned(har))
        (found,) = table["tokens"].values()
        assert found == source or (source is None and found.startswith("html:/csrf"))
        assert list(table["send"]["header"].values()) == ["{csrf}"]
        page = doorkey.Page(url=SITE, html=home)
        site = build_sites(Settings.load(Path("/dev/null"), sites={"shop": table}))["shop"]
        assert make_provider(site, "web").read(page)["csrf"] == TOKEN

    def test_that_doubles_a_cookie_follows_the_cookie(self) -> None:
        har = Har().log_in().add("GET", "/", html=HOME, answers=(("set-cookie", f"XSRF-TOKEN={quote(TOKEN + '=')}"),))
        har.add("POST", "/api", body={"a": "b"}, headers={"x-xsrf-token": TOKEN + "="})
        assert settings(learned(har))["tokens"] == {"csrf": "cookie:XSRF-TOKEN"}

    def test_that_an_address_hands_out_is_fetched_there(self) -> None:
        har = Har().log_in().add("GET", "/", html=HOME).add("GET", "/api/csrf", data={"data": {"token": TOKEN}})
        har.add("POST", "/api/items", body={"a": "b"}, headers={"x-csrf": TOKEN})
        assert settings(learned(har))["tokens"] == {"csrf": {"page": "/api/csrf", "json": "data.token"}}

    def test_that_comes_with_each_answer_is_followed(self) -> None:
        home = f'{HOME}<meta name="nonce" content="{TOKEN}">'
        har = Har().log_in().add("GET", "/", html=home)
        har.add("POST", "/api", body={"a": 1}, headers={"x-nonce": TOKEN}, answers=(("X-Next", OTHER),), data={})
        har.add("POST", "/api", body={"a": 2}, headers={"x-nonce": OTHER}, data={})
        table = settings(learned(har))
        assert table["tokens"]["x_nonce"]["next"] == "header:x-next"

    def test_in_graphql_goes_into_its_place_of_the_json(self) -> None:
        home = f'{HOME}<meta name="csrf" content="{TOKEN}">'
        har = Har().log_in().add("GET", "/", html=home)
        har.add("POST", "/graphql", body={"query": "mutation", "variables": {"csrf": TOKEN, "t": "x"}}, data={})
        table = settings(learned(har))
        assert table["send"] == {"json": {"variables": {"csrf": "{csrf}"}}, "when": "POST /graphql"}

    def test_in_a_multipart_form_goes_into_forms(self) -> None:
        home = f'{HOME}<form method="post"><input type="hidden" name="tok" value="{TOKEN}"></form>'
        part = '--b\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
        body = part.format("tok", TOKEN) + part.format("title", "one") + "--b--\r\n"
        har = Har().log_in().add("GET", "/", html=home)
        har.add("POST", "/up", 302, raw=(body, "multipart/form-data; boundary=b"))
        assert settings(learned(har))["send"]["form"] == {"tok": "{tok}"}

    def test_that_the_page_computes_is_told(self) -> None:
        har = Har().log_in().add("GET", "/", html=HOME)
        for number in ("1", "2"):
            har.add("POST", "/api", body={"a": "b"}, headers={"x-signature": f"0{number}" + TOKEN * 2}, data={})
        draft = learned(har)
        assert draft.tokens == ()
        assert any("x-signature" in str(doubt) and "computes" in str(doubt) for doubt in draft.doubts)

    def test_is_no_value_that_was_typed(self) -> None:
        home = f'{HOME}<meta name="csrf" content="{TOKEN}"><p title="An1ce-Title-2026">'
        har = Har().log_in().add("GET", "/", html=home)
        har.add("POST", "/api", body={"title": "a short story", "csrf": TOKEN}, data={})
        assert [token.name for token in learned(har).tokens] == ["csrf"]


class TestALoginByJson:
    def bearer(self) -> Har:
        har = Har().add("GET", "/", html="<title>App</title><div id=app></div>")
        har.add(
            "POST",
            "/api/login",
            body={"email": USER, "password": PASSWORD},
            data={"access_token": TOKEN * 2, "refresh_token": OTHER * 2},
        )
        authorization = {"authorization": f"Bearer {TOKEN * 2}"}
        har.add("GET", "/api/me", headers=authorization, data={"id": 7, "name": "Ada"})
        return har.add("POST", "/api/items", body={"title": "one"}, headers=authorization, data={"id": 1})

    def test_becomes_a_request_whose_answer_holds_the_bearer_token(self) -> None:
        table = settings(learned(self.bearer()))
        assert table["url"] == f"{SITE}/"
        assert table["tokens"] == {"authorization": "json:access_token"}
        assert table["send"] == {"header": {"authorization": "Bearer {authorization}"}}
        assert table["login"]["request"] == {
            "path": "/api/login",
            "json": {"email": "env:SHOP_USER", "password": "env:SHOP_PASSWORD"},
        }
        assert table["check"] == {"url": "/api/me", "holds": "json:id"}

    def test_is_renewed_by_its_refresh_token_where_that_was_recorded(self) -> None:
        fresh = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
        har = self.bearer()
        har.add("POST", "/api/refresh", body={"refresh_token": OTHER * 2}, data={"data": {"accessToken": fresh}})
        har.add("GET", "/api/list", headers={"authorization": f"Bearer {fresh}"}, data={})
        table = settings(learned(har))
        assert table["renew"]["request"] == {
            "path": "/api/refresh",
            "json": {"refresh_token": "{refresh}"},
            "answer": {"authorization": "json:data.accessToken"},
        }
        assert table["tokens"] == {"authorization": "json:access_token", "refresh": "json:refresh_token"}

    def test_knows_a_password_by_its_name_and_not_by_a_part_of_another(self) -> None:
        har = Har().add("GET", "/", html="<title>App</title>")
        body = {"username": USER, "password": PASSWORD, "client_secret": OTHER, "client_id": "web"}
        har.add("POST", "/token", body=body, data={"access_token": TOKEN * 2})
        authorization = {"authorization": f"Bearer {TOKEN * 2}"}
        har.add("POST", "/api/trees", body={"footprint": "12", "passenger": "2"}, headers=authorization, data={})
        assert any("client_secret is left out" in str(doubt) for doubt in learned(har).doubts)
        table = settings(learned(har))
        assert table["login"]["request"]["path"] == "/token"
        assert OTHER not in str(table)

    @pytest.mark.parametrize("sanitized", [False, True])
    def test_leaves_what_the_site_keeps_behind_the_token_to_the_caller(self, *, sanitized: bool) -> None:
        authorization = {} if sanitized else {"authorization": f"Bearer {TOKEN * 2}"}
        har = Har().add("GET", "/", html="<div id=app>").add("GET", "/settings?_=1795896919395", 401)
        har.add("POST", "/token", body={"username": USER, "password": PASSWORD}, data={"access_token": TOKEN * 2})
        har.add("GET", "/settings?_=1795896919396", headers=authorization, data={"id": 3, "user": {"username": USER}})
        har.add("GET", "/flows?a=b&_=1795896919409", headers=authorization, data={"flows": [], "rev": OTHER})
        har.add("POST", "/flows", body={"flows": [], "rev": OTHER}, headers=authorization, data={})
        draft = learned(har)
        table = settings(draft)
        assert table["tokens"] == {"authorization": "json:access_token"}
        assert table["send"]["header"] == {
            "authorization" if not sanitized else "Authorization": "Bearer {authorization}"
        }
        assert table["check"] == {"url": "/settings", "holds": "json:user.username"}
        assert any("json rev came with the answer to /flows?a=b, a call" in str(doubt) for doubt in draft.doubts)

    def test_says_that_the_use_of_the_refresh_token_was_not_recorded(self) -> None:
        assert any("refresh token" in str(doubt) for doubt in learned(self.bearer()).doubts)

    def test_with_a_token_in_its_header_reads_that_first(self) -> None:
        har = Har().add("GET", "/", html="<div id=app>", answers=(("set-cookie", f"csrftoken={TOKEN}; Path=/"),))
        sent = {"user": USER, "password": PASSWORD}
        cookie = (("set-cookie", "sid=abc; Path=/"),)
        har.add("POST", "/api/login", body=sent, headers={"X-CSRFToken": TOKEN}, data={}, answers=cookie)
        har.add("GET", "/api/me", data={"username": USER})
        table = settings(learned(har))
        request = table["login"]["request"]
        assert table["cookies"]["needed"] == ["sid"]
        assert request["header"] == {"x-csrftoken": "{csrf}"}
        assert (request["tokens"], request["page"]) == ({"csrf": "cookie:csrftoken"}, "/")


def forms(secret: str) -> set[str]:
    encoded = base64.b64encode(secret.encode()).decode()
    return {secret, quote(secret, safe=""), json.dumps(secret)[1:-1], encoded, encoded.rstrip("="), secret[::-1]}


def test_nothing_that_was_typed_or_handed_out_stands_in_a_draft() -> None:
    home = f'{HOME}<form method="post"><input type="hidden" name="tok" value="{TOKEN}"></form>'
    har = Har().log_in().add("GET", "/", html=home).add("POST", "/a", 302, form={"tok": TOKEN, "text": "my d1ary 2026"})
    draft = learned(har)
    written = draft.write("shop") + repr(draft) + " ".join(map(str, draft.doubts)) + " ".join(map(str, draft.calls))
    for secret in (PASSWORD, TOKEN, "my d1ary 2026", "5e55109a8b7c"):
        assert [text for text in forms(secret) if text in written] == []
    assert read_har(har.dump()).holds_password


def test_a_sanitized_recording_gives_what_it_can_and_says_what_it_lacks() -> None:
    har = Har().log_in().add("GET", "/", html=f'{HOME}<meta name="csrf" content="{TOKEN}">')
    har.add("POST", "/api", body={"a": "b"}, headers={"x-csrf": TOKEN})
    for entry in har.entries:
        entry["response"]["headers"] = []
    draft = learned(har)
    assert draft.tokens[0].source == "meta[name=csrf]@content"
    assert any("lacks cookies" in str(doubt) for doubt in draft.doubts)


def whole() -> Har:
    har = Har().log_in().add("GET", "/", html=f'{HOME}<meta name="csrf" content="{TOKEN}">')
    return har.add("POST", "/api", body={"a": "b"}, headers={"x-csrf": TOKEN})


def test_entries_in_any_order_are_read_in_the_order_of_time() -> None:
    har = whole()
    expected = settings(learned(whole()))
    random.Random(7).shuffle(har.entries)
    assert settings(learned(har)) == expected


@pytest.mark.parametrize("part", [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97, 0.999])
def test_a_file_that_is_cut_off_ends_in_a_draft_or_says_that_it_is_not_enough(part: float) -> None:
    data = whole().dump()
    cut = data[: int(len(data) * part)]
    if part < 0.7:
        with pytest.raises(NotEnough, match=r"HAR|not enough"):
            learned(cut)
        return
    draft = learned(cut)
    assert settings(draft)["provider"] == "web"
    assert any("cut off" in str(doubt) for doubt in draft.doubts)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{}", b"null", b"[]", b"PK\x03\x04", b'{"log": 1}', b'{"log": {"entries": []}}',
        b'{"entries": [1, null, {}]}',
        b'{"log": {"entries": [{"request": {"url": 5}}]}}', b'{"entries": [{"request": {"url": "chrome://x"}}]}',
        b'{"entries": [{"request": {"url": "https://a.example/"}, "response": {"status": "x", "headers": {}}}]}',
        b'{"entries": [' + b"[" * 20000,
    ],
)  # fmt: skip
def test_a_foreign_file_is_told_clearly(data: bytes) -> None:
    with pytest.raises(NotEnough, match="expected"):
        learned(data)


def test_a_recording_of_another_site_beside_it_changes_nothing() -> None:
    har = whole()
    expected = settings(learned(whole()))
    har.add("POST", "https://tracker.example/collect", body={"token": TOKEN[::-1], "password": "x"}, data={})
    har.add("GET", "https://cdn.example/app.js", script='var csrf = "0123456789abcdef"')
    assert settings(learned(har)) == expected


UPLOAD = (
    "multipart/form-data; boundary=b",
    '--b\r\nContent-Disposition: form-data; name="tok"\r\n\r\n' + TOKEN + "\r\n--b--\r\n",
)


def recorded(kind: str) -> Har:
    """A login and one write of this kind."""
    field = f'<form method="post" action="/a"><input type="hidden" name="tok" value="{TOKEN}"></form>'
    har = Har().log_in().add("GET", "/", html=f'{HOME}{field}<meta name="csrf" content="{TOKEN}">')
    if kind == "form":
        return har.add("POST", "/a", 302, form={"tok": TOKEN, "text": "a b&c"})
    if kind == "multipart":
        return har.add("POST", "/a", raw=UPLOAD)
    return har.add("POST", "/api", body={"a": "b"}, headers={"x-csrf": TOKEN})


@pytest.mark.parametrize("kind", ["form", "multipart", "json"])
@pytest.mark.parametrize("program", FORMATS)
def test_recordings_of_other_programs_give_the_same_settings(program: str, kind: str) -> None:
    expected, found = settings(learned(recorded(kind))), settings(learned(FORMATS[program](recorded(kind))))
    if program == "sanitized":
        expected.pop("cookies", None)
    assert found == expected


def test_a_bearer_token_that_was_left_out_is_sent_as_bearer_tokens_are_and_that_is_said() -> None:
    har = (
        Har()
        .add("GET", "/", html="<div id=app></div>")
        .add(
            "POST", "/api/login", body={"email": "ada@shop.example", "password": PASSWORD}, data={"access_token": TOKEN}
        )
    )
    har.add("POST", "/api/notes", body={"text": "one"}, headers={"authorization": f"Bearer {TOKEN}"})
    draft = learned(FORMATS["sanitized"](har))
    found = settings(draft)
    assert found["tokens"] == {"authorization": "json:access_token"}
    assert found["send"] == {"header": {"Authorization": "Bearer {authorization}"}}
    assert any("is a guess" in str(doubt) for doubt in draft.doubts)


def test_a_login_in_graphql_names_its_user_beside_the_password_and_how_a_dead_session_is_told() -> None:
    values = {"email": "ada@shop.example", "password": PASSWORD}
    body = {"operationName": "Login", "variables": values, "query": "mutation Login { login { token } }"}
    har = (
        Har()
        .add("GET", "/", html="<div id=app></div>")
        .add("POST", "/graphql", body=body, data={"data": {"token": TOKEN}})
    )
    har.add("POST", "/graphql", body={"query": "mutation { add }"}, headers={"authorization": f"Bearer {TOKEN}"})
    found = settings(learned(har))
    sent = found["login"]["request"]["json"]
    assert sent["variables"] == {"email": "env:SHOP_USER", "password": "env:SHOP_PASSWORD"}
    assert sent["operationName"] == "Login"
    assert found["stale"][0] == "json:errors.0.extensions.code=UNAUTHENTICATED"


def test_a_password_is_known_by_the_field_of_the_page_that_was_filled_in() -> None:
    form = '<form method="post" action="/in"><input name="acc"><input type="password" name="word"></form>'
    har = Har().add("GET", "/in", html=form).add("POST", "/in", 302, form={"acc": "ada", "word": PASSWORD})
    har.add("GET", "/", html=f"{HOME}")
    draft = learned(har)
    assert draft.variables == ("SHOP_USER", "SHOP_PASSWORD")
    assert PASSWORD not in draft.write("shop")
