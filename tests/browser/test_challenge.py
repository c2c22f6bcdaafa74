"""What stands before a site in a visit: passed by the browser, left to a person, or the visit's end."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from doorkey.browser import BrowserPool, Profile, VisitResult, open_window
from doorkey.browser.display import explain_no_window
from doorkey.browser.manual.user_data_dir import UserDataDir
from doorkey.clock import SystemClock
from doorkey.errors import Blocked, Changed, HeadlessDenied, NeedsPerson, RateLimited, SiteDown
from doorkey.model.login_steps import steps_of
from doorkey.model.site import Site
from doorkey.provider import Provider
from doorkey.sessions.source import RenewalReason
from doorkey.sessions.target import SiteTarget
from doorkey.transport.direct import Direct
from event_lines import site_events
from notebook import Notebook

from .conftest import DESKTOP, PAGE, LocalSite, html

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ANUBIS = '<script id="anubis_version" type="application/json">"v1"</script>'
CHALLENGE = ANUBIS + '<script id="anubis_challenge" type="application/json">{}</script><p>Loading...</p>'
DENIAL = ANUBIS + "<title>Oh noes!</title><p>Access Denied</p>"
CLEARS = "<script>setTimeout(() => { document.cookie = 'pass=1'; location.reload() }, 400)</script>"
WIDGET = "<altcha-widget></altcha-widget>"
BY_ITSELF = "<altcha-widget auto=onload></altcha-widget>"


@dataclass
class Gate:
    """Stands before a site until a visitor brings its cookie: `page` is what it shows, `status` and `headers` how."""

    site: LocalSite
    page: str = CHALLENGE + CLEARS
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    behind: str = PAGE
    agents: list[str] = field(default_factory=list)

    def stand(self, path: str = "/") -> None:
        self.site.pages[path] = self.answer

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.agents.append(request.headers["user-agent"])
        if request.cookies.get("pass") == "1":
            return html(self.behind)
        answer = html(self.page, self.status, self.headers)
        answer.set_cookie("seen", "a challenge")
        return answer


async def visit(browsers: BrowserPool, site: LocalSite, said: list[str] | None = None, **more: object) -> VisitResult:
    steps = said if said is not None else []
    async with browsers.lease(DESKTOP, site_url=site.url, events=site_events(steps)) as lease:
        return await lease.enter(site.spec(**more))


def nothing(page: object) -> dict[str, str]:
    return {}


@pytest.fixture
def gate(site: LocalSite) -> Gate:
    found = Gate(site)
    found.stand()
    return found


class Heard(list[str]):
    """What a visit says. `waiting` is set once it says that it waits."""

    def __init__(self) -> None:
        self.waiting = asyncio.Event()

    def append(self, step: str) -> None:
        super().append(step)
        if "waiting" in step:
            self.waiting.set()


@pytest.mark.parametrize("read", [None, nothing], ids=["with a token", "without a token"])
async def test_a_challenge_is_waited_for_and_the_page_behind_it_is_what_counts(
    browsers: BrowserPool, gate: Gate, read: object
) -> None:
    said = Heard()

    async def clear(request: web.Request) -> web.StreamResponse:
        await said.waiting.wait()
        return web.Response(headers={"set-cookie": "pass=1; Path=/"})

    gate.page = CHALLENGE + "<script>fetch('/clear').then(() => location.reload())</script>"
    gate.site.pages["/clear"] = clear
    result = await visit(browsers, gate.site, said, **({} if read is None else {"read": read}))
    assert {cookie.name: cookie.value for cookie in result.cookies}["pass"] == "1"
    assert "hello" in result.page.html
    assert any("Anubis challenge" in step and "waiting" in step for step in said)
    assert any("was passed" in step for step in said)


async def test_a_challenge_that_comes_with_503_is_no_site_that_is_down(browsers: BrowserPool, gate: Gate) -> None:
    gate.page, gate.status, gate.headers = f"<title>x</title>{CLEARS}", 503, {"cf-mitigated": "challenge"}
    result = await visit(browsers, gate.site)
    assert (result.status, result.tokens) == (200, {"csrf": "abc123"})


async def test_waiting_for_a_challenge_is_not_the_visits_own_time(browsers: BrowserPool, gate: Gate) -> None:
    gate.page = CHALLENGE + CLEARS.replace("400", "5000")
    assert (await visit(browsers, gate.site, limit=4.5, challenge=15.0)).tokens


async def test_a_challenge_that_a_script_brings_late_is_met_too(browsers: BrowserPool, gate: Gate) -> None:
    gate.site.page("<p>welcome</p><script>setTimeout(() => location.href = '/gate', 150)</script>")
    gate.stand("/gate")
    result = await visit(browsers, gate.site, read=nothing, settle=0.6)
    assert result.url.endswith("/gate")
    assert "pass" in result.page.cookies


async def test_one_that_never_clears_calls_a_person_and_hands_out_nothing(browsers: BrowserPool, gate: Gate) -> None:
    gate.page = CHALLENGE
    with pytest.raises(NeedsPerson, match=r"Anubis.*within 0.5 s.*doorkey login") as caught:
        await visit(browsers, gate.site, read=nothing, challenge=0.5)
    assert caught.value.retry_after is not None


async def test_one_that_is_to_be_clicked_calls_a_person_before_the_limit(browsers: BrowserPool, gate: Gate) -> None:
    gate.page = f"<h1>Are you human?</h1>{WIDGET}"
    with pytest.raises(NeedsPerson, match=r"a challenge for a person \(ALTCHA, to be clicked\): .*`ready`"):
        await visit(browsers, gate.site, read=nothing, challenge=60.0)


@pytest.mark.parametrize(
    ("spec", "page"),
    [
        ({}, PAGE + WIDGET),
        ({"ready": "#menu", "read": nothing}, f"<p id=menu>{WIDGET}"),
        ({"read": nothing}, f"<p>{'What we sell, and to whom. ' * 20}{WIDGET}"),
        ({"read": nothing}, '<p>a shop</p><script src="/cdn-cgi/challenge-platform/scripts/jsd/main.js"></script>'),
    ],
    ids=["its token is there", "it is ready", "it says more than that", "only a sensor"],
)
async def test_a_sites_own_page_with_a_widget_is_no_challenge(
    browsers: BrowserPool, site: LocalSite, spec: dict[str, object], page: str
) -> None:
    site.page(page)
    said: list[str] = []
    await visit(browsers, site, said, challenge=1.0, **spec)
    assert not any("waiting" in step for step in said)


async def test_a_block_names_who_blocks(browsers: BrowserPool, site: LocalSite) -> None:
    site.page('<div id="cf-error-details"><span class="cf-code-label">1020</span></div>', status=403)
    with pytest.raises(Blocked, match="Cloudflare block") as caught:
        await visit(browsers, site)
    assert caught.value.by == "Cloudflare block"


async def test_half_of_the_next_challenge_is_not_taken_for_the_page_behind(
    browsers: BrowserPool, gate: Gate, site: LocalSite
) -> None:
    rest = asyncio.Event()

    async def later(request: web.Request) -> web.StreamResponse:
        rest.set()
        return web.Response()

    async def again(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "text/html"})
        await answer.prepare(request)
        await answer.write(b"<!doctype html><title>a</title><script>setTimeout(() => fetch('/later'), 500)</script>")
        await rest.wait()
        await answer.write(BY_ITSELF.encode())
        return answer

    site.pages |= {"/again": again, "/later": later}
    gate.page = BY_ITSELF + "<script>setTimeout(() => { location.href = '/again' }, 400)</script>"
    with pytest.raises(NeedsPerson, match="ALTCHA"):
        await visit(browsers, site, read=nothing, challenge=4.0)


async def test_a_gate_without_a_name_has_a_moment_to_open(browsers: BrowserPool, gate: Gate) -> None:
    gate.page, gate.status = "<p>You will be let in soon.</p>" + CLEARS.replace("400", "1500"), 403
    result = await visit(browsers, gate.site, read=nothing, settle=0.25)
    assert result.page.cookies["pass"] == "1"
    assert "hello" in result.page.html


async def test_a_bare_refusal_is_no_session(browsers: BrowserPool, site: LocalSite) -> None:
    site.page("<h1>403 Forbidden</h1>", status=403)
    with pytest.raises(Blocked, match=r"HTTP 403.*`ready`"):
        await visit(browsers, site, read=nothing)


NGINX = "<title>503 Service Temporarily Unavailable</title><center><h1>503</h1></center><hr><center>nginx</center>"


@pytest.mark.parametrize(
    ("status", "text", "headers", "after"),
    [(429, "slow down", {"Retry-After": "90"}, 90), (429, "", {"Retry-After": "9"}, 9), (503, NGINX, {}, 30)],
)
async def test_a_rate_limit_is_told_and_not_visited_again(
    browsers: BrowserPool, site: LocalSite, status: int, text: str, headers: dict[str, str], after: float
) -> None:
    site.page(text, status=status, **headers)
    with pytest.raises(RateLimited) as caught:
        await visit(browsers, site)
    assert caught.value.retry_after == after
    assert [path for path, _ in site.requests].count("/") == 1


@pytest.mark.parametrize(("status", "error"), [(500, SiteDown), (403, Blocked), (404, Changed)])
async def test_an_answer_without_a_page_says_its_status(
    browsers: BrowserPool, site: LocalSite, status: int, error: type[Exception]
) -> None:
    site.page("", status=status)
    with pytest.raises(error, match=f"HTTP {status}"):
        await visit(browsers, site)


async def test_a_challenge_before_the_login_page_is_passed_before_the_next_step(
    browsers: BrowserPool, gate: Gate, site: LocalSite
) -> None:
    async def home(request: web.Request) -> web.StreamResponse:
        return html("<p id=in>hello you</p>" if "user" in request.cookies else "<p>hello stranger</p>")

    async def enter(request: web.Request) -> web.StreamResponse:
        answer = web.Response(status=302, headers={"Location": "/"})
        answer.set_cookie("user", request.query["user"])
        return answer

    site.pages |= {"/": home, "/enter": enter}
    gate.stand("/login")
    gate.behind = "<form action=/enter><input id=user name=user><button>Log in</button></form>"
    steps = steps_of([{"open": "/login"}, {"fill": "#user", "value": "me"}, {"click": "button"}])
    result = await visit(browsers, site, read=nothing, ready="#in", steps=steps, limit=45.0)
    assert result.page.cookies["user"] == "me"


async def test_a_window_closed_before_the_challenge_was_passed_keeps_no_session(
    tmp_path: Path, site: LocalSite
) -> None:
    # The page tells when it has been there for longer than two looks; then the person quits the browser.
    site.page(f"{CHALLENGE}<script>setTimeout(() => fetch('/later'), 1500)</script>")
    browsers = BrowserPool(state=tmp_path / "state")
    window = asyncio.create_task(open_window(browsers, DESKTOP, site.url, headed=False))
    async with asyncio.timeout(30):
        while not any(path == "/later" for path, _ in site.requests):
            site.asked.clear()
            await site.asked.wait()
        assert browsers.browser_pid is not None
        os.kill(browsers.browser_pid, signal.SIGTERM)
        kept = await window
    await browsers.close()
    with pytest.raises(NeedsPerson, match="Anubis challenge"):
        kept.get_page(site.url)


class Headless(Gate):
    """Denies a browser that says it has no window, as Anubis does by default; lets others through a challenge."""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if "Headless" in request.headers["user-agent"]:
            self.agents.append(request.headers["user-agent"])
            return html(DENIAL)
        return await super().answer(request)


class Visitor(Provider):
    needs_page = False


@pytest.fixture
def denying(site: LocalSite) -> Headless:
    found = Headless(site)
    found.stand()
    return found


@pytest.fixture
async def targets(browsers: BrowserPool, site: LocalSite, tmp_path: Path) -> AsyncIterator[Callable[..., SiteTarget]]:
    clock = SystemClock()
    async with Direct(clock=clock) as direct:

        def make(shared: BrowserPool = browsers) -> SiteTarget:
            found = Site(name="wiki", url=site.url)
            home = UserDataDir(tmp_path / "people", "wiki", site.url)
            return SiteTarget.build(
                site=found, provider=Visitor(found), profile=lambda: Profile(name="desktop"), pool=shared,
                direct=direct, clock=clock, limit=30.0, home=home, events=site_events(),
            )  # fmt: skip

        yield make


@pytest.mark.skipif(shutil.which("Xvfb") is None, reason="needs Xvfb (apt-get install xvfb)")
async def test_a_site_that_denies_headless_browsers_is_visited_with_a_window_from_then_on(
    targets: Callable[..., SiteTarget], denying: Headless
) -> None:
    session = await targets().source.make(RenewalReason(), Notebook())
    assert session.cookie("pass") == "1"
    assert ["Headless" in agent for agent in denying.agents] == [True, False, False]
    assert session.headers["user-agent"] == denying.agents[-1]
    denying.agents.clear()
    await targets().source.make(RenewalReason(), Notebook())  # another process, after a restart
    assert [agent for agent in denying.agents if "Headless" in agent] == []


@pytest.fixture
async def windowless(tmp_path: Path) -> AsyncIterator[BrowserPool]:
    browsers = BrowserPool(state=tmp_path / "state", virtual=False)
    yield browsers
    await browsers.close()


async def test_one_setting_forbids_the_window(
    targets: Callable[..., SiteTarget], denying: Headless, windowless: BrowserPool
) -> None:
    with pytest.raises(HeadlessDenied, match=r"Anubis.*browser\.virtual") as caught:
        await targets(windowless).source.make(RenewalReason(), Notebook())
    assert (caught.value.by, caught.value.site) == ("Anubis", "wiki")


async def test_without_xvfb_it_is_said_what_to_install() -> None:
    assert "xvfb" in explain_no_window("headless", allowed=True, command="no-such-program")
