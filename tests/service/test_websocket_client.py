"""A WebSocket client of other hands, `websockets`, and an application of the same, through the door."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from doorkey.config.settings import ServiceSettings
from doorkey.service.app import build_app, serve

sys.path.insert(0, str(Path(__file__).parents[1]))
from entered import EnteredRuntime, TokenSite

KEY = "the-key"


async def test_a_websocket_application_and_a_client_of_other_hands_meet_through_the_door() -> None:
    """`websockets` on both sides: it holds aiohttp's, which doorkey has on both of its own, to the protocol."""
    import websockets
    from websockets.asyncio.client import connect
    from websockets.asyncio.server import ServerConnection
    from websockets.asyncio.server import serve as listen

    ends: asyncio.Queue[tuple[int, str]] = asyncio.Queue()

    async def echo(connection: ServerConnection) -> None:
        try:
            async for message in connection:
                if message == "bye":
                    await connection.close(4002, "so long")
                await connection.send(message)
        except websockets.ConnectionClosed:
            pass
        finally:
            ends.put_nowait((connection.close_code or 0, connection.close_reason or ""))

    async with listen(echo, "127.0.0.1", 0, subprotocols=["chat"], max_size=None) as site:  # type: ignore[list-item]
        url = f"http://127.0.0.1:{site.sockets[0].getsockname()[1]}/"
        tokens = TokenSite(url=url)
        async with (
            EnteredRuntime(tokens) as runtime,
            serve(build_app(runtime, service=ServiceSettings(), key=KEY), "127.0.0.1", 0) as base,
        ):
            door = base.replace("http", "ws") + "/site/wiki/ws"
            options: Any = {"additional_headers": {"x-api-key": KEY}, "subprotocols": ["chat"], "max_size": None}
            async with connect(door, **options) as client:
                assert client.subprotocol == "chat"
                for message in ("Grüße", b"\x00\xff" * 100_000, "", "x" * 1_000_000):
                    await client.send(message)
                    assert await client.recv() == message
                assert await (await client.ping()) < 5
                await client.close(4001, "enough")
            assert await asyncio.wait_for(ends.get(), 5) == (4001, "enough")
            async with connect(door, **options) as client:
                await client.send("bye")
                with pytest.raises(websockets.ConnectionClosed) as closed:
                    await client.recv()
                assert closed.value.rcvd is not None
                assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4002, "so long")
            with pytest.raises(websockets.InvalidStatus) as refused:
                await connect(door, additional_headers={"x-api-key": "wrong"})
            assert refused.value.response.status_code == 401
