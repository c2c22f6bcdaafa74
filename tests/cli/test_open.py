"""`doorkey open` without a screen: any browser shows the page by a link, and what it holds at the end is kept."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

from .conftest import Done, Doorkey

sys.path.insert(0, str(Path(__file__).parents[1]))
from login_site import LoginSite

SITE = """
[sites.wiki]
provider = "web"
url = "{url}"
tokens.csrf = "meta[name=csrf]@content"
send.header.X-CSRF = "{{csrf}}"
"""


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("wish", ["done", "give up"])
async def test_a_link_opens_the_page_until_the_person_is_done(doorkey: Doorkey, members: LoginSite, wish: str) -> None:
    (doorkey.folder / "doorkey.toml").write_text(SITE.format(url=members.url))
    members.sessions.add("brought")
    opening = await doorkey.start("open", "wiki", "--har", "--port", "0")
    assert opening.stderr is not None
    async with asyncio.timeout(60):
        while (
            found := re.search(rb"http://127\.0\.0\.1:\d+/dashboard/enter/\S+", await opening.stderr.readline())
        ) is None:
            assert not opening.stderr.at_eof()
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as person:
        async with person.get(found[0].decode()) as answer:
            view, base = str(answer.url), str(answer.url.origin())
            assert "wiki is open." in await answer.text()
        async with person.ws_connect(f"{view}/socket", origin=base) as socket:
            await socket.send_json({"type": "ask", "wish": wish})
            told = [message.data async for message in socket if message.type is aiohttp.WSMsgType.TEXT]
    assert "The page is closed now." in told[-1]
    done = await doorkey.end(opening)
    assert (done.code, "nothing was kept" in done.err) == ((0, False) if wish == "done" else (3, True)), done
    assert "credentials-requests.har" in done.err
    await doorkey.gone()


@pytest.mark.parametrize("flag", ["--pause", "--devtools"])
def test_what_needs_a_screen_says_so(quick: Callable[..., Done], home: Path, flag: str) -> None:
    (home / "doorkey.toml").write_text(SITE.format(url="http://127.0.0.1:9/"))
    done = quick("open", "wiki", flag)
    assert (done.code, "need a screen" in done.err) == (2, True)
