"""HTTP/1.1 by aiohttp's connections, requests and answers, without its ClientSession.

A ClientSession adds cookies, redirects, repeats and limits of its own. doorkey does all of these itself: for a small
request they would only cost a seventh of its time, and repeat what may not be sent twice.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable
from typing import Any

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from doorkey.transport.authentication import Authentication
from doorkey.transport.byte_request import ByteRequest

LONGEST_LINE = 65536
"""Bytes of the longest line of a head that is read."""
NO_LIMITS = aiohttp.ClientTimeout(total=None, sock_connect=None)
"""`direct` has limits of its own, which name themselves."""


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
