"""What a visit brings, and how it fails."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest
from aiohttp import web

from doorkey.browser import BrowserPool
from doorkey.browser.process import Process
from doorkey.errors import (
    BrowserFailed,
    Changed,
    ConfigurationError,
    MissingCookies,
    MissingToken,
    SiteDown,
    TimeLimit,
)
from doorkey.model.cookies import Cookie
from doorkey.network.egress import egress_of
from event_lines import site_events

from .conftest import DESKTOP, PAGE, LocalSite, crash_pages, html

pytestmark = pytest.mark.browser
LATE = PAGE + "<script>setTimeout(() => { document.cookie = 'late=1'; localStorage.visitor = 'v7' }, 150)</script>"


async def test_a_visit_brings_tokens_and_the_browsers_own_headers(browsers: BrowserPool, site: LocalSite) -> None:
    async with browsers.lease(DESKTOP, site_url=site.url) as lease:
        result = await lease.enter(site.spec())
    sent = site.requests[0][1]
    assert result.tokens == {"csrf": "abc123"}
    assert result.headers["user-agent"] == sent["user-agent"] == await browsers.read_user_agent(DESKTOP)
    assert {name: sent.get(name) for name in result.headers} == dict(result.headers)
    assert "accept-language" in result.headers
    assert (result.url, result.status) == (site.url, 200)


async def test_cookies_set_late_by_script_are_waited_for_when_named(browsers: BrowserPool, site: LocalSite) -> None:
    site.page(LATE)
    async with browsers.lease(DESKTOP, site_url=site.url) as lease:
        result = await lease.enter(site.spec(cookies_needed=("late",)))
    assert [cookie.name for cookie in result.cookies] == ["late"]


async def test_a_page_that_draws_itself_anew_while_it_settles_is_read_once_it_is_whole(
    browsers: BrowserPool, site: LocalSite
) -> None:
    site.page(
        PAGE
        + """<script>setTimeout(() => {
            const meta = document.querySelector("meta"), value = meta.content;
            meta.remove();
            setTimeout(() => { meta.content = value; document.head.append(meta); }, 400);
        }, 200)</script>"""
    )
    async with browsers.lease(DESKTOP, site_url=site.url) as lease:
        result = await lease.enter(site.spec(settle=0.5))
    assert result.tokens == {"csrf": "abc123"}


async def test_a_page_that_loses_its_token_while_it_settles_names_it(browsers: BrowserPool, site: LocalSite) -> None:
    site.page(PAGE + "<script>setTimeout(() => document.querySelector('meta').remove(), 200)</script>")
    async with browsers.lease(DESKTOP, site_url=site.url) as lease:
        with pytest.raises(MissingToken, match="csrf"):
            await lease.enter(site.spec(settle=0.5))


async def test_what_a_script_sets_after_an_answer_is_waited_for(browsers: BrowserPool, site: LocalSite) -> None:
    beaten = asyncio.Event()

    async def beat(request: web.Request) -> web.StreamResponse:
        if request.query_string == "6":  # half a second after the page
            beaten.set()
        return web.Response(status=204)

    async def ticket(request: web.Request) -> web.StreamResponse:
        await beaten.wait()
        return web.Response(text="t1")

    site.pages |= {"/beat": beat, "/ticket": ticket}
    site.page(
        PAGE
        + """<script>
            addEventListener("load", () => {
                let beats = 0;
                setInterval(() => { new Image().src = "/beat?" + ++beats; }, 100);
                const kept = (text) => { document.cookie = "ticket=" + text; };
                fetch("/ticket").then((answer) => answer.text()).then(kept);
            });
        </script>"""
    )
    async with browsers.lease(DESKTOP, site_url=site.url) as lease:
        result = await lease.enter(site.spec(settle=0.2))
    assert result.page.cookies == {"ticket": "t1"}


async def test_settling_catches_what_nobody_named(browsers: BrowserPool, site: LocalSite) -> None:
    site.page(LATE)
    async with browsers.lease(DESKTOP, site_url=site.url) as lease:
        result = await lease.enter(site.spec(settle=0.4))
    assert result.local == {"visitor": "v7"}
    assert result.page.cookies == {"late": "1"}


async def test_cookies_and_storage_are_put_back_before_the_pages_scripts_run(
    browsers: BrowserPool, site: LocalSite
) -> None:
    site.page(PAGE + "<script>localStorage.seen = localStorage.visitor + document.cookie</script>")
    mine = Cookie("mine", "c'</script>1", "127.0.0.1")
    async with browsers.lease(DESKTOP, site_url=site.url) as lease:
        result = await lease.enter(site.spec(cookies=(mine,), local={"visitor": "v'</script>7"}))
    assert result.local["seen"] == "v'</script>7mine=c'</script>1"
    assert result.cookies[0] == Cookie("mine", "c'</script>1", "127.0.0.1", same_site="Lax")


async def test_a_page_that_loads_itself_all_the_time_names_what_it_lacks(
    browsers: BrowserPool, site: LocalSite
) -> None:
    site.page("<title>wait</title><script>setTimeout(() => location.reload(), 10)</script>")
    async with browsers.lease(DESKTOP, site_url=site.url) as lease:
        with pytest.raises(Changed, match=r"csrf|loads itself"):  # a browser that failed would be asked once more
            await lease.enter(site.spec(limit=6.0))


async def test_leases_share_nothing(browsers: BrowserPool, site: LocalSite) -> None:
    site.page(PAGE + "<script>document.cookie = 'first=1'</script>")
    for _ in range(2):
        async with browsers.lease(DESKTOP, site_url=site.url) as lease:
            await lease.enter(site.spec())
    assert all("cookie" not in headers for _, headers in site.requests)


async def test_a_page_without_its_token_says_what_was_sought(browsers: BrowserPool, site: LocalSite) -> None:
    site.page("<p>nothing</p>", status=404)
    async with browsers.lease(DESKTOP, site_url=site.url) as lease:
        with pytest.raises(MissingToken, match=r"csrf.*meta.*HTTP 404"):
            await lease.enter(site.spec(limit=6.0))


async def test_a_cookie_that_never_comes_is_named(browsers: BrowserPool, site: LocalSite) -> None:
    async with browsers.lease(DESKTOP, site_url=site.url) as lease:
        with pytest.raises(MissingCookies, match="XSRF"):
            await lease.enter(site.spec(limit=6.0, cookies_needed=("XSRF",)))


async def test_a_page_that_leads_away_is_not_read(browsers: BrowserPool, site: LocalSite) -> None:
    async def away(request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound(f"http://localhost:{request.url.port}/other")

    site.pages["/"] = away
    site.page(PAGE, "/other")
    async with browsers.lease(DESKTOP, site_url=site.url) as lease:
        with pytest.raises(Changed, match="led away from"):
            await lease.enter(site.spec(limit=6.0))


async def test_a_failing_site_is_down(browsers: BrowserPool, site: LocalSite) -> None:
    site.page("oh", status=503, **{"Retry-After": "7"})
    async with browsers.lease(DESKTOP, site_url=site.url) as lease:
        with pytest.raises(SiteDown, match="503") as caught:
            await lease.enter(site.spec())
    assert caught.value.retry_after == 7


async def test_a_site_that_is_not_there_is_down(browsers: BrowserPool) -> None:
    nowhere = LocalSite(url="http://127.0.0.1:9/")
    async with browsers.lease(DESKTOP, site_url=nowhere.url) as lease:
        with pytest.raises(SiteDown, match="ERR_"):
            await lease.enter(nowhere.spec())


async def test_a_transient_failure_is_tried_again(browsers: BrowserPool, site: LocalSite) -> None:
    async def first_cut(request: web.Request) -> web.StreamResponse:
        if len(site.requests) < 3:
            assert request.transport is not None
            request.transport.abort()
        return html(PAGE)

    site.pages["/"] = first_cut
    async with browsers.lease(DESKTOP, site_url=site.url) as lease:
        assert (await lease.enter(site.spec())).tokens == {"csrf": "abc123"}


async def test_a_page_that_never_comes_reaches_a_limit_that_is_named(browsers: BrowserPool, site: LocalSite) -> None:
    site.held()
    async with browsers.lease(DESKTOP, site_url=site.url) as lease:
        with pytest.raises(TimeLimit, match="page"):
            await lease.enter(site.spec(limit=6.0))
    async with browsers.lease(DESKTOP, site_url=site.url) as lease:
        with pytest.raises(TimeLimit, match=r"visit, 0.001 s \(setting: limits.visit\)"):
            await lease.enter(site.spec(limit=0.001))


@pytest.mark.parametrize("url", ["file:///etc/passwd", "chrome://version", "http://127.0.0.2/", "javascript:1"])
async def test_a_page_that_may_not_be_opened_is_not(browsers: BrowserPool, site: LocalSite, url: str) -> None:
    async with browsers.lease(DESKTOP, site_url=site.url) as lease:
        with pytest.raises(ConfigurationError, match="not opened"):
            await lease.enter(site.spec(url=url))


async def test_a_page_reaches_neither_another_private_host_nor_its_sockets(
    browsers: BrowserPool, site: LocalSite
) -> None:
    port = site.url.rsplit(":", 1)[1].strip("/")
    site.page(
        f"""{PAGE}<script>
        fetch('http://localhost:{port}/secret', {{mode: 'no-cors'}}).catch(() => localStorage.fetch = 'refused');
        new WebSocket('ws://localhost:{port}/socket').onclose = () => localStorage.socket = 'refused';
        fetch('/own').then(() => localStorage.own = 'allowed');
        </script>"""
    )
    steps: list[str] = []
    async with browsers.lease(DESKTOP, site_url=site.url, events=site_events(steps)) as lease:
        result = await lease.enter(site.spec(settle=0.5))
    assert result.local == {"fetch": "refused", "socket": "refused", "own": "allowed"}
    assert {path for path, _ in site.requests} - {"/favicon.ico"} == {"/", "/own"}
    assert any("refused" in step for step in steps)


async def test_dialogs_and_popups_do_not_hold_a_visit(browsers: BrowserPool, site: LocalSite) -> None:
    site.page(PAGE + "<script>alert('hi'); window.open('/popup'); confirm('sure?')</script>")
    async with browsers.lease(DESKTOP, site_url=site.url) as lease:
        assert (await lease.enter(site.spec())).tokens


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_why_a_site_can_not_be_reached_is_told(browsers: BrowserPool, site: LocalSite, scheme: str) -> None:
    said: list[str] = []
    url = f"{scheme}://nowhere.invalid/"
    async with browsers.lease(DESKTOP, site_url=url, events=site_events(said)) as lease:
        with pytest.raises(SiteDown, match="its name has no address"):
            await lease.enter(site.spec(url=url))


async def test_a_proxy_carries_the_page(browsers: BrowserPool, site: LocalSite) -> None:
    # A plain HTTP proxy is asked with the whole URL: this site answers any, and so can stand for one.
    async with browsers.lease(
        DESKTOP, site_url="http://shop.example/", egress=egress_of(site.url.rstrip("/"))
    ) as lease:
        result = await lease.enter(site.spec(url="http://shop.example/"))
    assert result.url == "http://shop.example/"
    assert site.requests[0][1]["host"] == "shop.example"


async def test_a_browser_killed_in_a_visit_is_told_at_once_and_replaced(browsers: BrowserPool, site: LocalSite) -> None:
    site.held()
    async with browsers.lease(DESKTOP, site_url=site.url) as lease:
        entering = asyncio.create_task(lease.enter(site.spec(limit=90.0)))
        await site.asked.wait()
        assert browsers.browser_pid is not None
        os.kill(browsers.browser_pid, signal.SIGKILL)
        async with asyncio.timeout(10):  # long before any limit of the visit
            with pytest.raises(BrowserFailed):
                await entering
    site.open.set()
    async with browsers.lease(DESKTOP, site_url=site.url) as lease:
        assert (await lease.enter(site.spec())).tokens


async def test_a_driver_that_dies_while_a_page_is_read_ends_the_visit_within_a_second(
    browsers: BrowserPool, site: LocalSite
) -> None:
    site.page("<p>no token yet</p><img src=/read>")
    async with browsers.lease(DESKTOP, site_url=site.url) as lease:
        entering = asyncio.create_task(lease.enter(site.spec(limit=90.0)))
        while not any(path == "/read" for path, _ in site.requests):
            site.asked.clear()
            await site.asked.wait()
        assert browsers.browser_pid is not None
        os.kill(Process.of(browsers.browser_pid).parent, signal.SIGKILL)
        async with asyncio.timeout(2):  # the page would be read for 10 s
            with pytest.raises(BrowserFailed, match="ended during the visit"):
                await entering
    site.page(PAGE)
    async with browsers.lease(DESKTOP, site_url=site.url) as lease:
        assert (await lease.enter(site.spec())).tokens


async def test_a_renderer_that_crashes_is_told_at_once(browsers: BrowserPool, site: LocalSite) -> None:
    site.page(PAGE + "<img src=/held>")
    site.held("/held")
    async with browsers.lease(DESKTOP, site_url=site.url) as lease:
        before = browsers.launches
        entering = asyncio.create_task(lease.enter(site.spec()))
        while not any(path == "/held" for path, _ in site.requests):
            site.asked.clear()
            await site.asked.wait()
        crash_pages(browsers)
        with pytest.raises(BrowserFailed, match="crash"):
            await entering
    site.open.set()
    async with browsers.lease(DESKTOP, site_url=site.url) as lease:
        assert (await lease.enter(site.spec())).tokens
    assert browsers.launches == before
