"""The connection to a Redis or Valkey server: its scripts, and its errors in words."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from doorkey.errors import ConfigurationError, DoorkeyError, Unavailable

if TYPE_CHECKING:
    from redis.asyncio import Redis

T = TypeVar("T")
SECONDS = 2.0
"""Seconds that the server may take to accept a connection, and for each answer."""
ATTEMPTS = 2
"""A connection that was idle may have been closed: the second attempt is made on a new one."""

OPEN = """
if redis.call('SETNX', KEYS[1], ARGV[1]) == 1 then redis.call('SET', KEYS[2], ARGV[2]) end
return {redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2]) or ''}
"""
"""Write the format's number and the key's proof into an empty store; return those that are there."""
EXCHANGE = """
local time, row = redis.call('TIME'), redis.call('HGET', KEYS[1], 'row')
local same = (row and redis.sha1hex(row) or '') == ARGV[1]
local punctual = ARGV[3] == '' or math.abs(time[1] + time[2] / 1000000 - ARGV[3]) < 0.1
if not same or not punctual or ARGV[2] == '' then return {0, time[1], time[2], same and 1 or 0, not same and row} end
local change = redis.call('HGET', KEYS[1], 'change') or '0'
if ARGV[4] == 'aside' then redis.call('HSET', KEYS[1], 'aside:' .. change, row) end
redis.call('HSET', KEYS[1], 'change', string.format('%d', change + 1), 'row', ARGV[2])
if ARGV[5] ~= '0' then redis.call('EXPIRE', KEYS[1], ARGV[5]) end
redis.pcall('PUBLISH', KEYS[1], 'changed')
return {1}
"""
"""Write a text where the one that lies there still has the digest that we know, and our idea of the server's time is
right to 0.1 s (empty: not compared); otherwise return the time, and the text if it is another. Without a text to write
it only reads. A text lasts for so many seconds (0: for ever). One that could not be read is set aside in its hash."""
LEARN = """
if (redis.call('HGET', KEYS[1], 'learned') or '') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'learned', ARGV[2])
return 1
"""
"""Write what was learned where nobody has since it was read."""


@dataclass(frozen=True, slots=True)
class RedisAccess:
    """Where the server is, and who we are there. `ca` is a file of certificates that a `rediss` server is checked
    with; None for the system's."""

    url: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca: Path | None = None

    @property
    def name(self) -> str:
        """The server in words, for messages: no password is in it."""
        parts = urlsplit(self.url)
        return f"the session store at {parts.hostname}:{parts.port or 6379}"

    def connect(self) -> Redis:
        """A client; it connects when it is first used."""
        from redis.asyncio import Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        parts = urlsplit(self.url)
        secure = parts.scheme == "rediss"
        return Redis(
            host=parts.hostname or "localhost",
            port=parts.port or 6379,
            db=int(parts.path.strip("/") or 0),
            username=self.username,
            password=self.password,
            ssl=secure,
            ssl_ca_certs=str(self.ca) if secure and self.ca else None,
            ssl_min_version=ssl.TLSVersion.TLSv1_2,
            socket_timeout=SECONDS,
            socket_connect_timeout=SECONDS,
            retry=Retry(NoBackoff(), 0),
        )


async def evaluate(client: Redis, name: str, script: str, keys: Sequence[str], *values: str | bytes) -> object:
    """What *script* returns; its text is sent only to a server that does not know it. Raises as `ask` does."""
    from redis.exceptions import NoScriptError

    async def work() -> object:
        try:
            return await client.execute_command("EVALSHA", _digest(script), len(keys), *keys, *values)  # type: ignore[no-untyped-call]
        except NoScriptError:
            return await client.execute_command("EVAL", script, len(keys), *keys, *values)  # type: ignore[no-untyped-call]

    return await ask(name, work)


async def ask(name: str, work: Callable[[], Awaitable[T]]) -> T:
    """What *work* returns. Raises ConfigurationError where the server refuses us, and Unavailable where it is away."""
    from redis import exceptions

    for attempt in range(1, ATTEMPTS + 1):
        try:
            return await work()
        except (exceptions.RedisError, OSError) as error:
            told = explain(name, error)
            away = isinstance(error, (exceptions.ConnectionError, exceptions.TimeoutError, OSError))
            if isinstance(told, ConfigurationError) or not away or attempt == ATTEMPTS:
                raise told from error
    raise AssertionError("the last attempt returns or raises")


@lru_cache
def _digest(script: str) -> str:
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()


def explain(name: str, error: Exception) -> DoorkeyError:
    """The error of ours for an *error* of redis-py or the system."""
    from redis import exceptions

    said = " ".join(str(error).split())[:200] or type(error).__name__
    if isinstance(error, exceptions.NoPermissionError):
        return ConfigurationError(
            f"{name} lets its user not do what doorkey needs ({said}). Its ACL needs: "
            "~doorkey:* &doorkey:* +@read +@write +@scripting +@pubsub +@connection +time"
        )
    if "NOAUTH" in said or "HELLO must be called with the client already authenticated" in said:
        return ConfigurationError(f"{name} wants a password: set store.password")
    if isinstance(error, exceptions.AuthenticationError | exceptions.AuthorizationError):
        return ConfigurationError(f"{name} refuses the login ({said}): correct store.username and store.password")
    if isinstance(error.__cause__, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY" in said:
        return ConfigurationError(f"{name} shows a certificate that can't be trusted ({said}): see store.ca")
    if isinstance(error, exceptions.ResponseError) and "DB index" in said:
        return ConfigurationError(f"{name}: {said}: correct the number at the end of store.url")
    return Unavailable(f"{name} can't be used now: {said.rstrip('.')}. Check that it runs, and store.url")
