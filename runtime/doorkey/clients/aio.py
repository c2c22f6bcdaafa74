"""A client into one site that feels like an aiohttp session.

async with doorkey.client("wiki") as wiki:
    async with wiki.get("/api/items", params={"page": 2}) as answer:
        print(answer.status, await answer.json())
"""

from __future__ import annotations

import math
import re
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Protocol, Self, Unpack

from doorkey.clients.payload import Data, Params, RequestOptions, body_of
from doorkey.clients.response import Response
from doorkey.clients.websocket import ClientWebSocket, PendingWebSocket, take_websocket
from doorkey.clock import Clock, check_seconds
from doorkey.config.settings import Settings
from doorkey.engine.answer import Answer
from doorkey.errors import DoorkeyError, SiteError
from doorkey.model.request import SAFE_METHODS, Request, insists_on
from doorkey.model.site import Site
from doorkey.model.upload import Upload
from doorkey.runtime import Runtime
from doorkey.transport.redirects import REDIRECTS, redirected

MOST_REDIRECTS = 10
WEBSOCKET = re.compile(r"\Aws(s)?://", re.I)


class Sender(Protocol):
    """What a client needs of a Runtime."""

    @property
    def sites(self) -> Mapping[str, Site]: ...

    @property
    def clock(self) -> Clock: ...

    async def send(self, site: str, request: Request, *, timeout: float | None = None) -> Answer[bytes]: ...


class PendingResponse:
    """A request to be sent: by `await`, or by `async with`, which also ends it."""

    def __init__(self, client: Client, request: Request, timeout: float, *, follow: bool) -> None:
        self._client = client
        self._request = request
        self._timeout = timeout
        self._follow = follow
        self._response: Response | None = None

    def __await__(self) -> Generator[Any, None, Response]:
        return self._client.send(self._request, timeout=self._timeout, follow=self._follow).__await__()

    async def upgrade(self, protocols: tuple[str, ...]) -> ClientWebSocket:
        """Send it as the opening of a WebSocket that offers these sub*protocols*."""
        request = replace(self._request, websocket=protocols)
        return await take_websocket(await self._client.send(request, timeout=self._timeout, follow=False))

    async def __aenter__(self) -> Response:
        self._response = await self
        return self._response

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._response is not None:
            await self._response.aclose()


