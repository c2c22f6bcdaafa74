"""A Runtime that answers what a test tells it to; `test_contract.py` holds it to the real one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from doorkey.browser import BrowserPool
from doorkey.clock import SystemClock
from doorkey.config.settings import Settings
from doorkey.errors import EmptyAnswer, NeedsPerson, UnknownModel, UnknownSite
from doorkey.model.chat import Delta, FinishReason, Message, parse_messages
from doorkey.model.events import Events
from doorkey.model.session import Session
from doorkey.model.site import Site
from doorkey.provider import Provider
from doorkey.status import SiteStatus

Step = Sequence[Delta] | BaseException | asyncio.Event


@dataclass
class Asked:
    model: str
    messages: tuple[Message, ...]
    kind: str | None
    options: Mapping[str, Any]


class DoubleAnswer:
    """Batches, errors and gates, in the order of the script."""

    transport = "direct"
    waited = 0.0

    def __init__(self, script: Sequence[Step], renewed: int = 0, finish_reason: FinishReason | None = None) -> None:
        self.finish_reason = finish_reason
        self.site = "aichats"
        self.renewed = renewed
        self.closed = asyncio.Event()
        self._script = list(script)

    async def batches(self) -> AsyncIterator[Sequence[Delta]]:
        try:
            for step in self._script:
                if isinstance(step, BaseException):
                    raise step
                if isinstance(step, asyncio.Event):
                    await step.wait()
                elif step:
                    yield step
        finally:
            await self.aclose()

    async def __aiter__(self) -> AsyncIterator[Delta]:
        async for batch in self.batches():
            for item in batch:
                yield item

    async def aclose(self) -> None:
        self.closed.set()

    async def __aenter__(self) -> DoubleAnswer:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


@dataclass
class DoubleRuntime:
    """`script` is the next answers' course; an error as its first step is raised by `answer` itself."""

    script: Sequence[Step] = (["Hello"], [" there"])
    renewed: int = 0
    finish_reason: FinishReason | None = None
    asked: list[Asked] = field(default_factory=list)
    visited: list[str] = field(default_factory=list)
    session: Session | None = None
    paused: set[str] = field(default_factory=set)
    events: Events = field(default_factory=lambda: Events(SystemClock()))
    pool: BrowserPool = field(default_factory=BrowserPool)
    answers: list[DoubleAnswer] = field(default_factory=list)
    settings: Settings = field(default_factory=Settings)
    sites: Mapping[str, object] = field(default_factory=lambda: {"aichats": object()})

    def models(self) -> tuple[str, ...]:
        return ("aichats/gpt-4", "aichats/dalle", "fast")

    def sites_of(self, model: str) -> tuple[str, ...]:
        return ("aichats", "other") if model == "fast" else (model.partition("/")[0],)

    def draws(self, model: str) -> bool:
        return model == "aichats/dalle"

    async def visit(self, site: str) -> None:
        if site not in self.sites:
            raise UnknownSite(f"no site is called {site[:80]!r}")
        self.visited.append(site)

    def pause(self, site: str) -> None:
        if site not in self.sites:
            raise UnknownSite(f"no site is called {site[:80]!r}")
        self.paused.add(site)

    def resume(self, site: str) -> None:
        self.paused.discard(site)

    def held(self, name: str) -> Session | None:
        return self.session

    def provider(self, site: str) -> Provider:
        return Provider(Site(name=site, url="http://127.0.0.1:1/"))

    def target(self, site: str) -> None:
        raise NeedsPerson("a person has to log in", site=site)

    def status(self) -> list[SiteStatus]:
        return [
            SiteStatus(
                name="aichats", provider="aichats", url="http://127.0.0.1:1/", state="paused" if self.paused else "none"
            )
        ]

    async def known(self) -> list[SiteStatus]:
        return self.status()

    async def answer(
        self,
        model: str,
        messages: Iterable[object],
        *,
        kind: str | None = None,
        options: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        overrides: object = None,
    ) -> DoubleAnswer:
        self.asked.append(Asked(model, parse_messages(messages), kind, options or {}))
        if model.split("/")[0] not in ("aichats", "fast"):
            raise UnknownModel(f"no model is called {model[:80]!r}", param="model")
        if not self.script:
            raise EmptyAnswer("aichats: the answer is empty", site="aichats")
        if isinstance(self.script[0], BaseException):
            raise self.script[0]
        answer = DoubleAnswer(self.script, self.renewed, self.finish_reason)
        self.answers.append(answer)
        return answer
