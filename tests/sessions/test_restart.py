"""A site that restarts in the middle of a login costs one more try."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiohttp import web

import doorkey
from login_site import PASSWORD, USER, LoginSite

pytestmark = [pytest.mark.browser, pytest.mark.slow]


class RestartingSite(LoginSite):
    """Drops the first request for `drops` and takes no connections until `start` is called.

    The request gets no answer, or with *cut* the beginning of one.
    """

    def __init__(self, drops: tuple[str, str], *, cut: bool = False) -> None:
        super().__init__()
        self._drops: tuple[str, str] | None = drops
        self._cut = cut
        self._port = 0
        self._runner: web.AppRunner | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.gone = asyncio.Event()

    async def start(self) -> None:
        @web.middleware
        async def drop(request: web.Request, handler: web.RequestHandler) -> web.StreamResponse:  # type: ignore[type-arg]
            if (request.method, request.path) == self._drops:
                self._drops = None
                assert request.transport is not None
                if self._cut:
                    answer = web.StreamResponse(headers={"Content-Type": "text/html", "Content-Length": "1000"})
                    await answer.prepare(request)
                    await answer.write(b"<!doctype html><p>half")
                    request.transport.close()
                else:
                    request.transport.abort()
                self._tasks.add(asyncio.create_task(self.stop()))
                await asyncio.Event().wait()
            return await handler(request)  # type: ignore[operator, no-any-return]

        app = self.app()
        app.middlewares.append(drop)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self._port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self._port}/"

    async def stop(self) -> None:
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()
            self.gone.set()

    async def come_back(self) -> None:
        await self.gone.wait()
        await self.start()


@pytest.mark.parametrize(
    ("drops", "cut"),
    [(("POST", "/login"), False), (("POST", "/login"), True), (("GET", "/login"), False), (("GET", "/"), False)],
)
async def test_a_site_that_restarts_in_the_middle_of_a_login_costs_one_more_try(
    drops: tuple[str, str], cut: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in ("DATA", "CONFIG", "STATE", "CACHE"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / kind))
    monkeypatch.setenv("THE_PASSWORD", PASSWORD)
    site = RestartingSite(drops, cut=cut)
    await site.start()
    file = tmp_path / "doorkey.toml"
    file.write_text(
        f'[sites.s]\nprovider = "web"\nurl = "{site.url}"\nready = "a[href=\'/logout\']"\nstale = [401]\n'
        'tokens.c = "meta[name=csrf]@content"\nsend.header.X-CSRF = "{c}"\n'
        f'visit.steps = [{{ open = "/login" }}, {{ fill = "#user", value = "{USER}" }}, '
        '{ fill = "#pw", value = "env:THE_PASSWORD" }, { click = "button" }]\n'
    )
    async with doorkey.Runtime(doorkey.Settings.load(file)) as runtime:
        coming = asyncio.create_task(site.come_back())
        async with doorkey.client("s", runtime=runtime) as client:
            answer = await client.post("/api/items", data="once")
        await coming
    await site.stop()
    assert (answer.status, site.wrote) == (200, ["once"])
    assert site.logins == 1, "the dropped login never reached the site's own code"
