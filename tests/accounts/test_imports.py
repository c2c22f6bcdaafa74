"""A login from a file of another browser: what is taken, what had expired, what belongs to others."""

from __future__ import annotations

import http.cookiejar
import json
from contextlib import suppress
from http.cookiejar import MozillaCookieJar
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorkey.accounts.imports import read_login
from doorkey.errors import RequestError
from doorkey.model.cookies import Cookie
from doorkey.model.set_cookie import LONGEST_LIFE

SITE = "https://wiki.example/app"
NOW = 1_700_000_000.0

STATE = {
    "cookies": [
        {"name": "sid", "value": "s1", "domain": "wiki.example", "path": "/", "expires": -1, "httpOnly": True,
         "secure": True, "sameSite": "Lax"},
        {"name": "wide", "value": "w", "domain": ".wiki.example", "path": "/", "expires": NOW + 60},
        {"name": "old", "value": "o", "domain": "wiki.example", "path": "/", "expires": NOW - 1},
        {"name": "ad", "value": "a", "domain": ".tracker.example", "path": "/", "expires": -1},
    ],
    "origins": [
        {"origin": "https://wiki.example", "localStorage": [{"name": "jwt", "value": "j1"}]},
        {"origin": "https://other.example", "localStorage": [{"name": "jwt", "value": "theirs"}]},
    ],
}  # fmt: skip


def entry(url: str, cookie: str = "", *set_cookies: str) -> dict[str, Any]:
    sent = [{"name": "User-Agent", "value": "Firefox/1"}, *([{"name": "Cookie", "value": cookie}] if cookie else [])]
    return {
        "startedDateTime": "2023-11-14T22:13:20.000Z",
        "request": {"url": url, "headers": sent},
        "response": {"headers": [{"name": "set-cookie", "value": value} for value in set_cookies]},
    }


def har(*entries: dict[str, Any]) -> str:
    return json.dumps({"log": {"version": "1.2", "entries": entries}})


def test_a_storage_state_gives_cookies_and_storage_of_the_site_alone() -> None:
    found = read_login(json.dumps(STATE), SITE, NOW)
    assert (found.kind, found.expired, found.foreign) == ("storage state", ("old",), ("tracker.example",))
    assert [(cookie.name, cookie.domain, cookie.host_only) for cookie in found.cookies] == [
        ("sid", "wiki.example", True),
        ("wide", "wiki.example", False),
    ]
    assert (found.cookies[0].secure, found.cookies[0].http_only, found.local) == (True, True, {"jwt": "j1"})


def test_a_cookies_txt_is_read_with_its_http_only_lines() -> None:
    text = (
        "# Netscape HTTP Cookie File\n\n"
        "#HttpOnly_wiki.example\tFALSE\t/\tTRUE\t0\tsid\ts1\n"
        f".wiki.example\tTRUE\t/app\tFALSE\t{NOW + 60:.0f}\tmark\tm\n"
        "evil.example\tFALSE\t/\tFALSE\t0\tsid\ttheirs\n"
    )
    found = read_login(text, SITE, NOW)
    assert [(c.name, c.value, c.path, c.http_only, c.expires) for c in found.cookies] == [
        ("sid", "s1", "/", True, None),
        ("mark", "m", "/app", False, NOW + 60),
    ]
    assert found.foreign == ("evil.example",)


@pytest.mark.parametrize("expiry", ["", "0", "-1"])
def test_an_empty_expiry_in_a_cookies_txt_is_a_session_cookies(expiry: str) -> None:
    text = f"wiki.example\tFALSE\t/\tTRUE\t{expiry}\tsid\ts1\r\n.wiki.example\tTRUE\t/\tFALSE\t\t\tnameless\n"
    found = read_login(text, SITE, NOW)
    assert [(c.pair, c.host_only, c.expires) for c in found.cookies] == [
        ("sid=s1", True, None),
        ("nameless", False, None),
    ]


def test_cookies_as_pythons_own_jar_saves_them_are_read(tmp_path: Path) -> None:
    jar = MozillaCookieJar(tmp_path / "cookies.txt")
    own = ("wiki.example", False, False, "/", True, False)
    jar.set_cookie(http.cookiejar.Cookie(0, "sid", "s1", None, False, *own, None, True, None, None, {}))
    jar.save(ignore_discard=True)
    assert read_login((tmp_path / "cookies.txt").read_text(), SITE, NOW).cookies == (
        Cookie("sid", "s1", "wiki.example"),
    )


