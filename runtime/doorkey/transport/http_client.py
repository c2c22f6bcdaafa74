"""HTTP/1.1 by aiohttp's connections, requests and answers, without its ClientSession.

A ClientSession adds cookies, redirects, repeats and limits of its own. doorkey does all of these itself: for a small
request they would only cost a seventh of its time, and repeat what may not be sent twice.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import aiohttp
from multidict import CIMultiDict, istr
from yarl import URL

from doorkey.transport.authentication import Authentication
from doorkey.transport.byte_request import ByteRequest

LONGEST_LINE = 65536
"""Bytes of the longest line of a head that is read."""
NEVER_ADDED = (istr("user-agent"), istr("content-type"))
"""Headers that aiohttp would add. The session sets the user agent; a body without a media type stays without one."""
NO_LIMITS = aiohttp.ClientTimeout(total=None, sock_connect=None)
"""`direct` has limits of its own, which name themselves."""


class HttpClient:
    """Sends requests over the connections of *connector*, which it owns."""

    def __init__(self, connector: aiohttp.BaseConnector) -> None:
        self.connector = connector
        self._loop = asyncio.get_running_loop()

    async def request(
        self,
        method: str,
        url: URL,
        *,
        headers: CIMultiDict[str],
        body: Any,
        proxy: str | None,
        tls: ssl.SSLContext | bool,
        authentication: Authentication | None,
    ) -> aiohttp.ClientResponse:
        """Send one request, once, and return its answer when the head has come. *body* is what aiohttp takes as data.

        Raises aiohttp.ClientError, or TimeoutError if the system gives up on a connection.
        """
        # Headers are left out by name only where aiohttp would add one: it copies all of them for that.
        may_add = "user-agent" not in headers or (body is not None and "content-type" not in headers)
        request = ByteRequest(
            method,
            url,
            headers=headers,
            skip_auto_headers=NEVER_ADDED if may_add else None,
            data=body,
            loop=self._loop,
            proxy=None if proxy is None else URL(proxy),
            proxy_headers=None if proxy is None else CIMultiDict(),
            ssl=tls,
        )
        try:
            if authentication is not None:
                request.sent_again = True
                return await authentication(request, self._send)
            return await self._send(request)
        except aiohttp.ClientError:
            raise
        except OSError as error:
            if error.errno is None and isinstance(error, TimeoutError):
                raise
            raise aiohttp.ClientOSError(*error.args) from error

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
