"""The seeds' classes as a user has them: own state, twins for sites, a forward proxy that counts."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from doorkey import Runtime
from doorkey.browser import BrowserPool
from doorkey_providers import Aichat, AiChats, ChatgptFree, ChatGptt
from doorkey_providers.shared import load_settings, shared_runtime

from .socks_proxy import SocksProxy


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """No configuration, an empty store, and the URLs of the classes as they were written."""
    monkeypatch.chdir(tmp_path)
    for name in ("XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    yield tmp_path
    for cls in (Aichat, AiChats, ChatGptt, ChatgptFree):
        cls.url = cls.home
    ChatgptFree._nonce = ChatgptFree._post_id = None


@pytest.fixture
def shared(browsers: BrowserPool) -> Callable[[], AbstractAsyncContextManager[Runtime]]:
    """`shared_runtime`, with the module's browser."""
    return lambda: shared_runtime(Runtime(load_settings(), pool=browsers))


class ForwardProxy:
    """An HTTP proxy: absolute-form requests and CONNECT. `hosts` says at which port of this machine a name is.

    Names that are not in `hosts` get 502. What it passes on bears a `Via` header; `seen` has each first line, `denied`
    counts those without the password that `login` ("user:password") asks for.
    """

    def __init__(self) -> None:
        self.hosts: dict[str, int] = {}
        self.login = ""
        self.seen: list[str] = []
        self.denied = 0
        self.port = 0
        self.serving: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://{self.login + '@' if self.login else ''}127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.serving.add(task)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                writer.write(await self._answer(lines, reader, writer))
                await writer.drain()
        finally:
            self.serving.discard(task)
            await _closed(writer)

    async def _answer(self, lines: list[str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        method, target, _ = lines[0].split(" ")
        named = f"Proxy-Authorization: Basic {base64.b64encode(self.login.encode()).decode()}".lower()
        if self.login and named not in [line.lower() for line in lines]:
            self.denied += 1
            return _refused("407 Who?", "Proxy-Authenticate: Basic realm=x")
        self.seen.append(f"{method} {target}")
        url = urlsplit(f"//{target}" if method == "CONNECT" else target)
        if url.hostname not in self.hosts:
            return _refused("502 No")
        there, back = await asyncio.open_connection("127.0.0.1", self.hosts[url.hostname])
        path = url.path + (f"?{url.query}" if url.query else "")
        kept = [line for line in lines[1:] if line and not line.lower().startswith(("proxy-", "connection:"))]
        head = [f"{method} {path or '/'} HTTP/1.1", *kept, "Via: 1.1 counting", "Connection: close", "", ""]
        back.write("\r\n".join(head).encode("latin-1"))
        upwards = asyncio.create_task(_pump(reader, back))
        try:
            await _pump(there, writer)
        finally:
            upwards.cancel()
            await _closed(back)
        return b""


def _refused(status: str, *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "Content-Length: 0", "Connection: close", "", ""]).encode()


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


@pytest.fixture
async def proxy() -> AsyncIterator[ForwardProxy]:
    forward = ForwardProxy()
    server = await asyncio.start_server(forward.serve, "127.0.0.1", 0)
    forward.port = server.sockets[0].getsockname()[1]
    yield forward
    server.close()
    for task in list(forward.serving):
        task.cancel()
    await asyncio.gather(*forward.serving, return_exceptions=True)


@pytest.fixture
async def socks() -> AsyncIterator[SocksProxy]:
    proxy = SocksProxy()
    await proxy.start()
    yield proxy
    await proxy.stop()
