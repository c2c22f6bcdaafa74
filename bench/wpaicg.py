"""Measures what a dead nonce of AI Power costs by each way of renewing: the site's endpoint (2.x), its page, a browser.

The site is a local copy in this process. Each time is that of a question that is refused, and answered after the
renewal. The ways take turns in one run; the browser is running already.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time

from doorkey import Runtime, Settings
from doorkey_providers.twins.wordpress import ChatGpttTwin

ROUNDS = 7
GOAL = 2.0


async def asked(runtime: Runtime) -> tuple[float, str]:
    """Seconds that one question took, and how the session of its answer was made."""
    began = time.perf_counter()
    async with await runtime.answer("blog", [{"role": "user", "content": "Hello"}]) as answer:
        text = "".join([str(delta) async for delta in answer])
    assert text == "chatgptt heard: Hello", text
    return time.perf_counter() - began, answer.session.rung


async def rounds(generation: str) -> dict[str, list[float]]:
    """Seconds for each way of renewing."""
    took: dict[str, list[float]] = {}
    async with ChatGpttTwin() as twin:
        twin.switch(generation=generation)
        blog = {"provider": "wpaicg", "url": twin.url}
        settings = Settings.model_validate({"sites": {"blog": blog}, "store": {"url": "memory://"}})
        async with Runtime(settings) as runtime:
            await asked(runtime)
            for number in range(ROUNDS):
                for browser in (False, True):
                    # Dead cookies can't be told apart from any refusal: only the browser gets everything anew.
                    twin.switch(rotate=True, expire_cookies=browser)
                    seconds, rung = await asked(runtime)
                    took.setdefault(rung, []).append(seconds)
                    # Generations that end after the same number of uses would pass for a site that counts them.
                    for _ in range(number % 3):
                        await asked(runtime)
    return took


async def main() -> int:
    reached = True
    for generation, cheap in (("1.9", "direct"), ("2.x", "token endpoint")):
        took = {rung: statistics.median(seconds) for rung, seconds in (await rounds(generation)).items()}
        ratio = took["browser"] / took[cheap]
        reached = reached and ratio >= GOAL
        print(
            f"wpaicg {generation}, a dead nonce: {took[cheap] * 1000:.0f} ms by {cheap}, "
            f"{took['browser'] * 1000:.0f} ms by the browser: {ratio:.1f} times as fast (goal {GOAL:g})"
        )
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
