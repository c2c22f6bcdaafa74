"""The dashboard's HTML, made from templates that escape all values."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from aiohttp import web

from doorkey.service.dashboard.viewers import INNER, PAGE

if TYPE_CHECKING:
    from jinja2 import Environment

PACKAGE = "doorkey.service.dashboard"
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": CSP,
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",  # with no-referrer, browsers send `Origin: null` with our own forms
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@cache
def _load_environment() -> Environment:
    # Imported by the first page: most services are never looked at.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader(PACKAGE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def render(template: str, **values: object) -> str:
    """Return *template* filled with *values*, all of them escaped."""
    return _load_environment().get_template(template).render(**values)


@cache
def read_asset(name: str) -> str:
    """Return the text of a style sheet or script of the dashboard's."""
    return (resources.files(PACKAGE) / "assets" / name).read_text("utf-8")


def respond(text: str, status: int = 200, csp: str = CSP) -> web.Response:
    """Return an answer with a page, which no cache keeps and no other page frames."""
    return web.Response(status=status, text=text, headers={**HEADERS, "Content-Security-Policy": csp})


def wants_page(request: web.Request) -> bool:
    """Return whether *request* is a person's who opens the dashboard in a browser."""
    on_dashboard = request.path == PAGE or request.path.startswith(INNER)
    return on_dashboard and request.method == "GET" and "text/html" in request.headers.get("Accept", "")


LOGIN_ONLY = web.AppKey("LOGIN_ONLY", str)
"""The site's name, in the service of `doorkey login --link`, which has nothing but that login's live view."""


def show_how_to_come_in(request: web.Request) -> web.Response:
    """Return the page for a browser that shows no key: what this service is, and how to get a one-time link."""
    style = read_asset("come_in.css")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    csp = f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; frame-ancestors 'none'"
    response = respond(_write_come_in(request.path != PAGE, request.app.get(LOGIN_ONLY, "")), 401, csp)
    response.headers["WWW-Authenticate"] = "Bearer"
    return response


@cache
def _write_come_in(by_link: bool, login_only: str) -> str:
    from markupsafe import Markup

    return render("come_in.html", style=Markup(read_asset("come_in.css")), by_link=by_link, login_only=login_only)  # noqa: S704 - our own file
