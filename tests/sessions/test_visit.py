"""The rungs of a renewal: the cheapest that helps, and a clear end when none does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from doorkey.browser import Profile, VisitResult, VisitSpec, load_profile
from doorkey.clock import SystemClock
from doorkey.errors import BrowserFailed, Changed, RateLimited, SessionRefused
from doorkey.model.cookies import Cookie
from doorkey.model.overrides import CallerOverrides, key_of
from doorkey.model.page import Page
from doorkey.model.request import Reply, Request
from doorkey.model.session import Session, Tokens
from doorkey.model.site import Site
from doorkey.provider import Flow, Provider
from doorkey.sessions.source import RenewalReason
from doorkey.sessions.target import SiteTarget
from doorkey.transport.direct import Direct
from event_lines import site_events


class NonceProvider(Provider):
    needs_scripts = False

    def read(self, page: Page) -> Tokens:
        return {"nonce": page.attribute("[data-nonce]", "data-nonce", "nonce")}


class EndpointProvider(NonceProvider):
    def refresh(self, session: Session) -> Flow[Tokens]:
        reply: Reply = yield Request(url="/nonce", method="POST")
        return {"nonce": reply.text()}


class LoginProvider(NonceProvider):
    steps = Provider.steps_of([{"open": "/login"}])


class CookieProvider(Provider):
    needs_page = False


@dataclass
class NonceSite:
    """A page with a nonce, perhaps through a page cache that ignores nothing but an unseen query."""

    nonce: str = "n1"
    cached: str | None = None
    url: str = ""
    status: int = 200
    before: str = ""
    loads: list[str] = field(default_factory=list)

    async def page(self, request: web.Request) -> web.Response:
        self.loads.append(request.headers.get("user-agent", ""))
        nonce = self.nonce if request.query_string or self.cached is None else self.cached
        text = f'{self.before}<div data-nonce="{nonce}">'
        return web.Response(status=self.status, text=text, content_type="text/html", headers={"Retry-After": "9"})

    async def endpoint(self, request: web.Request) -> web.Response:
        return web.Response(text=self.nonce)


@dataclass
class PaperPool:
    """Stands for BrowserPool: a lease whose visit sees the site's object, and that fails as often as it is told to."""

    site: NonceSite
    visits: list[VisitSpec] = field(default_factory=list)
    failures: int = 0

    @asynccontextmanager
    async def lease(self, profile: Profile, **_: Any) -> AsyncIterator[PaperPool]:
        yield self

    async def enter(self, spec: VisitSpec) -> VisitResult:
        self.visits.append(spec)
        if self.failures:
            self.failures -= 1
            raise BrowserFailed("the browser ended during the visit")
        nonce = self.site.nonce if "cb=" in spec.url or self.site.cached is None else self.site.cached
        page = Page(url=spec.url, html=f'<div data-nonce="{nonce}">')
        cookies = (Cookie("sid", f"s{len(self.visits)}", "127.0.0.1"),)
        return VisitResult(
            page=page,
            tokens=spec.read(page),
            cookies=cookies,
            headers={"user-agent": "Chrome/Paper"},
            local=spec.local or {"visitor": "42"},
            url=spec.url,
            status=200,
        )

    async def user_agent(self, profile: Profile) -> str:
        return "Chrome/Paper"


@pytest.fixture
async def nonces() -> AsyncIterator[NonceSite]:
    site = NonceSite()
    app = web.Application()
    app.router.add_get("/", site.page)
    app.router.add_post("/nonce", site.endpoint)
    async with TestServer(app, host="127.0.0.1") as server:
        site.url = str(server.make_url("/"))
        yield site


@pytest.fixture
def pool(nonces: NonceSite) -> PaperPool:
    return PaperPool(nonces)


@pytest.fixture
async def targets(nonces: NonceSite, pool: PaperPool) -> AsyncIterator[Callable[..., SiteTarget]]:
    clock = SystemClock()
    async with Direct(clock=clock) as direct:

        def make(kind: type[Provider] = NonceProvider, overrides: CallerOverrides | None = None) -> SiteTarget:
            site = Site(name="blog", url=nonces.url)
            return SiteTarget.build(
                site=site,
                provider=kind(site),
                profile=lambda: load_profile("desktop"),
                pool=pool,  # type: ignore[arg-type]  # keeps the part of its contract that a visit uses
                direct=direct,
                clock=clock,
                limit=30,
                events=site_events(),
                overrides=overrides or CallerOverrides(),
            )

        yield make


async def test_a_first_session_is_the_browsers(targets: Callable[..., SiteTarget], pool: PaperPool) -> None:
    session = await targets().source.make(RenewalReason())
    assert (session.rung, session.tokens, session.cookie("sid")) == ("browser", {"nonce": "n1"}, "s1")
    assert session.headers == {"user-agent": "Chrome/Paper"}
    assert session.visitor


async def test_a_dead_nonce_is_renewed_by_the_page_alone(
    targets: Callable[..., SiteTarget], pool: PaperPool, nonces: NonceSite
) -> None:
    target = targets()
    first = await target.source.make(RenewalReason())
    nonces.nonce = "n2"
    renewed = await target.source.make(RenewalReason(first, refused=first, named=True))
    assert (renewed.rung, renewed.tokens, len(pool.visits)) == ("direct", {"nonce": "n2"}, 1)
    assert renewed.cookies == first.cookies
    assert nonces.loads == ["Chrome/Paper"]


