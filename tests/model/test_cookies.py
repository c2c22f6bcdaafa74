"""Set-Cookie lines are read, and cookies sent, as Chromium does it: each expectation here was measured there."""

from __future__ import annotations

import pytest
from multidict import CIMultiDict

from doorkey.model.cookie_jar import CookieJar
from doorkey.model.cookies import Cookie, Deletion, Identity
from doorkey.model.request import Head
from doorkey.model.set_cookie import LONGEST_LIFE, parse_date, parse_set_cookie

WALL = 1_700_000_000.0
HERE = "http://localhost/"
PLAIN = "http://a.site.test/"
NEW_YEAR_2027 = 1_798_761_600.0


def kept(line: str, url: str = HERE) -> Cookie:
    cookie = parse_set_cookie(line, url, WALL)
    assert isinstance(cookie, Cookie), f"{line!r} was not taken"
    return cookie


def jar_of(*lines: str, url: str = HERE) -> CookieJar:
    jar = CookieJar()
    return jar.changed(jar.answered(lines, url, WALL))


@pytest.mark.parametrize(
    ("line", "pair"),
    [
        ('sid="12|ab/cd=="; Path=/', 'sid="12|ab/cd=="'),
        ("a=", "a="),
        ("a=b=c", "a=b=c"),
        ("nameless", "nameless"),
        ("=nameless", "nameless"),
        ("  a =  1 2  ", "a=1 2"),
        ("a=x,y", "a=x,y"),
        ("a=é", "a=é"),
        ("a=1;;; ;=;Priority=High;SameParty;unknown=1", "a=1"),
        ("a=1; Secure; Partitioned; Path=/", "a=1"),
        ("a=" + "x" * 4095, "a=" + "x" * 4095),
    ],
)
def test_name_and_value_are_kept_as_they_came(line: str, pair: str) -> None:
    assert kept(line).pair == pair


@pytest.mark.parametrize(
    "line",
    ["", "=", ";Path=/", "=a=b", "a=\x01", "a=1\t2", "a\tb=1", "a=1; foo=\x01", "a=1; foo\tbar", "a=1\x7f",
     "a=" + "x" * 4096, "a=" + "é" * 2048, "a=1; SameSite=None", "a=1; Partitioned"],
)  # fmt: skip
def test_what_no_browser_takes_is_refused(line: str) -> None:
    assert parse_set_cookie(line, HERE, WALL) is None


@pytest.mark.parametrize(
    ("said", "url", "domain", "host_only"),
    [
        ("", PLAIN, "a.site.test", True),
        ("; Domain=", PLAIN, "a.site.test", True),
        ("; Domain=site.test; Domain=", PLAIN, "a.site.test", True),
        ("; Domain=.SITE.test", PLAIN, "site.test", False),
        ("; Domain=a.site.test", PLAIN, "a.site.test", False),
        ("; Domain=localhost", HERE, "localhost", True),
        ("; Domain=.127.0.0.1", "http://127.0.0.1/", "127.0.0.1", True),
        ("", "http://[::1]:8080/", "[::1]", True),
        ("; Domain=[::1]", "http://[0::1]/", "[::1]", True),
        ("; Domain=BÜCHER.test", "http://xn--bcher-kva.test/", "xn--bcher-kva.test", False),
        ("; Domain=" + "x" * 1025, PLAIN, "a.site.test", True),
        ("; Domain=me.github.io", "http://a.me.github.io/", "me.github.io", False),
        ("; Domain=github.io", "http://github.io/", "github.io", True),
        (
            "; Domain=xn--bcher-kva.xn--55qx5d.cn",
            "http://xn--bcher-kva.xn--55qx5d.cn/",
            "xn--bcher-kva.xn--55qx5d.cn",
            False,
        ),
    ],
)
def test_the_domain_is_the_hosts_or_one_above_it(said: str, url: str, domain: str, host_only: bool) -> None:
    cookie = kept("a=1" + said, url)
    assert (cookie.domain, cookie.host_only) == (domain, host_only)


@pytest.mark.parametrize(
    ("said", "url"),
    [
        ("b.site.test", PLAIN), ("test", PLAIN), ("..site.test", PLAIN), ("site.test.", PLAIN), (".", PLAIN),
        ('"site.test"', PLAIN), ("localhost", "http://sub.localhost/"), ("0.0.1", "http://127.0.0.1/"),
        ("co.uk", "http://a.co.uk/"), ("github.io", "http://me.github.io/"), ("io", "http://me.github.io/"),
        ("127.1", "http://127.0.0.1/"), ("::1", "http://[::1]/"), ("ite.test", "http://site.test/"),
    ],
)  # fmt: skip
def test_the_domain_of_another_host_is_refused(said: str, url: str) -> None:
    assert parse_set_cookie(f"a=1; Domain={said}", url, WALL) is None


