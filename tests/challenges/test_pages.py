"""What stands before a site is recognised in a real browser's page, and a site's own page is not taken for it.

The pages are written by us after the vendors' documentation; none was recorded at a vendor.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from doorkey.browser.arguments import use_sandbox
from doorkey.browser.chromium import find_chromium
from doorkey.browser.visit.facts_reader import FactsReader
from doorkey.browser.visit.inspector import PageInspector
from doorkey.browser.visit.network_log import NetworkLog
from doorkey.clock import SystemClock
from doorkey.model.verdict import Kind
from doorkey.model.visit_needs import VisitNeeds
from doorkey.protections.table import PROTECTIONS, STANDING

from .heads import ARTICLE, CF, HITS, HTML, MISSES, Case, page

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = pytest.mark.browser

OK = Kind.OK
LONG = ARTICLE.decode()
FRAME = '<iframe src="https://%s"></iframe>'
STAND = {row.name for row in PROTECTIONS if row.obstacle in STANDING}
DATADOME = "geo.captcha-delivery.com"
PAGES = (
    Case("DataDome's frame", "DataDome CAPTCHA", OK, 403, HTML, page("s", FRAME % f"{DATADOME}/captcha/?t=fe")),
    Case("DataDome's ban", "DataDome block", OK, 403, HTML, page("s", FRAME % f"{DATADOME}/captcha/?x=1&t=bv")),
    Case("DataDome's check", "DataDome check", OK, 200, HTML, page("s", FRAME % f"{DATADOME}/interstitial/?t=it")),
    Case("Cloudflare in German", "Cloudflare challenge", OK, 403, CF,
         page("Einen Moment …", '<script src="/cdn-cgi/challenge-platform/h/b/orchestrate/chl_page/v1"></script>')),
    Case("AWS WAF", "AWS WAF challenge", OK, 202, HTML,
         page("", '<div id="challenge-container"></div><script src="https://a.token.awswaf.com/c.js"></script>')),
    Case("Vercel", "Vercel checkpoint", OK, 429, HTML, page("Vercel Security Checkpoint", "We're verifying")),
    Case("ALTCHA to be clicked", "ALTCHA, to be clicked", OK, 200, HTML,
         page("Gate", "<altcha-widget></altcha-widget>")),
    Case("ALTCHA at work", "ALTCHA", OK, 200, HTML,
         page("Gate", '<altcha-widget><div class="altcha" data-state="verifying"></div></altcha-widget>')),
    Case("an invisible reCAPTCHA", "hCaptcha or reCAPTCHA, invisible", OK, 403, HTML,
         page("Gate", '<div class="g-recaptcha" data-size="invisible"></div>')),
    Case("an hCaptcha", "hCaptcha or reCAPTCHA", OK, 200, HTML, page("Gate", '<div class="h-captcha"></div>')),
    Case("a gate that speaks", "unknown challenge", OK, 200, HTML,
         page("One moment", "<p>Checking your browser before we let you in</p><script>1</script>")),
    Case("a gate in German", "unknown challenge", OK, 200, HTML,
         page("Moment", "<p>Ihr Browser wird überprüft.</p><script>1</script>")),
    Case("a gate with a title", "unknown challenge", OK, 200, HTML, page("Security check", "<script>1</script>")),
    Case("a gate that asks", "unknown challenge, to be answered", OK, 200, HTML,
         page("Hold on", "<p>Are you a robot?</p><form><button>No</button></form>")),
    Case("a picture to read", "unknown CAPTCHA", OK, 200, HTML,
         page("Hold on", '<form><img src="/Captcha.php?x"><input name=text><button>OK</button></form>')),
    # Near misses.
    Case("an application that loads", "", OK, 200, HTML, page("App", "<div id=root>Loading…</div><script>1</script>")),
    Case("a login with a picture", "", OK, 200, HTML,
         page("Log in", '<form><input type="password"><img src="/captcha.png"><input name="captcha"></form>')),
    Case("an article about checks", "", OK, 200, HTML, page("Checking your browser, explained", LONG)),
    Case("a menu of a security check", "", OK, 200, HTML,
         page("Home", '<a href="/a">Security check</a>' * 8 + "<script>1</script>")),
    Case("a page that waits", "", OK, 200, HTML, page("Wait", "<p>You will be let in soon.</p><script>1</script>")),
    Case("a hidden captcha field", "", OK, 200, HTML, page("News", '<input type="hidden" name="captcha"><p>x</p>')),
    Case("a long page with Turnstile", "", OK, 200, HTML, page("Contact", f'{LONG}<div class="cf-turnstile"></div>')),
    Case("a long page with ALTCHA", "", OK, 200, HTML, page("Contact", f"{LONG}<altcha-widget></altcha-widget>")),
    Case("a menu with reCAPTCHA", "", OK, 200, HTML,
         page("Shop", '<a href="/a">a</a>' * 8 + '<div class="g-recaptcha" data-size="invisible"></div>')),
    Case("a page with AWS' sensor", "", OK, 200, HTML,
         page("Shop", '<p>s</p><script src="https://a.token.awswaf.com/a/challenge.js"></script>')),
    Case("a page called DDoS", "", OK, 200, HTML, page("DDoS-Guard and others compared", LONG)),
    Case("a game with a spinner", "", OK, 200, HTML, page("Game", '<div id="challenge-spinner"></div>')),
    Case("a page about Anubis in Egypt", "", OK, 200, HTML, page("Anubis", '<img src="/img/reject.webp">')),
    Case("a real 403 page", "", OK, 403, HTML, page("Access Denied", "<p>Ask your administrator</p>")),
)  # fmt: skip
BY_HEAD_ONLY = ("a contact page with Turnstile", "a contact page with ALTCHA", "DataDome ban")
"""Other things as pages: each of the first two is little else than its widget, the third tells by a frame (below)."""


def pages() -> list[Case]:
    saved = [case for case in (*HITS, *MISSES) if case.body and case.headers.get("content-type", "") in HTML.values()]
    return [*(case for case in saved if case.name not in BY_HEAD_ONLY), *PAGES]


def stands(case: Case) -> str:
    return case.row if case.row in STAND else ""


class Screen:
    """Shows saved pages in one browser page, one after the other, without a way out to the internet."""

    def __init__(self, url: str, page: Page) -> None:
        self._url, self._page = url, page
        inspector = PageInspector(page)
        self.network_log = NetworkLog(inspector, recording=False)
        needs = VisitNeeds(read=lambda _: {})
        self._reader = FactsReader(inspector, self.network_log, needs, SystemClock())

    async def found(self, number: int, *, widgets: bool = True) -> str:
        await self._page.goto(f"{self._url}{number}", wait_until="domcontentloaded")
        finding = await self._reader.find(widgets=widgets)
        return finding.name if finding is not None else ""


@pytest.fixture(scope="module")
async def screen() -> AsyncIterator[Screen]:
    from playwright.async_api import async_playwright

    async def serve(request: web.Request) -> web.Response:
        if not request.match_info["number"].isdigit():
            return web.Response(status=404)
        case = pages()[int(request.match_info["number"])]
        return web.Response(status=case.status, body=case.body, headers=case.headers)

    async def kept_in(route: Any) -> None:
        await (route.continue_() if "127.0.0.1" in route.request.url else route.abort())

    app = web.Application()
    app.router.add_get("/{number:.*}", serve)
    async with TestServer(app, host="127.0.0.1") as server, async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=find_chromium().path, chromium_sandbox=use_sandbox("auto")
        )
        context = await browser.new_context()
        await context.route("**/*", kept_in)
        shown = Screen(str(server.make_url("/")), await context.new_page())
        await shown.network_log.listen()
        yield shown
        await browser.close()


@pytest.mark.slow
async def test_no_page_is_misjudged(screen: Screen, capsys: pytest.CaptureFixture[str]) -> None:
    cases = pages()
    found = [await screen.found(number) for number in range(len(cases))]
    wrong = [(case.name, stands(case), name) for case, name in zip(cases, found, strict=True) if stands(case) != name]
    hits = sum(bool(stands(case)) for case in cases)
    with capsys.disabled():
        print(f"\n{hits} pages of protections, {len(cases) - hits} near misses, in a real Chromium: {len(wrong)} wrong")
    assert not wrong, wrong
    assert len(cases) - hits >= hits


async def test_a_widget_counts_only_where_it_is_asked_for(screen: Screen) -> None:
    number = next(number for number, case in enumerate(pages()) if case.name == "ALTCHA to be clicked")
    assert await screen.found(number, widgets=False) == ""
