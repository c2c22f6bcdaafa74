"""A real browser meets each breakage: the error names a report, and the report names the cause and the place."""

from __future__ import annotations

import base64
import json
import logging
import stat
from pathlib import Path
from urllib.parse import quote

import pytest

from changing_site import ChangingSite, Entered
from doorkey.errors import DoorkeyError
from doorkey.reports.archive import Archive
from doorkey.reports.report import Report
from login_site import PASSWORD, USER, LoginSite

pytestmark = [pytest.mark.browser, pytest.mark.slow]

TOKEN = "kq83hdn2la9x"
READY = '<a id="logout" href="/logout">Log out</a>'
RULES = {"ready": "#logout", "tokens": {"csrf": "meta[name=csrf-token]@content"}}
STEPS = [
    {"fill": "#user", "value": "env:WIKI_USER"},
    {"fill": "#pw", "value": "env:WIKI_PASSWORD"},
    {"click": "button"},
]
HIDING = """<style>* { font: 16px monospace }</style>
<h1>SECRET</h1><input value="SECRET"><p>the same<form>SECRET<input name="style"><input name="tagName"></form>
<svg width="300" height="30"><text y="20">SECRET</text></svg><div id="shadow"></div>
<dialog>SECRET</dialog><script>
document.querySelector("#shadow").attachShadow({mode: "open"}).append("SECRET");
document.querySelector("dialog").showModal();
</script>"""
"""A page that shows a secret where it is not easily covered."""
OVERLAY = """
const over = document.createElement('div');
over.id = 'promo'; over.style = 'position:fixed;inset:0;background:#eee';
over.innerHTML = 'Buy now! <button id=close>Close</button>';
document.body.append(over);
"""


async def fail(enter: Entered, url: str, **options: object) -> tuple[Report, Archive]:
    runtime, archive = await enter(url, **options)
    with pytest.raises(DoorkeyError) as caught:
        await runtime.visit("wiki")
    assert caught.value.report
    assert f"doorkey reports open {caught.value.report}" in str(caught.value)
    report = archive.find(caught.value.report)
    assert report is not None
    return report, archive


@pytest.mark.parametrize(
    ("html", "kind", "place"),
    [
        (f'{READY}<meta name="x-csrf" content="{TOKEN}">', "renamed", "meta[name=x-csrf]@content"),
        (f'{READY}<meta name="csrf-token" content="">', "emptied", "meta[name=csrf-token]@content"),
        (f'{READY}<script>window.app = {{csrfToken: "{TOKEN}"}}</script>', "moved", "script:app.csrfToken"),
        (
            f'{READY}<script>fetch("/api/me", {{headers: {{"x-csrf-token": "{TOKEN}"}}}})</script>',
            "moved",
            "request:x-csrf-token",
        ),
        (
            '<div id="wall" style="position:fixed;inset:0">We use cookies<button id="yes">Accept</button></div>',
            "consent",
            "#wall on",
        ),
        ("<h1>Down for maintenance</h1>", "maintenance", "http://127.0.0.1"),
        (f'{READY}<script src="/broken.js?v=1"></script>', "script error", "/broken.js:2"),
        (f'{READY}<script src="/gone.js"></script>', "script missing", "/gone.js"),
    ],
    ids=["renamed", "emptied", "script", "request", "consent", "maintenance", "script error", "script missing"],
)
async def test_a_broken_page(site: ChangingSite, enter: Entered, html: str, kind: str, place: str) -> None:
    site.html, site.scripts = html, {"/broken.js": "var fine = 1;\nnotThere();"}
    report, archive = await fail(enter, site.url, **RULES)
    assert report.causes[0].kind == kind
    assert place in report.causes[0].place
    assert report.has_picture
    page = archive.page(report)
    assert "data:image/jpeg;base64," in page.read_text()
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert TOKEN not in page.read_text()


