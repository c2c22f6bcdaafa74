"""pydantic-ai: an agent over OpenAI's chats or, with the argument `responses`, over its responses."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import openai
from driver import Order, Told, run
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


async def chat(order: Order) -> Told:
    result = await agent_of(order).run(order.prompt)
    return {"text": result.output, "usage": tokens(result)}


async def read(agent: Agent[None, str], prompt: str) -> Told:
    async with agent.run_stream(prompt) as result:
        pieces = [piece async for piece in result.stream_text(delta=True, debounce_by=None)]
        return {"text": "".join(pieces), "pieces": len(pieces), "usage": tokens(result)}


async def stream(order: Order) -> Told:
    return await read(agent_of(order), order.prompt)


async def many(order: Order) -> Told:
    agent = agent_of(order)
    told = await asyncio.gather(*(read(agent, prompt) for prompt in order.prompts()))
    return {"texts": [one["text"] for one in told]}


async def leave(order: Order) -> Told:
    first: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def listen() -> None:
        async with agent_of(order).run_stream(order.prompt) as result:
            async for piece in result.stream_text(delta=True, debounce_by=None):
                if not first.done():
                    first.set_result(piece)

    listening = asyncio.create_task(listen())
    await asyncio.wait([listening, first], return_when=asyncio.FIRST_COMPLETED)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    return {"text": first.result()}


async def bad(order: Order) -> Told:
    wrong = {"background": True} if MODEL is OpenAIResponsesModel else {"n": 2}
    await agent_of(order).run(order.prompt, model_settings={"extra_body": wrong})
    return {}


run(chat=chat, stream=stream, many=many, leave=leave, bad=bad)
