"""The rungs of a renewal: the cheapest that helps, and a clear end when none does."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from doorkey.browser import Profile, VisitResult, VisitSpec, load_profile
from doorkey.browser.live_view.handovers import Handovers
from doorkey.clock import SystemClock
from doorkey.config.one_time_codes import OneTimeCodes
from doorkey.errors import BrowserFailed, Changed, MissingToken, RateLimited, SessionRefused
from doorkey.model.cookies import Cookie
from doorkey.model.inspection import NONE, Inspection
from doorkey.model.overrides import CallerOverrides, key_of
from doorkey.model.page import Page
from doorkey.model.request import Reply, Request
from doorkey.model.session import Session, Tokens
from doorkey.model.site import Site
from doorkey.provider import Flow, Provider
from doorkey.sessions.source import RenewalReason
from doorkey.sessions.target import SiteTarget
from doorkey.transport.direct import Direct

sys.path.insert(0, str(Path(__file__).parents[1]))
from event_lines import site_events
from notebook import Notebook


class NonceProvider(Provider):
    needs_scripts = False

    def read(self, page: Page) -> Tokens:
        return {"nonce": page.attribute("[data-nonce]", "data-nonce", "nonce")}


class EndpointProvider(NonceProvider):
    def refresh(self, session: Session) -> Flow[Tokens]:
        reply: Reply = yield Request(url="/nonce", method="POST")
        return {"nonce": reply.text()}


class RequestLoginProvider(EndpointProvider):
    """Code that logs in by a request, with a secret that it never sees."""

    has_login = renews_login = True

    def login(self, session: Session) -> Flow[Tokens]:
        assert not session.tokens
        secret = {"X-Key": self.secret("env:NONCE_KEY")}
        reply: Reply = yield Request(
            url="/in", method="POST", json={"key": [self.secret("env:NONCE_KEY")]}, headers=secret, dressed=True
        )
        return {"nonce": reply.text()}

    def dress(self, request: Request, session: Session) -> Request:
        return request.with_headers(**{"X-Nonce": str(session.tokens["nonce"])})


class ReadingProvider(Provider):
    """Reads a token from a cookie, and knows for how long its tokens are good."""

    cookies_read = ("sid",)
    hard = 1000.0

    def lasts(self, tokens: Tokens, born: float) -> float | None:
        return 300.0


class LoginProvider(NonceProvider):
    steps = Provider.steps_of([{"open": "/login"}])


class StoredProvider(Provider):
    def read(self, page: Page) -> Tokens:
        return {"nonce": page.local["token"]}


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
    headers: dict[str, str] = field(default_factory=dict)
    hops: list[str] = field(default_factory=list)
    shown: list[tuple[str | None, str | None]] = field(default_factory=list)
    known: Callable[[], str | None] = lambda: None
    loads: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)

    async def page(self, request: web.Request) -> web.Response:
        self.loads.append(request.headers.get("user-agent", ""))
        self.shown.append((request.cookies.get("remember"), self.known()))
        if self.hops:
            hop = web.HTTPFound("/")
            hop.set_cookie("remember", self.hops.pop(0))
            raise hop
        nonce = self.nonce if request.query_string or self.cached is None else self.cached
        text = f'{self.before}<div data-nonce="{nonce}">'
        return web.Response(
            status=self.status, text=text, content_type="text/html", headers={"Retry-After": "9", **self.headers}
        )

    async def endpoint(self, request: web.Request) -> web.Response:
        return web.Response(text=self.nonce)

    async def log_in(self, request: web.Request) -> web.Response:
        self.keys += [(await request.json())["key"][0], request.headers["x-key"]]
        return web.Response(text=self.nonce, status=self.status)


@dataclass
class PaperPool:
    """Stands for BrowserPool: a lease whose visit sees the site's object, and that fails as often as it is told to."""

    site: NonceSite
    visits: list[VisitSpec] = field(default_factory=list)
    failures: int = 0
    codes: OneTimeCodes | None = None
    handovers: Handovers = field(default_factory=lambda: Handovers(SystemClock(), most=0))
    inspection: Inspection = NONE
    stores: bool = False
    chokes_on_storage: bool = False
    expires: float | None = None

    @asynccontextmanager
    async def lease(self, profile: Profile, **_: Any) -> AsyncIterator[PaperPool]:
        yield self

    async def enter(self, spec: VisitSpec) -> VisitResult:
        self.visits.append(spec)
        if self.failures:
            self.failures -= 1
            raise BrowserFailed("the browser ended during the visit")
        if self.chokes_on_storage and spec.local:
            raise MissingToken("nonce", "[data-nonce]")
        nonce = self.site.nonce if "cb=" in spec.url or self.site.cached is None else self.site.cached
        local = {"visitor": "42", **spec.local}
        if self.stores:
            local.setdefault("token", nonce)
        page = Page(url=spec.url, html=f'<div data-nonce="{nonce}">', local=local)
        cookies = (Cookie("sid", f"s{len(self.visits)}", "127.0.0.1", expires=self.expires),)
        return VisitResult(
            page=page,
            tokens=spec.read(page),
            cookies=cookies,
            headers={"user-agent": "Chrome/Paper"},
            local=local,
            url=spec.url,
            status=200,
        )

    async def read_user_agent(self, profile: Profile) -> str:
        return "Chrome/Paper"


