"""What a live page sends is what the site's own page would send: the same headers, spelled alike, in the same order."""

from __future__ import annotations

import pytest
from aiohttp import web

from doorkey.browser import BrowserPool
from doorkey.model.request import Request
from doorkey.model.session import Key, Session
from doorkey.model.site import Site
from doorkey.transport.page.page_request import make_page_request

from .conftest import DESKTOP, LocalSite

pytestmark = pytest.mark.browser

AJAX = {"Accept": "application/json", "X-CSRF-Token": "t", "X-Requested-With": "XMLHttpRequest"}
CALLS: dict[str, tuple[str, Request]] = {
    "plain": ("", Request(url="/plain")),
    "ajax": (f", {{headers: {AJAX}}}", Request(url="/ajax", headers=AJAX)),
    "json": (
        ", {method: 'POST', headers: {'Content-Type': 'application/json', 'X-CSRF-Token': 't'}, body: '{}'}",
        Request(
            url="/json", method="POST", headers={"Content-Type": "application/json", "X-CSRF-Token": "t"}, body=b"{}"
        ),
    ),
    "form": (
        ", {method: 'POST', headers: {'Content-Type': 'application/x-www-form-urlencoded'}, body: 'a=1'}",
        Request(url="/form", method="POST", form={"a": "1"}),
    ),
}


async def test_requests_of_a_live_page_look_like_those_of_the_sites_own_page(
    browsers: BrowserPool, site: LocalSite
) -> None:
    came: dict[str, list[tuple[tuple[bytes, bytes], ...]]] = {name: [] for name in CALLS}

    async def answer(request: web.Request) -> web.StreamResponse:
        came[request.path[1:]].append(request.raw_headers)
        return web.json_response({})

    site.pages |= {f"/{name}": answer for name in CALLS}
    calls = "\n".join(f"await fetch('/{name}'{options});" for name, (options, _) in CALLS.items())
    site.page(f"<p>hello</p><script>(async () => {{ {calls} document.body.id = 'done' }})()</script>")
    key = Key("wiki", site.url)
    session = Session(key=key, gen=1, url=site.url, born=0, soft=1, hard=2)
    async with browsers.lease(DESKTOP, site_url=site.url) as lease:
        await lease.enter(site.spec(read=lambda page: {}, ready="#done"))
        live_page = await lease.open_live_page()
        for name, (_, request) in CALLS.items():
            ours = await make_page_request(request, f"{site.url}{name}", session, Site(name="wiki", url=site.url))
            begun: list = []
            await live_page.fetch(ours, begun.append)
            await begun[0].wait_for_head()
        await live_page.close()
    for name, (own, ours) in ((name, both) for name, both in came.items()):
        assert own == ours, name
