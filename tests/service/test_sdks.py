"""Clients of other hands, over the double: OpenAI's for completions and responses, Anthropic's, and `websockets`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from double import DoubleRuntime

from doorkey.config.settings import ServiceSettings
from doorkey.errors import Cut, SiteDown
from doorkey.service.app import build_app, serve

sys.path.insert(0, str(Path(__file__).parents[1]))
from entered import EnteredRuntime, TokenSite

if TYPE_CHECKING:
    import anthropic
    import openai

MODEL = "aichats/gpt-4"
ASKED: Any = [{"role": "user", "content": "Hello"}]
KEY = "the-key"


@pytest.fixture
async def base(runtime: DoubleRuntime) -> AsyncIterator[str]:
    async with serve(build_app(runtime, service=ServiceSettings(), key=KEY), "127.0.0.1", 0) as url:
        yield url


@pytest.fixture
async def gpt(base: str) -> AsyncIterator[openai.AsyncOpenAI]:
    import openai  # here: at the collection each worker would import it, and it is large

    async with openai.AsyncOpenAI(base_url=f"{base}/v1", api_key=KEY, max_retries=0) as client:
        yield client


@pytest.fixture
async def claude(base: str) -> AsyncIterator[anthropic.AsyncAnthropic]:
    import anthropic

    async with anthropic.AsyncAnthropic(base_url=base, api_key=KEY, max_retries=0) as client:
        yield client


async def test_openai_s_client_reads_responses_whole_and_streamed(gpt: openai.AsyncOpenAI) -> None:
    whole = await gpt.responses.create(model=MODEL, input="Hello")
    assert (whole.output_text, whole.status) == ("Hello there", "completed")
    async with gpt.responses.stream(model=MODEL, input="Hello") as stream:
        kinds = [event.type async for event in stream]
        final = await stream.get_final_response()
    assert final.output_text == "Hello there"
    assert kinds[-1] == "response.completed"


async def test_openai_s_client_sees_a_response_fail(gpt: openai.AsyncOpenAI, runtime: DoubleRuntime) -> None:
    import openai

    runtime.script = (["Hel"], Cut("the answer broke off", site="aichats"))
    stream = await gpt.responses.create(model=MODEL, input="Hello", stream=True)
    events = aiter(stream)
    event = await anext(events)
    while event.type != "response.failed":
        assert event.type != "response.completed"
        event = await anext(events)
    assert event.response.error is not None
    assert event.response.error.message == "the answer broke off"
    with pytest.raises(openai.APIConnectionError):
        await anext(events)


async def test_openai_s_client_reads_completions(gpt: openai.AsyncOpenAI) -> None:
    whole = await gpt.completions.create(model=MODEL, prompt="Hello")
    assert whole.choices[0].text == "Hello there"
    stream = await gpt.completions.create(model=MODEL, prompt="Hello", stream=True)
    assert "".join([chunk.choices[0].text async for chunk in stream]) == "Hello there"


async def test_anthropic_s_client_reads_messages_whole_and_streamed(claude: anthropic.AsyncAnthropic) -> None:
    whole = await claude.messages.create(model=MODEL, max_tokens=100, messages=ASKED, system="Be brief")
    assert whole.content[0].type == "text"
    assert (whole.content[0].text, whole.stop_reason) == ("Hello there", "end_turn")
    async with claude.messages.stream(model=MODEL, max_tokens=100, messages=ASKED) as stream:
        texts = [text async for text in stream.text_stream]
        final = await stream.get_final_message()
    assert "".join(texts) == "Hello there"
    assert final.usage.output_tokens == 3


async def test_anthropic_s_client_understands_refusals_and_failures(
    claude: anthropic.AsyncAnthropic, runtime: DoubleRuntime, base: str
) -> None:
    import anthropic

    with pytest.raises(anthropic.NotFoundError, match="no model is called"):
        await claude.messages.create(model="nobody/nothing", max_tokens=9, messages=ASKED)
    with pytest.raises(anthropic.AuthenticationError):
        await claude.with_options(api_key="wrong").messages.create(model=MODEL, max_tokens=9, messages=ASKED)
    runtime.script = (SiteDown("the site can't be reached", site="aichats", arrived=False),)
    with pytest.raises(anthropic.InternalServerError, match="can't be reached"):
        await claude.messages.create(model=MODEL, max_tokens=9, messages=ASKED)
    runtime.script = (["Hel"], Cut("the answer broke off", site="aichats"))
    with pytest.raises(anthropic.APIError, match="broke off"):
        async with claude.messages.stream(model=MODEL, max_tokens=9, messages=ASKED) as stream:
            async for _ in stream.text_stream:
                pass


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
