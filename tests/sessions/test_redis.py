"""What a Redis server adds to the contract: encryption, refusals, notices, and being away."""

from __future__ import annotations

import asyncio
import base64
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest

from doorkey.clock import SystemClock
from doorkey.errors import ConfigurationError, Unavailable
from doorkey.model.cookies import Cookie
from doorkey.model.session import Key, Session
from doorkey.sessions.redis_server import RedisAccess
from doorkey.sessions.redis_store import RedisStore, name_of
from doorkey.sessions.store import Busy, Claim, Newer, Row
from doorkey.status import stored_row
from stepped_clock import SteppedClock

from .redis_stores import ENCRYPTION, empty, redis_store

if TYPE_CHECKING:
    from redis_server import RedisServer

pytestmark = pytest.mark.real("redis")
KEY = Key("wiki", "http://127.0.0.1:1/")
CLOCK = SystemClock()
T = TypeVar("T")


def session(sid: str = "s3cret") -> Session:
    cookies = (Cookie("sid", sid, "127.0.0.1"),)
    return Session(key=KEY, gen=0, url=KEY.url, born=CLOCK.wall(), soft=600, hard=1200, cookies=cookies)


async def claimed(store: RedisStore, seen: int = -1) -> Claim:
    claim = await store.begin(KEY, seen, 15)
    assert isinstance(claim, Claim)
    return claim


async def visit(store: RedisStore, sid: str = "s3cret", seen: int = -1) -> Session:
    committed = await store.commit(await claimed(store, seen), session(sid))
    assert committed is not None
    return committed


async def contents(access: RedisAccess) -> dict[bytes, object]:
    """All that lies on the server, as whoever reads there finds it."""
    client = access.connect()
    found: dict[bytes, object] = {}
    for name in await client.keys("*"):
        kind = await client.type(name)
        found[name] = await (client.hgetall(name) if kind == b"hash" else client.get(name))
    await client.aclose()
    return found


async def test_only_names_can_be_read_on_the_server(redis: RedisServer) -> None:
    await empty(redis)
    store = redis_store(redis, CLOCK)
    await visit(store)
    await store.learn(KEY, lambda _: "the form of a login page")
    assert await store.learned(KEY) == "the form of a login page"
    await store.fail(await claimed(store, 2**52), "hunter2 was refused", "", 1)
    await store.close()
    text = repr(await contents(RedisAccess(redis.url)))
    assert "doorkey:session:wiki:" in text
    assert not [word for word in ("s3cret", "sid", "hunter2", "login page", "127.0.0.1", ENCRYPTION) if word in text]


async def test_another_key_is_refused_and_nothing_is_written(redis: RedisServer) -> None:
    await empty(redis)
    store = redis_store(redis, CLOCK)
    await visit(store)
    before = await contents(RedisAccess(redis.url))
    other = redis_store(redis, CLOCK, keys=base64.b64encode(b"x" * 32).decode())
    with pytest.raises(ConfigurationError, match=r"another key than store\.key"):
        await other.begin(KEY, -1, 15)
    assert await contents(RedisAccess(redis.url)) == before
    await store.close()


async def test_a_key_is_replaced_by_naming_the_new_one_first(redis: RedisServer) -> None:
    await empty(redis)
    first = redis_store(redis, CLOCK)
    made = await visit(first)
    new = base64.b64encode(b"x" * 32).decode()
    both = redis_store(redis, CLOCK, keys=f"{new} {ENCRYPTION}")
    assert (await both.row(KEY)).session == made
    renewed = await visit(both, "second", made.gen)
    alone = redis_store(redis, CLOCK, keys=new)
    assert (await alone.row(KEY)).session == renewed
    with pytest.raises(ConfigurationError, match="another key"):
        await redis_store(redis, CLOCK).row(KEY)
    await first.close()
    await both.close()
    await alone.close()


@pytest.mark.parametrize("keys", ["", "hunter2", base64.b64encode(b"hunter2").decode()])
async def test_what_is_no_key_is_a_clear_error(redis: RedisServer, keys: str) -> None:
    store = redis_store(redis, CLOCK, keys=keys)
    with pytest.raises(ConfigurationError, match="openssl rand -base64 32") as caught:
        await store.begin(KEY, -1, 15)
    assert "hunter2" not in str(caught.value)


async def test_a_store_of_a_newer_version_is_left_alone(redis: RedisServer) -> None:
    await empty(redis)
    client = RedisAccess(redis.url).connect()
    await client.set("doorkey:format", "2")
    store = redis_store(redis, CLOCK)
    with pytest.raises(ConfigurationError, match="newer doorkey"):
        await store.begin(KEY, -1, 15)
    assert await contents(RedisAccess(redis.url)) == {b"doorkey:format": b"2"}
    await client.aclose()


