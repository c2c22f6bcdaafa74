"""The seeds' classes against the twins, with a real Chromium."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from doorkey.errors import TimeLimit
from doorkey_providers import Aichat, AiChats, ChatgptFree, ChatGptt
from doorkey_providers.twins.aichat import AichatTwin
from doorkey_providers.twins.aichats import AiChatsTwin
from doorkey_providers.twins.wordpress import ChatgptFreeTwin, ChatGpttTwin

pytestmark = pytest.mark.browser
HELLO = [{"role": "user", "content": "Hello"}]


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    for name in ("XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    yield
    for cls in (Aichat, AiChats, ChatGptt, ChatgptFree):
        cls.url = cls.home


async def test_fifty_calls_share_one_visit() -> None:
    async with ChatgptFreeTwin() as twin:
        ChatgptFree.url = twin.url
        answers = await asyncio.gather(*(ChatgptFree.create_async("gpt-4o-mini", HELLO) for _ in range(50)))
        assert set(answers) == {"chatgptfree heard: Hello"}
        assert (twin.counts.page_loads, ChatgptFree._post_id) == (1, "106")


async def test_create_completion_works_inside_a_running_loop() -> None:
    async with AichatTwin() as twin:
        Aichat.url = twin.url
        got = await asyncio.to_thread(lambda: list(Aichat._create_completion("gpt-3.5-turbo", HELLO)))
        assert got == ["aichat heard: user: Hello\nassistant:"]


async def test_an_image_comes_with_url_bytes_and_alt() -> None:
    async with AiChatsTwin() as twin:
        AiChats.url = twin.url
        (image,) = [piece async for piece in AiChats.create_async_generator("dalle", HELLO)]
        assert not isinstance(image, str)
        assert image.url.startswith(twin.origin)
        assert image.data_uri.startswith("data:image/png;base64,iVBOR")
        assert image.alt == "Hello"


@pytest.mark.xfail(raises=TimeLimit, strict=True, reason="the visit still waits for `ready` when 20 s are over")
async def test_a_page_without_tokens_is_a_runtime_error() -> None:
    async with ChatGpttTwin() as twin:
        ChatGptt.url = twin.url
        twin.switch(html_instead_of_page_tokens=True)
        with pytest.raises(RuntimeError, match="nonce"):
            await ChatGptt.create_async("gpt-4o", HELLO, timeout=20)
