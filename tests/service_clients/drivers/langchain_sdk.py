"""LangChain's ChatOpenAI."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

from driver import Order, Told, run, streaming
from langchain_openai import ChatOpenAI


def model_of(order: Order, **options: Any) -> ChatOpenAI:
    return ChatOpenAI(
        model=order.model,
        base_url=order.url,
        api_key=order.key,
        max_retries=order.retries,
        stream_usage=True,
        **options,
    )


def opened(order: Order) -> AbstractAsyncContextManager[ChatOpenAI]:
    return nullcontext(model_of(order))


async def chat(order: Order) -> Told:
    said = await model_of(order).ainvoke(order.prompt)
    return {"text": said.content, "usage": said.usage_metadata and said.usage_metadata["total_tokens"]}


async def read(model: ChatOpenAI, _: Order, prompt: str) -> Told:
    pieces, usage = [], None
    async for chunk in model.astream(prompt):
        if chunk.content:
            pieces.append(chunk.content)
        usage = chunk.usage_metadata or usage
    return {"text": "".join(pieces), "pieces": len(pieces), "usage": usage and usage["total_tokens"]}


async def leave(order: Order) -> Told:
    chunks = model_of(order).astream(order.prompt)
    async for chunk in chunks:
        if chunk.content:
            break
    await chunks.aclose()
    return {"text": chunk.content}


async def bad(order: Order) -> Told:
    await model_of(order, n=2).ainvoke(order.prompt)
    return {}


run(chat=chat, leave=leave, bad=bad, **streaming(opened, read))