@pytest.mark.parametrize(
    ("said", "asked", "path"),
    [
        ("", "/", "/"), ("", "/x", "/"), ("", "/x/", "/x"), ("", "/x/y/z", "/x/y"), ("", "/x//", "/x/"),
        ("", "//x", "/"),
        ("", "/x/y?z=/a/b", "/x"), ("", "/é b/x", "/%C3%A9%20b"), ("", "", "/"),
        ("; Path=x", "/x/y/z", "/x/y"), ("; Path=", "/x/y/z", "/x/y"), ("; Path=/q; Path=y", "/x/y/z", "/x/y"),
        ('; Path="/q"', "/x/y/z", "/x/y"), ("; Path=/a b", "/x", "/a b"), ("; Path=/é", "/x", "/é"),
        ("; Path=/" + "x" * 1024, "/x", "/"),
    ],
)  # fmt: skip
def test_the_path_is_the_attributes_or_the_directory_of_the_request(said: str, asked: str, path: str) -> None:
    assert kept("a=1" + said, "http://localhost" + asked).path == path


@pytest.mark.parametrize(
    ("url", "sent"),
    [("https://a.site.test/", True), (HERE, True), ("http://sub.localhost/", True), ("http://127.0.0.2/", True),
     ("http://[::1]/", True), (PLAIN, False), ("http://localhost.test/", False)],
)  # fmt: skip
def test_secure_cookies_belong_to_https_and_to_this_machine(url: str, sent: bool) -> None:
    assert (parse_set_cookie("a=1; secure=no", url, WALL) is not None) is sent
    host = url.partition("://")[2].rstrip("/")
    assert Cookie("a", "1", host, secure=True).goes_to(url, WALL) is sent


def test_plain_http_changes_no_secure_cookie() -> None:
    jar = CookieJar((Cookie("s", "1", "site.test", "/x", host_only=False, secure=True),))
    lines = [
        "s=2",
        "s=3; Path=/x",
        "s=4; Path=/x/y",
        "s=5; Path=/xy",
        "s=6; Domain=site.test; Path=/x; Max-Age=0",
        "t=7",
    ]
    after = jar.changed(jar.answered(lines, PLAIN, WALL))
    assert [(cookie.pair, cookie.path) for cookie in after] == [
        ("s=1", "/x"),
        ("s=2", "/"),
        ("s=5", "/xy"),
        ("t=7", "/"),
    ]


@pytest.mark.parametrize(
    "line",
    ["__Host-a=1; Secure; Path=/", "__HOST-a=1; Secure; Path=/", "__Secure-a=1; Secure", "__Http-a=1; Secure; HttpOnly",
     "__Host-Http-a=1; Secure; HttpOnly; Path=/", "__Hosta=1", "__Foo"],
)  # fmt: skip
def test_a_prefix_is_taken_with_what_it_promises(line: str) -> None:
    assert kept(line).storable


@pytest.mark.parametrize(
    "line",
    ["__Host-a=1; Secure", "__Host-a=1; Path=/", "__secure-a=1", "__Http-a=1; Secure", "__Http-a=1; HttpOnly",
     "__Host-Http-a=1; Secure; Path=/", "__Host-a", "=__secure-a", "__Http-"],
)  # fmt: skip
def test_a_prefix_without_what_it_promises_is_refused(line: str) -> None:
    assert parse_set_cookie(line, HERE, WALL) is None


def test_no_domain_goes_with_the_host_prefix() -> None:
    assert parse_set_cookie("__Host-a=1; Secure; Path=/; Domain=site.test", "https://a.site.test/", WALL) is None


@pytest.mark.parametrize(
    ("said", "kind"), [("strict", "Strict"), ("LAX", "Lax"), ("None", "None"), ("x", ""), ("", "")]
)
def test_same_site_is_one_of_three_words(said: str, kind: str) -> None:
    assert kept(f"a=1; Secure; SameSite={said}").same_site == kind


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("Max-Age=5", 5.0), ("Max-Age=+5", 5.0), ("Max-Age=5; Expires=Thu, 01 Jan 1970 00:00:00 GMT", 5.0),
        ("Max-Age=" + "0" * 30 + "5", 5.0),
        ("Max-Age=" + "9" * 30, LONGEST_LIFE), ("Expires=1 Jan 2999 00:00:00", LONGEST_LIFE),
        ("Max-Age=abc", None), ("Max-Age=5.5", None), ('Max-Age="5"', None), ("Max-Age=-", None),
        ("Max-Age=0; Max-Age=x", None),
        ("Max-Age=5 5", None), ("Expires=bogus", None), ("Expires=0", None), ("", None),
    ],
)  # fmt: skip
def test_max_age_goes_before_expires_and_nothing_lasts_over_400_days(said: str, left: float | None) -> None:
    assert kept(f"a=1; {said}").expires == (None if left is None else WALL + left)


