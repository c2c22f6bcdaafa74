"""HTTP/1.1 by aiohttp's connections, requests and answers, without its ClientSession.

A ClientSession adds cookies, redirects, repeats and limits of its own. doorkey does all of these itself: for a small
request they would only cost a seventh of its time, and repeat what may not be sent twice.
"""

from __future__ import annotations

import asyncio
import io
import json
import ssl
from collections.abc import Awaitable, Coroutine, Iterable
from typing import Any

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from doorkey.errors import RequestError
from doorkey.model.request import MiB, Part, Request
from doorkey.transport.authentication import Authentication

COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
LONGEST_LINE = 65536
"""Bytes of the longest line of a head that is read."""
NO_LIMITS = aiohttp.ClientTimeout(total=None, sock_connect=None)
"""`direct` has limits of its own, which name themselves."""

SMALL = 1 << 16
"""A body of at most this many bytes is written with the head: no more than a connection holds without waiting."""

NEVER_ADDED: CIMultiDict[None] = CIMultiDict({"content-type": None})
"""Headers that aiohttp would add to a body: one without a media type stays without one."""


class HttpClient:
    """Sends requests over the connections of *connector*, which it owns."""

    def __init__(self, connector: aiohttp.BaseConnector) -> None:
        self.connector = connector
        self._loop = asyncio.get_running_loop()

    def request(
        self,
        method: str,
        url: URL,
        *,
        headers: CIMultiDict[str],
        body: Any,
        proxy: str | None,
        tls: ssl.SSLContext | bool,
        authentication: Authentication | None,
    ) -> Awaitable[aiohttp.ClientResponse]:
        """Send one request, once, and return its answer when the head has come. *body* is what aiohttp takes as data.

        Raises aiohttp.ClientError, OSError.
        """
        request = ByteRequest(
            method,
            url,
            headers=headers,
            data=body,
            loop=self._loop,
            proxy=None if proxy is None else URL(proxy),
            proxy_headers=None if proxy is None else CIMultiDict(),
            ssl=tls,
        )
        if authentication is None:
            return self._send(request)
        request.sent_again = True
        return authentication(request, self._send)

    async def _send(self, request: aiohttp.ClientRequest) -> aiohttp.ClientResponse:
        connection = await self.connector.connect(request, traces=[], timeout=NO_LIMITS)
        try:
            assert connection.protocol is not None
            connection.protocol.set_response_params(
                skip_payload=request.method == "HEAD",
                read_until_eof=True,
                auto_decompress=False,
                max_line_size=LONGEST_LINE,
                max_field_size=LONGEST_LINE,
            )
            response = await request.send(connection)
            try:
                return await response.start(connection)
            except BaseException:
                response.close()
                raise
        except BaseException:
            connection.close()
            raise

    async def close(self) -> None:
        """End all connections."""
        await self.connector.close()


class ByteRequest(aiohttp.ClientRequest):
    """aiohttp's request, with changes to how it is written.

    - aiohttp starts a task to write a body, which on Python 3.11 costs two turns of the loop. A small body needs none.
    - aiohttp adds headers: the session sets all that a browser would send.
    - aiohttp's writer drops lone surrogates, which stand for bytes that are not UTF-8 (PEP 383).
    """

    sent_again = False
    """Set where a middleware may send this request twice: its body has to stay, and a task writes it."""
    _small: bytes = b""

    def update_headers(self, headers: Any) -> None:
        if "host" in headers:
            super().update_headers(headers)
            return
        host = self.url.host_port_subcomponent
        assert host is not None
        self.headers = CIMultiDict([("Host", host)])
        self.headers.extend(headers)

    def update_auto_headers(self, skip_auto_headers: Any) -> None:
        """Add no header: what is not there was left out by the session or the caller."""
        self._skip_auto_headers = NEVER_ADDED

    def update_body_from_data(self, body: Any, _stacklevel: int = 3) -> None:
        self._small = body if type(body) is bytes and len(body) <= SMALL else b""
        super().update_body_from_data(body, _stacklevel)

    def send(self, conn: Any) -> Coroutine[Any, Any, aiohttp.ClientResponse]:
        lines = b""
        if not "".join(self.headers.values()).isascii():
            held = [(name, value) for name, value in self.headers.items() if _holds_bytes(value)]
            for name, _ in held:
                self.headers.popall(name, None)
            lines = "".join(f"{name}: {value}\r\n" for name, value in held).encode("utf-8", "surrogateescape")
        body = b""
        apart = self.sent_again or conn.protocol.writing_paused or self.chunked or self.compress or self._continue
        if self._small and not apart:
            # Without a body aiohttp writes the head at once, and tells its timer that all is sent.
            body, self._body = self._small, None
        if lines or body:
            conn.protocol.transport = _Inserting(conn.protocol, lines, body)
        return super().send(conn)


class _Inserting:
    """A connection's transport until the first write: puts *lines* behind the request line, *body* behind the head."""

    __slots__ = ("_body", "_lines", "_protocol", "_transport")

    def __init__(self, protocol: Any, lines: bytes, body: bytes) -> None:
        self._protocol, self._transport, self._lines, self._body = protocol, protocol.transport, lines, body

    def write(self, data: bytes) -> None:
        self._protocol.transport = self._transport
        if self._lines:
            start, end, rest = bytes(data).partition(b"\r\n")
            data = start + end + self._lines + rest
        self._transport.write(data + self._body if self._body else data)

    def writelines(self, pieces: list[bytes]) -> None:
        self.write(b"".join(pieces))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def _holds_bytes(value: str) -> bool:
    return any("\udc80" <= letter <= "\udcff" for letter in value)


def encode_body(request: Request) -> tuple[Any, str | None]:
    """Return the body of *request* in a form that aiohttp sends, and its media type if *request* implies one.

    Raises RequestError for text that can't be encoded.
    """
    try:
        if request.form is not None:
            return aiohttp.FormData(list(request.form.items()))(), "application/x-www-form-urlencoded"
        if request.parts is not None:
            several = _write_parts(request.parts)
            return several, several.content_type
        if request.json is not None:
            return _split(COMPACT.encode(request.json).encode()), "application/json"
    except UnicodeEncodeError as error:
        raise RequestError(f"{request.what} holds a lone surrogate: text has to be encodable as UTF-8") from error
    return _split(request.body) if isinstance(request.body, bytes) else request.body, None


def _write_parts(parts: Iterable[Part]) -> aiohttp.MultipartWriter:
    # Not by aiohttp's FormData, which makes a file of every field of bytes.
    several = aiohttp.MultipartWriter("form-data")
    for part in parts:
        piece = aiohttp.get_payload(_split(part.data), content_type=part.media_type)
        if part.filename is None:
            piece.set_content_disposition("form-data", name=part.name)
        else:
            piece.set_content_disposition("form-data", name=part.name, filename=part.filename)
        several.append_payload(piece)
        piece.headers.popall("content-length", None)
    return several


def _split(body: bytes) -> bytes | io.BytesIO:
    # Written in pieces: one large write would block all other requests.
    return body if len(body) <= MiB else io.BytesIO(body)