EXTENSION = {"domain": "wiki.example", "hostOnly": True, "name": "sid", "value": '"s 1"', "path": "/", "httpOnly": True,
             "sameSite": "no_restriction", "secure": True, "session": False, "storeId": "0",
             "expirationDate": NOW + 60.5}  # fmt: skip
SELENIUM = {"domain": ".wiki.example", "expiry": int(NOW) + 60, "httpOnly": False, "name": "sid", "path": "/",
            "sameSite": "Lax", "secure": False, "value": "s1"}  # fmt: skip
PUPPETEER = {"name": "sid", "value": "s1", "domain": "wiki.example", "path": "/", "expires": -1, "size": 5,
             "secure": True, "session": True, "sameSite": "None",
             "partitionKey": {"topLevelSite": "https://wiki.example", "hasCrossSiteAncestor": False}}  # fmt: skip


@pytest.mark.parametrize(
    ("one", "cookie"),
    [
        (EXTENSION, Cookie("sid", '"s 1"', "wiki.example", "/", True, True, True, "None", NOW + 60.5)),
        ({**EXTENSION, "session": True}, Cookie("sid", '"s 1"', "wiki.example", "/", True, True, True, "None")),
        ({**EXTENSION, "sameSite": None}, Cookie("sid", '"s 1"', "wiki.example", "/", True, True, True, "",
                                                 NOW + 60.5)),
        (SELENIUM, Cookie("sid", "s1", "wiki.example", "/", False, same_site="Lax", expires=int(NOW) + 60)),
        ({**SELENIUM, "expiry": NOW * 1000 + 60_000}, Cookie("sid", "s1", "wiki.example", "/", False, same_site="Lax",
                                                             expires=NOW + 60)),
        (PUPPETEER, Cookie("sid", "s1", "wiki.example", secure=True, same_site="None", partition="https://wiki.example")),
    ],
)  # fmt: skip
def test_a_json_list_of_cookies_is_read_in_each_dialect(one: dict[str, Any], cookie: Cookie) -> None:
    found = read_login(json.dumps([one]), SITE, NOW)
    assert (found.kind, found.cookies) == ("list of cookies", (cookie,))


@pytest.mark.parametrize(
    ("said", "expires"),
    [
        ("2023-11-14T22:14:20.000Z", NOW + 60),
        ("2023-11-14T22:14:20", NOW + 60),
        ("Tue, 14 Nov 2023 22:14:20 GMT", NOW + 60),
        (f"{NOW + 60}", NOW + 60),
        (NOW * 1000 + 60_000, NOW + 60),
        (NOW * 1e6 + 6e7, NOW + 60),
        ((NOW + 60 + 11_644_473_600) * 1e6, NOW + 60),
        (253_402_300_799, NOW + LONGEST_LIFE),
        (253_402_300_799_000, NOW + LONGEST_LIFE),
        (float("inf"), NOW + LONGEST_LIFE),
        (float("nan"), None),
        (True, None),
        ("Session", None),
        ([], None),
    ],
)
def test_an_expiry_is_read_in_whatever_unit_and_form(said: object, expires: float | None) -> None:
    [cookie] = read_login(json.dumps([{**SELENIUM, "expiry": said}]), SITE, NOW).cookies
    assert cookie.expires == (expires if expires is None else pytest.approx(expires, abs=0.01))
    if isinstance(said, str | int | float) and not isinstance(said, bool):
        [line] = read_login(f"wiki.example\tFALSE\t/\tTRUE\t{said}\tsid\ts1", SITE, NOW).cookies
        assert line.expires == cookie.expires


def test_truth_is_read_as_a_word_and_as_a_number() -> None:
    words = {"secure": "false", "httpOnly": "True", "hostOnly": "false", "session": "true"}
    [cookie] = read_login(json.dumps([{**EXTENSION, **words}]), SITE, NOW).cookies
    assert (cookie.secure, cookie.http_only, cookie.host_only, cookie.expires) == (False, True, False, None)
    [line] = read_login("wiki.example\t1\t/\t1\t0\tsid\ts1", SITE, NOW).cookies
    assert (line.secure, line.host_only) == (True, False)


@pytest.mark.parametrize("domain", ["https://wiki.example/app", "wiki.example:443", "WIKI.example", None])
def test_a_host_is_read_from_whatever_names_it(domain: str | None) -> None:
    [cookie] = read_login(json.dumps([{**SELENIUM, "domain": domain}]), SITE, NOW).cookies
    assert (cookie.domain, cookie.host_only) == ("wiki.example", True)


