"""A page in a real browser, driven by pytest-playwright: `pytest -m page tests/browser/page`, its own invocation."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from doorkey.browser import find_chromium
from doorkey.browser.arguments import list_arguments

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [
    pytest.mark.page,
    # The plugin's own fixtures are written in a way that pytest 10 will refuse.
    pytest.mark.filterwarnings("ignore::pytest.PytestRemovedIn10Warning"),
]


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    return {"executable_path": find_chromium().path, "args": list_arguments()}


class OnePage(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<button onclick=\"this.textContent = 'done'\">go</button>")

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@pytest.fixture
def served() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), OnePage) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_a_served_page_reacts_to_a_click(page: Page, served: str) -> None:
    page.goto(served)
    page.get_by_role("button").click()
    assert page.get_by_role("button").text_content() == "done"
