"""`doorkey demo`: the whole story on local copies of sites, told as it happens."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import click

from doorkey.cli.frame import config_option, headed_option, load, run

if TYPE_CHECKING:
    from doorkey.runtime import Runtime
    from doorkey.settings import Settings

CALLERS = 20
STORY = ("chatgptfree", "chatgptt", "aichat", "aichats")
"""In this order, as far as they are installed; the first one's tokens are changed under the callers."""


class Twin(Protocol):
    """A local copy of a site, from the entry-point group `doorkey.twins`."""

    name: str
    url: str
    counts: Any

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None: ...

    async def stop(self) -> None: ...

    def switch(self, **changes: Any) -> None: ...


@click.command()
@click.option("--once", is_flag=True, help="Tell the story and end; otherwise the service stays up.")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="The service's port (default: service.port, or a free one)."
)
@headed_option
@config_option
def demo(once: bool, port: int | None, headed: bool, config: Path | None) -> None:
    """Show doorkey at work on local copies of sites: nothing leaves this machine.

    \b
    Examples:
      doorkey demo --once
      doorkey demo --headed
    """
    run(tell(load(config), once=once, port=port, headed=headed))


async def tell(settings: Settings, *, once: bool, port: int | None, headed: bool) -> None:
    from doorkey.runtime import Runtime
    from doorkey.service.app import build_app, serve

    async with AsyncExitStack() as exits:
        twins = await _twins(exits)
        key = secrets.token_urlsafe(24)
        configured = _with_twins(settings, twins)
        runtime = await exits.enter_async_context(Runtime(configured, headed=headed))
        app = build_app(runtime, service=configured.service, key=key)
        base = await _served(exits, serve, app, configured, port)
        client = Client(base, key, runtime)
        exits.push_async_callback(client.close)
        await _story(client, list(twins.values()))
        if not once:
            _invite(base, key, runtime)
            await asyncio.Event().wait()


async def _story(client: Client, twins: list[Twin]) -> None:
    first, *others = twins
    _heading("Local copies of sites, which a plain HTTP client can't use")
    for twin in twins:
        click.echo(f"  {twin.name:<12} {twin.url}")

    _heading(f"A question, over HTTP, to {first.name}: nobody has been there yet")
    took = await client.ask(first.name, "What does doorkey do?", shown=True)
    _say(f"{took:.2f} s, a real Chromium's visit included; the site saw {_counts(first)}")
    took = await client.ask(first.name, "And again?", shown=True)
    _say(f"{took * 1000:.0f} ms: the same session, plain HTTP; the site saw {_counts(first)}")

    _heading(f"The site changes its nonces; {CALLERS} callers ask at once")
    loads, refused = first.counts.page_loads, first.counts.refused
    first.switch(rotate=True)
    began = client.now()
    answers = await asyncio.gather(*(client.ask(first.name, f"Question {n}") for n in range(CALLERS)))
    _say(
        f"{len(answers)} answers in {client.now() - began:.2f} s: "
        f"{first.counts.refused - refused} requests were refused, and the page was loaded "
        f"{_times(first.counts.page_loads - loads)} to renew the session for all of them"
    )

    for twin in others:
        _heading(f"The same for {twin.name}")
        took = await client.ask(twin.name, "Hello", shown=True)
        _say(f"{took:.2f} s; the site saw {_counts(twin)}")


class Client:
    """A client of the service as any program is one: plain HTTP, OpenAI's shape."""

    def __init__(self, base: str, key: str, runtime: Runtime) -> None:
        from doorkey.provider import Site
        from doorkey.transport.direct import Direct

        self._clock = runtime.clock
        self._site = Site(name="service", url=base + "/")
        self._http = Direct(clock=self._clock)
        self._key = key

    def now(self) -> float:
        return self._clock.now()

    async def ask(self, model: str, question: str, *, shown: bool = False) -> float:
        """Ask, print the answer as it comes when *shown*; seconds it took."""
        from doorkey.request import Request
        from doorkey.session import Key, Session

        nobody = Session(key=Key("service", self._site.url), gen=0, url=self._site.url, born=0, soft=0, hard=0)
        request = Request(
            url="/v1/chat/completions",
            method="POST",
            json={"model": model, "stream": True, "messages": [{"role": "user", "content": question}]},
            headers={"authorization": f"Bearer {self._key}"},
        )
        began = self.now()
        stream = await self._http.open(request, nobody, self._site)
        text = bytearray()
        async for piece in stream.chunks():
            text += piece
        answer = "".join(_deltas(text.decode().splitlines()))
        if stream.head.status != 200 or not answer:
            raise click.ClickException(f"the service answered HTTP {stream.head.status}: {text.decode()[:500]}")
        if shown:
            click.echo(f"  {model} < {question}\n  {model} > {answer.strip()}")
        return self.now() - began

    async def close(self) -> None:
        await self._http.close()


def _deltas(lines: Iterable[str]) -> Iterable[str]:
    for line in lines:
        if line.startswith("data: {"):
            event = json.loads(line[6:])
            if "error" in event:
                raise click.ClickException(f"the service says: {event['error'].get('message')}")
            for choice in event.get("choices", ()):
                yield choice["delta"].get("content") or ""


async def _twins(exits: AsyncExitStack) -> dict[str, Twin]:
    from doorkey.registry import twin_classes

    classes = twin_classes()
    twins: dict[str, Twin] = {}
    for name in [*(name for name in STORY if name in classes), *sorted(set(classes) - set(STORY))]:
        twin: Twin = classes[name]()
        await twin.start()
        exits.push_async_callback(twin.stop)
        twins[name] = twin
    return twins


def _with_twins(settings: Settings, twins: dict[str, Twin]) -> Settings:
    """The browser as it is configured, the sites and the store of the demo."""
    from doorkey.settings import SiteSettings, StoreSettings

    sites = {name: SiteSettings(url=twin.url) for name, twin in twins.items()}
    return settings.model_copy(update={"sites": sites, "models": {}, "store": StoreSettings(url="memory://")})


async def _served(exits: AsyncExitStack, serve: Any, app: Any, settings: Settings, port: int | None) -> str:
    from doorkey.errors import ConfigurationError

    try:
        wanted = settings.service.port if port is None else port
        return str(await exits.enter_async_context(serve(app, "127.0.0.1", wanted)))
    except ConfigurationError:
        if port is not None:
            raise
        return str(await exits.enter_async_context(serve(app, "127.0.0.1", 0)))


def _invite(base: str, key: str, runtime: Runtime) -> None:
    _heading("Your turn: the service stays up until Ctrl-C")
    click.echo(f"  base URL {base}/v1\n  key      {key}\n  models   {', '.join(runtime.models())}\n")
    body = json.dumps(
        {"model": runtime.models()[0], "messages": [{"role": "user", "content": "Hello"}], "stream": True}
    )
    click.echo(
        f"  curl -N {base}/v1/chat/completions -H 'Authorization: Bearer {key}' "
        f"-H 'Content-Type: application/json' -d '{body}'"
    )


def _heading(text: str) -> None:
    click.echo()
    click.secho(text, bold=True)


def _say(text: str) -> None:
    click.echo(f"  {text}")


def _counts(twin: Twin) -> str:
    return f"{twin.counts.page_loads} page load(s), {twin.counts.accepted} request(s)"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
