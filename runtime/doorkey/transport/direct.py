"""Carries requests by aiohttp: one light client for all sites, dressed as the browser that made the session."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import socket
from collections.abc import AsyncGenerator, Awaitable
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urljoin, urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from doorkey.clock import Clock
from doorkey.errors import Changed, Cut, DoorkeyError, RequestError, SiteDown, TimeLimit
from doorkey.provider import HEAD_BYTES, Head, Reply, Request, Site
from doorkey.session import Session
from doorkey.transport.headers import FETCH, PAGE_LOAD, Conversation, SessionHeaders

T = TypeVar("T")
REDIRECTS = (301, 302, 303, 307, 308)
IDLE_CONNECTION = 4.0
"""Seconds an unused connection is kept: below the 5 s after which common servers close theirs under our POST."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds until the first byte of an answer, and between two reads of it."""

    first_byte: float = 60.0
    idle: float = 60.0


class Stream:
    """An answer that has begun. `head.start` holds the first bytes, which `chunks` yields again."""

    def __init__(
        self, response: aiohttp.ClientResponse, head: Head, start: bytes, idle: float, deadline: float
    ) -> None:
        self.head = head
        self._response = response
        self._start = start
        self._idle = idle
        self._deadline = deadline

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The body, one piece for each read. Raises Cut when it breaks off, and TimeLimit ("idle", "total")."""
        if self._start:
            yield self._start
        content = self._response.content
        while not content.at_eof():
            piece = await self._read(content)
            if piece:
                yield piece

    async def read(self, limit: int) -> bytes:
        """The whole body. Raises Changed past *limit* bytes; a bomb is never held, only its first *limit* bytes."""
        body = bytearray()
        async for piece in self.chunks():
            body += piece
            if len(body) > limit:
                self.close()
                raise Changed(f"the answer is longer than {limit} bytes (setting: limits.body)")
        return bytes(body)

    def close(self) -> None:
        """End the upstream request, unless the answer was read to its end (then its connection is free again)."""
        self._response.close()

    async def _read(self, content: aiohttp.StreamReader) -> bytes:
        return await _limited(content.readany(), "idle", self._idle, self._deadline)


async def _limited(work: Awaitable[T], wait: str, limit: float, deadline: float) -> T:
    """*work*'s result, within *limit* seconds and before *deadline* (loop time): TimeLimit names which it was."""
    loop = asyncio.get_running_loop()
    now = loop.time()
    end = min(now + limit, deadline)
    try:
        async with asyncio.timeout_at(end):
            return await work
    except TimeoutError:
        if end >= deadline:
            raise TimeLimit("total", round(max(0.0, deadline - now), 3), setting="limits.total") from None
        raise TimeLimit(wait, limit, setting=f"limits.{wait.replace(' ', '_')}") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise translated(error) from error