@pytest.mark.parametrize(
    ("html", "kind", "place"),
    [
        (f'{READY}<script>class App {{ csrfToken = "{TOKEN}" }}; const app = new App();</script>',
         "moved", "script:app.csrfToken"),
        (f'{READY}<script>navigator.sendBeacon("/api/me", "csrf={TOKEN}")</script>', "moved", "request-body:csrf"),
        (f"{READY}<script>var form = new FormData(); form.append('csrf', '{TOKEN}');"
         "fetch('/api/me', {method: 'POST', body: form})</script>", "moved", "request-body:csrf"),
        ("<div id=host></div><script>document.querySelector('#host').attachShadow({mode: 'open'}).innerHTML = "
         "'<div style=\"position:fixed;inset:0\">We use cookies <button id=yes>Accept</button></div>'</script>",
         "consent", "#host div on"),
        ("<dialog id=news>Read our news! <button>No</button></dialog><script>document.querySelector('dialog')"
         ".showModal()</script>", "overlay", "#news on"),
        (f'{READY}<script src="/syntax.js"></script>', "script error", "/syntax.js:2"),
        (f"{READY}<script>throw 'no settings'</script>", "script error", ":1"),
        (f'{READY}<script src="/good.js" integrity="sha256-AAAA"></script>', "script missing", "/good.js"),
        ("<p>Enter the 6-digit code</p>" + "<input inputmode=numeric maxlength=1>" * 6, "one-time code", "input on"),
        ("<h1>Zwei-Faktor-Anmeldung</h1><label>Code <input name=token></label>", "one-time code", "[name=token] on"),
    ],
    ids=["class", "beacon", "multipart", "shadow", "modal", "syntax", "text", "integrity", "digits", "label"],
)  # fmt: skip
async def test_a_page_broken_in_another_way(
    site: ChangingSite, enter: Entered, html: str, kind: str, place: str
) -> None:
    site.html, site.scripts = html, {"/syntax.js": "var fine = 1;\nvar = 2;", "/good.js": "var good = 1;"}
    report, _ = await fail(enter, site.url, **RULES)
    assert (report.causes[0].kind, place in report.causes[0].place) == (kind, True), report.causes


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WIKI_USER", USER)
    monkeypatch.setenv("WIKI_PASSWORD", PASSWORD)


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize(
    ("script", "kind", "place"),
    [
        ("document.getElementById('user').id = 'username'", "login form changed", "/login"),
        (OVERLAY, "overlay", "#promo on"),
    ],
    ids=["form", "overlay"],
)
async def test_a_broken_login(members: LoginSite, enter: Entered, script: str, kind: str, place: str) -> None:
    members.script = script
    report, _ = await fail(enter, members.url, ready="a[href='/logout']", visit={"steps": STEPS})
    assert (report.causes[0].kind, place in report.causes[0].place) == (kind, True)


@pytest.mark.usefixtures("credentials")
async def test_a_report_names_no_other_button_than_that_of_the_overlay(members: LoginSite, enter: Entered) -> None:
    members.script = OVERLAY.replace("<button id=close>", "<button>")
    report, _ = await fail(enter, members.url, ready="a[href='/logout']", visit={"steps": STEPS})
    assert '{ click = "#promo > button", optional = true }' in report.causes[0].change


@pytest.mark.usefixtures("credentials")
async def test_a_login_that_asks_for_a_code(members: LoginSite, enter: Entered) -> None:
    members.asks_code = True
    report, archive = await fail(enter, members.url, ready="a[href='/logout']", visit={"steps": STEPS})
    assert "/login" in {cause.kind: cause.place for cause in report.causes}["one-time code"]
    text = archive.page(report).read_text()
    assert (PASSWORD in text, quote(PASSWORD) in text) == (False, False)


async def test_a_report_tells_what_changed_since_the_last_visit_that_worked(site: ChangingSite, enter: Entered) -> None:
    site.html = f'<meta name="generator" content="Soft 1.0"><meta name="csrf-token" content="{TOKEN}">{READY}'
    runtime, archive = await enter(site.url, **RULES)
    await runtime.visit("wiki")
    site.html = f'<meta name="generator" content="Soft 2.0">{READY}'
    with pytest.raises(DoorkeyError) as caught:
        await runtime.visit("wiki")
    report = archive.find(caught.value.report)
    assert report is not None
    changed = {one.what: (one.before, one.now) for one in report.differences}
    assert changed["the software (meta generator)"] == ("Soft 1.0", "Soft 2.0")
    assert changed["rules that held"] == ("csrf", "not found")


