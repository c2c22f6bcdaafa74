"""The demo's story: a visit, plain HTTP after it, and one renewal for all when the site changes its tokens."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

import click

from doorkey.cli.demo.client import DemoClient
from doorkey.clock import Clock

CALLERS = 20


class Twin(Protocol):
    """A local copy of a site, from the entry-point group `doorkey.twins`."""

    name: str
    url: str
    counts: Any

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None: ...

    async def stop(self) -> None: ...

    def switch(self, **changes: Any) -> None: ...


async def tell(caller: DemoClient, twins: list[Twin], clock: Clock) -> None:
    """Tell it on standard output, as it happens. Raises DoorkeyError where the service fails."""
    first, *others = twins
    heading("Local copies of sites, which a plain HTTP client can't use")
    for twin in twins:
        click.echo(f"  {twin.name:<12} {twin.url}")

    heading(f"A question, over HTTP, to {first.name}: nobody has been there yet")
    took = await _asked(caller, first.name, "What does doorkey do?")
    _say(f"{took:.2f} s, a real Chromium's visit included; the site saw {_counts(first)}")
    took = await _asked(caller, first.name, "And again?")
    _say(f"{took * 1000:.0f} ms: the same session, plain HTTP; the site saw {_counts(first)}")

    heading(f"The site changes its nonces; {CALLERS} callers ask at once")
    loads, refused = first.counts.page_loads, first.counts.refused
    first.switch(rotate=True)
    began = clock.now()
    answers = await asyncio.gather(*(caller.ask(first.name, f"Question {n}") for n in range(CALLERS)))
    took = clock.now() - began
    _say(
        f"{len(answers)} answers in {took:.2f} s: {first.counts.refused - refused} refused with the old nonce, and the "
        f"page was loaded {_times(first.counts.page_loads - loads)} for all of them"
    )

    for twin in others:
        heading(f"The same for {twin.name}")
        took = await _asked(caller, twin.name, "Hello")
        _say(f"{took:.2f} s; the site saw {_counts(twin)}")


def heading(text: str) -> None:
    click.echo()
    click.secho(text, bold=True)


async def _asked(caller: DemoClient, model: str, question: str) -> float:
    click.echo(f"  {model} < {question}")
    answer, took = await caller.ask(model, question)
    click.echo(f"  {model} > {answer}")
    return took


def _say(text: str) -> None:
    click.echo(f"  {text}")


def _counts(twin: Twin) -> str:
    loads, accepted = twin.counts.page_loads, twin.counts.accepted
    return f"{loads} page load{'s' * (loads != 1)}, {accepted} request{'s' * (accepted != 1)}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