class Direct:
    """The `direct` transport. Starts nothing until the first request; `close` ends all connections."""

    def __init__(self, *, clock: Clock, limits: Limits | None = None) -> None:
        self._clock = clock
        self._limits = limits or Limits()
        self.headers = SessionHeaders(clock)
        self._own: aiohttp.ClientSession | None = None
        self._foreign: aiohttp.ClientSession | None = None

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
        """Send *request* and return its answer once the head can be judged; *total* seconds are left for all of it.

        Raises RequestError for a target that is not allowed, SiteDown when the site can't be reached (`arrived` tells
        whether the request may have got there), TimeLimit, Changed for an answer that is no HTTP.
        """
        url = target(request, site)
        conversation = conversation or Conversation(self._clock)
        deadline = asyncio.get_running_loop().time() + total
        for _ in range(request.follow + 1):
            response = await self._send(request, url, session, site, conversation, deadline)
            if response.cookies:
                self.headers.slide(session, conversation.keep(url, response.cookies, sliding))
            location = response.headers.get("location")
            if response.status not in REDIRECTS or not location or not request.follow:
                return await self._begin(response, deadline)
            response.release()
            url = _redirected(request, urljoin(url, location), site)
            if response.status == 303 or (response.status in (301, 302) and request.method == "POST"):
                request = replace(request, method="GET", form=None, json=None, parts=None, body=None)
        raise Changed(f"{site.name}: {request.what} was redirected more than {request.follow} times", site=site.name)

    async def close(self) -> None:
        for client in (self._own, self._foreign):
            if client is not None:
                await client.close()
        self._own = self._foreign = None

    async def _send(
        self, request: Request, url: str, session: Session, site: Site, conversation: Conversation, deadline: float
    ) -> aiohttp.ClientResponse:
        headers = self._headers(request, url, session, site, conversation)
        try:
            body, kind = encoded(request)
        except UnicodeEncodeError as error:
            raise RequestError(f"{request.what} holds a lone surrogate: text has to be encodable as UTF-8") from error
        if kind and "content-type" not in headers:
            headers["content-type"] = kind
        # Through a proxy it is the proxy that resolves names; ours would only refuse a proxy on this machine.
        client = self._client(foreign=not request.own_host and site.proxy is None and not _same_host(url, site))
        query = request.query
        sending = client.request(
            request.method,
            URL(url) if query is None else URL(url).extend_query(query),
            data=body,
            headers=headers,
            proxy=site.proxy,
            allow_redirects=False,
        )
        try:
            return await _limited(sending, "first byte", self._limits.first_byte, deadline)
        except DoorkeyError as error:
            error.site = site.name
            raise

    def _headers(
        self, request: Request, url: str, session: Session, site: Site, conversation: Conversation
    ) -> dict[str, str]:
        same_origin = _origin(url) == site.origin
        headers = {**self.headers.for_request(session, url), "accept": request.accept}
        headers |= PAGE_LOAD if "text/html" in request.expects else FETCH
        if not same_origin:
            headers["sec-fetch-site"] = "cross-site"
        cookie = conversation.header(url, headers.get("cookie"))
        if cookie:
            headers["cookie"] = cookie
        if request.method not in ("GET", "HEAD"):
            headers["origin"] = site.origin
        if request.referer:
            headers["referer"] = request.referer
        elif "text/html" not in request.expects:
            headers["referer"] = session.url if same_origin else site.origin + "/"
        for name, value in request.headers.items():
            headers[name.lower()] = value
        return headers

    async def _begin(self, response: aiohttp.ClientResponse, deadline: float) -> Stream:
        """Read as much as judging takes: the first piece, or 4 KiB of a body whose beginning tells what it is."""
        headers = {name.lower(): value for name, value in response.headers.items()}
        head = Head(status=response.status, headers=headers, url=str(response.url))
        start = bytearray()
        tells = response.status >= 400 or head.media_type in ("application/json", "text/html")
        try:
            while not response.content.at_eof():
                start += await _limited(response.content.readany(), "first byte", self._limits.first_byte, deadline)
                if len(start) >= HEAD_BYTES or (start and not tells):
                    break
        except BaseException:
            response.close()
            raise
        first = bytes(start)
        head = replace(head, start=first[:HEAD_BYTES])
        return Stream(response, head, first, self._limits.idle, deadline)

    def _client(self, *, foreign: bool) -> aiohttp.ClientSession:
        client = self._foreign if foreign else self._own
        if client is None:
            connector = aiohttp.TCPConnector(
                limit=0, keepalive_timeout=IDLE_CONNECTION, resolver=PublicResolver() if foreign else None
            )
            client = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                # Our own limits name themselves; aiohttp's would only cost a timer more.
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
                skip_auto_headers=("user-agent",),
                max_line_size=65536,
                max_field_size=65536,
            )
            if foreign:
                self._foreign = client
            else:
                self._own = client
        return client


class PublicResolver(AbstractResolver):
    """Resolves names to public addresses only: a site must not send us into the network we stand in."""

    def __init__(self) -> None:
        self._resolver = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        for result in found:
            if not is_public(result["host"]):
                raise OSError(f"{host} has a private address: refused, as the site itself is not configured there")
        return found

    async def close(self) -> None:
        await self._resolver.close()


