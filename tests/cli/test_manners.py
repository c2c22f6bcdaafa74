"""What the commands show of good manners: the limits of each site, its pauses, its robots.txt."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from doorkey_providers.twins.twin import Twin

from .conftest import Done, Doorkey

SITE = {"DOORKEY_SITES__CHATGPTFREE__URL": "http://127.0.0.1:9/"}
LIMITED = {**SITE, "DOORKEY_SITES__CHATGPTFREE__MANNERS__RATE": "5"}


def test_sites_shows_the_limits_of_each(quick: Callable[..., Done]) -> None:
    (site,) = json.loads(quick("sites", "--json", settings=SITE).out)
    assert site["pace"] is None
    shown = quick("sites", "-v", settings=LIMITED).out
    assert "2 at a time, 5/s" in shown
    assert "not read yet" in shown


@pytest.mark.slow
async def test_useless_visits_pause_all_further_ones_in_every_process(doorkey: Doorkey, twin: Twin) -> None:
    twin.switch(down=True)
    limited = {"DOORKEY_SITES__CHATGPTFREE__MANNERS__VISITS": "1"}
    assert (await doorkey("ask", "-m", "chatgptfree", "hello", settings=limited)).code == 5
    twin.switch(down=False)
    loads = twin.counts.page_loads
    told = await doorkey("ask", "-m", "chatgptfree", "hello", settings=limited)
    assert (told.code, "Try again in " in told.err) == (5, True)
    assert " pausing, 10 min " in (await doorkey("sites", settings=limited)).out
    assert twin.counts.page_loads == loads


@pytest.mark.browser
@pytest.mark.slow
async def test_processes_keep_the_limits_of_a_site_together(doorkey: Doorkey) -> None:
    inside, most, begun = 0, 0, []

    async def answer(request: web.Request) -> web.Response:
        nonlocal inside, most
        begun.append(asyncio.get_running_loop().time())
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0.5)  # what the answer takes, so that calls meet
        inside -= 1
        return web.Response(text="<title>notes</title>", content_type="text/html")

    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<title>notes</title>", content_type="text/html")

    app = web.Application()
    app.router.add_get("/items", answer)
    app.router.add_get("/", page)
    async with TestServer(app, host="127.0.0.1") as server:
        (doorkey.folder / "doorkey.toml").write_text(
            f'[sites.notes]\nprovider = "web"\nurl = "{server.make_url("/")}"\nmanners = {{ at_once = 1, rate = 50 }}\n'
        )
        assert (await doorkey("visit", "notes")).code == 0
        done = await asyncio.gather(*(doorkey("fetch", "notes", "/items") for _ in range(5)))
    assert [one.code for one in done] == [0] * 5, done
    assert (most, len(begun)) == (1, 5)


def test_a_wrong_key_or_value_is_told_with_its_line(quick: Callable[..., Done]) -> None:
    path = Path("doorkey.toml")
    path.write_text(
        '[manners]\nrat = 1\n[sites.wiki]\nprovider = "web"\nurl = "https://wiki.example/"\nmanners.rate = 0\n'
    )
    told = quick("config", "check").err
    assert f"{path.absolute()}, line 2: unknown key manners.rat (did you mean 'rate'?)" in told
    assert f"{path.absolute()}, line 6: sites.wiki.manners.rate: " in told
    assert "greater than 0" in told