@pytest.mark.parametrize(
    "said",
    ["Max-Age=0", "max-age = -5", "Max-Age=5; Max-Age=0",
     "Max-Age=-" + "9" * 30, "Expires=Thu, 01 Jan 1970 00:00:00 GMT",
     "Max-Age=; Expires=1 Jan 70 0:0:0", "Expires=1 Jan 1500 00:00:00", "; " + "x; " * 40 + "Max-Age=0"],
)  # fmt: skip
def test_a_time_that_is_over_deletes(said: str) -> None:
    assert parse_set_cookie(f"a=1; {said}", HERE, WALL) == Deletion(Identity("a", "localhost", True, "/", "", False))


def test_expires_is_meant_by_the_sites_clock() -> None:
    line = "a=1; Expires=Fri, 01 Jan 2027 01:00:00 GMT"
    cookie = parse_set_cookie(line, HERE, WALL, date=NEW_YEAR_2027)
    assert isinstance(cookie, Cookie)
    assert cookie.expires == WALL + 3600


@pytest.mark.parametrize(
    "text",
    ["Fri, 01 Jan 2027 00:00:00 GMT", "Friday, 01-Jan-27 00:00:00 GMT", "Jan 1 2027 0:0:0", "2027 1 January 00:00:00",
     "00:00:00 1 jAN 2027", "1/Jan/2027/00:00:00.5", "Fri Jan 01 2027 00:00:00 GMT+0100 (CET)",
     '"1 Jan 27 000:00:0000"',
     "1x 1 Janx 2027x 2027 1:1 00:00:00 01:01:01", "é 1 Jan 027 00:00:00", "123456 1 Jan 2027 -00:00:00"],
)  # fmt: skip
def test_a_date_is_found_in_whatever_form(text: str) -> None:
    assert parse_date(text) == NEW_YEAR_2027


@pytest.mark.parametrize(
    "text",
    ["", "-1", "1 Foo 2027 00:00:00", "1 Jan 2027 00:00", "1 Jan 2027 24:00:00", "1 Jan 2027 00:00:60",
     "0 Jan 2027 00:00:00",
     "31 Feb 2027 00:00:00", "29 Feb 2027 00:00:00", "31 Feb 1500 00:00:00", "1st Jan 2027 00:00:00",
     "001 Jan 2027 00:00:00",
     "1 Jan 2027 00:00:00x", "1 Jan 2027 00:00:00:00", "2027-01-01T00:00:00Z", "1 Jan 100000 00:00:00",
     "1 Jan ² 00:00:00"],
)  # fmt: skip
def test_what_is_no_date_is_none(text: str) -> None:
    assert parse_date(text) is None


@pytest.mark.parametrize(
    ("year", "date"), [("1600", 0.0), ("99999", float("inf")), ("1969", -31536000.0), ("0", 946684800.0)]
)
def test_years_out_of_reach_are_the_first_and_the_last(year: str, date: float) -> None:
    assert parse_date(f"1 Jan {year} 00:00:00") == date


def test_longer_paths_go_first_then_older_cookies() -> None:
    jar = jar_of("a=1", "b=2; Path=/x", "c=3", "d=4; Path=/x/y", "e=5; Path=/x")
    assert jar.header_for("http://localhost/x/y?q", WALL) == "d=4; b=2; e=5; a=1; c=3"
    assert jar.header_for("http://localhost/xy", WALL) == "a=1; c=3"
    assert jar.header_for("http://sub.localhost/", WALL) is None


def test_another_value_makes_a_cookie_young_and_the_same_value_does_not() -> None:
    assert jar_of("a=1", "b=2", "a=1", "c=3", "b=3").header_for(HERE, WALL) == "a=1; c=3; b=3"


def test_cookies_of_one_name_have_each_their_own_deletion() -> None:
    jar = jar_of("sid=new; Path=/", "sid=old; Path=/app")
    assert jar.header_for("http://localhost/app/", WALL) == "sid=old; sid=new"
    jar = jar.changed(jar.answered(["sid=gone; Path=/app; Max-Age=0"], HERE, WALL))
    assert jar.header_for("http://localhost/app/", WALL) == "sid=new"


def test_a_cookie_without_a_name_replaces_the_other() -> None:
    assert jar_of("one", "two", "=three").header_for(HERE, WALL) == "three"


def test_what_has_expired_is_not_sent_and_does_not_count() -> None:
    jar = jar_of("a=1; Max-Age=5", "b=2")
    assert jar.header_for(HERE, WALL + 5) == "b=2"
    assert jar.alive(WALL + 5) == jar_of("b=2")


