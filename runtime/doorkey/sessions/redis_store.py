"""Sessions on a Redis or Valkey server, shared by the processes of several machines."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from doorkey.clock import Clock
from doorkey.errors import ConfigurationError, DoorkeyError, Unavailable
from doorkey.model.session import Key, Session
from doorkey.sessions.redis_server import EXCHANGE, LEARN, OPEN, RedisAccess, ask, evaluate
from doorkey.sessions.row_cipher import RowCipher
from doorkey.sessions.row_store import RowStore
from doorkey.sessions.store import Claim, Row
from doorkey.sessions.stored import read_row_text, write_row_text
from doorkey.sessions.unwritten import UnwrittenRows

if TYPE_CHECKING:
    from redis.asyncio import Redis

T = TypeVar("T")
FORMAT = 1
"""Of what lies on the server. One with a higher number is left alone."""
SHARED_KEPT = 86400
"""Seconds after which a shared text that nobody has written is dropped."""
LOOK = 1.0
"""Seconds between two looks at a row, beside the server's notices, one of which may be lost."""

KNOWN = 256
"""Texts of the server that a process remembers, and rows that it wrote."""


@dataclass(frozen=True, slots=True)
class Known:
    """A text as it lay on the server when this process saw it last, and the digest of what it was encrypted to. The
    text is None where there was none, and empty where it can't be read."""

    digest: str
    text: str | None


@dataclass(frozen=True, slots=True)
class Written(Generic[T]):
    """What a step leads to: its result, and the text to write; None leaves the text as it was. `aside`: the text in
    its place could not be read, and is set aside."""

    result: T
    text: str | None
    aside: bool = False


