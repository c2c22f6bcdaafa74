"""What a live page begins for a request: a fetch, or a WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from multidict import CIMultiDict

    from doorkey.browser import LivePage, PageRequest, SocketRequest
    from doorkey.browser.live.page_fetch import PageFetch
    from doorkey.browser.live.page_socket import PageSocket


class Exchange(Protocol):
    """`settled` is set when its head or its end has come, `over` when it takes up no connection for requests.

    `on_begun` is called when the browser has the request, with its cookies.
    """

    on_begun: Callable[[], None]

    @property
    def headers(self) -> CIMultiDict[str]: ...

    @property
    def settled(self) -> asyncio.Event: ...

    @property
    def over(self) -> asyncio.Event: ...

    async def wait_for_head(self) -> tuple[int, CIMultiDict[str]]: ...

    def close(self) -> None: ...


async def begin_fetch(page_request: PageRequest, live_page: LivePage, begun: Callable[[PageFetch], None]) -> None:
    await live_page.fetch(page_request, begun)


async def begin_socket(asked: SocketRequest, live_page: LivePage, begun: Callable[[PageSocket], None]) -> None:
    await live_page.sockets.connect(asked, begun)