async def test_a_page_in_another_language_is_told(site: ChangingSite, enter: Entered) -> None:
    site.html = '<html lang="en-GB"><a title="Log out" href="/logout">Log out</a>'
    runtime, archive = await enter(site.url, ready="a[title='Log out']")
    await runtime.visit("wiki")
    site.html = '<html lang="de"><a title="Abmelden" href="/logout">Abmelden</a>'
    with pytest.raises(DoorkeyError) as caught:
        await runtime.visit("wiki")
    report = archive.find(caught.value.report)
    assert report is not None
    assert (report.causes[0].kind, report.causes[0].place) == ("other language", "html[lang=de]")
    assert "en-GB" in report.causes[0].what
    changed = {one.what: (one.before, one.now) for one in report.differences}
    assert changed["the page's language"] == ("en-GB", "de")


async def test_a_report_can_be_had_of_a_visit_that_works(site: ChangingSite, enter: Entered) -> None:
    site.html = f'<meta name="csrf-token" content="{TOKEN}">{READY}'
    runtime, archive = await enter(site.url, **RULES)
    await runtime.visit("wiki", report=True)
    await runtime.visit("wiki")
    [report] = archive.list_reports()
    assert (report.code, report.has_picture, [rule.found for rule in report.rules]) == ("", True, [True, True])


async def test_no_secret_stands_in_any_file_or_log(
    site: ChangingSite, enter: Entered, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cookie, stored, hidden = "Cookie7canary4value", "stored-canary-5521", "hidden/canary+77=="
    forms = [form(value) for value in (cookie, stored, hidden) for form in (str, quote, encode, escape)]
    listed = "".join(f"<p>{form.replace('<', '&lt;')}" for form in forms)
    site.cookies = {"sid": cookie}
    site.html = f"""<input type=hidden name=nonce value="{hidden}"><h1>{cookie}</h1>{listed}
      <a href="/?key={stored}">{stored}</a><script>
      localStorage.setItem("login", JSON.stringify({{user: {{jwt: "{stored}"}}}}));
      console.error("failed with {stored}", "{encode(cookie)}");
      fetch("/api/me?token={stored}", {{method: "POST", headers: {{"x-key": "{hidden}"}}, body: "a={cookie}"}});
      setTimeout(() => {{ throw new Error("no {hidden} and {quote(hidden, safe="")}"); }});</script>"""
    caplog.set_level(logging.DEBUG, "doorkey")
    report, _ = await fail(enter, site.url, **RULES)
    files = [path for path in (tmp_path / "data").rglob("*") if path.is_file() and "reports" in path.parts]
    assert len(files) >= 2
    texts = [*(path.read_text(errors="replace") for path in files), caplog.text, report.message, str(report)]
    for secret in (cookie, stored, hidden):
        for form in (secret, quote(secret, safe=""), encode(secret), escape(secret)):
            assert [form for text in texts if form in text] == []


async def test_the_picture_covers_secrets(site: ChangingSite, enter: Entered) -> None:
    pictures = set()
    for secret in ("first-secret-11", "other-secret-22"):
        site.cookies = {"sid": secret}
        site.html = HIDING.replace("SECRET", secret)
        report, archive = await fail(enter, site.url, **RULES)
        pictures.add(archive.page(report).read_text().partition("data:image/jpeg")[2].partition('"')[0])
    assert len(pictures) == 1


async def test_a_refused_call_is_found_by_its_request(site: ChangingSite, enter: Entered) -> None:
    from doorkey import client
    from doorkey.rate.limiter import CALLER

    site.html = f'<meta name="csrf-token" content="{TOKEN}">{READY}'
    runtime, archive = await enter(site.url, **RULES)
    async with client("wiki", runtime=runtime) as wiki:
        async with wiki.get("/api/items") as answer:
            assert answer.ok
        assert archive.list_reports() == []
        site.refusing = 403
        CALLER.set("request-77")
        async with wiki.post("/api/items", json={"text": "a prompt"}) as answer:
            assert answer.refused
    await runtime.close()
    report = archive.find("request-77")
    assert report is not None
    assert (report.kind, report.code) == ("call", "blocked")
    assert any("HTTP 403" in moment.text for moment in report.timeline)
    assert "a prompt" not in archive.page(report).read_text()


def encode(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


def escape(value: str) -> str:
    return json.dumps(value)[1:-1].replace("/", "\\/")
