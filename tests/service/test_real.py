"""The whole way: openai-py, the service, the real Runtime with a real Chromium, a twin."""

from __future__ import annotations

import asyncio
import base64
import inspect
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest
from double import DoubleAnswer, DoubleRuntime

from doorkey.browser import BrowserPool
from doorkey.config.settings import Settings, SiteSettings, StoreSettings
from doorkey.engine.answer import Answer
from doorkey.errors import UnknownModel
from doorkey.runtime import Runtime
from doorkey.service.app import build_app, serve
from doorkey_providers.twins.aichats import AiChatsTwin

if TYPE_CHECKING:
    import openai

QUESTION: Any = [{"role": "user", "content": "Hello"}]


@pytest.fixture
async def twin() -> AsyncIterator[AiChatsTwin]:
    twin = AiChatsTwin()
    await twin.start()
    yield twin
    await twin.stop()


@pytest.fixture
async def real(twin: AiChatsTwin, browsers: BrowserPool) -> AsyncIterator[Runtime]:
    sites = {"aichats": SiteSettings(url=twin.url)}
    async with Runtime(Settings(sites=sites, store=StoreSettings(url="memory://")), pool=browsers) as runtime:
        yield runtime


@pytest.fixture
async def sdk(real: Runtime) -> AsyncIterator[openai.AsyncOpenAI]:
    import openai  # here: at the collection each worker would import it, and it is large

    async with (
        serve(build_app(real, service=real.settings.service, key="key"), "127.0.0.1", 0) as base,
        openai.AsyncOpenAI(base_url=f"{base}/v1", api_key="key") as sdk,
    ):
        yield sdk


@pytest.mark.browser
async def test_openai_s_own_client_lists_streams_and_draws(sdk: openai.AsyncOpenAI, twin: AiChatsTwin) -> None:
    models = [model.id async for model in sdk.models.list()]
    chats = next(name for name in models if "dall" not in name)
    assert (await sdk.models.retrieve(chats)).id == chats

    stream = await sdk.chat.completions.create(
        model=chats, messages=QUESTION, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    assert "Hello" in "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert chunks[-1].usage is not None

    image = await sdk.images.generate(model=next(name for name in models if "dall" in name), prompt="a cat")
    assert image.data
    assert base64.b64decode(image.data[0].b64_json or "")
    assert twin.counts.page_loads == 1


@pytest.mark.browser
async def test_openai_s_own_client_understands_a_refusal(sdk: openai.AsyncOpenAI) -> None:
    from openai import NotFoundError

    with pytest.raises(NotFoundError) as caught:
        await sdk.chat.completions.create(model="nobody/nothing", messages=QUESTION)
    assert caught.value.code == "model_not_found"


@pytest.mark.browser
async def test_a_client_that_leaves_amid_an_answer_is_seen_leaving_by_the_site(
    sdk: openai.AsyncOpenAI, twin: AiChatsTwin
) -> None:
    twin.stream_gate = asyncio.Event()
    stream = await sdk.chat.completions.create(model="aichats/gpt-4", messages=QUESTION, stream=True)
    text = ""
    while not text:
        text = (await anext(aiter(stream))).choices[0].delta.content or ""
    await stream.close()
    await asyncio.wait_for(twin.counts.until(lambda counts: counts.left == 1), 5)
    assert not twin.stream_gate.is_set()


@pytest.mark.browser
async def test_a_stream_that_the_site_cuts_is_an_error_in_openai_s_own_client(
    sdk: openai.AsyncOpenAI, twin: AiChatsTwin
) -> None:
    from openai import APIError

    twin.switch(cut="break")
    with pytest.raises(APIError) as caught:
        stream = await sdk.chat.completions.create(model="aichats/gpt-4", messages=QUESTION, stream=True)
        async for _ in stream:
            pass
    assert caught.value.code == "cut"


@pytest.mark.parametrize("name", ["answer", "models", "draws", "status"])
def test_the_double_is_called_as_the_runtime_is(name: str) -> None:
    real, double = (inspect.signature(getattr(kind, name)).parameters for kind in (Runtime, DoubleRuntime))
    assert [(one.name, one.kind, one.default) for one in real.values()] == [
        (one.name, one.kind, one.default) for one in double.values()
    ]


@pytest.mark.parametrize("name", ["batches", "__aiter__", "aclose"])
def test_the_double_s_answer_has_the_real_one_s_ways(name: str) -> None:
    real, double = getattr(Answer, name), getattr(DoubleAnswer, name)
    assert inspect.isasyncgenfunction(real) == inspect.isasyncgenfunction(double)
    assert list(inspect.signature(real).parameters) == list(inspect.signature(double).parameters)


@pytest.mark.browser
@pytest.mark.parametrize("which", ["real", "double"])
async def test_an_answer_keeps_the_contract_whichever_runtime_gave_it(which: str, real: Runtime) -> None:
    runtime: Any = real if which == "real" else DoubleRuntime()
    answer = await runtime.answer(runtime.models()[0], QUESTION)
    batches = [list(batch) async for batch in answer.batches()]
    await answer.aclose()
    assert batches
    assert all(isinstance(item, str) for batch in batches for item in batch)
    assert (answer.site, answer.transport, answer.renewed) == ("aichats", "direct", 0)
    assert {status.name for status in runtime.status()} == set(runtime.sites) == {"aichats"}
    with pytest.raises(UnknownModel):
        await runtime.answer("nobody/nothing", QUESTION)