def test_the_newer_of_two_jars_wins() -> None:
    jar = jar_of("a=1", "b=2").merged(jar_of("b=3", "c=4; Path=/x"))
    assert [cookie.pair for cookie in jar] == ["a=1", "b=3", "c=4"]


def test_two_jars_are_compared_by_what_goes_to_a_url() -> None:
    ours, theirs = jar_of("a=1", "b=2"), jar_of("b=2", "a=1", "c=3; Path=/elsewhere")
    theirs = theirs.merged(jar_of("a=9", url="http://127.0.0.1/"))
    assert ours.same_at(theirs, HERE, WALL)
    assert not ours.same_at(theirs, "http://localhost/elsewhere", WALL)


def test_the_first_of_one_name_is_its_value() -> None:
    assert jar_of("a=1", "a=2; Path=/x").values_at("http://localhost/x", WALL) == {"a": "2"}


def test_a_cookie_of_another_sites_partition_stays_there() -> None:
    line = "a=1; Secure; Partitioned; SameSite=None; Path=/"
    cookie = kept(line, "https://app.site.test/")
    assert (cookie.partition, cookie.embedded) == ("https://app.site.test", False)
    assert cookie.goes_to("https://app.site.test/x", WALL)
    stored = {"name": "a", "value": "1", "domain": ".site.test", "path": "/", "secure": True}
    own = Cookie.from_playwright({**stored, "partitionKey": "https://site.test", "_crHasCrossSiteAncestor": False})
    frame = Cookie.from_playwright({**stored, "partitionKey": "https://other.test", "_crHasCrossSiteAncestor": True})
    assert own.goes_to("https://app.site.test/", WALL)
    assert not frame.goes_to("https://app.site.test/", WALL)


def test_a_partitioned_cookie_replaces_the_one_of_the_browsers_partition() -> None:
    url = "https://app.site.test/"
    jar = CookieJar((Cookie("a", "1", "app.site.test", secure=True, partition="https://site.test"),))
    jar = jar.changed(jar.answered(["a=2; Path=/; Secure; Partitioned"], url, WALL))
    assert jar.header_for(url, WALL) == "a=2"
    assert jar.changed(jar.answered(["a=; Path=/; Secure; Partitioned; Max-Age=0"], url, WALL)) == CookieJar()


def test_a_jar_comes_back_from_the_store_and_from_the_browser() -> None:
    jar = jar_of(
        "a=é; Max-Age=60; HttpOnly", "b; Path=/x", "c=3; Secure; Partitioned; SameSite=None", 'd="q"; SameSite=Strict'
    )
    assert CookieJar.from_json(jar.to_json()) == jar
    again = CookieJar.from_playwright(jar.to_playwright())
    assert [cookie.identity for cookie in again] == [cookie.identity for cookie in jar]
    assert again.header_for("http://localhost/x", WALL) == jar.header_for("http://localhost/x", WALL)


def test_rows_that_earlier_releases_stored_are_read() -> None:
    row = {"name": "a", "value": "1", "domain": "::1", "path": "/", "host_only": True, "secure": False,
           "http_only": False, "same_site": "Lax", "expires": None}  # fmt: skip
    assert CookieJar.from_json([row]).header_for("http://[::1]:80/", WALL) == "a=1"


@pytest.mark.parametrize(
    "cookie",
    [
        Cookie("a", "1;2", "localhost"), Cookie("a", "1\t", "localhost"), Cookie("a=", "1", "localhost"),
        Cookie("", "a=1", "localhost"), Cookie("__Host-a", "1", "localhost"), Cookie("a", "\udcff", "localhost"),
        Cookie("a", "1", "localhost", "x"), Cookie("a", "x" * 4096, "localhost"), Cookie("a", "1", ""),
    ],
)  # fmt: skip
def test_what_the_browser_would_refuse_is_not_given_to_it(cookie: Cookie) -> None:
    assert CookieJar((cookie,)).to_playwright() == []


def test_an_answer_tells_what_it_sets_and_deletes() -> None:
    lines = ["sid=old; Path=/app; Max-Age=0", 'sid="new"; Path=/', "gone=; Max-Age=0", "ad=1; Domain=other.test"]
    head = Head(status=200, headers=CIMultiDict([("set-cookie", line) for line in lines]), url=PLAIN)
    assert [change.name for change in head.cookies] == ["sid", "sid", "gone"]
    assert (head.cookie("sid"), head.cookie("gone"), head.cookie("ad")) == ('"new"', None, None)


def test_a_value_is_not_shown() -> None:
    jar = jar_of("a=secret")
    assert "secret" not in repr(jar) + repr(jar.cookies[0])
