"""`llm`, set up by its file of further models, as its manual says."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from driver import Order, Told, run

FOLDER = Path(tempfile.mkdtemp())
os.environ["LLM_USER_PATH"] = str(FOLDER)

import llm  # noqa: E402  # it reads the variable at import


def model_of(order: Order) -> Any:
    row = {"model_id": "doorkey", "model_name": order.model, "api_base": order.url, "api_key_name": "doorkey"}
    (FOLDER / "extra-openai-models.yaml").write_text(json.dumps([row]))
    return llm.get_async_model("doorkey")


async def chat(order: Order) -> Told:
    response = await model_of(order).prompt(order.prompt, stream=False, key=order.key)
    usage = await response.usage()
    return {"text": await response.text(), "usage": (usage.input or 0) + (usage.output or 0)}


async def read(model: Any, order: Order, prompt: str) -> Told:
    response = model.prompt(prompt, key=order.key)
    pieces = [piece async for piece in response if piece]
    usage = await response.usage()
    return {"text": "".join(pieces), "pieces": len(pieces), "usage": (usage.input or 0) + (usage.output or 0)}


async def stream(order: Order) -> Told:
    return await read(model_of(order), order, order.prompt)


async def many(order: Order) -> Told:
    model = model_of(order)
    told = await asyncio.gather(*(read(model, order, prompt) for prompt in order.prompts()))
    return {"texts": [one["text"] for one in told]}


async def leave(order: Order) -> Told:
    first: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def listen() -> None:
        async for piece in model_of(order).prompt(order.prompt, key=order.key):
            if piece and not first.done():
                first.set_result(piece)

    listening = asyncio.create_task(listen())
    await asyncio.wait([listening, first], return_when=asyncio.FIRST_COMPLETED)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    return {"text": first.result()}


async def bad(order: Order) -> Told:
    await model_of(order).prompt(order.prompt, key=order.key, json_object=True)
    return {}


run(chat=chat, stream=stream, many=many, leave=leave, bad=bad)
