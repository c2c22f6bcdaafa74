"""Anthropic's SDK: messages."""

from __future__ import annotations

from typing import Any

import anthropic
from driver import Order, Told, asked, listing, run, streaming

LENGTH = 1_000_000


def sdk(order: Order) -> anthropic.AsyncAnthropic:
    return anthropic.AsyncAnthropic(base_url=order.base, api_key=order.key, max_retries=order.retries, timeout=60)


async def chat(order: Order) -> Told:
    async with sdk(order) as client:
        said = await client.messages.create(model=order.model, max_tokens=LENGTH, messages=asked(order.prompt))
    assert said.stop_reason == "end_turn", said.stop_reason
    text = "".join(block.text for block in said.content if block.type == "text")
    return {"text": text, "usage": said.usage.input_tokens + said.usage.output_tokens}


async def read(client: anthropic.AsyncAnthropic, order: Order, prompt: str) -> Told:
    async with client.messages.stream(model=order.model, max_tokens=LENGTH, messages=asked(prompt)) as stream:
        pieces = [text async for text in stream.text_stream]
        usage = (await stream.get_final_message()).usage
    return {"text": "".join(pieces), "pieces": len(pieces), "usage": usage.input_tokens + usage.output_tokens}


async def leave(order: Order) -> Told:
    async with (
        sdk(order) as client,
        client.messages.stream(model=order.model, max_tokens=LENGTH, messages=asked(order.prompt)) as stream,
    ):
        async for text in stream.text_stream:
            return {"text": text}
    return {}


async def bad(order: Order) -> Told:
    async with sdk(order) as client:
        picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
        messages: Any = [{"role": "user", "content": [picture]}]
        await client.messages.create(model=order.model, max_tokens=LENGTH, messages=messages)
    return {}


run(models=listing(sdk), chat=chat, leave=leave, bad=bad, **streaming(sdk, read))
