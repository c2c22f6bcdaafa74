"""The forms of the dashboard's page: reads them, and does what they ask for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias
from urllib.parse import parse_qsl

from aiohttp import web

from doorkey.errors import DoorkeyError
from doorkey.service.body import read_whole
from doorkey.service.dashboard.page import render, respond
from doorkey.service.dashboard.viewers import FORM_FIELD, PAGE, Viewers
from doorkey.service.failure import Refusal, failure_of
from doorkey.service.middleware import BASE_PATH

Act: TypeAlias = Callable[[web.Request, Mapping[str, str]], Awaitable[str | None]]
"""Does what a form's fields ask for. Returns the path of the page to show then; None for the dashboard's."""
LONGEST = 16384
"""Bytes of a form. The longest one holds an address, a user's name and a password."""
SCRIPT = "x-doorkey-script"
"""Set by the page's script, which wants no redirect to the page."""


async def read_form(request: web.Request, viewers: Viewers) -> Mapping[str, str]:
    """Return the fields of a form. Raises Refusal unless it is one of the dashboard's page."""
    body = await read_whole(request)
    if len(body) > LONGEST:
        raise Refusal(413, "too_large", f"a form of at most {LONGEST} bytes was expected, {len(body)} came")
    fields = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    viewers.check_form(request, fields.pop(FORM_FIELD, ""))
    return fields


def form_handler(viewers: Viewers, act: Act) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Return the handler of a form that does *act*. Without the page's script, a failure is a page of its own."""

    async def handle(request: web.Request) -> web.Response:
        if SCRIPT in request.headers:
            await act(request, await read_form(request, viewers))
            return web.Response(status=204)
        try:
            path = await act(request, await read_form(request, viewers))
        except (DoorkeyError, Refusal) as error:
            failure = error.failure if isinstance(error, Refusal) else failure_of(error)
            text = render("failure.html", base=request.app[BASE_PATH], message=failure.message)
            return respond(text, failure.status)
        return to_page(request, path or PAGE)

    return handle


def to_page(request: web.Request, path: str = PAGE) -> web.Response:
    """Return the answer that leads to the page at *path*."""
    location = f"{request.app[BASE_PATH]}{path}"
    return web.Response(status=303, headers={"Location": location, "Cache-Control": "no-store"})
