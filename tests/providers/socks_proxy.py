"""A SOCKS5 proxy (RFC 1928, and RFC 1929 for its password) that counts."""

from __future__ import annotations

import asyncio
from contextlib import suppress


class SocksProxy:
    """`hosts` says at which port of this machine a name is; other names are refused (code 4). `seen` has each place
    that was asked for, as it was named; `denied` counts those without the `login` ("user:password") it asks for.
    """

    def __init__(self) -> None:
        self.hosts: dict[str, int] = {}
        self.login = ""
        self.seen: list[str] = []
        self.denied = 0
        self.port = 0
        self._serving: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"socks5://{self.login.replace('@', '%40') + '@' if self.login else ''}127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in list(self._serving):
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                if await self._admits(reader, writer):
                    await self._connect(reader, writer)
        finally:
            self._serving.discard(task)
            writer.close()

    async def _admits(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        version, count = await reader.readexactly(2)
        offered = await reader.readexactly(count)
        assert version == 5
        wanted = 2 if self.login else 0
        writer.write(bytes([5, wanted if wanted in offered else 0xFF]))
        if wanted not in offered:
            self.denied += 1
            return False
        if not self.login:
            return True
        _, length = await reader.readexactly(2)
        user = (await reader.readexactly(length)).decode()
        password = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        right = f"{user}:{password}" == self.login
        writer.write(bytes([1, 0 if right else 1]))
        self.denied += not right
        return right

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, command, _, kind = await reader.readexactly(4)
        assert command == 1
        if kind == 3:
            host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        else:
            raw = await reader.readexactly(4 if kind == 1 else 16)
            host = ".".join(map(str, raw)) if kind == 1 else raw.hex(":")
        port = int.from_bytes(await reader.readexactly(2), "big")
        self.seen.append(f"{host}:{port}")
        if host not in self.hosts:
            writer.write(b"\x05\x04\x00\x01" + bytes(6))
            return
        there, back = await asyncio.open_connection("127.0.0.1", self.hosts[host])
        writer.write(b"\x05\x00\x00\x01" + bytes(6))
        upwards = asyncio.create_task(_pump(reader, back))
        try:
            await _pump(there, writer)
        finally:
            upwards.cancel()
            back.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
