"""A live page that takes no request any more is given up at once."""

from __future__ import annotations

import pytest

from doorkey.browser import BrowserPool, PageRequest
from doorkey.browser.live.page_fetch import PageFetch
from doorkey.errors import BrowserFailed, RequestError

from .conftest import DESKTOP, LocalSite

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


async def test_a_page_that_takes_no_request_is_given_up(browsers: BrowserPool, site: LocalSite) -> None:
    page_request = PageRequest(url=site.url, method="GET", headers={}, referrer="")
    async with browsers.lease(DESKTOP, site_url=site.url) as lease:
        await lease.enter(site.spec())
        live_page = await lease.open_live_page()
        await live_page._devtools.send("Runtime.evaluate", {"expression": "delete globalThis.doorkey.begin"})
        with pytest.raises(BrowserFailed, match="does not take requests"):
            await live_page.fetch(page_request, lambda fetching: None)
        assert (live_page.alive, live_page.busy) == (False, False)
        await live_page.close()


async def test_a_request_that_the_page_cannot_send_leaves_nothing_under_way(
    browsers: BrowserPool, site: LocalSite
) -> None:
    page_request = PageRequest(url=site.url, method="GET", headers={"x-price": "5 €"}, referrer="")
    begun: list[PageFetch] = []
    async with browsers.lease(DESKTOP, site_url=site.url) as lease:
        await lease.enter(site.spec())
        live_page = await lease.open_live_page()
        await live_page.fetch(page_request, begun.append)
        with pytest.raises(RequestError, match="can't send this request"):
            await begun[0].wait_for_head()
        assert (live_page.alive, live_page.busy) == (True, False)
        await live_page.close()
