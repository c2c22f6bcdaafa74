"""The check of one site: a visit, and what it found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from doorkey.errors import DoorkeyError
from doorkey.model.failure import describe_error, exit_code
from doorkey.setup.session_report import describe_rules, report_session

if TYPE_CHECKING:
    from doorkey.runtime import Runtime

QUESTION = "Say hello in one word."
STEP = "step     "


@dataclass(frozen=True, slots=True)
class Check:
    """The check of one site. `say` prints a line; the findings are printed only if `verbose`."""

    runtime: Runtime
    name: str
    say: Callable[[str], object]
    verbose: bool

    async def run(self, *, probe: bool) -> dict[str, Any]:
        """Visit the site. Returns the findings without secrets; `exit` is the exit code for this site alone."""
        site = self.runtime.sites[self.name]
        result: dict[str, Any] = {"site": self.name, "url": site.url, "exit": 0}
        self._tell(f"{self.name} {site.url} (profile {site.profile})")
        for rule in describe_rules(self.runtime.provider(self.name)):
            self._tell(f"rule     {rule}")
        try:
            result |= await self._visit()
            result["found"] += await self._probe(with_calls=probe)
            result |= await self._ask() if probe else {}
        except DoorkeyError as error:
            self._tell(f"verdict  {error.code}: {error.message}")
            result |= {"error": describe_error(error), "code": error.code, "exit": exit_code(error)}
        return result

    async def _visit(self) -> dict[str, Any]:
        from doorkey.provider import ChatProvider

        began = self.runtime.clock.now()
        session = await self.runtime.visit(self.name)
        took = round(self.runtime.clock.now() - began, 3)
        found = report_session(session)
        for kind in ("tokens", "headers", "local"):
            for name, value in found[kind].items():
                self._tell(f"{kind.removesuffix('s'):<8} {name} = {value}")
        for cookie in found["cookies"]:
            self._tell(f"cookie   {cookie['name']} = {cookie['value']}  {cookie['domain']}{cookie['path']}")
        robots = await self.runtime.robots(self.name, session)
        self._tell(f"robots   {robots}")
        from doorkey.status import ORIGINS

        self._tell(f"verdict  ok: session {ORIGINS.get(session.rung, session.rung)}")
        provider = self.runtime.provider(self.name)
        notes = list(provider.notes(session))
        for note in notes:
            self._tell(f"found    {note}")
        return {
            "entered": took,
            "generation": session.gen,
            "tokens": sorted(session.tokens),
            "cookies": sorted({cookie.name for cookie in session.cookies}),
            "models": list(provider.models(session.tokens)) if isinstance(provider, ChatProvider) else [],
            "robots": robots,
            "found": notes,
        }

    async def _probe(self, *, with_calls: bool) -> list[str]:
        """Try how a dead session would be noticed; with the examples of the settings only where that was asked for."""
        from doorkey.engine.check.probe import example_of
        from doorkey.provider import ChatProvider

        provider = self.runtime.provider(self.name)
        if isinstance(provider, ChatProvider) and provider.check_url is None:
            return []
        probed = await self.runtime.probe(self.name, list(map(example_of, provider.examples)) if with_calls else None)
        found = [probed.noticed, *filter(None, [probed.spoiled]), *probed.calls]
        for line in found:
            self._tell(f"found    {line}")
        return found

    async def _ask(self) -> dict[str, Any]:
        from doorkey.provider import ChatProvider

        if not isinstance(self.runtime.provider(self.name), ChatProvider):
            return {}
        self.say(f"{STEP if self.verbose else ''}asking {self.name} one question")
        began = self.runtime.clock.now()
        async with await self.runtime.answer(self.name, [{"role": "user", "content": QUESTION}]) as answer:
            text = "".join([delta async for delta in answer if isinstance(delta, str)])
        head = answer.head
        self._tell(
            f"verdict  ok: HTTP {head.status} {head.media_type} by {answer.transport}, "
            f"session renewed {answer.renewed} times"
        )
        return {
            "answer": text,
            "answered": round(self.runtime.clock.now() - began, 3),
            "renewed": answer.renewed,
            "transport": answer.transport,
        }

    def _tell(self, line: str) -> None:
        if self.verbose:
            self.say(line)