@pytest.fixture
async def nonces() -> AsyncIterator[NonceSite]:
    site = NonceSite()
    app = web.Application()
    app.router.add_get("/", site.page)
    app.router.add_post("/nonce", site.endpoint)
    app.router.add_post("/in", site.log_in)
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
    session = await targets().source.make(RenewalReason(), Notebook())
    assert (session.rung, session.tokens, session.cookie("sid")) == ("browser", {"nonce": "n1"}, "s1")
    assert session.headers == {"user-agent": "Chrome/Paper"}
    assert session.visitor


async def test_a_dead_nonce_is_renewed_by_the_page_alone(
    targets: Callable[..., SiteTarget], pool: PaperPool, nonces: NonceSite
) -> None:
    target = targets()
    first = await target.source.make(RenewalReason(), Notebook())
    nonces.nonce = "n2"
    renewed = await target.source.make(RenewalReason(first, refused=first, named=True), Notebook())
    assert (renewed.rung, renewed.tokens, len(pool.visits)) == ("direct", {"nonce": "n2"}, 1)
    assert renewed.cookies == first.cookies
    assert nonces.loads == ["Chrome/Paper"]


async def test_the_sites_own_token_endpoint_comes_first(
    targets: Callable[..., SiteTarget], pool: PaperPool, nonces: NonceSite
) -> None:
    target = targets(EndpointProvider)
    first = await target.source.make(RenewalReason(), Notebook())
    nonces.nonce = "n2"
    renewed = await target.source.make(RenewalReason(first, refused=first, named=True), Notebook())
    assert (renewed.rung, renewed.tokens, nonces.loads) == ("token endpoint", {"nonce": "n2"}, [])


async def test_a_page_cache_is_got_past_once(
    targets: Callable[..., SiteTarget], pool: PaperPool, nonces: NonceSite
) -> None:
    target = targets()
    nonces.cached = "n1"
    first = await target.source.make(RenewalReason(), Notebook())
    nonces.nonce = "n2"
    renewed = await target.source.make(RenewalReason(first, refused=first, named=True), Notebook())
    assert (renewed.rung, renewed.tokens) == ("browser past the cache", {"nonce": "n2"})
    assert renewed.url == nonces.url


async def test_a_challenge_in_the_pages_place_is_not_read_but_left_to_the_browser(
    targets: Callable[..., SiteTarget], nonces: NonceSite
) -> None:
    target = targets()
    first = await target.source.make(RenewalReason(), Notebook())
    nonces.nonce, nonces.before = "n2", '<script id="anubis_challenge" type="application/json">{}</script>'
    assert (await target.source.make(RenewalReason(first, refused=first, named=True), Notebook())).rung == "browser"


async def test_a_rate_limit_below_the_browser_is_told_and_the_browser_left_out(
    targets: Callable[..., SiteTarget], pool: PaperPool, nonces: NonceSite
) -> None:
    target = targets()
    first = await target.source.make(RenewalReason(), Notebook())
    nonces.status = 429
    with pytest.raises(RateLimited) as caught:
        await target.source.make(RenewalReason(first, refused=first, named=True), Notebook())
    assert (caught.value.retry_after, len(pool.visits)) == (9, 1)


async def test_a_page_that_only_has_the_refused_token_is_told_with_what_was_the_same_on_which_rung(
    targets: Callable[..., SiteTarget], nonces: NonceSite
) -> None:
    target = targets()
    first = await target.source.make(RenewalReason(), Notebook())
    with pytest.raises(
        Changed,
        match="the token nonce by direct; the token nonce by browser; the token nonce by browser past the cache",
    ):
        await target.source.make(RenewalReason(first, refused=first, named=True), Notebook())


