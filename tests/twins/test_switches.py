"""What twins do when a switch is turned, and what they count."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

import aiohttp
import pytest

from doorkey_providers.twins.aichat import AichatTwin
from doorkey_providers.twins.aichats import AiChatsTwin
from doorkey_providers.twins.stream import split_oddly
from doorkey_providers.twins.switches import Switches
from doorkey_providers.twins.twin import Twin
from doorkey_providers.twins.wordpress import ChatgptFreeTwin, ChatGpttTwin

if TYPE_CHECKING:
    from .conftest import SetClock, Visit, Visitor


async def test_a_stream_waits_for_its_reader(visit: Visit) -> None:
    for kind in (ChatgptFreeTwin, AiChatsTwin):
        async with kind() as twin, asyncio.timeout(5):
            twin.stream_gate = asyncio.Event()
            async with (await visit(twin)).post("one two three") as response:
                first = await response.content.readany()
                assert b"two" not in first
                assert twin.counts.in_progress == 1
                twin.stream_gate.set()
                assert b"three" in await response.content.read()


async def test_a_client_that_leaves_is_noticed(twin: Twin, visit: Visit) -> None:
    visitor = await visit(twin)
    twin.slow_gate = asyncio.Event()
    asking = asyncio.ensure_future(visitor.ask())
    async with asyncio.timeout(5):
        await twin.counts.until(lambda counts: counts.in_progress == 1)
        asking.cancel()
        await twin.counts.until(lambda counts: counts.left == 1)
    assert twin.counts.in_progress == 0


async def test_the_most_requests_at_once_are_counted(twin: Twin, visit: Visit) -> None:
    visitor = await visit(twin)
    twin.slow_gate = asyncio.Event()
    asking = [asyncio.ensure_future(visitor.ask()) for _ in range(7)]
    async with asyncio.timeout(5):
        await twin.counts.until(lambda counts: counts.in_progress == 7)
        twin.slow_gate.set()
        assert [status for status, _, _ in await asyncio.gather(*asking)] == [200] * 7
    assert (twin.counts.most_in_progress, twin.counts.in_progress, twin.counts.accepted) == (7, 0, 7)


async def test_slow_waits_by_the_clock(clock: SetClock, visit: Visit) -> None:
    async with AichatTwin(clock=clock) as twin:
        twin.switch(slow=3)
        await (await visit(twin)).ask()
    assert clock.slept == [3.0]


async def test_a_held_page_is_released_by_refusals(twin: Twin, visit: Visit) -> None:
    visitor = await visit(twin)
    twin.expire_cookies()
    twin.switch(hold_page=True, release_after_refusals=3)
    loading = asyncio.ensure_future(visit(twin))
    async with asyncio.timeout(5):
        await twin.counts.until(lambda counts: counts.held == 1)
        for _ in range(3):
            assert not loading.done()
            await visitor.ask()
        assert (await (await loading).ask())[0] == 200
    assert twin.counts.page_loads == 2


async def test_a_held_page_is_released_by_hand(twin: Twin, visit: Visit) -> None:
    twin.switch(hold_page=True)
    loading = asyncio.ensure_future(visit(twin))
    async with asyncio.timeout(5):
        await twin.counts.until(lambda counts: counts.held == 1)
        twin.release()
        await loading


async def test_a_cut_answer_breaks_off(twin: Twin, visit: Visit) -> None:
    twin.switch(cut=True)
    with pytest.raises(aiohttp.ClientPayloadError):
        await (await visit(twin)).ask()


async def test_an_answer_may_end_early_like_a_whole_one(visit: Visit) -> None:
    async with ChatgptFreeTwin() as stream, ChatGpttTwin() as whole:
        for twin in (stream, whole):
            twin.switch(cut="end")
            status, _, body = await (await visit(twin)).ask("one two three four")
            assert status == 200
            assert b"[DONE]" not in body
            assert b"four" not in body


@pytest.mark.parametrize(("kind", "media_type"), [("html", "text/html"), ("binary", "application/octet-stream")])
async def test_garbage_instead_of_an_answer(twin: Twin, visit: Visit, kind: str, media_type: str) -> None:
    twin.switch(garbage=kind)
    status, came, _ = await (await visit(twin)).ask()
    assert (status, came) == (200, media_type)


async def test_a_content_filter_says_nothing(twin: Twin, visit: Visit) -> None:
    twin.switch(filter_words=["forbidden fruit"])
    visitor = await visit(twin)
    status, media_type, body = await visitor.ask("a forbidden fruit")
    assert (status, media_type) == (403, "text/html")
    assert b"nginx" in body
    assert (await visitor.ask("an apple"))[0] == 200
    assert dict(twin.counts.refused_by) == {"filter": 1}


async def test_a_site_that_is_down_is_down_everywhere(twin: Twin, visit: Visit) -> None:
    visitor = await visit(twin)
    twin.switch(down=True)
    assert (await visitor.ask())[0] == 503
    assert "503 Service Unavailable" in await visitor.load()


async def test_a_page_without_tokens(twin: Twin, stranger: Callable[[Twin], Visitor]) -> None:
    twin.switch(html_instead_of_page_tokens=True)
    page = await stranger(twin).load()
    assert "data-nonce" not in page
    assert "<script" not in page


async def test_a_page_cache_hands_out_dead_nonces_until_asked_for_something_new(visit: Visit) -> None:
    async with ChatGpttTwin() as twin:
        visitor = await visit(twin)
        twin.rotate()
        twin.switch(page_cache=True)
        await visitor.load()
        assert (await visitor.ask())[0] == 403
        await visitor.load("?cb=1")
        assert visitor.tokens["nonce"] == twin.nonce
        assert (await visitor.ask())[0] == 200
        twin.rotate()
        await visitor.load("?cb=1")
        assert visitor.tokens["nonce"] != twin.nonce


async def test_reset_puts_every_switch_back(visit: Visit) -> None:
    async with ChatgptFreeTwin() as twin:
        twin.switch(quota=True, stream=False, cookie_life=1, hold_page=True)
        twin.switch(reset=True)
        assert twin.switches == Switches(stream=True)
        assert (await (await visit(twin)).ask())[0] == 200


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"qouta": True}, "did you mean 'quota'"),
        ({"quota": "yes"}, "quota takes bool"),
        ({"slow": True}, "slow takes float"),
        ({"cut": "half"}, "cut is one of break, end"),
        ({"generation": "2.0"}, "generation is one of 1.7, 1.8, 1.9, 2.x"),
        ({"release_after_refusals": True}, "takes int"),
    ],
)
def test_a_wrong_switch_is_an_error_that_helps(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Switches().change(changes)


def test_awkward_pieces_split_characters_and_put_back_together_are_the_body() -> None:
    body = "data: Grüße 😀\n\n".encode() * 400
    pieces = list(split_oddly(body))
    assert b"".join(pieces) == body
    assert any(piece[0] & 0xC0 == 0x80 for piece in pieces)


async def test_the_log_has_all_that_came(twin: Twin, visit: Visit) -> None:
    visitor = await visit(twin)
    visitor.session.headers.update({"User-Agent": "tester/1", "X-Odd": "kept"})
    await visitor.ask("hello there")
    seen = twin.log[-1]
    assert (seen.method, seen.path, seen.user_agent) == ("POST", twin.api_path, "tester/1")
    assert seen.header("x-odd") == "kept"
    assert "X-Odd" in seen.header_names
    assert twin.script_cookie in seen.cookies
    assert "hello there" in str(seen.fields)
    assert "hello there" not in repr(seen)
