"""Runs one client: reads an order a line from standard input, and writes what the client made of it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

Told = dict[str, Any]
Verb = Callable[["Order"], Awaitable[Told]]
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