async def test_after_a_new_login_the_same_token_is_another_session(
    targets: Callable[..., SiteTarget], pool: PaperPool
) -> None:
    target = targets(LoginProvider)
    first = await target.source.make(RenewalReason(), Notebook())
    renewed = await target.source.make(RenewalReason(first, refused=first, named=True), Notebook())
    assert (renewed.rung, renewed.tokens == first.tokens, renewed.cookie("sid")) == ("browser", True, "s2")
    assert len(pool.visits) == 2


async def test_a_refusal_without_a_name_takes_one_browser_visit_whatever_it_finds(
    targets: Callable[..., SiteTarget], pool: PaperPool, nonces: NonceSite
) -> None:
    target = targets()
    first = await target.source.make(RenewalReason(), Notebook())
    renewed = await target.source.make(RenewalReason(first, refused=first), Notebook())
    assert (renewed.rung, renewed.cookie("sid"), nonces.loads) == ("browser", "s2", [])


async def test_local_storage_and_visitor_outlive_a_session(targets: Callable[..., SiteTarget], pool: PaperPool) -> None:
    target = targets()
    first = await target.source.make(RenewalReason(), Notebook())
    second = await target.source.make(RenewalReason(first, refused=first), Notebook())
    assert pool.visits[-1].local == {"visitor": "42"}
    assert second.visitor == first.visitor


async def test_a_browser_that_dies_is_replaced_within_the_visit(
    targets: Callable[..., SiteTarget], pool: PaperPool
) -> None:
    pool.failures = 1
    assert (await targets().source.make(RenewalReason(), Notebook())).tokens == {"nonce": "n1"}
    pool.failures = 2
    with pytest.raises(BrowserFailed):
        await targets().source.make(RenewalReason(), Notebook())


async def test_a_fresh_session_that_is_refused_makes_the_next_visit_wait_longer(
    targets: Callable[..., SiteTarget], pool: PaperPool
) -> None:
    target = targets()
    first = await target.source.make(RenewalReason(), Notebook())
    await target.source.make(RenewalReason(first, refused=first, fresh=True), Notebook())
    assert [spec.longer for spec in pool.visits] == [0.0, 1.0]


async def test_passed_cookies_replace_a_visit_where_no_token_is_needed(
    targets: Callable[..., SiteTarget], pool: PaperPool
) -> None:
    target = targets(CookieProvider, CallerOverrides(cookies={"sid": "mine"}, user_agent="Mine/1"))
    session = await target.source.make(RenewalReason(), Notebook())
    assert (session.cookie("sid"), session.headers["user-agent"], pool.visits) == ("mine", "Mine/1", [])
    with pytest.raises(SessionRefused, match="cookies that were passed"):
        await target.source.make(RenewalReason(session, refused=session, named=True), Notebook())


async def test_passed_cookies_are_put_in_before_the_page_opens_where_a_token_is_needed(
    targets: Callable[..., SiteTarget], pool: PaperPool
) -> None:
    session = await targets(overrides=CallerOverrides(cookies={"sid": "mine"})).source.make(RenewalReason(), Notebook())
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


@pytest.mark.parametrize("headers", [{"Age": "120"}, {"X-Cache": "HIT from proxy"}])
async def test_a_page_cache_is_blamed_only_where_the_page_says_so(
    targets: Callable[..., SiteTarget], nonces: NonceSite, headers: dict[str, str]
) -> None:
    target = targets()
    first = await target.source.make(RenewalReason(), Notebook())
    with pytest.raises(Changed) as plain:
        await target.source.make(RenewalReason(first, refused=first, named=True), Notebook())
    nonces.headers = headers
    with pytest.raises(Changed, match="page cache") as cached:
        await target.source.make(RenewalReason(first, refused=first, named=True), Notebook())
    assert "cache (" not in plain.value.message
    assert next(iter(headers)).lower() in cached.value.message.lower()


@pytest.mark.parametrize("named", [True, False])
async def test_a_dead_token_in_local_storage_is_not_put_back_a_second_time(
    targets: Callable[..., SiteTarget], pool: PaperPool, nonces: NonceSite, named: bool
) -> None:
    pool.stores = True
    target = targets(StoredProvider)
    first = await target.source.make(RenewalReason(), Notebook())
    nonces.nonce = "n2"
    renewed = await target.source.make(RenewalReason(first, refused=first, named=named), Notebook())
    assert (renewed.tokens, renewed.local["visitor"]) == ({"nonce": "n2"}, "42")
    assert [spec.local.get("token") for spec in pool.visits] == [None, "n1", None]


