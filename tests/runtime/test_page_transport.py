"""The chats of the seeds by the `page` transport: providers can't tell what carries them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from doorkey_providers.twins.twin import Twin

pytestmark = pytest.mark.browser

Runtimes = Callable[..., Any]


@pytest.mark.parametrize("twin", ["aichat", "aichats", "chatgptt", "chatgptfree"], indirect=True)
async def test_each_site_answers_by_its_page_and_is_renewed_there(twin: Twin, runtimes: Runtimes) -> None:
    runtime = await runtimes(sites={twin.name: {"url": twin.url, "transport": "page"}})

    async def asked(text: str) -> str:
        answer = await runtime.answer(twin.name, [{"role": "user", "content": text}])
        assert answer.transport == "page"
        async with answer:
            return "".join([delta async for delta in answer if isinstance(delta, str)])

    assert "first" in await asked("first")
    loads = twin.counts.page_loads
    twin.switch(rotate=True)
    answers = await asyncio.gather(*(asked(f"question {n}!") for n in range(4)))
    assert all(f"question {n}!" in answer for n, answer in enumerate(answers))
    assert twin.counts.page_loads == loads + 1