async def test_a_row_that_cannot_be_read_is_set_aside(redis: RedisServer) -> None:
    await empty(redis)
    store, client = redis_store(redis, CLOCK), RedisAccess(redis.url).connect()
    await visit(store)
    await client.hset(name_of(KEY), "row", "changed by somebody")
    assert (await store.row(KEY)).session is None
    made = await visit(store, "new")
    assert (await store.row(KEY)).session == made
    assert b"changed by somebody" in (await client.hgetall(name_of(KEY))).values()
    await client.aclose()
    await store.close()


async def test_of_many_nodes_one_may_visit_and_all_get_its_session(redis: RedisServer) -> None:
    await empty(redis)
    nodes = [redis_store(redis, CLOCK) for _ in range(8)]
    begun = await asyncio.gather(*(node.begin(KEY, -1, 15) for node in nodes for _ in range(4)))
    claims = [one for one in begun if isinstance(one, Claim)]
    assert len(claims) == 1
    assert all(isinstance(one, Busy) for one in begun if one is not claims[0])
    waiting = [asyncio.create_task(node.changed(KEY, 15)) for node in nodes]
    made = await nodes[0].commit(claims[0], session())
    async with asyncio.timeout(5):
        await asyncio.gather(*waiting)
    assert made is not None
    assert [await node.begin(KEY, -1, 15) for node in nodes] == [Newer(made)] * 8
    for node in nodes:
        await node.close()


async def test_a_change_before_the_wait_began_is_not_waited_for(redis: RedisServer) -> None:
    await empty(redis)
    store = redis_store(redis, CLOCK)
    await visit(store)
    async with asyncio.timeout(5):
        await store.changed(KEY, 60)
    await store.close()


async def test_a_node_whose_clock_is_an_hour_ahead_neither_takes_a_claim_nor_holds_one(redis: RedisServer) -> None:
    class Ahead(SystemClock):
        def wall(self) -> float:
            return super().wall() + 3600

    await empty(redis)
    right, ahead = redis_store(redis, CLOCK), redis_store(redis, Ahead())
    claim = await claimed(right)
    assert isinstance(await ahead.begin(KEY, -1, 15), Busy)
    await right.fail(claim, "", "", 0)
    await claimed(ahead)
    busy = await right.begin(KEY, -1, 15)
    assert isinstance(busy, Busy)
    assert busy.seconds <= 15
    await right.close()
    await ahead.close()


async def test_a_step_on_what_this_process_wrote_asks_the_server_once(redis: RedisServer) -> None:
    await empty(redis)
    store, client = redis_store(redis, CLOCK), RedisAccess(redis.url).connect()
    made = await visit(store)
    await client.config_resetstat()
    await visit(store, seen=made.gen)
    assert (await client.info("commandstats"))["cmdstat_evalsha"]["calls"] == 2
    reader = redis_store(redis, CLOCK)
    held = (await reader.row(KEY)).session
    assert held is not None
    await client.config_resetstat()
    await claimed(reader, held.gen)
    assert (await client.info("commandstats"))["cmdstat_evalsha"]["calls"] == 1, "what it has read it knows as well"
    await reader.close()
    await client.aclose()
    await store.close()


async def test_what_was_known_of_a_server_is_not_believed_once_it_changed_there(redis: RedisServer) -> None:
    await empty(redis)
    one, other = redis_store(redis, CLOCK), redis_store(redis, CLOCK)
    first = await visit(one)
    theirs = await visit(other, "theirs", first.gen)
    assert await one.begin(KEY, first.gen, 15) == Newer(theirs)
    await claimed(one, theirs.gen)
    assert isinstance(await other.begin(KEY, theirs.gen, 15), Busy)
    await empty(redis)
    again = await claimed(one, theirs.gen)
    assert again.previous is None
    await one.close()
    await other.close()


async def test_a_server_that_forgot_the_scripts_is_told_them_again(redis: RedisServer) -> None:
    await empty(redis)
    store, client = redis_store(redis, CLOCK), RedisAccess(redis.url).connect()
    claim = await claimed(store)
    await client.script_flush()
    assert await store.commit(claim, session()) is not None
    await client.aclose()
    await store.close()


async def test_a_claim_is_dated_by_the_server_after_a_step_of_this_clock(redis: RedisServer) -> None:
    class Stepped(SystemClock):
        step = 0.0

        def wall(self) -> float:
            return super().wall() + self.step

    await empty(redis)
    clock = Stepped()
    store, other = redis_store(redis, clock), redis_store(redis, CLOCK)
    made = await visit(store)
    clock.step = -3600.0
    await claimed(store, made.gen)
    busy = await other.begin(KEY, made.gen, 15)
    assert isinstance(busy, Busy)
    assert busy.seconds <= 15
    await store.close()
    await other.close()


def access_of(server: RedisServer, **changes: object) -> RedisAccess:
    return replace(RedisAccess(server.url), **changes)  # type: ignore[arg-type]  # a test's own values


