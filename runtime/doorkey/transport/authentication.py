"""HTTP authentication (Basic, Digest) for the sites that are configured with credentials."""

from __future__ import annotations

import base64
from typing import Literal

import aiohttp

from doorkey.config.secrets import resolve
from doorkey.model.site_access import HttpCredentials


class Authentication:
    """Answers a server's demand for credentials, as a middleware for aiohttp.

    The first request is refused with 401, which names the scheme. Later requests carry the credentials at once, as in
    browsers. A request with an Authorization header of its own is left alone.
    """

    def __init__(self, username: str, password: str) -> None:
        self._basic = "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()
        self._digest = aiohttp.DigestAuthMiddleware(username, password)
        self._scheme: Literal["", "basic", "digest"] = ""

    @classmethod
    async def build(cls, credentials: HttpCredentials) -> Authentication:
        """Resolve the secrets that *credentials* refer to. Raises ConfigurationError."""
        return cls(await resolve(credentials.username), await resolve(credentials.password))

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        if "authorization" in request.headers:
            return await handler(request)
        if self._scheme:
            return await self._send(request, handler)
        response = await handler(request)
        if response.status == 401:
            offered = [value.partition(" ")[0].lower() for value in response.headers.getall("www-authenticate", ())]
            self._scheme = "digest" if "digest" in offered else "basic" if "basic" in offered else ""
            if self._scheme:
                response.release()
                return await self._send(request, handler)
        return response

    async def _send(self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        if self._scheme == "digest":
            return await self._digest(request, handler)
        request.headers["authorization"] = self._basic
        return await handler(request)
