"""openai-py, from 1.0 on: what later releases have a name for goes through `extra_body`."""

from __future__ import annotations

import openai
from driver import Order, Told, asked, listing, run, streaming

USAGE = {"stream_options": {"include_usage": True}}


def sdk(order: Order) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=order.url, api_key=order.key, max_retries=order.retries)


async def chat(order: Order) -> Told:
    async with sdk(order) as client:
        said = await client.chat.completions.create(model=order.model, messages=asked(order.prompt))
    return {"text": said.choices[0].message.content, "usage": said.usage and said.usage.total_tokens}


async def read(client: openai.AsyncOpenAI, order: Order, prompt: str) -> Told:
    pieces, usage = [], None
    stream = await client.chat.completions.create(
        model=order.model, messages=asked(prompt), stream=True, extra_body=USAGE
    )
    async for chunk in stream:
        pieces += [choice.delta.content for choice in chunk.choices if choice.delta.content]
        usage = getattr(chunk, "usage", None) or usage
    total = usage["total_tokens"] if isinstance(usage, dict) else usage and usage.total_tokens
    return {"text": "".join(pieces), "pieces": len(pieces), "usage": total}


async def leave(order: Order) -> Told:
    async with sdk(order) as client:
        stream = await client.chat.completions.create(model=order.model, messages=asked(order.prompt), stream=True)
        async for chunk in stream:
            if chunk.choices[0].delta.content:
                break
        await stream.response.aclose()
        return {"text": chunk.choices[0].delta.content}


async def image(order: Order) -> Told:
    async with sdk(order) as client:
        made = await client.images.generate(prompt=order.prompt, extra_body={"model": order.model})
    return {"image": made.data[0].b64_json}


async def bad(order: Order) -> Told:
    async with sdk(order) as client:
        await client.chat.completions.create(model=order.model, messages=asked(order.prompt), n=2)
    return {}


async def completion(order: Order) -> Told:
    async with sdk(order) as client:
        whole = await client.completions.create(model=order.model, prompt=order.prompt)
        stream = await client.completions.create(model=order.model, prompt=order.prompt, stream=True)
        text = "".join([chunk.choices[0].text async for chunk in stream])
    return {"text": whole.choices[0].text, "streamed": text}


run(models=listing(sdk), chat=chat, leave=leave, image=image, bad=bad, completion=completion, **streaming(sdk, read))
