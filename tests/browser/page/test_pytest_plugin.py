"""A test with pytest-playwright begins logged in, by doorkey's fixtures."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

sys.path.insert(0, str(Path(__file__).parents[2]))
from elsewhere import Elsewhere
from login_site import PASSWORD, USER, LoginSite

from .test_page import browser_type_launch_args as browser_type_launch_args
from .test_page import pytestmark as pytestmark

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

pytest_plugins = ["doorkey.pytest_plugin"]
SITE = """
[sites.wiki]
provider = "web"
url = "{url}"
ready = "a[href*=logout]"
visit.steps = [
  {{ open = "/login" }}, {{ fill = "#user", value = "env:WIKI_USER" }}, {{ fill = "#pw", value = "env:WIKI_PW" }},
  {{ click = "form button" }},
]
"""

TAB = """<!doctype html><title>tab</title><body><script>
if (!localStorage.getItem("seen")) sessionStorage.setItem("login", "first");
localStorage.setItem("seen", "1");
const login = sessionStorage.getItem("login");
document.body.innerHTML = login ? `<p id=in>${login}</p>` : "<p>stranger</p>";
</script>"""
"""A site whose login is in the tab's session storage only."""


@pytest.fixture
def tab(elsewhere: Elsewhere, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    async def home(_: web.Request) -> web.Response:
        return web.Response(text=TAB, content_type="text/html")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    app = web.Application()
    app.router.add_get("/", home)
    with elsewhere(TestServer(app, host="127.0.0.1")) as server:
        url = str(server.make_url("/"))
        (tmp_path / "doorkey.toml").write_text(f'[sites.tab]\nprovider = "web"\nurl = "{url}"\nready = "#in"\n')
        yield url


@pytest.fixture
def wiki(elsewhere: Elsewhere, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoginSite]:
    site = LoginSite()
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "HOME": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path / "data"),
        "WIKI_USER": USER,
        "WIKI_PW": PASSWORD,
    }.items():
        monkeypatch.setenv(name, value)
    with elsewhere(TestServer(site.app(), host="127.0.0.1")) as server:
        site.url = str(server.make_url("/"))
        (tmp_path / "doorkey.toml").write_text(SITE.format(url=site.url))
        yield site


def test_a_context_is_logged_in_and_the_login_was_made_once(
    wiki: LoginSite, doorkey_context: Callable[..., BrowserContext]
) -> None:
    for _ in range(2):
        page = doorkey_context("wiki").new_page()
        page.goto(wiki.url)
        assert page.get_by_role("link", name="Log out").is_visible()
    assert wiki.logins == 1


def test_a_page_begins_with_the_session_storage_of_the_visit_and_keeps_what_the_site_makes_of_it(
    tab: str, doorkey_context: Callable[..., BrowserContext]
) -> None:
    context = doorkey_context("tab")
    for _ in range(2):
        page = context.new_page()
        page.goto(tab)
        assert page.locator("#in").inner_text() == "first"
        page.evaluate("sessionStorage.setItem('login', 'rotated')")
        page.reload()
        assert page.locator("#in").inner_text() == "rotated"