class Client:
    """Requests to one site, each with its session. `timeout`: seconds for a whole request; without it only its parts
    are limited (limits.visit, limits.first_byte, limits.idle)."""

    def __init__(self, site: str, runtime: Sender | None = None, *, timeout: float | None = None) -> None:
        self.site = site
        self._timeout = math.inf if timeout is None else check_seconds(timeout)
        self._given = runtime
        self._private: Runtime | None = None

    async def __aenter__(self) -> Self:
        if self._given is None:
            own = Runtime(Settings.load())
            own.provider(self.site)  # a name that is unknown is told now
            self._private = own
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        own, self._private = self._private, None
        if own is not None:
            await own.close()

    def request(
        self,
        method: str,
        url: str,
        *,
        params: Params | None = None,
        data: Data | None = None,
        json: Any = None,
        files: Any = None,
        headers: Mapping[str, str] | None = None,
        allow_redirects: bool = True,
        timeout: float | None = None,
    ) -> PendingResponse:
        """*url* is a path of the site or an absolute URL there. Raises RequestError for another, when it is sent."""
        if not isinstance(url, str):
            raise TypeError(
                f"url: expected a path of the site, such as '/api/items', or a URL there; came a {type(url).__name__}"
            )
        limit = self._timeout if timeout is None else check_seconds(timeout)
        body, kind = body_of(data, json, files)
        own = _lower_names(headers or {})
        accept = own.pop("accept", "*/*")
        if kind is not None:
            own.setdefault("content-type", kind)
        if isinstance(params, str):
            url, params = f"{url}{'&' if '?' in url else '?'}{params}", None
        request = Request(
            url=url,
            method=method.upper(),
            what=f"{method.upper()} {url.partition('?')[0]}",
            query=params,
            headers=own,
            accept=accept,
            expects=insists_on(accept),
            referer=own.pop("referer", None),
            repeatable=method.upper() in SAFE_METHODS,
            **body,
        )
        return PendingResponse(self, request, limit, follow=allow_redirects)

    def get(self, url: str, **more: Unpack[RequestOptions]) -> PendingResponse:
        return self.request("GET", url, **more)

    def options(self, url: str, **more: Unpack[RequestOptions]) -> PendingResponse:
        return self.request("OPTIONS", url, **more)

    def head(self, url: str, **more: Unpack[RequestOptions]) -> PendingResponse:
        more.setdefault("allow_redirects", False)
        return self.request("HEAD", url, **more)

    def post(self, url: str, **more: Unpack[RequestOptions]) -> PendingResponse:
        return self.request("POST", url, **more)

    def put(self, url: str, **more: Unpack[RequestOptions]) -> PendingResponse:
        return self.request("PUT", url, **more)

    def patch(self, url: str, **more: Unpack[RequestOptions]) -> PendingResponse:
        return self.request("PATCH", url, **more)

    def delete(self, url: str, **more: Unpack[RequestOptions]) -> PendingResponse:
        return self.request("DELETE", url, **more)

    def ws_connect(
        self,
        url: str,
        *,
        protocols: Sequence[str] = (),
        params: Params | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> PendingWebSocket:
        """A WebSocket at *url*, with the session's cookies, tokens and origin. *timeout* is for its opening.

        Raises, when it is opened, what `request` does, and SiteError (or a subclass) if the site refuses the upgrade
        of a renewed session, too.
        """
        url = WEBSOCKET.sub(lambda found: "https://" if found[1] else "http://", url)
        pending = self.request("GET", url, params=params, headers=headers, allow_redirects=False, timeout=timeout)
        return PendingWebSocket(lambda: pending.upgrade(tuple(protocols)))

    async def send(self, request: Request, *, timeout: float, follow: bool) -> Response:
        """*request*'s answer, redirects followed. Raises DoorkeyError, and what a body's own source raised."""
        runtime = self._private or self._given
        if runtime is None:
            raise RuntimeError("the client is not open: use it by `async with`")
        deadline = runtime.clock.now() + timeout
        for _ in range(MOST_REDIRECTS + 1):
            try:
                answer = await runtime.send(self.site, request, timeout=max(0.0, deadline - runtime.clock.now()))
            except BaseException as error:
                failure = await _left_unread(request)
                if isinstance(error, DoorkeyError) and failure is not None:
                    raise failure from error
                raise
            onward = _onward(request, answer, runtime.sites, self.site) if follow else None
            if onward is None:
                return Response(answer, request)
            await answer.aclose()
            if onward.body is None:
                await _left_unread(request)
            request = onward
        await _left_unread(request)
        raise SiteError(f"{self.site}: redirected more than {MOST_REDIRECTS} times", site=self.site)


def _onward(request: Request, answer: Answer[bytes], sites: Mapping[str, Site], name: str) -> Request | None:
    """The request that the redirect in *answer* asks for, or None if there is none to send.

    The client follows redirects, not the transport: a redirect to a login page has to be judged first.
    """
    if not answer.verdict or answer.head.status not in REDIRECTS:
        return None
    others = {other.origin for other in sites.values()} - {sites[name].origin}
    return redirected(replace(request, cookies=answer.cookies), answer.head, sites[name], others)


async def _left_unread(request: Request) -> Exception | None:
    """End the reading of *request*'s body; returns what its own source failed with."""
    if not isinstance(request.body, Upload):
        return None
    await request.body.aclose()
    return request.body.failure


def client(site: str, *, runtime: Sender | None = None, timeout: float | None = None) -> Client:
    """A client into a configured *site*, with a Runtime of its own (from `Settings.load()`) unless one is given."""
    return Client(site, runtime, timeout=timeout)


def _lower_names(headers: object) -> dict[str, str]:
    """Return *headers* with their names in lower case. Raises TypeError for anything but texts by names."""
    if not isinstance(headers, Mapping):
        came = type(headers).__name__
        raise TypeError(f"headers: expected texts by names, such as {{'Accept': 'text/html'}}; came {came}")
    for name, value in headers.items():
        if not isinstance(name, str) or not isinstance(value, str):
            came = f"{type(value).__name__} for {name!r}" if isinstance(name, str) else type(name).__name__
            raise TypeError(f"headers: expected texts by names, such as {{'Accept': 'text/html'}}; came {came}")
    return {name.lower(): value for name, value in headers.items()}
