"""Stores on a test's Redis server."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import TYPE_CHECKING

from doorkey.clock import Clock
from doorkey.sessions.redis_server import RedisAccess
from doorkey.sessions.redis_store import RedisStore

if TYPE_CHECKING:
    from redis_server import RedisServer

ENCRYPTION = base64.b64encode(bytes(range(32))).decode()
"""The key that tests encrypt with."""


def redis_store(
    server: RedisServer,
    clock: Clock,
    *,
    wall: Callable[[], float] | None = None,
    keys: str = ENCRYPTION,
    access: RedisAccess | None = None,
) -> RedisStore:
    async def get_access() -> RedisAccess:
        return access or RedisAccess(server.url)

    async def get_keys() -> str:
        return keys

    return RedisStore(get_access, get_keys, clock, name=RedisAccess(server.url).name, wall=wall)


async def empty(server: RedisServer) -> None:
    client = RedisAccess(server.url).connect()
    await client.flushall()
    await client.aclose()