def test_international_hosts_and_addresses_are_named_as_browsers_name_them() -> None:
    rows = json.dumps([{**SELENIUM, "domain": ".bücher.example"}, {**SELENIUM, "domain": ".::1"}])
    [name] = read_login(rows, "https://xn--bcher-kva.example/", NOW).cookies
    [address] = read_login(rows, "https://[::1]/", NOW).cookies
    assert (name.host_only, address.domain, address.host_only) == (False, "[::1]", True)


def test_no_cookie_is_for_all_below_a_public_suffix() -> None:
    wide = {**SELENIUM, "domain": ".example", "name": "wide"}
    found = read_login(json.dumps([wide, SELENIUM]), SITE, NOW)
    assert ([cookie.name for cookie in found.cookies], found.refused) == (["sid"], ("wide",))
    found = read_login(".example\tTRUE\t/\tTRUE\t0\twide\tw\nwiki.example\tFALSE\t/\tTRUE\t0\tsid\ts1", SITE, NOW)
    assert ([cookie.name for cookie in found.cookies], found.refused) == (["sid"], ("wide",))


@pytest.mark.parametrize("partition", ["https://wiki.example", {"topLevelSite": "https://wiki.example"}])
def test_a_partitioned_cookie_of_the_site_itself_goes_to_it(partition: object) -> None:
    [cookie] = read_login(json.dumps([{**EXTENSION, "partitionKey": partition}]), SITE, NOW).cookies
    assert cookie.goes_to(SITE, NOW)
    elsewhere = {**EXTENSION, "partitionKey": {"topLevelSite": "https://other.example"}}
    [cookie] = read_login(json.dumps([elsewhere]), SITE, NOW).cookies
    assert not cookie.goes_to(SITE, NOW)


def test_one_cookie_that_can_not_be_read_costs_no_other() -> None:
    rows = [{**SELENIUM, "name": "none", "value": None}, {"domain": 7, "name": "half"}, "text", SELENIUM]
    found = read_login(json.dumps(rows), SITE, NOW)
    assert ([cookie.name for cookie in found.cookies], found.refused) == (["sid"], ("none", "half", ""))


def test_a_number_stands_for_its_text_and_nothing_else_does() -> None:
    stored = [{"name": name, "value": value} for name, value in (("a", 1), ("b", None), ("c", True), ("d", {}))]
    state = {"cookies": [{**SELENIUM, "value": 12}], "origins": [{"origin": SITE, "localStorage": stored}]}
    found = read_login(json.dumps(state), SITE, NOW)
    assert ([cookie.pair for cookie in found.cookies], found.local) == (["sid=12"], {"a": "1"})


def test_a_storage_state_may_leave_out_what_it_has_not() -> None:
    origin = {"origin": "https://wiki.example", "localStorage": [{"name": "jwt", "value": "j1"}]}
    assert read_login(json.dumps({"origins": [origin]}), SITE, NOW).local == {"jwt": "j1"}
    bare = {"cookies": [SELENIUM], "origins": [{**origin, "localStorage": None, "indexedDB": None}]}
    assert read_login(json.dumps(bare), SITE, NOW).local == {}
    assert len(read_login(json.dumps({"cookies": [SELENIUM], "origins": None}), SITE, NOW).cookies) == 1


def test_blanks_around_a_value_are_an_editors() -> None:
    [cookie] = read_login("wiki.example\tFALSE\t/\tTRUE\t0\t sid\ts1 \n", SITE, NOW).cookies
    assert cookie.pair == "sid=s1"


@pytest.mark.parametrize("wrapped", [True, False])
def test_an_answer_of_flaresolverr_gives_its_user_agent_too(wrapped: bool) -> None:
    solution = {"url": SITE, "status": 200, "cookies": [SELENIUM], "userAgent": "Chrome/1"}
    found = read_login(json.dumps({"status": "ok", "solution": solution} if wrapped else solution), SITE, NOW)
    assert ([cookie.pair for cookie in found.cookies], found.headers) == (["sid=s1"], {"user-agent": "Chrome/1"})


def test_what_no_browser_takes_is_left_out_and_named() -> None:
    found = read_login(json.dumps([{**SELENIUM, "name": "bad", "value": "a;b"}, SELENIUM]), SITE, NOW)
    assert ([cookie.name for cookie in found.cookies], found.refused) == (["sid"], ("bad",))


