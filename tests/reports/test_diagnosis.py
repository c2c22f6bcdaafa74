"""Each breakage is named, with its place and what to change: pages as literals, no browser."""

from __future__ import annotations

from dataclasses import replace

import pytest

from doorkey.model.evidence import Element, Trouble, VisitEvidence
from doorkey.model.page import Page, Seen
from doorkey.reports.clues import Failure
from doorkey.reports.good_visit import PageFacts
from doorkey.reports.making import VisitMaterial, make_visit, read_facts
from doorkey.reports.report import Cause, Report

URL = "https://wiki.example/"
TOKEN = "kq83hdn2la9x"
FAILURE = Failure(
    site="wiki", code="site_changed", message="the page holds no csrf", token="csrf",
    sought={"csrf": "meta[name=csrf-token]@content"}, ready="#logout",
)  # fmt: skip
LOGOUT = '<a id="logout" href="/logout">Log out</a>'


def page(html: str, **more: object) -> Page:
    return Page(url=URL, html=f"<!doctype html><title>Wiki</title>{html}", **more)  # type: ignore[arg-type]


def evidence(html: str = LOGOUT, *, sent: tuple[Seen, ...] = (), **more: object) -> VisitEvidence:
    local = more.pop("local", {})
    shown: dict[str, object] = {"url": URL, "status": 200, "page": page(html, sent=sent, local=local), "title": "Wiki"}
    return VisitEvidence(**{**shown, **more})  # type: ignore[arg-type]


def report(found: VisitEvidence, failure: Failure = FAILURE, good: PageFacts | None = None) -> Report:
    return make_visit(VisitMaterial(failure=failure, at=100.0, version="1", evidence=found, good=good))[0]


def first(found: VisitEvidence, failure: Failure = FAILURE) -> Cause:
    return report(found, failure).causes[0]


def test_a_renamed_token() -> None:
    cause = first(evidence(f'{LOGOUT}<meta name="x-csrf" content="{TOKEN}">'))
    assert (cause.kind, cause.place) == ("renamed", "meta[name=x-csrf]@content")
    assert cause.change == "Set sites.wiki.tokens.csrf = 'meta[name=x-csrf]@content'"


def test_an_emptied_token() -> None:
    cause = first(evidence(f'{LOGOUT}<meta name="csrf-token" content="">'))
    assert (cause.kind, cause.place) == ("emptied", "meta[name=csrf-token]@content")


def test_a_token_that_moved_to_a_global_variable() -> None:
    cause = first(evidence(values={"app.csrfToken": TOKEN}))
    assert (cause.kind, cause.place) == ("moved", "script:app.csrfToken")


def test_a_token_that_moved_into_an_inline_script() -> None:
    cause = first(evidence(f'{LOGOUT}<script>const settings = {{"csrfToken": "{TOKEN}"}}</script>'))
    assert cause.kind == "moved"
    assert cause.place.startswith("html:/csrfToken")


def test_a_token_that_moved_into_a_template_text() -> None:
    cause = first(evidence(f"{LOGOUT}<script>const settings = {{csrfToken: `{TOKEN}`}}</script>"))
    assert (cause.kind, cause.place) == ("moved", r"html:/csrfToken\s*[:=]\s*`([^`]+)/")


def test_a_field_whose_name_says_nothing_may_be_the_token_if_it_is_the_only_one() -> None:
    hidden = f'{LOGOUT}<input type=hidden name=fkey value="{TOKEN}"><input name=q value="search">'
    cause = first(evidence(hidden))
    assert (cause.kind, cause.place) == ("renamed", "input[name=fkey]@value")
    assert cause.change.startswith("If that is it, set")
    assert first(evidence(f'{hidden}<input type=hidden name=draft value="d{TOKEN}">')).kind == "unknown"


@pytest.mark.parametrize(
    ("html", "place"),
    [
        ('<a href="/session/end">Leave</a>', 'a[href="/session/end"]'),
        ('<a href="/bye">Abmelden</a>', 'a[href="/bye"]'),
        ("<button id=out>Sign out</button>", "#out"),
    ],
)
def test_another_way_out_stands_for_ready(html: str, place: str) -> None:
    failure = replace(FAILURE, token="", sought={}, ready="a[href*=logout]")
    cause = first(evidence(html), failure)
    assert (cause.kind, cause.place) == ("renamed", place)


def test_a_token_that_moved_to_the_storage() -> None:
    cause = first(evidence(local={"csrf": TOKEN}))
    assert (cause.kind, cause.place) == ("moved", "local:csrf")


