"""A page is told by what is on it, and nothing is told by what a page only talks about."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from doorkey import Settings
from doorkey.config.registry import build_sites
from doorkey.model.page import Page
from doorkey.recognition.frameworks import FRAMEWORKS, NOTHING_KNOWN
from doorkey.recognition.login_form import LoginForm, find_login_form
from doorkey.recognition.proposal import Proposal, propose
from doorkey.recognition.recognize import recognize
from doorkey.recognition.toml_table import to_toml, write_table

from .pages import HITS, LOGIN, MISSES, Saved

DOCS = (Path(__file__).parents[2] / "docs" / "add.md").read_text(encoding="utf-8")


def page(saved: Saved) -> Page:
    return Page(url=saved.url, html=saved.html, cookies=saved.cookies, scripts=saved.scripts)


def proposal(html: str, *, asked: str = "https://site.example/", url: str = "", **cookies: str) -> Proposal:
    return propose(Page(url=url or asked, html=html, cookies=cookies), asked, "shop")


@pytest.mark.parametrize("saved", HITS, ids=lambda saved: saved.kind)
def test_a_kind_is_told_and_its_settings_hold(saved: Saved) -> None:
    found = propose(page(saved), saved.asked, "shop")
    text = write_table(found, "shop")
    assert found.framework.name == saved.kind
    assert [line for line in saved.lines if line not in text] == []
    build_sites(Settings.model_validate(tomllib.loads(text)))


@pytest.mark.parametrize("saved", MISSES, ids=range(len(MISSES)))
def test_a_near_miss_is_a_session_of_cookies_alone(saved: Saved) -> None:
    found = propose(page(saved), saved.asked, "shop")
    assert found.framework.name == NOTHING_KNOWN
    assert tomllib.loads(write_table(found, "shop")) == {"sites": {"shop": {"provider": "web", "url": saved.asked}}}


def test_every_row_is_told_by_a_saved_page_and_documented() -> None:
    kinds = {framework.name for framework in FRAMEWORKS} - {NOTHING_KNOWN}
    assert {saved.kind for saved in HITS} == kinds
    for kind in kinds:
        assert re.sub(r"\W.*", "", kind) in DOCS, kind


def test_every_line_has_a_comment_but_the_end_of_a_list() -> None:
    for saved in HITS:
        for line in write_table(propose(page(saved), saved.asked, "shop"), "shop").splitlines():
            assert "  # " in line or line == "]", line


def test_no_value_of_a_token_or_cookie_is_written() -> None:
    secret = "s3cr3t-value"
    html = (
        f'<meta name="csrf-token" content="{secret}"><form><input type="hidden" name="_csrf" value="{secret}"></form>'
    )
    for cookies in ({"csrftoken": secret}, {"laravel_session": secret}, {"XSRF-TOKEN": secret}):
        assert secret not in write_table(proposal(html, **cookies), "shop")
        assert secret not in repr(proposal(html, **cookies))


def test_a_login_that_strangers_are_led_to_is_taken_there_and_told_by_its_redirect() -> None:
    html = f'<form method="post">{LOGIN}</form>'
    found = proposal(html, asked="https://site.example/items", url="https://site.example/login?next=/items&state=x1")
    assert [list(step) for step in found.steps] == [["fill", "value"], ["fill", "value"], ["click"]]
    assert found.url == "https://site.example/items"
    assert "redirect:/login" in write_table(found, "shop")
    assert found.variables == ("SHOP_USER", "SHOP_PASSWORD")


def test_a_login_page_that_was_named_is_opened_by_a_step_and_the_site_is_what_lies_above() -> None:
    found = proposal(f"<form>{LOGIN}</form>", asked="https://site.example/shop/login?lang=en")
    assert found.steps[0] == {"open": "/shop/login?lang=en"}
    assert found.url == "https://site.example/shop/"


@pytest.mark.parametrize(
    ("asked", "above"),
    [("/users/sign_in", "/"), ("/accounts/login/", "/"), ("/app/auth/login", "/app/"), ("/admin/login/", "/admin/")],
)
def test_what_lies_above_a_login_page_is_a_page(asked: str, above: str) -> None:
    assert proposal(f"<form>{LOGIN}</form>", asked=f"https://site.example{asked}").url == f"https://site.example{above}"


def test_a_login_page_behind_a_fragment_is_opened_with_it() -> None:
    found = proposal(f"<form>{LOGIN}</form>", asked="https://site.example/app/#/login")
    assert (found.url, found.steps[0]) == ("https://site.example/app/", {"open": "/app/#/login"})


def test_a_page_with_a_form_for_a_login_beside_its_text_stays_the_page() -> None:
    found = proposal(f"<p>Welcome<form>{LOGIN}</form>", asked="https://site.example/start")
    assert found.url == "https://site.example/start"
    assert "open" not in found.steps[0]


def test_what_comes_after_the_login_decides_what_is_written() -> None:
    stranger = proposal(
        f'<form><input type="hidden" name="_csrf" value="a">{LOGIN}</form>',
        asked="https://site.example/",
        url="https://site.example/login",
    )
    assert stranger.token is None, "a field of the login's own form need not be on other pages"
    inside = Page(url=stranger.url, html='<meta name="csrf-token" content="b"><a href="/users/sign_out">Out</a>')
    text = write_table(propose(inside, stranger.url, "shop", stranger), "shop")
    for line in ('tokens.csrf = "meta[name=csrf-token]@content"', 'ready = "[href*=sign_out i]"', "visit.steps = ["):
        assert line in text


def test_what_strangers_see_too_is_no_sign_of_being_logged_in() -> None:
    html = f'<a href="/help/logout">How to log out</a><form>{LOGIN}</form>'
    stranger = proposal(html, asked="https://site.example/login")
    assert stranger.login is not None
    assert "[href*=logout i]" not in stranger.login.ready
    inside = Page(url=stranger.url, html='<a href="/help/logout">How to</a><form action="/logout"></form>')
    after = propose(inside, stranger.url, "shop", stranger).login
    assert after is not None
    assert after.ready == "[action*=logout i]"


def test_a_page_that_asks_for_no_login_says_where_one_may() -> None:
    html = '<a href="//elsewhere.example/login">x</a><a href="/blogging">y</a><a href="/user/login?x=1">Log in</a>'
    assert proposal(html).login_page == "https://site.example/user/login?x=1"


@pytest.mark.parametrize(
    ("html", "obstacle"),
    [
        (f'<form>{LOGIN}<div class="g-recaptcha"></div></form>', "CAPTCHA"),
        (f'<form>{LOGIN}<input autocomplete="one-time-code"></form>', "one-time code"),
        (f'<form action="https://sso.example/">{LOGIN}</form>', "another origin"),
    ],
)
def test_a_form_that_steps_cannot_do_is_left_to_a_person(html: str, obstacle: str) -> None:
    found = proposal(html, asked="https://site.example/login")
    assert found.login is not None
    assert obstacle in found.login.form.obstacle
    assert (found.steps, found.variables) == ((), ())
    assert "ready = " in write_table(found, "shop")


@pytest.mark.parametrize(
    "html",
    [
        '<form><input name="a"><input type="password" name="b"><input type="password" name="c"><button>Go</form>',
        '<form><input name="a"><input type="password" autocomplete="new-password"><button>Join</button></form>',
        '<form action="/register"><input name="a"><input type="password" autocomplete="new-password"><button></form>',
        '<form hidden><input name="a"><input type="password" name="b"><button></button></form>',
        '<form><input name="mail" type="email"><button>Subscribe</button></form>',
    ],
)
def test_a_form_that_makes_an_account_or_is_not_shown_is_no_login(html: str) -> None:
    assert find_login_form(Page(url="https://site.example/", html=html)) is None


@pytest.mark.parametrize(
    ("html", "targets"),
    [
        (f"<div>{LOGIN}</div>", ["input[name=user]", "input[name=pw]", "body > div > button"]),
        (
            '<form><input name="user"><input name="pw" type="password"></form>',
            ["input[name=user]", "input[name=pw]", "Enter"],
        ),
        (
            '<form><input type="email" autocomplete="username"><button>Next</button></form>',
            ["input[type=email]", "form:has(input[type=email]) button", "input[type=password]", "Enter"],
        ),
        (
            '<form action="/login"><input name="login"><button>Sign in</button></form>',
            ["input[name=login]", "form:has(input[name=login]) button", "input[type=password]", "Enter"],
        ),
        (
            '<form><input class="x"><input type="password"><button>Go</button></form>',
            ["body > form > input:nth-of-type(1)", "input[type=password]", "form:has(input[type=password]) button"],
        ),
        (
            '<form><input placeholder="Your name"><input type="password"><button>Go</button></form>',
            ["input[placeholder='Your name']", "input[type=password]", "form:has(input[type=password]) button"],
        ),
        (
            '<form><input name="u"><input name="p" type="password" autocomplete="new-password"><button>Log in</form>',
            ["input[name=u]", "input[name=p]", "form:has(input[type=password]) button"],
        ),
    ],
)
def test_a_form_of_any_make_is_filled_in_by_steps(html: str, targets: list[str]) -> None:
    found = proposal(html, asked="https://site.example/login")
    named = [next(iter(step.values())) for step in found.steps[1:]]
    assert named == targets


def test_the_selectors_are_those_of_the_login_and_not_of_a_form_before_it() -> None:
    html = (
        '<form><input name="user"><button type="submit">Search</button></form><form><input name="user[login]">'
        '<input type="password" name="pw"><button type="button">Show</button><input type="submit" value="Go"></form>'
    )
    assert find_login_form(Page(url="https://site.example/", html=html)) == LoginForm(
        user="input[name='user[login]']", password="input[name=pw]", submit="input[type=submit]"
    )


def test_the_particular_comes_before_the_general() -> None:
    html = (
        '<meta name="generator" content="WordPress 6"><div class="wpaicg-chat" data-nonce="a" data-post-id="1"></div>'
    )
    assert recognize(Page(url="https://site.example/", html=html))[0].provider == "wpaicg"


def test_a_folder_that_a_page_claims_elsewhere_is_not_taken() -> None:
    html = (
        '<meta name="generator" content="MediaWiki 1"><link rel="EditURI" href="https://evil.example/w/api.php">'
        f"<form>{LOGIN}</form>"
    )
    found = proposal(html, asked="https://site.example/login")
    assert found.url.startswith("https://site.example/index.php")


@pytest.mark.parametrize("name", ['a"]\nkey = 1', "x'y", "\x7f\x1b[2J", "a]#"])
def test_a_page_cannot_write_settings_by_its_names(name: str) -> None:
    html = f'<form><input name="{name}"><input type="password" name="{name}"><button>Go</button></form>'
    found = proposal(html.replace('"]', "&quot;]"), asked="https://site.example/login")
    (table,) = tomllib.loads(write_table(found, "shop"))["sites"].values()
    assert set(table) <= {"provider", "url", "ready", "stale", "visit"}


def test_any_text_is_the_same_after_toml() -> None:
    for text in ('"', "\\", "\x7f", "\t\n", "é\u2028", "\x00\x1f"):
        assert tomllib.loads(f"a = {to_toml(text)}") == {"a": text}
