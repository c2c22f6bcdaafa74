"""The demonstration: a visit, plain HTTP after it, and one renewal for all callers when the tokens change."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

import click

from doorkey.cli.demo.client import DemoClient
from doorkey.clock import Clock

CALLERS = 20


class Twin(Protocol):
    """What the demonstration needs of a local copy of a site (entry-point group `doorkey.twins`)."""

    name: str
    url: str
    counts: Any

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None: ...

    async def stop(self) -> None: ...

    def switch(self, **changes: Any) -> None: ...


async def tell(caller: DemoClient, twins: list[Twin], clock: Clock) -> None:
    """Run the demonstration and print each step. Raises DoorkeyError if the service fails."""
    first, *others = twins
    heading("Local copies of sites. A plain HTTP client can't use them")
    for twin in twins:
        click.echo(f"  {twin.name:<12} {twin.url}")

    heading(f"A question over HTTP to {first.name}, which has no session yet")
    took = await _ask(caller, first.name, "What does doorkey do?")
    _print(f"{took:.2f} s, including a visit by a real Chromium; the site saw {_format_counts(first)}")
    took = await _ask(caller, first.name, "And again?")
    _print(f"{took * 1000:.0f} ms: the same session, plain HTTP; the site saw {_format_counts(first)}")

    heading(f"The site changes its tokens; {CALLERS} callers ask at the same time")
    loads, refused = first.counts.page_loads, first.counts.refused
    first.switch(rotate=True)
    began = clock.now()
    answers = await asyncio.gather(*(caller.ask(first.name, f"Question {n}") for n in range(CALLERS)))
    took = clock.now() - began
    _print(
        f"{len(answers)} answers in {took:.2f} s: {first.counts.refused - refused} were refused, and the "
        f"page was loaded {_format_times(first.counts.page_loads - loads)} for all of them"
    )

    for twin in others:
        heading(f"The same for {twin.name}")
        took = await _ask(caller, twin.name, "Hello")
        _print(f"{took:.2f} s; the site saw {_format_counts(twin)}")


def heading(text: str) -> None:
    click.echo()
    click.secho(text, bold=True)


async def _ask(caller: DemoClient, model: str, question: str) -> float:
    click.echo(f"  {model} < {question}")
    answer, took = await caller.ask(model, question)
    click.echo(f"  {model} > {answer}")
    return took


def _print(text: str) -> None:
    click.echo(f"  {text}")


def _format_counts(twin: Twin) -> str:
    loads, accepted = twin.counts.page_loads, twin.counts.accepted
    return f"{loads} page load{'s' * (loads != 1)}, {accepted} request{'s' * (accepted != 1)}"


def _format_times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
