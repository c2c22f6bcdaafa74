"""The seeds' public surface: provider classes that are called without an instance, over a shared Runtime."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import urljoin, urlsplit
from weakref import WeakKeyDictionary

from doorkey import Delta, Image, Own, Runtime, Settings
from doorkey.errors import UnknownModel, UnknownSite

Messages = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class ImageResponse:
    """A drawn image: where the site keeps it, its bytes, and the prompt as its alt text."""

    url: str
    alt: str = field(default="", repr=False)
    data: bytes = field(default=b"", repr=False)
    media_type: str = "image/png"

    @property
    def data_uri(self) -> str:
        return f"data:{self.media_type};base64,{base64.b64encode(self.data).decode()}"

    def __str__(self) -> str:
        return f"![{self.alt}]({self.url})"


@dataclass(slots=True)
class Shared:
    runtime: Runtime
    users: int = 0


HOMES = {
    "aichat": "https://chat-gpt.org/chat",
    "aichats": "https://ai-chats.org/chat/",
    "chatgptt": "https://chatgptt.me/",
    "chatgptfree": "https://chatgptfree.ai/",
}
_shared: WeakKeyDictionary[asyncio.AbstractEventLoop, Shared] = WeakKeyDictionary()


@asynccontextmanager
async def shared_runtime() -> AsyncIterator[Runtime]:
    """The Runtime that all calls of this event loop share; the first makes it, the last to end closes it."""
    loop = asyncio.get_running_loop()
    if loop not in _shared:
        _shared[loop] = Shared(Runtime(settings()))
    shared = _shared[loop]
    shared.users += 1
    try:
        yield shared.runtime
    finally:
        shared.users -= 1
        if not shared.users:
            # Taken out first: a call that begins while this one closes makes its own.
            del _shared[loop]
            await shared.runtime.close()


def settings() -> Settings:
    """The configuration; of the seeds' sites, those it lacks are at their own hosts."""
    configured = Settings.load()
    missing = {name: {"url": url} for name, url in HOMES.items() if name not in configured.sites}
    return Settings.load(sites=missing) if missing else configured


async def get_cookies(domain: str) -> dict[str, str]:
    """The cookies of the site at *domain*: its current session's, else those of a visit made now.

    Raises UnknownSite where no site has that host.
    """
    async with shared_runtime() as runtime:
        for name, site in runtime.sites.items():
            if urlsplit(site.url).hostname == domain.lstrip("."):
                session = await runtime.session(name)
                return {cookie.name: cookie.value for cookie in session.cookies}
    raise UnknownSite(f"no configured site has the host {domain[:80]!r}")


class Facade(type):
    """`api_endpoint` follows the origin of `url`, which may be assigned on the class."""

    url: str
    api_path: str

    @property
    def api_endpoint(cls) -> str:
        return urljoin(cls.url, cls.api_path)


class AsyncProvider(metaclass=Facade):
    """A site as the seeds call it. `site` is its configured name; `home` the URL that the class was written with."""

    site: ClassVar[str] = ""
    home: ClassVar[str] = ""
    url: ClassVar[str] = ""
    api_path: ClassVar[str] = "/"
    working: ClassVar[bool] = False
    limit: ClassVar[float | None] = None
    """Seconds for a whole call that names no `timeout`; None: the setting limits.total."""

    @property
    def api_endpoint(self) -> str:
        return urljoin(self.url, self.api_path)

    @classmethod
    async def create_async(cls, model: str, messages: Messages, proxy: str | None = None, **kwargs: Any) -> str:
        """The whole answer: its text, or the URL of its image. Raises DoorkeyError."""
        pieces = [piece async for piece in cls.deltas(model, messages, proxy=proxy, **kwargs)]
        return "".join(piece if isinstance(piece, str) else piece.url for piece in pieces)

    @classmethod
    async def deltas(
        cls,
        model: str,
        messages: Messages,
        *,
        proxy: str | None = None,
        cookies: Mapping[str, str] | None = None,
        user_agent: str | None = None,
        timeout: float | None = None,
        **options: Any,
    ) -> AsyncGenerator[Delta, None]:
        """The answer as it comes. *timeout* is seconds for the whole call, a visit included."""
        moved = cls.url if cls.url != cls.home else None
        own = Own(url=moved, proxy=proxy, cookies=cookies, user_agent=user_agent)
        async with shared_runtime() as runtime:
            name = f"{cls.site}/{model}" if model else cls.site
            answer = await runtime.answer(name, messages, options=options, timeout=timeout or cls.limit, own=own)
            cls.entered(answer.session.tokens)
            async with answer:
                async for delta in answer:
                    yield delta

    @classmethod
    def entered(cls, tokens: Mapping[str, Any]) -> None:
        """Told the tokens of the session that an answer came with."""


class AsyncGeneratorProvider(AsyncProvider):
    @classmethod
    async def create_async_generator(
        cls, model: str, messages: Messages, proxy: str | None = None, **kwargs: Any
    ) -> AsyncGenerator[str | ImageResponse, None]:
        """The answer as it comes. Errors are raised, never yielded as text."""
        async for delta in cls.deltas(model, messages, proxy=proxy, **kwargs):
            yield response(delta) if isinstance(delta, Image) else delta


class ProviderModelMixin:
    default_model: ClassVar[str] = ""
    models: ClassVar[list[str]] = []
    model_aliases: ClassVar[dict[str, str]] = {}

    @classmethod
    def get_model(cls, model: str) -> str:
        """Empty gives the default, an alias its target. Raises UnknownModel listing the known ones."""
        name = cls.model_aliases.get(model, model) or cls.default_model
        if name not in cls.models:
            raise UnknownModel(f"no model is called {name[:80]!r}; there are: {', '.join(cls.models)}", param="model")
        return name


def response(image: Image) -> ImageResponse:
    return ImageResponse(image.url, image.alt, image.data, image.media_type)