async def refusal(server: RedisServer, access: RedisAccess) -> str:
    store = redis_store(server, CLOCK, access=access)
    with pytest.raises(ConfigurationError) as caught:
        await store.begin(KEY, -1, 15)
    assert "hunter2" not in str(caught.value)
    return caught.value.message


ACL = (
    "user default off",
    "user doorkey on >right ~doorkey:* &doorkey:* -@all +@read +@write +@scripting +@pubsub +@connection +time",
    "user reader on >right ~* -@all +@read +@connection",
)


async def test_a_wrong_password_and_a_missing_right_are_clear_errors(tmp_path: Path) -> None:
    from redis_server import redis_server

    (tmp_path / "users.acl").write_text("\n".join(ACL) + "\n")
    with redis_server(tmp_path, "--aclfile", str(tmp_path / "users.acl")) as server:
        store = redis_store(server, CLOCK, access=access_of(server, username="doorkey", password="right"))
        waiting = asyncio.create_task(_wait_for_claim(store))
        made = await visit(store)
        await waiting
        assert (await store.row(KEY)).session == made
        wrong = access_of(server, username="doorkey", password="hunter2")
        assert "store.password" in await refusal(server, wrong)
        assert "store.password" in await refusal(server, access_of(server))
        assert "+@scripting" in await refusal(server, access_of(server, username="reader", password="right"))
        await store.close()


async def test_a_missing_password_is_asked_for(tmp_path: Path) -> None:
    from redis_server import redis_server

    with redis_server(tmp_path, "--requirepass", "right") as server:
        assert await refusal(server, access_of(server)) == (
            f"the session store at 127.0.0.1:{server.port} wants a password: set store.password"
        )
        assert "refuses the login" in await refusal(server, access_of(server, password="hunter2"))


async def _wait_for_claim(store: RedisStore) -> None:
    await store.changed(KEY, 5)


async def test_tls_is_checked(tmp_path: Path) -> None:
    from redis_server import redis_server

    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate]
    subprocess.run([*make, *names], check=True, capture_output=True)
    options = ("--tls-cert-file", str(certificate), "--tls-key-file", str(key), "--tls-auth-clients", "no")
    with redis_server(tmp_path, *options, tls=True) as server:
        store = redis_store(server, CLOCK, access=access_of(server, ca=certificate))
        await visit(store)
        await store.close()
        assert "store.ca" in await refusal(server, access_of(server))


async def test_no_server_and_a_wrong_database_are_told(redis: RedisServer) -> None:
    assert "store.url" in await refusal(redis, access_of(redis, url=redis.url[:-1] + "99"))
    store = redis_store(redis, CLOCK, access=access_of(redis, url="redis://127.0.0.1:1"))
    with pytest.raises(Unavailable, match=r"can't be used now: .*Check that it runs, and store\.url"):
        await store.begin(KEY, -1, 15)


async def test_a_server_that_is_away_is_looked_at_once_a_second_until_the_wait_is_over() -> None:
    class CountedClock(SteppedClock):
        slept: list[float] = []  # noqa: RUF012 - of this test's one clock

        async def sleep(self, seconds: float) -> None:
            self.slept.append(seconds)

    access = RedisAccess("redis://127.0.0.1:1")

    async def give(what: T) -> T:
        return what

    clock = CountedClock()
    store = RedisStore(lambda: give(access), lambda: give(ENCRYPTION), clock, name=access.name)
    for timeout in (60.0, 0.3, -1.0):
        await store.changed(KEY, timeout)
    assert clock.slept == pytest.approx([1.0, 0.3, 0.0])
    await store.close()


async def test_a_session_made_while_the_server_is_away_is_written_when_it_is_back(tmp_path: Path) -> None:
    from redis_server import redis_server

    with redis_server(tmp_path) as server:
        store, other = redis_store(server, CLOCK), redis_store(server, CLOCK)
        first = await visit(store, "first")
        claim = await claimed(store, first.gen)
        server.kill()
        made = await store.commit(claim, session("second"))
        assert made is not None
        assert made.gen > first.gen
        assert "memory" in store.trouble
        assert await stored_row(store, KEY) == Row()
        assert await stored_row(other, KEY) == Row()
        assert "requests go on" in other.trouble
        server.start()
        assert (await store.row(KEY)).session == made
        assert store.trouble == ""
        assert await other.begin(KEY, first.gen, 15) == Newer(made)
        await store.close()
        await other.close()


async def test_what_is_in_memory_at_the_end_is_written_or_its_loss_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from redis_server import redis_server

    with redis_server(tmp_path) as server:
        store, other = redis_store(server, CLOCK), redis_store(server, CLOCK)
        first = await visit(store, "first")
        claim = await claimed(store, first.gen)
        server.kill()
        made = await store.commit(claim, session("second"))
        assert made is not None
        server.start()
        await store.close()
        assert (await other.row(KEY)).session == made
        claim = await claimed(other, made.gen)
        server.kill()
        await other.commit(claim, session("third"))
        await other.close()
    assert "the last sessions of wiki are lost" in caplog.text
