"""Counts doorkey's modules and functions that a request passes through: a chat, the door, a chat with a renewal.

The service, and a local copy of a site with AI Power, run in this process. `-v` lists the functions.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import aiohttp
from aiohttp import web

import doorkey
import doorkey_providers
from doorkey import Page, Runtime, Settings
from doorkey.model.cookies import Cookie
from doorkey.service.app import build_app
from doorkey_providers.twins.passes import mix
from doorkey_providers.twins.wordpress import ChatgptFreeTwin

SITE, KEY = "chatgptfree", "sk-path"
HEADERS = {"Authorization": f"Bearer {KEY}"}
CHAT = {"model": f"{SITE}/gpt-4o-mini", "stream": True, "messages": [{"role": "user", "content": "Hello"}]}
ROOTS = tuple(str(Path(package.__file__ or "").parent) for package in (doorkey, doorkey_providers))
TWINS = str(Path(doorkey_providers.__file__ or "").parent / "twins")
LEAST = {"chat": (33, 160), "door": (31, 97), "renewal": (45, 233)}
"""The modules and functions before the code was first arranged by its terms: the goal is to stay below."""


@dataclass(slots=True)
class Passed:
    """The functions of doorkey that were called: each by its file, name and line."""

    functions: set[tuple[str, str, int]] = field(default_factory=set)

    @property
    def counts(self) -> tuple[int, int]:
        """The number of modules, and of functions in them."""
        return len({file for file, _, _ in self.functions}), len(self.functions)

    def note(self, frame: FrameType, event: str, _: object) -> None:
        """Take what `sys.setprofile` tells."""
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(ROOTS) and not code.co_filename.startswith(TWINS):
            self.functions.add((code.co_filename, code.co_qualname, code.co_firstlineno))


async def count(work: Callable[[], Awaitable[None]]) -> Passed:
    """Return what *work* calls on the event loop."""
    passed = Passed()
    sys.setprofile(passed.note)
    try:
        await work()
    finally:
        sys.setprofile(None)
    return passed


async def enter(runtime: Runtime, twin: ChatgptFreeTwin) -> None:
    """Give *runtime* the session that a browser would make at *twin*, so that none runs beside what is counted."""
    async with aiohttp.ClientSession() as client, client.get(twin.url) as answer:
        page = Page(url=twin.url, html=await answer.text())
    passes = twin.cookie_gate.passes
    seed = passes.seed()
    ticket = passes.ticket(seed, twin.clock.wall())
    cookie = Cookie(twin.script_cookie, f"{ticket}.{mix(f'{passes.key(seed)}:{ticket}')}", "127.0.0.1")
    target = runtime.target(SITE)
    tokens = target.provider.read(page)
    made = target.source.builder.build(
        "browser", twin.url, cookies=(cookie,), headers={}, tokens=tokens, local={}, previous=None
    )
    await runtime._parts.keeper.adopt(target, made)


async def measure() -> dict[str, Passed]:
    """Return what each kind of request passes through, once all that is done for the first one only was done."""
    twin = ChatgptFreeTwin()
    await twin.start()
    settings = Settings.model_validate({"store": {"url": "memory://"}, "sites": {SITE: {"url": twin.url}}})
    async with Runtime(settings) as runtime:
        await enter(runtime, twin)
        runner = web.AppRunner(build_app(runtime, service=settings.service, key=KEY))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        base = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with aiohttp.ClientSession(base, headers=HEADERS) as client:

            async def chat() -> None:
                async with client.post("/v1/chat/completions", json=CHAT) as answer:
                    assert "[DONE]" in await answer.text(), answer.status

            async def door() -> None:
                async with client.get(f"/site/{SITE}/") as answer:
                    await answer.read()
                    assert answer.status == 200, answer.status

            for _ in range(3):
                await chat()
                await door()
            passed = {"chat": await count(chat), "door": await count(door)}
            twin.rotate()
            passed["renewal"] = await count(chat)
        await runner.cleanup()
    await twin.stop()
    return passed


async def main() -> int:
    good = True
    for name, passed in (await measure()).items():
        (modules, functions), (most_modules, most_functions) = passed.counts, LEAST[name]
        good = good and modules < most_modules and functions < most_functions
        print(f"{name}: {modules} modules, {functions} functions (goal: below {most_modules}, {most_functions})")
        if "-v" in sys.argv:
            for file, function, _ in sorted(passed.functions):
                print("   ", file.rpartition("/doorkey")[2], function)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
