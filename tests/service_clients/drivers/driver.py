"""Runs one client: reads an order a line from standard input, and writes what the client made of it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

Told = dict[str, Any]
Verb = Callable[["Order"], Awaitable[Told]]
Opener = Callable[["Order"], AbstractAsyncContextManager[Any]]
"""Makes a client for an order, and closes it."""
LINE = 64 * 1024 * 1024


class Order:
    """`base` is the service's address without /v1; `retries` is how often the client may repeat a request by itself."""

    def __init__(self, read: Mapping[str, Any]) -> None:
        self.base: str = read["base"]
        self.url = f"{self.base}/v1"
        self.key: str = read["key"]
        self.model: str = read["model"]
        self.prompt: str = read["prompt"]
        self.retries: int = read["retries"]
        self.count: int = read["count"]

    def prompts(self) -> list[str]:
        return [f"{self.prompt} {number}." for number in range(self.count)]


def asked(prompt: str) -> Any:
    """Return the messages of a chat whose only question is *prompt*."""
    return [{"role": "user", "content": prompt}]


def listing(sdk: Opener) -> Verb:
    """Return the verb that lists the models."""

    async def models(order: Order) -> Told:
        async with sdk(order) as client:
            names = [model.id async for model in client.models.list()]
            return {"models": names, "one": (await client.models.retrieve(order.model)).id}

    return models


def streaming(open_client: Opener, read: Callable[[Any, Order, str], Awaitable[Told]]) -> dict[str, Verb]:
    """Return the verbs that read one streamed answer, and many at once. *read* reads one by a client, to a prompt."""

    async def stream(order: Order) -> Told:
        async with open_client(order) as client:
            return await read(client, order, order.prompt)

    async def many(order: Order) -> Told:
        async with open_client(order) as client:
            told = await asyncio.gather(*(read(client, order, prompt) for prompt in order.prompts()))
        return {"texts": [one["text"] for one in told]}

    return {"stream": stream, "many": many}


async def leave_after_first(pieces: AsyncIterator[str]) -> Told:
    """Take the first of *pieces* that is not empty, and cancel the task that reads them."""
    first: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def listen() -> None:
        async for piece in pieces:
            if piece and not first.done():
                first.set_result(piece)

    listening = asyncio.create_task(listen())
    await asyncio.wait([listening, first], return_when=asyncio.FIRST_COMPLETED)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    return {"text": first.result()}


def tell_error(error: BaseException) -> Told:
    """What *error*, or an error that it was made from, says of the service's answer."""
    told: Told = {"kind": type(error).__name__, "message": str(error), "status": None, "code": None}
    cause: BaseException | None = error
    while cause is not None:
        body = getattr(cause, "body", None)
        inner = body.get("error", body) if isinstance(body, dict) else {}
        told["status"] = told["status"] or getattr(cause, "status_code", None)
        told["code"] = told["code"] or getattr(cause, "code", None) or inner.get("code")
        cause = cause.__cause__ or cause.__context__
    return told


async def obey(verbs: Mapping[str, Verb]) -> None:
    reader = asyncio.StreamReader(limit=LINE)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        read = json.loads(line)
        try:
            told = await verbs[read["verb"]](Order(read))
        except Exception as error:  # noqa: BLE001  # whatever the client makes of the service's answer is the result
            told = {"error": tell_error(error)}
        print(json.dumps(told), flush=True)


def run(**verbs: Verb) -> None:
    print(json.dumps({"verbs": sorted(verbs)}), flush=True)
    asyncio.run(obey(verbs))