class RedisStore(RowStore):
    """Each step decides on a row and the server's time, and writes only where nobody has written meanwhile.

    Rows are encrypted before they are sent; only their names can be read on the server. The time is the server's, so
    that no process's wrong clock matters; *wall* stands in for it in tests. *access* and *keys* are asked for when the
    first step is taken, as they may have to be read from elsewhere.
    """

    def __init__(
        self,
        access: Callable[[], Awaitable[RedisAccess]],
        keys: Callable[[], Awaitable[str]],
        clock: Clock,
        *,
        name: str,
        wall: Callable[[], float] | None = None,
    ) -> None:
        self._access, self._keys, self._clock, self._wall = access, keys, clock, wall
        self._name = name
        self._ahead = 0.0  # the server's time less this process's
        self._unwritten = UnwrittenRows(name)
        self._absent = ""
        self._known: dict[str, Known] = {}  # by name
        self._rows: dict[str, Row] = {}  # by the texts that they were written as
        self._opening = asyncio.Lock()
        self._open: tuple[Redis, RowCipher] | None = None

    async def commit(self, claim: Claim, session: Session) -> Session | None:
        def step(row: Row, wall: float) -> tuple[Row | None, Session | None]:
            return row.commit(claim, session, wall) or (None, None)

        try:
            return await self._step(claim.key, step)
        except DoorkeyError as error:
            # The server is away. What was claimed from it was ours: the session serves here until it is back.
            claimed = Row(session=claim.previous, gen=claim.floor, claim=claim.token)
            after, committed = step(claimed, self._server_time())
            assert after is not None, "a claim of its own row is held"
            self._unwritten.keep(claim.key, after)
            self._unwritten.begin(error.message)
            return committed

    async def row(self, key: Key) -> Row:
        def step(row: Row, wall: float) -> tuple[None, Row]:
            return None, row

        return await self._step(key, step)

    async def changed(self, key: Key, timeout: float) -> None:
        end = self._clock.now() + timeout

        async def listen() -> None:
            client, _ = await self._connected()
            async with client.pubsub() as notices:
                await notices.subscribe(name_of(key))
                # What changed before the server listed us is seen here; then a claim no longer stands.
                while (await self.row(key)).claim and (left := end - self._clock.now()) > 0:
                    notice = await notices.get_message(ignore_subscribe_messages=True, timeout=min(LOOK, left))
                    if notice is not None:
                        return

        try:
            await ask(self._name, listen)
        except Unavailable:  # the next step tells, if it lasts
            await self._clock.sleep(max(0.0, min(LOOK, end - self._clock.now())))

    async def learned(self, key: Key) -> str:
        client, cipher = await self._connected()
        sealed = await ask(self._name, lambda: client.hget(name_of(key), "learned"))
        return (cipher.open(sealed if isinstance(sealed, bytes) else sealed.encode()) or "") if sealed else ""

    async def learn(self, key: Key, merge: Callable[[str], str]) -> str:
        client, cipher = await self._connected()
        while True:
            sealed = await ask(self._name, lambda: client.hget(name_of(key), "learned")) or b""
            held = (cipher.open(sealed if isinstance(sealed, bytes) else sealed.encode()) or "") if sealed else ""
            text = merge(held)
            if text == held:
                return text
            if await evaluate(client, self._name, LEARN, [name_of(key)], sealed, cipher.seal(text)):
                return text

    async def share(self, name: str, step: Callable[[str, float], tuple[str | None, T]]) -> T:
        def decide(text: str | None, wall: float) -> Written[T]:
            after, result = step(text or "", wall)
            return Written(result, after)

        return await self._exchange(f"doorkey:shared:{_digest(name)}", decide, kept=SHARED_KEPT)

    @property
    def trouble(self) -> str:
        return self._unwritten.trouble or self._absent

    async def close(self) -> None:
        if self._open is None:
            return
        client, _ = self._open
        try:
            await self._write_rest()
        except DoorkeyError:
            self._unwritten.give_up()
        self._open = None
        await client.aclose()

    async def _step(self, key: Key, step: Callable[[Row, float], tuple[Row | None, T]]) -> T:
        try:
            await self._write_rest()
            result = await self._exchange_row(key, step)
        except Unavailable as error:
            self._absent = f"{error.message}: requests go on with the sessions at hand"
            raise
        self._absent = ""
        return result

    async def _write_rest(self) -> None:
        """Write what could not be written while the server was away. Raises as `ask` does."""
        for key, row in self._unwritten:

            def step(stored: Row, wall: float, row: Row = row) -> tuple[Row | None, None]:
                return (row if row.gen > stored.gen else None), None

            await self._exchange_row(key, step)
            self._unwritten.took(key, row)

    async def _exchange_row(self, key: Key, step: Callable[[Row, float], tuple[Row | None, T]]) -> T:
        """One step of a row. A None for the row leaves it as it was."""

        def decide(text: str | None, wall: float) -> Written[T]:
            if not text:
                row, readable = Row(), text is None
            elif (written := self._rows.get(text)) is not None:
                row, readable = written, True
            else:
                row, readable = read_row_text(key, text)
            after, result = step(row, wall)
            if after is None or after is row:
                return Written(result, None)
            text = write_row_text(after)
            _remember(self._rows, text, after)
            return Written(result, text, aside=not readable)

        return await self._exchange(name_of(key), decide)

    async def _exchange(self, name: str, decide: Callable[[str | None, float], Written[T]], kept: int = 0) -> T:
        """Decide, and write where the text is still the one that *decide* got; otherwise decide anew, on what lies
        there. *decide* gets None without a text, and an empty one for a text that can't be read. *kept*: seconds after
        which the text is dropped; 0 for never.

        The text that this process knows is mostly the last one: then a step that writes asks the server once.
        """
        client, cipher = await self._connected()
        tried: dict[bytes, T] = {}
        known = self._known.get(name, Known("?", None))
        written = decide(known.text, self._server_time()) if name in self._known else None
        while True:
            sealed, aside = b"", ""
            if written is not None and written.text is not None:
                sealed, aside = cipher.seal(written.text), "aside" if written.aside else ""
                tried[sealed] = written.result
            time = f"{self._server_time():.3f}" if self._wall is None else ""
            answer = await evaluate(client, self._name, EXCHANGE, [name], known.digest, sealed, time, aside, str(kept))
            assert isinstance(answer, list), "as the script says"
            if answer == [1]:
                assert written is not None, "nothing is written without a decision"
                _remember(self._known, name, Known(_digest_of(sealed), written.text))
                return written.result
            _, seconds, micros, same, found = answer
            if found in tried:  # it was written, and only the answer to that was lost
                return tried[found]
            self._ahead = int(seconds) + int(micros) / 1e6 - self._clock.wall()
            if not same:
                known = Known(_digest_of(found), None if found is None else cipher.open(found) or "")
                _remember(self._known, name, known)
            written = decide(known.text, self._server_time())
            if written.text is None:
                return written.result

    def _server_time(self) -> float:
        return self._wall() if self._wall is not None else self._clock.wall() + self._ahead

    async def _connected(self) -> tuple[Redis, RowCipher]:
        """The client and the cipher. The first time, the store's format and key are compared with ours.

        Raises ConfigurationError, with nothing written, where they differ.
        """
        async with self._opening:
            if self._open is None:
                cipher = RowCipher(await self._keys())
                client = (await self._access()).connect()
                try:
                    await self._check(client, cipher)
                except BaseException:
                    await client.aclose()
                    raise
                self._open = client, cipher
        return self._open

    async def _check(self, client: Redis, cipher: RowCipher) -> None:
        names = ["doorkey:format", "doorkey:key"]
        opened = await evaluate(client, self._name, OPEN, names, str(FORMAT), cipher.prove())
        assert isinstance(opened, list), "as the script says"
        found, proof = opened
        if not found.isdigit() or int(found) > FORMAT:
            raise ConfigurationError(
                f"{self._name} was written by a newer doorkey (format {found.decode(errors='replace')[:20]}; this one "
                f"reads up to {FORMAT}). Update doorkey, or name another server or database in store.url. Nothing was "
                "changed there"
            )
        if not cipher.accepts(proof):
            raise ConfigurationError(
                f"{self._name} was written with another key than store.key: correct the key, or name another server "
                "or database in store.url. Nothing was changed there"
            )
        if not cipher.is_current(proof):  # another key of ours made it: the first one encrypts from now on
            await ask(self._name, lambda: client.set(names[1], cipher.prove()))


def name_of(key: Key) -> str:
    """The name of a key's row: the site can be read in it, the page's URL can't."""
    return f"doorkey:session:{key.site}:{_digest(str(key))}"


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:32]


def _remember(held: dict[str, T], name: str, value: T) -> None:
    held.pop(name, None)
    held[name] = value
    while len(held) > KNOWN:
        del held[next(iter(held))]


def _digest_of(sealed: bytes | None) -> str:
    """The digest that the server compares; empty for nothing."""
    return "" if sealed is None else hashlib.sha1(sealed, usedforsecurity=False).hexdigest()