def test_a_har_gives_the_last_cookies_with_their_attributes_and_the_browsers_headers() -> None:
    text = har(
        entry(SITE, "sid=s1; mark=m"),
        entry("https://cdn.example/x.js", "cdn=1"),
        entry(SITE, "sid=s1; mark=m", "sid=s2; Path=/; Max-Age=60; HttpOnly; Secure", "mark=; Max-Age=0"),
    )
    found = read_login(text, SITE, NOW)
    assert [(c.name, c.value, c.http_only, c.expires) for c in found.cookies] == [("sid", "s2", True, NOW + 60)]
    assert (found.headers, found.expired, found.foreign) == ({"user-agent": "Firefox/1"}, (), ("cdn.example",))


def test_a_har_keeps_quotes_and_several_cookies_of_one_name() -> None:
    text = har(
        entry(SITE, "", 'sid="12|ab=="; Path=/; Priority=High\nsid=narrow; Path=/app', "ad=1; Domain=cdn.example"),
        entry(SITE, 'sid=narrow; sid="12|ab=="; nameless'),
    )
    found = read_login(text, SITE, NOW)
    assert [(c.pair, c.path) for c in found.cookies] == [
        ('sid="12|ab=="', "/"),
        ("sid=narrow", "/app"),
        ("nameless", "/"),
    ]


def test_entries_of_a_har_that_are_no_exchange_are_passed_over() -> None:
    nothing: list[Any] = []
    odd = [
        {"request": {"url": "data:,x", "headers": nothing}, "response": {"headers": nothing}},
        {"request": {"url": "http://[::1", "headers": nothing}, "response": {}},
        {"request": {"url": SITE}},
        {**entry(SITE, "sid=s1"), "response": None},
    ]
    assert [cookie.pair for cookie in read_login(har(*odd), SITE, NOW).cookies] == ["sid=s1"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (har(entry(SITE)), "with sensitive data"),
        (har(entry("https://other.example/", "a=1")), "cookies of other hosts only: other.example"),
        ("wiki.example\tFALSE\t/\tFALSE\t1\tsid\ts1\n", "only cookies that have expired: sid"),
        ("", "no cookie at all"),
        ("hello", "line 1 has not the seven fields"),
        ("[]", "another kind of JSON"),
        ('{"cookies": 7}', "can't be read"),
        ('{"cookies": [{"name": "a\\r\\nb", "value": "x", "domain": "wiki.example"}]}', "no browser takes: 'a"),
        ('[{"name": "a", "value": null, "domain": "wiki.example"}]', "no browser takes: 'a'"),
        ('{"solution": {"cookies": [{}], "userAgent": "s1"}}', "can't be read"),
        ('{"log": {}}', "can't be read"),
    ],
)
def test_a_file_with_nothing_for_the_site_says_what_it_has(text: str, said: str) -> None:
    with pytest.raises(RequestError, match=said) as raised:
        read_login(text, SITE, NOW)
    assert "s1" not in raised.value.message


# Not st.text(): in a new checkout that first spends seconds on a table of all characters.
TEXT = st.binary().map(lambda data: data.decode("latin-1")) | st.binary().map(
    lambda data: data.decode("utf-16", "replace")
)


ANYTHING = st.none() | st.booleans() | st.floats() | st.integers() | TEXT | st.lists(st.integers(), max_size=1)
KEYS = ("name", "value", "domain", "path", "expires", "secure", "hostOnly", "sameSite", "partitionKey", "session")
ROWS = st.lists(st.dictionaries(st.sampled_from(KEYS), ANYTHING).map(lambda odd: {**SELENIUM, **odd}), max_size=2)


@given(ROWS.map(json.dumps))
def test_no_field_of_a_cookie_does_worse_than_a_clear_error(text: str) -> None:
    with suppress(RequestError):
        found = read_login(text, SITE, NOW)
        assert all(cookie.storable and cookie.goes_to_host(SITE) for cookie in found.cookies if not cookie.partition)


@given(TEXT | st.dictionaries(st.sampled_from(["cookies", "origins", "log"]), st.lists(TEXT)).map(json.dumps))
def test_no_file_does_worse_than_a_clear_error(text: str) -> None:
    with suppress(RequestError):
        assert read_login(text, SITE, NOW).cookies
