"""pydantic-ai: an agent over OpenAI's chats or, with the argument `responses`, over its responses."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

import openai
from driver import Order, Told, leave_after_first, run, streaming
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider

MODEL = OpenAIResponsesModel if sys.argv[1:] == ["responses"] else OpenAIChatModel


def agent_of(order: Order) -> Agent[None, str]:
    client = openai.AsyncOpenAI(base_url=order.url, api_key=order.key, max_retries=order.retries)
    return Agent(MODEL(order.model, provider=OpenAIProvider(openai_client=client)))


def tokens(result: Any) -> int:
    usage = result.usage() if callable(result.usage) else result.usage
    return int(usage.input_tokens + usage.output_tokens)


def opened(order: Order) -> AbstractAsyncContextManager[Agent[None, str]]:
    return nullcontext(agent_of(order))


async def chat(order: Order) -> Told:
    result = await agent_of(order).run(order.prompt)
    return {"text": result.output, "usage": tokens(result)}


async def read(agent: Agent[None, str], _: Order, prompt: str) -> Told:
    async with agent.run_stream(prompt) as result:
        pieces = [piece async for piece in result.stream_text(delta=True, debounce_by=None)]
        return {"text": "".join(pieces), "pieces": len(pieces), "usage": tokens(result)}


async def leave(order: Order) -> Told:
    async def pieces() -> AsyncIterator[str]:
        async with agent_of(order).run_stream(order.prompt) as result:
            async for piece in result.stream_text(delta=True, debounce_by=None):
                yield piece

    return await leave_after_first(pieces())


async def bad(order: Order) -> Told:
    wrong = {"background": True} if MODEL is OpenAIResponsesModel else {"n": 2}
    await agent_of(order).run(order.prompt, model_settings={"extra_body": wrong})
    return {}


run(chat=chat, leave=leave, bad=bad, **streaming(opened, read))
