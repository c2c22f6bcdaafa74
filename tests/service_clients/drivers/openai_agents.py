"""openai-agents: an agent over OpenAI's responses."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, nullcontext

import openai
from driver import Order, Told, run, streaming

from agents import (
    Agent,
    ModelSettings,
    OpenAIResponsesModel,
    Runner,
    set_tracing_disabled,
)

set_tracing_disabled(True)


def agent_of(order: Order, settings: ModelSettings | None = None) -> Agent:
    client = openai.AsyncOpenAI(base_url=order.url, api_key=order.key, max_retries=order.retries)
    settings = settings or ModelSettings(include_usage=True)
    return Agent("tester", model=OpenAIResponsesModel(model=order.model, openai_client=client), model_settings=settings)


def opened(order: Order) -> AbstractAsyncContextManager[Agent]:
    return nullcontext(agent_of(order))


async def chat(order: Order) -> Told:
    result = await Runner.run(agent_of(order), order.prompt)
    return {"text": result.final_output, "usage": result.context_wrapper.usage.total_tokens}


async def read(agent: Agent, _: Order, prompt: str) -> Told:
    result = Runner.run_streamed(agent, prompt)
    data = [event.data async for event in result.stream_events() if event.type == "raw_response_event"]
    pieces = [one.delta for one in data if one.type == "response.output_text.delta"]
    usage = result.context_wrapper.usage.total_tokens
    return {"text": result.final_output, "pieces": len(pieces), "usage": usage}


async def leave(order: Order) -> Told:
    result = Runner.run_streamed(agent_of(order), order.prompt)
    async for event in result.stream_events():
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
            result.cancel()
            return {"text": event.data.delta}
    return {}


async def bad(order: Order) -> Told:
    await Runner.run(agent_of(order, ModelSettings(extra_body={"background": True})), order.prompt)
    return {}


run(chat=chat, leave=leave, bad=bad, **streaming(opened, read))
