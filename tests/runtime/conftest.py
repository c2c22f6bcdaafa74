"""The whole thing: real Chromium, twins of the sites, a Runtime made from settings as a user writes them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from doorkey import Runtime, Settings
from doorkey.browser import BrowserPool
from doorkey_providers.twins.aichat import AichatTwin
from doorkey_providers.twins.aichats import AiChatsTwin
from doorkey_providers.twins.twin import Twin
from doorkey_providers.twins.wordpress import ChatgptFreeTwin, ChatGpttTwin

KINDS: dict[str, type[Twin]] = {kind.name: kind for kind in (AichatTwin, AiChatsTwin, ChatGpttTwin, ChatgptFreeTwin)}

Opened = Callable[..., Any]


@pytest.fixture
async def twin(request: pytest.FixtureRequest) -> AsyncIterator[Twin]:
    """One twin: chatgptfree, or the one a test names by `parametrize(..., indirect=["twin"])`."""
    async with KINDS[getattr(request, "param", "chatgptfree")]() as twin:
        yield twin


@pytest.fixture
def settings(twin: Twin, tmp_path: Path) -> Callable[..., Settings]:
    """Settings with the twin as a site, in a store of this test, with what a test adds to it."""

    def make(**more: Any) -> Settings:
        values = {
            "sites": {twin.name: {"url": twin.url}},
            "store": {"url": f"sqlite://{tmp_path / 'sessions.db'}"},
            **more,
        }
        return Settings.model_validate(values)

    return make


@pytest.fixture
async def runtimes(settings: Callable[..., Settings], browsers: BrowserPool) -> AsyncIterator[Callable[..., Any]]:
    """Opens runtimes and closes them at the end. They share a browser, but for those with one of their *own*."""
    async with AsyncExitStack() as exits:

        async def open_one(*, overrides: bool = False, **more: Any) -> Runtime:
            return await exits.enter_async_context(Runtime(settings(**more), pool=None if overrides else browsers))

        yield open_one
