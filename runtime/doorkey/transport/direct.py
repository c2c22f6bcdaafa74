"""Carries requests by aiohttp: one light client for all sites, dressed as the browser that made the session."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable
from dataclasses import dataclass
from functools import lru_cache
from types import TracebackType
from typing import Self

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from doorkey.clock import Clock
from doorkey.errors import Changed, DoorkeyError
from doorkey.model.request import HEAD_BYTES, Head, Request
from doorkey.model.session import Session
from doorkey.model.site import Site
from doorkey.model.site_access import HttpCredentials, TlsSetup
from doorkey.model.upload import Upload
from doorkey.model.urls import origin_of
from doorkey.network.socks import is_socks, socks_connector, socks_errors, socks_failure
from doorkey.network.tls import make_context
from doorkey.network.url_policy import PLAIN_PATH, PublicResolver, request_url, same_host
from doorkey.transport.authentication import Authentication
from doorkey.transport.compression import ACCEPTED, unpack_exchange
from doorkey.transport.conversation import Conversation
from doorkey.transport.headers import SessionHeaders
from doorkey.transport.http_client import LONGEST_LINE, HttpClient, encode_body
from doorkey.transport.redirects import allowed_redirect, redirected
from doorkey.transport.stream import BROKEN, Exchange, Stream, buffered, translated
from doorkey.transport.timeouts import Timeout, Timeouts
from doorkey.transport.websocket import NoBody, WebSocket, open_websocket

OWN, FOREIGN = "own", "foreign"
"""The clients for a site itself, and for other hosts, which have to be public."""
IDLE_CONNECTION = 4.0
"""Seconds for which an unused connection is kept. Common servers close theirs after 5 s, maybe under a POST."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds until the first byte of an answer, and between two reads of it."""

    first_byte: float = 60.0
    idle: float = 60.0


