"""A login that lies in session storage and IndexedDB is given to the browser, at each visit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from doorkey import Runtime, Settings
from doorkey.browser import BrowserPool

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]
PAGE = """<!doctype html><body><script>
  const opening = indexedDB.open("auth");
  opening.onsuccess = () => {
    if (!opening.result.objectStoreNames.contains("users")) return;
    const asking = opening.result.transaction("users").objectStore("users").get("who");
    asking.onsuccess = () => {
      const seen = asking.result && sessionStorage.getItem("tab");
      if (seen) document.body.innerHTML = `<p id=in>${asking.result} in ${seen}, ${localStorage.getItem("lang")}</p>`;
    };
  };
</script>"""


async def page(request: web.Request) -> web.Response:
    return web.Response(text=PAGE, content_type="text/html")


async def test_the_browser_begins_each_visit_with_what_was_imported(browsers: BrowserPool, tmp_path: Path) -> None:
    app = web.Application()
    app.router.add_get("/", page)
    async with TestServer(app, host="127.0.0.1") as server:
        url = str(server.make_url("/"))
        users = {"name": "users", "autoIncrement": False, "records": [{"key": "who", "value": "ada"}], "indexes": []}
        origin = {
            "origin": url.rstrip("/"),
            "localStorage": [{"name": "lang", "value": "en"}],
            "sessionStorage": [{"name": "tab", "value": "tab 7"}],
            "indexedDB": [{"name": "auth", "version": 1, "stores": [users]}],
        }
        file = tmp_path / "state.json"
        file.write_text(json.dumps({"cookies": [], "origins": [origin]}))
        table = {"provider": "web", "url": url, "ready": "#in", "tokens": {"who": "#in"}}
        store = {"url": f"sqlite://{tmp_path / 'sessions.db'}"}
        settings = Settings.model_validate({"sites": {"s": table}, "store": store})
        async with Runtime(settings, pool=browsers) as runtime:
            session, taken = await runtime.logins.import_login(runtime.target("s"), file)
            assert session.tokens == {"who": "ada in tab 7, en"}
            assert set(taken.seeds) == {"sessionStorage", "indexedDB"}
        async with Runtime(settings, pool=browsers) as runtime:
            assert (await runtime.visit("s")).tokens == session.tokens
