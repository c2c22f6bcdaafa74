"""A live page that takes no request any more is given up at once."""

from __future__ import annotations

import pytest

from doorkey.browser import BrowserPool, Order
from doorkey.browser.fetching import Fetching
from doorkey.errors import BrowserFailed, RequestError

from .conftest import DESKTOP, LocalSite

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


async def test_a_page_that_takes_no_request_is_given_up(browsers: BrowserPool, site: LocalSite) -> None:
    order = Order(url=site.url, method="GET", headers={}, referrer="")
    async with browsers.lease(DESKTOP, site_url=site.url) as lease:
        await lease.enter(site.wanted())
        stay = await lease.stay()
        await stay._devtools.send("Runtime.evaluate", {"expression": "delete globalThis.doorkey.begin"})
        with pytest.raises(BrowserFailed, match="does not take requests"):
            await stay.fetch(order, lambda fetching: None)
        assert (stay.alive, stay.busy) == (False, False)
        await stay.close()


async def test_a_request_that_the_page_cannot_send_leaves_nothing_under_way(
    browsers: BrowserPool, site: LocalSite
) -> None:
    order = Order(url=site.url, method="GET", headers={"x-price": "5 €"}, referrer="")
    begun: list[Fetching] = []
    async with browsers.lease(DESKTOP, site_url=site.url) as lease:
        await lease.enter(site.wanted())
        stay = await lease.stay()
        await stay.fetch(order, begun.append)
        with pytest.raises(RequestError, match="can't send this request"):
            await begun[0].begun()
        assert (stay.alive, stay.busy) == (True, False)
        await stay.close()