async def test_a_page_that_stored_state_keeps_from_its_end_is_visited_once_without_it(
    targets: Callable[..., SiteTarget], pool: PaperPool, nonces: NonceSite
) -> None:
    target = targets()
    first = await target.source.make(RenewalReason(), Notebook())
    pool.chokes_on_storage = True
    renewed = await target.source.make(RenewalReason(first, refused=first), Notebook())
    assert (renewed.rung, pool.visits[-1].local) == ("browser without stored state", {})


async def test_what_a_rung_was_given_before_it_failed_is_kept_and_the_next_rung_begins_with_it(
    targets: Callable[..., SiteTarget], pool: PaperPool, nonces: NonceSite
) -> None:
    target, notebook = targets(LoginProvider), Notebook()
    first = await target.source.make(RenewalReason(), notebook)
    nonces.headers, nonces.status = {"Set-Cookie": "remember=r1; Path=/"}, 503
    await target.source.make(RenewalReason(first, refused=first, named=True), notebook)
    assert notebook.written[-1].cookie("remember") == "r1"
    assert ("remember", "r1") in [(cookie.name, cookie.value) for cookie in pool.visits[-1].cookies]


async def test_a_cookie_of_a_redirect_is_kept_before_the_next_hop_shows_it(
    targets: Callable[..., SiteTarget], nonces: NonceSite
) -> None:
    target, notebook = targets(LoginProvider), Notebook()
    first = await target.source.make(RenewalReason(), notebook)
    nonces.hops, nonces.nonce = ["r1", "r2", "r3"], "n2"
    known = nonces.known = lambda: notebook.written[-1].cookie("remember") if notebook.written else None
    await target.source.make(RenewalReason(first, refused=first, named=True), notebook)
    assert nonces.shown == [(None, None), ("r1", "r1"), ("r2", "r2"), ("r3", "r3")]
    assert known() == "r3"


async def test_a_strangers_cookies_are_not_kept(targets: Callable[..., SiteTarget], nonces: NonceSite) -> None:
    target, notebook = targets(), Notebook()
    first = await target.source.make(RenewalReason(), notebook)
    nonces.headers, nonces.nonce = {"Set-Cookie": "visitor=v1"}, "n2"
    await target.source.make(RenewalReason(first, refused=first, named=True), notebook)
    assert notebook.written == []


async def test_the_soft_age_follows_the_first_cookie_that_ends(
    targets: Callable[..., SiteTarget], pool: PaperPool
) -> None:
    class Needing(NonceProvider):
        cookies_needed = ("sid",)

    pool.expires = SystemClock().wall() + 100
    session = await targets(Needing).source.make(RenewalReason(), Notebook())
    assert 70 < session.soft < 85
    assert 95 < session.hard <= 100
    pool.expires = None
    lasting = await targets(Needing).source.make(RenewalReason(), Notebook())
    assert (lasting.soft, lasting.hard) == (Needing.soft, Needing.hard)


async def test_a_providers_own_login_gets_its_secrets_just_before_they_are_sent(
    targets: Callable[..., SiteTarget], pool: PaperPool, nonces: NonceSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NONCE_KEY", "key 1")
    source, notebook = targets(RequestLoginProvider).source, Notebook()
    first = await source.make(RenewalReason(), notebook)
    assert (first.rung, first.tokens, nonces.keys, pool.visits) == ("login request", {"nonce": "n1"}, ["key 1"] * 2, [])
    nonces.nonce = "n2"
    renewed = await source.make(RenewalReason(first, refused=first), notebook)
    assert (renewed.rung, renewed.tokens) == ("token endpoint", {"nonce": "n2"})
    nonces.nonce = "n3"
    again = await source.make(RenewalReason(renewed, refused=renewed, fresh=True), notebook)
    assert (again.rung, pool.visits) == ("login request", []), "what the endpoint gave never worked"


async def test_a_login_at_a_busy_site_is_a_rate_limit_and_no_failed_login(
    targets: Callable[..., SiteTarget], nonces: NonceSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NONCE_KEY", "key 1")
    nonces.status = 429
    with pytest.raises(RateLimited):
        await targets(RequestLoginProvider).source.make(RenewalReason(), Notebook())


async def test_a_session_lasts_no_longer_than_its_tokens_and_the_cookies_that_they_are_read_from(
    targets: Callable[..., SiteTarget], pool: PaperPool
) -> None:
    target = targets(ReadingProvider)
    session = await target.source.make(RenewalReason(), Notebook())
    assert (session.soft, session.hard) == (240.0, 300.0)
    pool.expires = session.born + 100
    session = await target.source.make(RenewalReason(), Notebook())
    assert 70 < session.soft < 82