@pytest.mark.parametrize(
    ("seen", "place"),
    [
        (Seen(method="POST", url=f"{URL}api", headers={"x-csrf-token": TOKEN}), "request:x-csrf-token"),
        (Seen(method="POST", url=f"{URL}api", body=f'{{"csrf": "{TOKEN}"}}'), "request-body:csrf"),
        (Seen(method="GET", url=f"{URL}api?csrf={TOKEN}"), "request-query:csrf"),
        (
            Seen(
                method="POST",
                url=f"{URL}api",
                body=f'--b\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n{TOKEN}\r\n--b--\r\n',
            ),
            "request-body:csrf",
        ),
        (Seen(method="GET", url=f"{URL}api", answer_body=f'{{"me": {{"csrf": "{TOKEN}"}}}}'), "response-body:me.csrf"),
    ],
)
def test_a_token_that_moved_to_the_pages_own_request(seen: Seen, place: str) -> None:
    cause = first(evidence(sent=(seen,)))
    assert (cause.kind, cause.place) == ("moved", place)


def test_a_request_to_another_site_is_no_place() -> None:
    seen = Seen(method="GET", url="https://ads.example/?csrf=1234567")
    assert "moved" not in {cause.kind for cause in report(evidence(sent=(seen,))).causes}


def test_a_changed_login_form() -> None:
    fields = (Element("#q", " search q"), Element("#username", " text username"), Element("#pass", " password pass"))
    found = evidence(step="login step 1 (fill #user)", selector="#user", fields=fields, asks="a password")
    cause = first(found, replace(FAILURE, token=""))
    assert (cause.kind, cause.place) == ("login form changed", URL)
    assert cause.change == 'In this step, write "#username" in place of "#user"'


USER_FIELD, PASSWORD_FIELD = Element("#login_id", " text login_id"), Element("#passphrase", " password passphrase")


@pytest.mark.parametrize(
    ("step", "selector", "fields", "status", "change"),
    [
        ("fill", "[name=user]", (PASSWORD_FIELD, USER_FIELD), 200, 'write "#login_id"'),
        ("fill", "[name=pw]", (USER_FIELD, PASSWORD_FIELD), 200, 'write "#passphrase"'),
        ("fill", "[name=pw]", (USER_FIELD,), 200, 'put { click = "#next" } before this step'),
        ("click", "[type=submit]", (USER_FIELD, PASSWORD_FIELD), 200, 'write "#next" in place of "[type=submit]"'),
        ("fill", "#user", (), 404, "The page itself is not there (HTTP 404)"),
    ],
)
def test_a_step_is_given_an_element_of_its_kind(
    step: str, selector: str, fields: tuple[Element, ...], status: int, change: str
) -> None:
    found = evidence(step=f"login step 2 ({step} {selector})", selector=selector, fields=fields, status=status,
                     buttons=(Element("#next", "Next"),))  # fmt: skip
    assert change in first(found, replace(FAILURE, token="")).change


def test_what_a_login_page_lacks_is_not_found_and_not_the_cause() -> None:
    found = evidence("<input id=username>", step="login step 1 (fill #user)", selector="#user", asks="a password")
    made = report(found, replace(FAILURE, token=""))
    assert {rule.name: rule.found for rule in made.rules} == {"ready": False, "csrf": False}
    assert [cause.kind for cause in made.causes] == ["login form changed"]


def test_an_overlay_over_the_button() -> None:
    found = evidence(
        step="login step 3 (click #go)", selector="#go", element=Element("#go"), overlay=Element("#promo", "Buy now"),
        buttons=(Element("#close", "No, thanks"),),
    )  # fmt: skip
    cause = first(found, replace(FAILURE, token=""))
    assert (cause.kind, cause.place) == ("overlay", f"#promo on {URL}")
    assert '{ click = "#close", optional = true }' in cause.change


def test_a_consent_dialog() -> None:
    overlay = Element("#banner", "We use cookies to improve this site")
    found = evidence("<p>x", overlay=overlay, buttons=(Element("#more", "Settings"), Element("#yes", "Accept all")))
    cause = first(found)
    assert (cause.kind, cause.place) == ("consent", f"#banner on {URL}")
    assert '{ click = "#yes", optional = true }' in cause.change


def test_a_consent_page_in_place_of_the_site() -> None:
    found = evidence("<p>x", lines=("Before you continue: cookies",), buttons=(Element("#ok", "I agree"),))
    assert first(found).kind == "consent"


@pytest.mark.parametrize(
    ("said", "button"),
    [
        ("Nous respectons votre confidentialité", "Tout accepter"),
        ("Datenschutz: Ihre Zustimmung", "Ich stimme zu"),
        ("Valoramos su privacidad", "Aceptar todo"),
    ],
)
def test_a_consent_page_speaks_other_languages(said: str, button: str) -> None:
    assert first(evidence("<p>x", lines=(said,), buttons=(Element("#ok", button),))).kind == "consent"