async def test_the_sites_own_token_endpoint_comes_first(
    targets: Callable[..., SiteTarget], pool: PaperPool, nonces: NonceSite
) -> None:
    target = targets(EndpointProvider)
    first = await target.source.make(RenewalReason())
    nonces.nonce = "n2"
    renewed = await target.source.make(RenewalReason(first, refused=first, named=True))
    assert (renewed.rung, renewed.tokens, nonces.loads) == ("token endpoint", {"nonce": "n2"}, [])


async def test_a_page_cache_is_got_past_once(
    targets: Callable[..., SiteTarget], pool: PaperPool, nonces: NonceSite
) -> None:
    target = targets()
    nonces.cached = "n1"
    first = await target.source.make(RenewalReason())
    nonces.nonce = "n2"
    renewed = await target.source.make(RenewalReason(first, refused=first, named=True))
    assert (renewed.rung, renewed.tokens) == ("browser past the cache", {"nonce": "n2"})
    assert renewed.url == nonces.url


async def test_a_challenge_in_the_pages_place_is_not_read_but_left_to_the_browser(
    targets: Callable[..., SiteTarget], nonces: NonceSite
) -> None:
    target = targets()
    first = await target.source.make(RenewalReason())
    nonces.nonce, nonces.before = "n2", '<script id="anubis_challenge" type="application/json">{}</script>'
    assert (await target.source.make(RenewalReason(first, refused=first, named=True))).rung == "browser"


async def test_a_rate_limit_below_the_browser_is_told_and_the_browser_left_out(
    targets: Callable[..., SiteTarget], pool: PaperPool, nonces: NonceSite
) -> None:
    target = targets()
    first = await target.source.make(RenewalReason())
    nonces.status = 429
    with pytest.raises(RateLimited) as caught:
        await target.source.make(RenewalReason(first, refused=first, named=True))
    assert (caught.value.retry_after, len(pool.visits)) == (9, 1)


async def test_a_page_that_only_has_the_refused_token_is_a_clear_error(
    targets: Callable[..., SiteTarget], nonces: NonceSite
) -> None:
    target = targets()
    first = await target.source.make(RenewalReason())
    with pytest.raises(Changed, match="page cache"):
        await target.source.make(RenewalReason(first, refused=first, named=True))


async def test_after_a_new_login_the_same_token_is_another_session(
    targets: Callable[..., SiteTarget], pool: PaperPool
) -> None:
    target = targets(LoginProvider)
    first = await target.source.make(RenewalReason())
    renewed = await target.source.make(RenewalReason(first, refused=first, named=True))
    assert (renewed.rung, renewed.tokens == first.tokens, renewed.cookie("sid")) == ("browser", True, "s2")
    assert len(pool.visits) == 2


async def test_a_refusal_without_a_name_takes_one_browser_visit_whatever_it_finds(
    targets: Callable[..., SiteTarget], pool: PaperPool, nonces: NonceSite
) -> None:
    target = targets()
    first = await target.source.make(RenewalReason())
    renewed = await target.source.make(RenewalReason(first, refused=first))
    assert (renewed.rung, renewed.cookie("sid"), nonces.loads) == ("browser", "s2", [])


async def test_local_storage_and_visitor_outlive_a_session(targets: Callable[..., SiteTarget], pool: PaperPool) -> None:
    target = targets()
    first = await target.source.make(RenewalReason())
    second = await target.source.make(RenewalReason(first, refused=first))
    assert pool.visits[-1].local == {"visitor": "42"}
    assert second.visitor == first.visitor


async def test_a_browser_that_dies_is_replaced_within_the_visit(
    targets: Callable[..., SiteTarget], pool: PaperPool
) -> None:
    pool.failures = 1
    assert (await targets().source.make(RenewalReason())).tokens == {"nonce": "n1"}
    pool.failures = 2
    with pytest.raises(BrowserFailed):
        await targets().source.make(RenewalReason())


async def test_a_fresh_session_that_is_refused_makes_the_next_visit_wait_longer(
    targets: Callable[..., SiteTarget], pool: PaperPool
) -> None:
    target = targets()
    first = await target.source.make(RenewalReason())
    await target.source.make(RenewalReason(first, refused=first, fresh=True))
    assert [spec.longer for spec in pool.visits] == [0.0, 1.0]


async def test_passed_cookies_replace_a_visit_where_no_token_is_needed(
    targets: Callable[..., SiteTarget], pool: PaperPool
) -> None:
    target = targets(CookieProvider, CallerOverrides(cookies={"sid": "mine"}, user_agent="Mine/1"))
    session = await target.source.make(RenewalReason())
    assert (session.cookie("sid"), session.headers["user-agent"], pool.visits) == ("mine", "Mine/1", [])
    with pytest.raises(SessionRefused, match="cookies that were passed"):
        await target.source.make(RenewalReason(session, refused=session, named=True))


async def test_passed_cookies_are_put_in_before_the_page_opens_where_a_token_is_needed(
    targets: Callable[..., SiteTarget], pool: PaperPool
) -> None:
    session = await targets(overrides=CallerOverrides(cookies={"sid": "mine"})).source.make(RenewalReason())
    assert [cookie.value for cookie in pool.visits[0].cookies] == ["mine"]
    assert session.tokens == {"nonce": "n1"}


def test_a_key_tells_callers_apart_without_holding_their_secrets() -> None:
    site = Site(name="blog", url="http://127.0.0.1:1/", proxy="http://me:secret@127.0.0.1:3128")
    keys = {
        key_of(site),
        key_of(site, CallerOverrides(cookies={"a": "secret"})),
        key_of(site, CallerOverrides(cookies={"a": "other"})),
    }
    assert len(keys) == 3
    assert "secret" not in "".join(map(str, keys))
