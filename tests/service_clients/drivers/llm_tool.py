"""`llm`, set up by its file of further models, as its manual says."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path
from typing import Any

from driver import Order, Told, leave_after_first, run, streaming

FOLDER = Path(tempfile.mkdtemp())
os.environ["LLM_USER_PATH"] = str(FOLDER)

import llm  # noqa: E402  # it reads the variable at import


def model_of(order: Order) -> Any:
    row = {"model_id": "doorkey", "model_name": order.model, "api_base": order.url, "api_key_name": "doorkey"}
    (FOLDER / "extra-openai-models.yaml").write_text(json.dumps([row]))
    return llm.get_async_model("doorkey")


def opened(order: Order) -> AbstractAsyncContextManager[Any]:
    return nullcontext(model_of(order))


async def chat(order: Order) -> Told:
    response = await model_of(order).prompt(order.prompt, stream=False, key=order.key)
    usage = await response.usage()
    return {"text": await response.text(), "usage": (usage.input or 0) + (usage.output or 0)}


async def read(model: Any, order: Order, prompt: str) -> Told:
    response = model.prompt(prompt, key=order.key)
    pieces = [piece async for piece in response if piece]
    usage = await response.usage()
    return {"text": "".join(pieces), "pieces": len(pieces), "usage": (usage.input or 0) + (usage.output or 0)}


async def leave(order: Order) -> Told:
    return await leave_after_first(aiter(model_of(order).prompt(order.prompt, key=order.key)))


async def bad(order: Order) -> Told:
    await model_of(order).prompt(order.prompt, key=order.key, json_object=True)
    return {}


run(chat=chat, leave=leave, bad=bad, **streaming(opened, read))
