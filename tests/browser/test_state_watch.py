"""What a visit was given is kept: at once, before it is shown again, and when the visit fails."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from aiohttp import web

from doorkey.browser import BrowserPool
from doorkey.errors import MissingToken
from doorkey.model.cookies import Cookie

from .conftest import DESKTOP, PAGE, LocalSite, html

pytestmark = pytest.mark.browser
ROTATES = """<p>starting<script>
(async () => {
  const answer = await fetch("/refresh", { method: "POST", body: localStorage.refresh || "" });
  localStorage.refresh = await answer.text();
  document.cookie = "seen=1";
  await fetch("/menu");
})();
</script>"""


class Kept:
    """Remembers what it was given last."""

    def __init__(self) -> None:
        self.cookies: dict[str, str] = {}
        self.local: dict[str, str] = {}

    async def __call__(self, cookies: tuple[Cookie, ...], local: Mapping[str, str]) -> None:
        self.cookies = {cookie.name: cookie.value for cookie in cookies}
        self.local = dict(local)


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def rotating(site: LocalSite, kept: Kept) -> list[tuple[str, dict[str, str], dict[str, str]]]:
    """What was kept when each of the site's requests came: path, cookies, storage."""
    seen: list[tuple[str, dict[str, str], dict[str, str]]] = []

    async def refresh(request: web.Request) -> web.Response:
        seen.append(("/refresh", dict(kept.cookies), dict(kept.local)))
        answer = web.Response(text="f2" if await request.text() == "f1" else "f1")
        answer.set_cookie("remember", "r2")
        return answer

    async def menu(request: web.Request) -> web.Response:
        seen.append(("/menu", dict(kept.cookies), dict(kept.local)))
        return web.Response(status=503)

    async def home(request: web.Request) -> web.StreamResponse:
        if request.cookies.get("remember") is None:
            hop = web.Response(status=302, headers={"Location": "/home"})
            hop.set_cookie("remember", "r1")
            return hop
        seen.append(("/home", dict(kept.cookies), dict(kept.local)))
        return html(ROTATES)

    site.pages = {"/": home, "/home": home, "/refresh": refresh, "/menu": menu}
    return seen


async def test_each_rotation_is_kept_before_the_browser_shows_it_and_outlives_a_failed_visit(
    browsers: BrowserPool, site: LocalSite, kept: Kept, rotating: list[tuple[str, dict[str, str], dict[str, str]]]
) -> None:
    spec = site.spec(keep=kept, local={"refresh": "f1"}, ready="#never", limit=6.0)
    async with browsers.lease(DESKTOP, site_url=site.url) as lease:
        with pytest.raises(MissingToken):
            await lease.enter(spec)
    by_path = {path: (cookies, local) for path, cookies, local in rotating}
    assert by_path["/home"][0] == {"remember": "r1"}, "the cookie of a redirect, before the next hop"
    assert by_path["/refresh"] == ({"remember": "r1"}, {"refresh": "f1"})
    assert by_path["/menu"] == ({"remember": "r2", "seen": "1"}, {"refresh": "f2"})
    assert (kept.cookies, kept.local) == ({"remember": "r2", "seen": "1"}, {"refresh": "f2"})


async def test_a_visit_that_keeps_nothing_before_it_is_in_keeps_nothing(
    browsers: BrowserPool, site: LocalSite, kept: Kept, rotating: list[tuple[str, dict[str, str], dict[str, str]]]
) -> None:
    spec = site.spec(keep=kept, keep_once_in=True, ready="#never", limit=6.0)
    async with browsers.lease(DESKTOP, site_url=site.url) as lease:
        with pytest.raises(MissingToken):
            await lease.enter(spec)
    assert (kept.cookies, kept.local) == ({}, {})


async def test_pages_load_as_before_while_their_requests_are_held(
    browsers: BrowserPool, site: LocalSite, kept: Kept
) -> None:
    images = "".join(f'<img src="/image{number}.png">' for number in range(30))
    site.page(PAGE + images + '<script src="/a.js"></script><link rel=stylesheet href="/a.css">')
    async with browsers.lease(DESKTOP, site_url=site.url) as lease:
        result = await lease.enter(site.spec(keep=kept))
    assert result.tokens == {"csrf": "abc123"}
    asked = {path for path, _ in site.requests}
    assert {"/image0.png", "/image29.png", "/a.js", "/a.css"} <= asked
