"""A session renewed and read through the service, at a site with a real page."""

from __future__ import annotations

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from doorkey import Runtime, Settings
from doorkey.model.events import Event, VisitRecord
from doorkey.service.app import build_app, serve
from doorkey_providers.twins.wordpress import ChatgptFreeTwin


@pytest.mark.browser
async def test_a_session_is_renewed_and_read() -> None:
    async with ChatgptFreeTwin() as twin:
        settings = Settings.model_validate({"sites": {twin.name: {"url": twin.url}}, "store": {"url": "memory://"}})
        async with (
            Runtime(settings) as runtime,
            serve(build_app(runtime, service=settings.service, key=None), "127.0.0.1", 0, shutdown=1.0) as base,
            aiohttp.ClientSession(base) as client,
        ):
            generations: list[int] = []
            visits: list[Event] = []
            runtime.events.subscribe(visits.append)
            for _ in range(2):
                async with client.post(f"/api/sites/{twin.name}/renew") as response:
                    status = await response.json()
                    assert (response.status, status["state"]) == (200, "fresh")
                    generations.append(status["gen"])
            assert generations[1] > generations[0]
            assert [record.rung[:7] for record in visits if isinstance(record, VisitRecord)] == ["browser", "browser"]
            async with client.get(f"/api/sites/{twin.name}/session") as response:
                told = await response.json()
                assert response.headers["Cache-Control"] == "no-store"
            assert told["site"] == twin.name
            assert "user-agent" in told["headers"]
            assert set(told["storage_state"]) == {"cookies", "origins"}
            async with client.get(f"/api/sites/{twin.name}/session?as=cookies.txt") as response:
                assert (await response.text()).startswith("# Netscape HTTP Cookie File")
            async with client.get(f"/api/sites/{twin.name}/session?as=xml") as response:
                assert (response.status, (await response.json())["error"]["param"]) == (400, "as")
            async with client.post("/api/sites/nobody/renew") as response:
                assert (response.status, (await response.json())["error"]["code"]) == (404, "site_not_found")


async def test_a_paused_site_is_sent_nothing_until_it_is_resumed() -> None:
    async with ChatgptFreeTwin() as twin:
        settings = Settings.model_validate({"sites": {twin.name: {"url": twin.url}}, "store": {"url": "memory://"}})
        async with (
            Runtime(settings) as runtime,
            serve(build_app(runtime, service=settings.service, key=None), "127.0.0.1", 0, shutdown=1.0) as base,
            aiohttp.ClientSession(base) as client,
        ):
            async with client.post(f"/api/sites/{twin.name}/pause") as response:
                assert (response.status, (await response.json())["state"]) == (200, "paused")
            body = {"model": twin.name, "messages": [{"role": "user", "content": "Hi"}]}
            for method, path in (("POST", "/v1/chat/completions"), ("GET", f"/site/{twin.name}/")):
                async with client.request(method, path, json=body) as response:
                    assert response.status == 503
                    assert "paused" in (await response.json())["error"]["message"]
            async with client.post(f"/api/sites/{twin.name}/renew") as response:
                assert response.status == 503
            assert twin.counts.page_loads == 0
            async with client.post(f"/api/sites/{twin.name}/resume") as response:
                assert (response.status, (await response.json())["state"]) == (200, "none")
            async with client.post("/api/sites/nobody/pause") as response:
                assert (response.status, (await response.json())["error"]["code"]) == (404, "site_not_found")


async def test_a_session_is_pushed_in_and_a_rotating_one_is_told() -> None:
    async def page(request: web.Request) -> web.Response:
        inside = request.cookies.get("sid", "").startswith("mine")
        answer = web.Response(text="<h1>in</h1>" if inside else "<p>Log in</p>", content_type="text/html")
        if inside:
            answer.set_cookie("sid", "mine-2")
        return answer

    app = web.Application()
    app.router.add_get("/", page)
    async with TestServer(app, host="127.0.0.1") as site:
        url = str(site.make_url("/"))
        settings = Settings.model_validate(
            {"sites": {"wiki": {"provider": "web", "url": url, "ready": "h1"}}, "store": {"url": "memory://"}}
        )
        async with (
            Runtime(settings) as runtime,
            serve(build_app(runtime, service=settings.service, key=None), "127.0.0.1", 0, shutdown=1.0) as base,
            aiohttp.ClientSession(base) as client,
        ):
            path = "/api/sites/wiki/session"
            cookies = "127.0.0.1\tFALSE\t/\tFALSE\t0\tsid\tmine-1\nother.example\tFALSE\t/\tFALSE\t0\ta\tb\n"
            async with client.put(path, data=cookies) as response:
                told = await response.json()
                assert (response.status, told["kind"], told["cookies"]) == (200, "cookies.txt", ["sid"])
                assert (told["foreign"], told["changed"]) == (["other.example"], ["sid"])
                assert "one program's" in told["note"]
            state = {"cookies": [{"name": "sid", "value": "mine-2", "domain": "127.0.0.1", "path": "/"}]}
            async with client.put(path, json=state) as response:
                told = await response.json()
                assert (response.status, told["kind"], told["note"]) == (200, "storage state", "")
            async with client.get("/site/wiki/") as response:
                assert await response.text() == "<h1>in</h1>"
            for body, status in ((b"{}", 400), (b"\xff\xfe", 400), (b"", 400), (b"[]", 400)):
                async with client.put(path, data=body) as response:
                    assert (response.status, (await response.json())["error"]["param"]) == (status, None)
            async with client.put("/api/sites/nobody/session", data=cookies) as response:
                assert (response.status, (await response.json())["error"]["code"]) == (404, "site_not_found")