class Direct:
    """The `direct` transport. Starts nothing until the first request; `close` ends all connections."""

    def __init__(self, *, clock: Clock, limits: Limits | None = None) -> None:
        self._clock = clock
        self._limits = limits or Limits()
        self.headers = SessionHeaders(clock)
        self._waits = Timeouts()
        self._clients: dict[str, HttpClient] = {}
        self._contexts: dict[TlsSetup, ssl.SSLContext] = {}
        self._authentications: dict[tuple[str, HttpCredentials], Authentication] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        await self.close()

    async def open(
        self,
        request: Request,
        session: Session,
        site: Site,
        *,
        conversation: Conversation | None = None,
        sliding: tuple[str, ...] = (),
        total: float = float("inf"),
    ) -> Stream:
        """Send *request* and return its answer as soon as its head has come. *total* seconds are left for all of it.

        Raises RequestError for a target that is not allowed, SiteDown if the site can't be reached (`arrived` tells
        whether the request may have got there), TimeLimit, NotPlainHttp if only a browser can speak with
        the site.
        """
        path = request.url.removeprefix(site.origin)
        plain = not request.query and PLAIN_PATH.fullmatch(path)
        url = site.origin + path if plain else request_url(request, site)
        if site.tls is not None or site.credentials is not None:
            await self._prepare(site)
        conversation = conversation or Conversation(self._clock)
        deadline = self._waits.loop.time() + total
        upload = request.body if isinstance(request.body, Upload) else None
        follow = request.follow
        for _ in range(follow + 1):
            carried = self.headers.jar(session)
            try:
                with Timeout(self._waits, "first byte", self._limits.first_byte, deadline, upload):
                    if request.websocket is None:
                        response, socket = await self._ask(request, url, session, site, conversation), None
                    else:
                        response, socket = await self._upgrade(request, url, session, site, conversation)
            except DoorkeyError as error:
                error.site = site.name
                raise
            except BROKEN as broken:
                failure = translated(broken)
                failure.site = site.name
                raise failure from broken
            except socks_errors(site.proxy) as broken:
                failure = socks_failure(broken)
                failure.site = site.name
                raise failure from broken
            if "set-cookie" in response.headers:
                # Another host's cookie of that name is none of the session's.
                own = sliding if origin_of(url) == site.origin else ()
                slid = conversation.keep(url, response.headers, carried, own)
                if slid:
                    self.headers.slide(session, slid, carried)
            if socket is not None:
                head = self._read_head(response, url)
                return Stream(NoBody(), head, b"", self._waits, self._limits.idle, deadline, websocket=socket)
            onward = redirected(request, self._read_head(response, url), site) if follow else None
            if onward is None:
                return self._begin(request, response, url, site, deadline, upload)
            response.release()
            request, url = allowed_redirect(request, onward, site)
        raise Changed(f"{site.name}: {request.what} was redirected more than {follow} times", site=site.name)

    def _read_head(self, response: aiohttp.ClientResponse, url: str) -> Head:
        return Head(status=response.status, headers=response.headers, url=url, received=self._clock.wall())

    def _begin(
        self,
        request: Request,
        response: aiohttp.ClientResponse,
        url: str,
        site: Site,
        deadline: float,
        upload: Upload | None,
    ) -> Stream:
        """The answer, with what came of its body together with its head."""
        if response.status == 101:
            response.close()
            raise Changed(f"{site.name}: the site switched protocols, which nobody asked it for", site=site.name)
        exchange: Exchange = response
        start, wall = b"", self._clock.wall()
        try:
            if "content-encoding" not in response.headers:
                start = buffered(response.content)
            elif request.encodings is None:
                exchange = unpack_exchange(response, response.headers)
        except DoorkeyError as error:
            response.close()
            error.site = site.name
            raise
        first = start[:HEAD_BYTES]
        head = Head(status=response.status, headers=response.headers, url=url, start=first, received=wall)
        return Stream(exchange, head, start, self._waits, self._limits.idle, deadline, upload)

    async def close(self) -> None:
        clients, self._clients = self._clients, {}
        for client in clients.values():
            await client.close()
        self._waits.close()

    def _ask(
        self, request: Request, url: str, session: Session, site: Site, conversation: Conversation
    ) -> Awaitable[aiohttp.ClientResponse]:
        headers = self._headers(request, url, session, site, conversation)
        body = kind = None
        if not (request.body is None and request.form is None and request.json is None and request.parts is None):
            body, kind = encode_body(request)
        if kind and "content-type" not in headers:
            headers["content-type"] = kind
        headers["accept-encoding"] = ACCEPTED if request.encodings is None else request.encodings
        if isinstance(body, Upload) and body.length is not None:
            headers["content-length"] = str(body.length)
        ordinary, client, proxy = True, self._clients.get(OWN), None
        if client is None or site.proxy is not None or not request.own_host:
            client, proxy = self._way(request, url, site)
        if site.tls is not None or site.credentials is not None:
            ordinary = origin_of(url) != site.origin
        return client.request(
            request.method,
            wire_url(url),
            headers=headers,
            body=body,
            proxy=proxy,
            tls=True if ordinary else self._context(site),
            authentication=None if ordinary else self._authentication(site),
        )

    async def _upgrade(
        self, request: Request, url: str, session: Session, site: Site, conversation: Conversation
    ) -> tuple[aiohttp.ClientResponse, WebSocket | None]:
        client, proxy = self._way(request, url, site)
        own = origin_of(url) == site.origin
        authentication = self._authentication(site) if own else None
        return await open_websocket(
            client.connector,
            wire_url(url),
            subprotocols=request.websocket or (),
            headers=self._headers(request, url, session, site, conversation),
            proxy=proxy,
            tls=self._context(site) if own else True,
            middlewares=() if authentication is None else (authentication,),
            longest_line=LONGEST_LINE,
        )

    async def _prepare(self, site: Site) -> None:
        """Read the certificates and the secrets that *site* is configured with. Raises ConfigurationError."""
        if site.tls is not None and site.tls not in self._contexts:
            self._contexts[site.tls] = await make_context(site.tls)
        if site.credentials is not None and (site.origin, site.credentials) not in self._authentications:
            self._authentications[site.origin, site.credentials] = await Authentication.build(site.credentials)

    def _context(self, site: Site) -> ssl.SSLContext | bool:
        return True if site.tls is None else self._contexts[site.tls]

    def _authentication(self, site: Site) -> Authentication | None:
        return None if site.credentials is None else self._authentications[site.origin, site.credentials]

    def _way(self, request: Request, url: str, site: Site) -> tuple[HttpClient, str | None]:
        """The client that carries *request* to *url*, and the HTTP proxy that it is given."""
        # Through a proxy it is the proxy that resolves names; ours would only refuse a proxy on this machine.
        socks = site.proxy if site.proxy is not None and is_socks(site.proxy) else None
        foreign = not request.own_host and site.proxy is None and not same_host(url, site)
        return self._client(FOREIGN if foreign else socks or OWN), None if socks else site.proxy

    def _headers(
        self, request: Request, url: str, session: Session, site: Site, conversation: Conversation
    ) -> CIMultiDict[str]:
        headers = self.headers.for_request(request, session, url, site)
        if conversation.by_identity and not request.anonymous:
            headers.popall("cookie", None)
            cookie = conversation.over(self.headers.jar(session)).header_for(url, self._clock.wall())
            if cookie is not None:
                headers["cookie"] = cookie
        for name, value in request.headers.items():
            headers[name.lower()] = value
        return headers

    def _client(self, way: str) -> HttpClient:
        """The client for one way out: OWN, FOREIGN, or the URL of a SOCKS proxy."""
        client = self._clients.get(way)
        if client is None:
            client = self._clients[way] = HttpClient(_connector(way))
        return client


def _connector(way: str) -> aiohttp.TCPConnector:
    if way not in (OWN, FOREIGN):
        return socks_connector(way, keepalive=IDLE_CONNECTION)
    resolver = PublicResolver() if way == FOREIGN else None
    return aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE_CONNECTION, resolver=resolver)


@lru_cache(256)
def wire_url(url: str) -> URL:
    """*url*, as `request_url` made it, for aiohttp: sent byte for byte."""
    if url.endswith("?"):
        # yarl drops an empty query unless it is part of the path.
        found = URL(url, encoded=True)
        return URL.build(scheme=found.scheme, authority=found.raw_authority, path=found.raw_path + "?", encoded=True)
    return URL(url, encoded=True)
