"""A gate's pass that dies soon after other trouble: callers get answers, not the gate's page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from doorkey import Request, Runtime, Settings
from doorkey.browser import BrowserPool
from doorkey.errors import DoorkeyError

from .conftest import LocalSite, html
from .test_challenge import CHALLENGE

pytestmark = [pytest.mark.browser, pytest.mark.slow]


class Gated:
    """A site behind a challenge, whose pass it takes as long as it likes.

    `broken`: it challenges everybody on `/api/`, whatever they bring.
    """

    def __init__(self, site: LocalSite, page: str, status: int) -> None:
        self.valid, self.broken, self.given = 1, False, 0
        self.page, self.status = page, status
        site.pages |= {"/": self.home, "/pass": self.give, "/api/a": self.api, "/api/b": self.api}

    def _lets_in(self, request: web.Request) -> bool:
        return request.cookies.get("pass") == str(self.valid)

    def _refuse(self) -> web.Response:
        return html(self.page + "<script>fetch('/pass').then(() => location.reload())</script>", self.status)

    async def home(self, request: web.Request) -> web.StreamResponse:
        return html("<p id=in>welcome</p>") if self._lets_in(request) else self._refuse()

    async def give(self, request: web.Request) -> web.StreamResponse:
        self.given += 1
        return web.Response(headers={"Set-Cookie": f"pass={self.valid}; Path=/"})

    async def api(self, request: web.Request) -> web.StreamResponse:
        if self.broken or not self._lets_in(request):
            return self._refuse()
        return web.json_response({"ok": True})


@pytest.fixture(params=["named", "unnamed"])
def gated(site: LocalSite, request: pytest.FixtureRequest) -> Gated:
    return Gated(site, *((CHALLENGE, 200) if request.param == "named" else ("<p>Checking</p>", 403)))


@pytest.fixture
async def runtime(browsers: BrowserPool, site: LocalSite) -> AsyncIterator[Runtime]:
    table = {"provider": "web", "url": site.url, "ready": "#in", "transport": "direct"}
    settings = Settings.model_validate({"sites": {"s": table}, "store": {"url": "memory://"}})
    async with Runtime(settings, pool=browsers) as found:
        yield found


async def ask(runtime: Runtime, path: str = "/api/a") -> bytes | str:
    """The answer to a request, or what it failed with."""
    try:
        answer = await runtime.send("s", Request(url=path, repeatable=True, expects=("application/json",)))
        async with answer:
            return b"".join([piece async for piece in answer])
    except DoorkeyError as error:
        return type(error).__name__


GOOD = b'{"ok": true}'


async def test_a_pass_that_dies_after_a_trouble_that_ended_is_renewed(gated: Gated, runtime: Runtime) -> None:
    assert await ask(runtime) == GOOD
    gated.broken = True
    assert await ask(runtime) != GOOD
    gated.broken = False
    assert await ask(runtime) == GOOD
    gated.valid += 1
    given = gated.given
    assert set(await asyncio.gather(*(ask(runtime) for _ in range(8)))) == {GOOD}
    assert gated.given == given + 1


async def test_a_pass_that_dies_again_and_again_is_renewed_each_time(gated: Gated, runtime: Runtime) -> None:
    for _ in range(3):
        gated.broken = True
        await ask(runtime)
        gated.broken = False
        assert await ask(runtime) == GOOD
        gated.valid += 1
        assert await ask(runtime) == GOOD


async def test_a_pass_that_dies_while_another_path_is_in_trouble_is_renewed(gated: Gated, runtime: Runtime) -> None:
    assert await ask(runtime, "/api/b") == GOOD
    gated.broken = True
    await ask(runtime)
    gated.broken = False
    gated.valid += 1
    assert await ask(runtime, "/api/b") == GOOD
    assert await ask(runtime) == GOOD
