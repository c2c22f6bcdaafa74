"""The public interface of the seeds: provider classes with class methods, over a shared Runtime."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncGenerator, Coroutine, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias
from urllib.parse import urljoin, urlsplit

from doorkey import CallerOverrides, Runtime, Tokens
from doorkey.errors import RequestError, UnknownModel, UnknownSite
from doorkey.model.chat import Image
from doorkey_providers.shared import HOMES, shared_runtime

Messages: TypeAlias = Sequence[Mapping[str, Any]]
UNSENDABLE = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class ImageResponse:
    """An image that a site made: its URL there, its bytes, and the prompt as its alt text."""

    url: str
    alt: str = field(default="", repr=False)
    data: bytes = field(default=b"", repr=False)
    media_type: str = "image/png"

    @property
    def data_uri(self) -> str:
        return f"data:{self.media_type};base64,{base64.b64encode(self.data).decode()}"

    def __str__(self) -> str:
        return f"![{self.alt}]({self.url})"


Piece: TypeAlias = str | ImageResponse


class Facade(type):
    """Makes `api_endpoint` follow the origin of `url`, which may be assigned on the class."""

    url: str
    api_path: str

    @property
    def api_endpoint(cls) -> str:
        return urljoin(cls.url, cls.api_path)


class AsyncProvider(metaclass=Facade):
    """A site as the seeds call it. `site` is its configured name, `home` the URL that the class was written with.

    All calls take `cookies`, `user_agent` and `timeout` (seconds for the whole call, a visit included; default: the
    setting limits.total); other keywords are options of the provider. They raise DoorkeyError. The URL is the one that
    is assigned when the call is made.
    """

    site: ClassVar[str] = ""
    home: ClassVar[str] = ""
    url: ClassVar[str] = ""
    api_path: ClassVar[str] = "/"
    working: ClassVar[bool] = False

    @property
    def api_endpoint(self) -> str:
        return urljoin(self.url, self.api_path)

    @classmethod
    def create_async(
        cls, model: str, messages: Messages, proxy: str | None = None, **kwargs: Any
    ) -> Coroutine[Any, Any, str]:
        """Return the whole answer: its text, or the URL of its image."""
        return join(cls.pieces(model, messages, proxy, **kwargs))

    @classmethod
    def pieces(
        cls,
        model: str,
        messages: Messages,
        proxy: str | None = None,
        *,
        timeout: float | None = None,
        cookies: Mapping[str, str] | None = None,
        user_agent: str | None = None,
        **options: Any,
    ) -> AsyncGenerator[Piece, None]:
        """Yield the answer as it comes."""
        # Not inside the generator, whose code first runs when it is iterated: `url` may have changed by then.
        overrides = CallerOverrides(
            url=find_moved_url(cls), proxy=proxy or None, cookies=cookies or None, user_agent=user_agent or None
        )
        return cls._answered(overrides, model, messages, timeout, options)

    @classmethod
    async def _answered(
        cls,
        overrides: CallerOverrides,
        model: str,
        messages: Messages,
        timeout: float | None,
        options: Mapping[str, Any],
    ) -> AsyncGenerator[Piece, None]:
        check_overrides(overrides)
        if issubclass(cls, ProviderModelMixin):
            model = cls.get_model(model)
        async with shared_runtime() as runtime:
            name = f"{cls.site}/{model}" if model else cls.site
            answer = await runtime.answer(name, messages, options=options, timeout=timeout, overrides=overrides)
            cls.note_tokens(answer.session.tokens)
            async with answer:
                async for delta in answer:
                    yield to_response(delta) if isinstance(delta, Image) else delta

    @classmethod
    def note_tokens(cls, tokens: Tokens) -> None:
        """Called with the tokens of the session that an answer came with."""


class AsyncGeneratorProvider(AsyncProvider):
    @classmethod
    def create_async_generator(
        cls, model: str, messages: Messages, proxy: str | None = None, **kwargs: Any
    ) -> AsyncGenerator[Piece, None]:
        """Yield the answer as it comes, an image as one ImageResponse. Errors are raised, never yielded as text."""
        return cls.pieces(model, messages, proxy, **kwargs)

    @classmethod
    def create_async(
        cls, model: str, messages: Messages, proxy: str | None = None, **kwargs: Any
    ) -> Coroutine[Any, Any, str]:
        return join(cls.create_async_generator(model, messages, proxy, **kwargs))


class ProviderModelMixin(metaclass=Facade):
    default_model: ClassVar[str] = ""
    models: ClassVar[list[str]] = []
    model_aliases: ClassVar[dict[str, str]] = {}

    @classmethod
    def get_model(cls, model: str) -> str:
        """Return the model that *model* means; empty means the default. Raises UnknownModel, which lists the models."""
        name = cls.model_aliases.get(model, model) or cls.default_model
        if name not in cls.models:
            raise UnknownModel(f"no model is called {name[:80]!r}; there are: {', '.join(cls.models)}", param="model")
        return name


async def join(pieces: AsyncGenerator[Piece, None]) -> str:
    async with aclosing(pieces):
        return "".join([piece if isinstance(piece, str) else piece.url async for piece in pieces])


def to_response(image: Image) -> ImageResponse:
    return ImageResponse(image.url, image.alt, image.data, image.media_type)


def find_moved_url(cls: type[AsyncProvider]) -> str | None:
    """Return the URL that was assigned on the class; None leaves it to the configuration."""
    return cls.url if cls.url != cls.home else None


def check_overrides(overrides: CallerOverrides) -> None:
    """Raises RequestError for cookies or a user agent that no request can carry. It does not repeat them."""
    cookies = {} if overrides.cookies is None else overrides.cookies
    if not isinstance(cookies, Mapping) or not all(isinstance(text, str) for pair in cookies.items() for text in pair):
        raise RequestError("cookies must be a mapping of names to values, both of them text", param="cookies")
    for name, value in cookies.items():
        if not name or UNSENDABLE.search(name + value) or "=" in name or ";" in name + value:
            raise RequestError("cookies: a name or a value holds what a cookie can't hold", param="cookies")
    if overrides.user_agent is not None and UNSENDABLE.search(overrides.user_agent):
        raise RequestError("user_agent: a line of text without control characters was expected", param="user_agent")


async def get_cookies(domain: str) -> dict[str, str]:
    """Return the cookies of the site at *domain*: those of its session, which a visit makes if there is none.

    *domain* is a host, with its port where several have one: of a URL assigned on a class, of a configured site, or
    the one that a seed's site had at first. Raises UnknownSite.
    """
    async with shared_runtime() as runtime:
        name, overrides = find_site(domain.lstrip(".").lower(), runtime)
        session = await runtime.session(name, overrides=overrides)
    return {cookie.name: session.cookie(cookie.name) or "" for cookie in session.cookies}


def find_site(host: str, runtime: Runtime) -> tuple[str, CallerOverrides]:
    classes = [(cls.site, cls.url, cls.home) for cls in list_subclasses(AsyncProvider) if find_moved_url(cls)]
    for name, url, home in classes:
        if is_at(host, url) or is_at(host, home):
            return name, CallerOverrides(url=url)
    configured = [(name, site.url) for name, site in runtime.sites.items()]
    for name, url in (*configured, *HOMES.items()):
        if is_at(host, url):
            return name, CallerOverrides()
    raise UnknownSite(f"no configured site has the host {host[:80]!r}")


def is_at(host: str, url: str) -> bool:
    parts = urlsplit(url)
    return host in (parts.hostname, parts.netloc.lower())


def list_subclasses(cls: type[AsyncProvider]) -> Iterator[type[AsyncProvider]]:
    for sub in cls.__subclasses__():
        yield sub
        yield from list_subclasses(sub)
