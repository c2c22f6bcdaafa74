"""The seeds' blocking call: from a thread, inside a running loop, left early, interrupted."""

from __future__ import annotations

import asyncio
import signal
import threading
from typing import Any

import pytest

from doorkey.errors import RateLimited, SiteDown
from doorkey_providers import Aichat, ChatgptFree
from doorkey_providers import aichat as module
from doorkey_providers.blocking import iterate_in_thread
from doorkey_providers.shared import shared_runtime
from doorkey_providers.twins.aichat import AichatTwin
from doorkey_providers.twins.wordpress import ChatgptFreeTwin

pytestmark = [pytest.mark.browser, pytest.mark.slow]
HELLO = [{"role": "user", "content": "Hello"}]
ANSWER = ["aichat heard: user: Hello\nassistant:"]


def own_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("doorkey_")]


async def test_it_works_in_a_coroutine_which_it_blocks(elsewhere: Any) -> None:
    with elsewhere(AichatTwin()) as twin:
        Aichat.url = twin.url
        async with shared_runtime() as runtime:
            await Aichat.create_async("", HELLO)
            assert list(Aichat._create_completion("gpt-3.5-turbo", HELLO)) == ANSWER
            assert list(module._create_completion("gpt-3.5-turbo", HELLO, stream=True)) == ANSWER
            assert await Aichat.create_async("", HELLO)
            assert runtime.pool.launches == 1
        assert twin.counts.page_loads == 1
        assert own_threads() == []


async def test_it_works_in_a_thread() -> None:
    async with AichatTwin() as twin:
        Aichat.url = twin.url
        assert await asyncio.to_thread(lambda: list(Aichat._create_completion("gpt-3.5-turbo", HELLO))) == ANSWER
        assert (twin.log[-1].fields["temperature"], twin.log[-1].fields["top_p"]) == (1, 1)


async def test_five_threads_at_once_are_one_page_load() -> None:
    async with AichatTwin() as twin:
        Aichat.url = twin.url
        calls = (asyncio.to_thread(lambda: list(Aichat._create_completion("", HELLO))) for _ in range(5))
        assert await asyncio.gather(*calls) == [ANSWER] * 5
        assert twin.counts.page_loads == 1


def test_nothing_starts_before_the_first_piece_is_asked_for(elsewhere: Any) -> None:
    with elsewhere(AichatTwin()) as twin:
        Aichat.url = twin.url
        Aichat._create_completion("gpt-3.5-turbo", HELLO).close()
        assert (twin.counts.page_loads, own_threads()) == (0, [])


def test_its_errors_arrive_in_the_caller(elsewhere: Any) -> None:
    with elsewhere(AichatTwin()) as twin:
        Aichat.url = twin.url
        twin.switch(quota=True)
        with pytest.raises(RateLimited):
            next(Aichat._create_completion("gpt-3.5-turbo", HELLO))
        twin.switch(reset=True, backend_failure=True)
        with pytest.raises(OSError, match="could not answer") as failed:
            next(Aichat._create_completion("gpt-3.5-turbo", HELLO))
        assert isinstance(failed.value, SiteDown)
        assert own_threads() == []


async def test_closing_it_early_ends_the_request_at_the_site_and_its_thread() -> None:
    async with ChatgptFreeTwin() as twin:
        ChatgptFree.url = twin.url
        twin.stream_gate = asyncio.Event()
        pieces = iterate_in_thread(ChatgptFree.create_async_generator("", HELLO))
        assert await asyncio.to_thread(next, pieces)
        assert len(own_threads()) == 1
        await asyncio.to_thread(pieces.close)
        assert own_threads() == []
        await asyncio.wait_for(twin.counts.until(lambda counts: counts.left == 1), 10)


class Interrupted(Exception):
    """What the test's signal raises in the main thread."""


def test_an_interrupt_ends_the_request_at_the_site_and_its_thread(elsewhere: Any) -> None:
    def interrupt(*_: object) -> None:
        raise Interrupted

    def interrupt_once_asked() -> None:
        elsewhere.wait(twin.counts.until(lambda counts: counts.in_progress > 0))
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

    with elsewhere(AichatTwin()) as twin:
        Aichat.url = twin.url
        twin.slow_gate = asyncio.Event()
        before = signal.signal(signal.SIGUSR1, interrupt)
        watch = threading.Thread(target=interrupt_once_asked)
        watch.start()
        try:
            with pytest.raises(Interrupted):
                next(Aichat._create_completion("gpt-3.5-turbo", HELLO))
        finally:
            signal.signal(signal.SIGUSR1, before)
            watch.join()
        assert own_threads() == []
        assert twin.counts.accepted == 1
