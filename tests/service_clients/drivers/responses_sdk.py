"""openai-py's responses."""

from __future__ import annotations

import openai
from driver import Order, Told, run, streaming


def sdk(order: Order) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=order.url, api_key=order.key, max_retries=order.retries)


async def chat(order: Order) -> Told:
    async with sdk(order) as client:
        said = await client.responses.create(model=order.model, input=order.prompt)
    assert said.status == "completed", said.status
    return {"text": said.output_text, "usage": said.usage and said.usage.total_tokens}


async def read(client: openai.AsyncOpenAI, order: Order, prompt: str) -> Told:
    pieces = []
    async with client.responses.stream(model=order.model, input=prompt) as stream:
        async for event in stream:
            if event.type == "response.output_text.delta":
                pieces.append(event.delta)
            elif event.type == "response.failed":
                raise RuntimeError(event.response.error.message)
        final = await stream.get_final_response()
    assert (event.type, final.output_text) == ("response.completed", "".join(pieces)), event.type
    return {"text": final.output_text, "pieces": len(pieces), "usage": final.usage.total_tokens}


async def leave(order: Order) -> Told:
    async with sdk(order) as client, client.responses.stream(model=order.model, input=order.prompt) as stream:
        async for event in stream:
            if event.type == "response.output_text.delta":
                return {"text": event.delta}
    return {}


async def bad(order: Order) -> Told:
    async with sdk(order) as client:
        await client.responses.create(model=order.model, input=order.prompt, previous_response_id="resp_1")
    return {}


run(chat=chat, leave=leave, bad=bad, **streaming(sdk, read))