def is_public(address: str) -> bool:
    """Whether a literal IP address is one of the public internet."""
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_global and not (mapped or found).is_multicast


def target(request: Request, site: Site) -> str:
    """The absolute URL that *request* goes to. Raises RequestError when that is not where it may go."""
    url = request.url if "://" in request.url else urljoin(site.url, request.url)
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or any(ord(char) < 33 for char in url):
        raise RequestError(f"{request.what}: only http and https URLs can be requested", site=site.name)
    if request.own_host and _origin(url) != site.origin:
        raise RequestError(
            f"{request.what} leads to {parts.hostname}, outside of {site.name} ({site.origin})", site=site.name
        )
    if not request.own_host and not _same_host(url, site) and _is_private_literal(parts.hostname, site):
        raise Changed(f"{site.name}: {request.what} leads to a private address: refused", site=site.name)
    return url


def _redirected(request: Request, url: str, site: Site) -> str:
    try:
        return target(replace(request, url=url), site)
    except RequestError as error:
        raise Changed(f"{site.name}: {request.what} was redirected where it may not go", site=site.name) from error


def _is_private_literal(host: str, site: Site) -> bool:
    try:
        return not is_public(host) and not _private_site(site)
    except ValueError:
        return host.rstrip(".").lower().split(".")[-1] == "localhost" and not _private_site(site)


def _private_site(site: Site) -> bool:
    host = urlsplit(site.url).hostname or ""
    try:
        return not is_public(host)
    except ValueError:
        return host == "localhost"


def _same_host(url: str, site: Site) -> bool:
    # A site configured on a private address may keep its images on another port or name there.
    return urlsplit(url).hostname == urlsplit(site.url).hostname or _private_site(site)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def encoded(request: Request) -> tuple[Any, str | None]:
    """The body as aiohttp takes it, with its media type where that is ours to say."""
    if request.form is not None:
        form = aiohttp.FormData(dict(request.form))
        return form(), None
    if request.parts is not None:
        form = aiohttp.FormData(default_to_multipart=True)
        for part in request.parts:
            form.add_field(part.name, part.data, filename=part.filename, content_type=part.media_type)
        return form(), None
    if request.json is not None:
        return json.dumps(request.json, ensure_ascii=False, separators=(",", ":")).encode(), "application/json"
    return request.body, None


async def whole(stream: Stream, limit: int) -> Reply:
    """The stream as a whole reply, read to its end."""
    body = await stream.read(limit)
    head = stream.head
    return Reply(status=head.status, headers=head.headers, url=head.url, start=body[:HEAD_BYTES], body=body)


def translated(error: Exception) -> DoorkeyError:
    """One of aiohttp's errors as ours. Its own text may hold a URL with a query, and is left out."""
    name = type(error).__name__
    match error:
        case DoorkeyError():
            return error
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
            return RequestError("the URL can't be requested: http(s)://host/path was expected")
        case aiohttp.ClientHttpProxyError():
            return SiteDown(
                f"the proxy refused the way to the site (HTTP {error.status}); see its `proxy` setting", arrived=False
            )
        case aiohttp.ClientProxyConnectionError():
            return SiteDown("the proxy can't be reached; see the site's `proxy` setting", arrived=False)
        case aiohttp.ClientSSLError():
            return SiteDown(f"no secure connection to the site ({name})", arrived=False)
        case aiohttp.ClientConnectorError():
            return SiteDown(f"the site can't be reached: {error.os_error.strerror or name}", arrived=False)
        case aiohttp.ClientPayloadError():
            return Cut(f"the answer broke off ({name})")
        case aiohttp.ClientResponseError():
            return Changed(f"the site's answer is no HTTP that can be read ({name})")
        case aiohttp.ClientConnectionError() | OSError():
            return SiteDown(f"the connection to the site was lost ({name})")
        case _:
            return Changed(f"the site's answer can't be read ({name})")