def test_a_page_of_its_own_may_speak_of_anything() -> None:
    lines = (*(f"line {number}" for number in range(20)), "Privacy", "Maintenance of bicycles", "We'll be back")
    found = evidence(lines=lines, buttons=(Element("#go", "Continue"),))
    assert {cause.kind for cause in report(found).causes}.isdisjoint({"consent", "maintenance"})


def test_a_login_page_with_a_link_to_its_privacy_notice_asks_for_no_consent() -> None:
    found = evidence("<p>x", lines=("Log in", "Privacy"), buttons=(Element("#go", "Continue"),), asks="a password")
    assert [cause.kind for cause in report(found).causes] == ["login needed"]


@pytest.mark.parametrize(
    "said", ["Wir sind gleich wieder da", "メンテナンス中です", "The system is undergoing an upgrade"]
)
def test_a_maintenance_page_speaks_other_languages(said: str) -> None:
    assert first(evidence("<h1>x", lines=(said,))).kind == "maintenance"


@pytest.mark.parametrize("status", [200, 503])
def test_a_maintenance_page(status: int) -> None:
    found = evidence("<h1>x", status=status, lines=("We are down for maintenance until noon",))
    cause = first(found)
    assert cause.kind == "maintenance"
    assert "down for maintenance until noon" in cause.what


def test_a_script_that_breaks() -> None:
    trouble = Trouble("script error", "boot is not defined", f"{URL}app.js:12")
    cause = first(evidence(troubles=(trouble,)))
    assert (cause.kind, cause.place) == ("script error", f"{URL}app.js:12")
    assert "boot is not defined" in cause.what


def test_a_script_that_is_not_there() -> None:
    trouble = Trouble("request", "HTTP 404", f"{URL}app.js", 404, "Script")
    cause = first(evidence(troubles=(trouble,)))
    assert (cause.kind, cause.place) == ("script missing", f"{URL}app.js")


@pytest.mark.parametrize(
    ("text", "kind", "place"),
    [
        ("Failed to find a valid digest in the 'integrity' attribute for resource 'https://wiki.example/app.js' with",
         "script missing", "https://wiki.example/app.js"),
        ("Failed to load module script: Expected a JavaScript module", "script missing", f"{URL}app.js:1"),
        ("boot failed: no config", "script error", f"{URL}app.js:1"),
    ],
)  # fmt: skip
def test_what_the_console_tells_of_scripts(text: str, kind: str, place: str) -> None:
    cause = first(evidence(troubles=(Trouble("console", text, f"{URL}app.js:1"),)))
    assert (cause.kind, cause.place) == (kind, place)


def test_a_selector_with_quotes_is_written_as_toml() -> None:
    overlay = Element("#promo", "Buy now")
    found = evidence(step="login step 1 (click #go)", selector="#go", element=Element("#go"), overlay=overlay,
                     buttons=(Element('button[name="a:b"]', "Close"),))  # fmt: skip
    assert """{ click = 'button[name="a:b"]', optional = true }""" in first(found).change


def test_a_picture_that_is_not_there_explains_nothing() -> None:
    trouble = Trouble("request", "HTTP 404", f"{URL}logo.png", 404, "Image")
    assert "script missing" not in {cause.kind for cause in report(evidence(troubles=(trouble,))).causes}


def test_a_one_time_code() -> None:
    field = Element("#code", "one-time-code text code")
    cause = first(evidence("<input id=code>", asks="a one-time code", fields=(field,)), replace(FAILURE, token=""))
    assert (cause.kind, cause.place) == ("one-time code", f"#code on {URL}")
    assert 'fill = "#code", totp' in cause.change


def test_what_nobody_can_guess_is_told_as_it_is() -> None:
    failure = replace(FAILURE, token="", sought={}, ready=None, message="the page crashed")
    assert first(VisitEvidence(url=URL), failure).what == "the page crashed"


def test_the_difference_to_the_last_visit_that_worked() -> None:
    html = f'<meta name=generator content="Soft 1.0"><meta name=csrf-token content="{TOKEN}">{LOGOUT}<input id=q>'
    good = read_facts(page(html), FAILURE, at=50.0, status=200)
    now = evidence(f'<meta name=generator content="Soft 2.0">{LOGOUT}<input id=search>')
    made = report(now, good=good)
    told = {one.what: (one.before, one.now) for one in made.differences}
    assert told == {
        "the software (meta generator)": ("Soft 1.0", "Soft 2.0"),
        "rules that held": ("csrf", "not found"),
        "form fields": ("#q", "#search"),
    }
    assert made.worked == 50.0


def test_what_is_remembered_holds_no_value() -> None:
    html = f'<meta name=csrf-token content="{TOKEN}"><title>{TOKEN}</title>{LOGOUT}<input name=csrf value="{TOKEN}">'
    assert TOKEN not in str(read_facts(page(html), FAILURE, at=0.0, status=200).to_json())
