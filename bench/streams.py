"""Compares the CPU that a streamed chat costs: doorkey with one worker and with two, a least-possible aiohttp relay,
and the LiteLLM proxy and gpt4free's API where their commands are given.

    .venv/bin/python bench/streams.py [--litellm /path/to/litellm] [--g4f /path/to/g4f]

The site sends 50 pieces with a pause between them. Site, services and client run in processes of their own, and the
services take turns in each round. CPU is that of the service's processes, by the system.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from aiohttp import web

from service import free_port, memory

ROUNDS, AT_ONCE = 5, (1, 16, 64)
STREAMS = {1: 10, 16: 64, 64: 192}
"""How many streams are measured in a round, by how many there are at a time in a process."""
PIECES, PAUSE = 50, 0.002
REQUESTS = 10_000
RELAY_GOAL, RATE_GOAL, WORKERS_GOAL, FIRST_GOAL, MEMORY_GOAL, GROWTH_GOAL = 1.4, 0.85, 0.9, 0.5, 80.0, 5.0
KEY = "sk-bench"
ASKED = {"messages": [{"role": "user", "content": "Hello"}], "stream": True}


async def send_pieces(request: web.Request, pieces: list[bytes]) -> web.StreamResponse:
    await request.read()
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(request)
    for piece in pieces:
        await response.write(piece)
        await asyncio.sleep(PAUSE)
    return response


def chunk(text: str) -> bytes:
    delta = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    told = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [delta]}
    return f"data: {json.dumps(told)}\n\n".encode()


def site_app(_: str) -> web.Application:
    """A chat site as the provider `aichats` knows it, and the same answer in the shape of OpenAI's API."""

    async def page(request: web.Request) -> web.Response:
        response = web.Response(text="<title>A chat</title>", content_type="text/html")
        for name in ("ai-chat-front", "_csrf-front", "muVyak"):
            response.set_cookie(name, "x" * 40)
        return response

    async def chat(request: web.Request) -> web.StreamResponse:
        return await send_pieces(request, [b"data: word%d \n\n" % number for number in range(PIECES)])

    async def completions(request: web.Request) -> web.StreamResponse:
        pieces = [chunk(f"word{number} ") for number in range(PIECES)]
        return await send_pieces(request, [*pieces, b"data: [DONE]\n\n"])

    async def models(_: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": "m", "object": "model"}]})

    app = web.Application()
    app.add_routes([web.get("/chat/", page), web.post("/chat/send2/", chat)])
    app.add_routes([web.post("/v1/chat/completions", completions), web.get("/v1/models", models)])
    return app


def relay_app(url: str) -> web.Application:
    """The least that turns the site's stream into OpenAI's: no checks, no limits, no errors."""
    clients: list[aiohttp.ClientSession] = []

    async def relay(request: web.Request) -> web.StreamResponse:
        asked = json.loads(await request.read())
        if not clients:
            clients.append(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
        body = {"type": "chat", "messagesHistory": [{"from": "you", "content": asked["messages"][-1]["content"]}]}
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        async with clients[0].post(f"{url}chat/send2/", json=body) as answer:
            await response.prepare(request)
            async for line in answer.content:
                if line.startswith(b"data: "):
                    await response.write(chunk(line[6:].decode().rstrip("\n")))
        await response.write(b"data: [DONE]\n\n")
        return response

    app = web.Application()
    app.add_routes([web.post("/v1/chat/completions", relay)])
    return app


KINDS: dict[str, Callable[[str], web.Application]] = {"site": site_app, "relay": relay_app}


@dataclass
class Service:
    """A service under measurement. `workers`: it has processes below its own that do the work."""

    name: str
    model: str
    port: int
    process: asyncio.subprocess.Process
    workers: bool = False

    def pids(self) -> list[int]:
        pid = self.process.pid
        if not self.workers:
            return [pid]
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def cpu(self) -> float:
        """CPU seconds that its working processes have used."""
        return sum(cpu_of(pid) for pid in self.pids())

    async def end(self) -> None:
        self.process.terminate()
        await self.process.wait()


def cpu_of(pid: int) -> float:
    """CPU seconds of a process by its threads, as the scheduler counts them: ticks of 10 ms are too coarse here."""
    return sum(int(file.read_text().split()[0]) for file in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


async def start(
    name: str, model: str, command: list[str], port: int, home: str, *, workers: bool = False, **variables: str
) -> Service:
    """Start *command*, and return once its port answers."""
    environment = {**os.environ, "HOME": home, "XDG_DATA_HOME": home, "XDG_CONFIG_HOME": home, **variables}
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, cwd=home, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    async with asyncio.timeout(120):
        while process.returncode is None:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.1)
            else:
                writer.close()
                return Service(name, model, port, process, workers)
    raise SystemExit(f"{name} ended with {process.returncode} before it served")


class Client:
    """A client with almost no cost, on one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, model: str) -> None:
        self._reader = reader
        self._writer = writer
        self._body = json.dumps({**ASKED, "model": model}).encode()

    @classmethod
    async def open(cls, service: Service) -> Client:
        return cls(*await asyncio.open_connection("127.0.0.1", service.port), service.model)

    async def stream(self) -> float:
        """Read one stream to its end, and return the milliseconds until its first text."""
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEY}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(self._body)}\r\n\r\n"
        began = time.perf_counter()
        self._writer.write(head.encode() + self._body)
        told = await self._reader.readuntil(b"word0")
        first = time.perf_counter() - began
        assert b" 200 " in told[:20], told
        await self._reader.readuntil(b"data: [DONE]")
        await self._reader.readuntil(b"0\r\n\r\n")
        return first * 1000

    async def ask(self, path: str) -> None:
        self._writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: {KEY}\r\n\r\n".encode())
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        assert b" 200 " in head[:20], head
        await self._reader.readexactly(int(head.partition(b"content-length: ")[2].split()[0]))

    def close(self) -> None:
        self._writer.close()


@dataclass(frozen=True)
class Measured:
    """`cpu`: ms of CPU for a stream; `rate`: streams a second; `first`: ms until the first text."""

    cpu: float
    rate: float
    first: float


async def measure(service: Service, at_once: int) -> Measured:
    """Measure *at_once* streams at a time in each of the service's working processes."""
    clients = [await Client.open(service) for _ in range(at_once * len(service.pids()))]
    await asyncio.gather(*(client.stream() for client in clients))
    before, began, firsts = service.cpu(), time.perf_counter(), list[float]()

    async def work(client: Client) -> None:
        for _ in range(STREAMS[at_once] // at_once):
            firsts.append(await client.stream())

    await asyncio.gather(*map(work, clients))
    took, used = time.perf_counter() - began, service.cpu() - before
    for client in clients:
        client.close()
    streams = len(firsts)
    return Measured(used / streams * 1000, streams / took, statistics.median(firsts))


async def measure_memory(service: Service) -> tuple[float, float]:
    """The MiB of the largest working process after 2,000 and after REQUESTS small requests to each."""
    clients = [await Client.open(service) for _ in range(8)]
    held = []
    for count in (2000, REQUESTS - 2000):
        share = count * len(service.pids()) // len(clients)

        async def work(client: Client, share: int = share) -> None:
            for _ in range(share):
                await client.ask("/v1/models")

        await asyncio.gather(*map(work, clients))
        held.append(max(map(memory, service.pids())))
    for client in clients:
        client.close()
    return held[0], held[1]


async def start_litellm(site: str, home: str, command: str) -> Service:
    port, config = free_port(), Path(home) / "litellm.json"
    route = {"model": "openai/m", "api_base": f"{site}v1", "api_key": "x"}
    settings = {
        "model_list": [{"model_name": "m", "litellm_params": route}],
        "general_settings": {"master_key": KEY, "dangerously_permit_weak_or_unset_master_key": True},
    }
    config.write_text(json.dumps(settings))
    arguments = [command, "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    return await start("LiteLLM", "m", arguments, port, home)


async def start_g4f(site: str, home: str, command: str) -> Service:
    """Start gpt4free's API over the site's OpenAI-compatible route.

    At its start it reads a list of providers from the network, once a day: a list of one provider takes its place.
    """
    port, cache = free_port(), Path(home) / "g4f"
    listed = cache / ".models" / time.strftime("%Y-%m-%d") / "providers.json"
    listed.parent.mkdir(parents=True)
    listed.write_text(json.dumps({"providers": {"default": {"baseUrl": f"{site}v1"}}, "defaultModels": {}}))
    arguments = [command, "api", "--bind", f"127.0.0.1:{port}", "--no-gui", "--ignore-cookie-files"]
    arguments += ["--disable-pa-auto-download", "--model", "m", "--provider", f"{site}v1"]
    return await start("gpt4free", "m", arguments, port, home, G4F_CACHE_DIR=str(cache))


async def start_all(site: str, home: str, litellm: str | None, g4f: str | None, services: list[Service]) -> None:
    """Add each service to *services* as soon as it runs."""
    for name, workers in (("doorkey", 1), ("doorkey, 2 workers", 2)):
        port, state = free_port(), f"{home}/{workers}"
        os.mkdir(state)
        command = [sys.executable, "-m", "doorkey", "--log", "error", "serve", "--port", str(port)]
        command += ["--workers", str(workers)]
        variables = {"DOORKEY_SITES__AICHATS__URL": f"{site}chat/", "DOORKEY_SERVICE__KEY": KEY}
        services.append(await start(name, "aichats/gpt-4", command, port, state, workers=workers > 1, **variables))
    port = free_port()
    services.append(await start("relay", "m", [sys.executable, __file__, "relay", site, str(port)], port, home))
    if litellm is not None:
        services.append(await start_litellm(site, home, litellm))
    if g4f is not None:
        services.append(await start_g4f(site, home, g4f))


async def compare(services: list[Service]) -> dict[tuple[str, int], Measured]:
    """Measure each service at each number of streams, in turns; print and return the medians."""
    found = {}
    print(f"{'service':20} {'a process':>9} {'CPU/stream':>11} {'of relay':>9} {'streams/s':>10} {'first text':>11}")
    for at_once in AT_ONCE:
        rounds = [[await measure(service, at_once) for service in services] for _ in range(ROUNDS)]
        for service, runs in zip(services, zip(*rounds, strict=True), strict=True):
            found[service.name, at_once] = Measured(
                *(statistics.median(getattr(run, name) for run in runs) for name in ("cpu", "rate", "first"))
            )
        for service in services:
            one, relay = found[service.name, at_once], found["relay", at_once]
            print(
                f"{service.name:20} {at_once:>9} {one.cpu:>8.2f} ms {one.cpu / relay.cpu:>8.2f}x {one.rate:>10.1f} "
                f"{one.first:>8.2f} ms",
                flush=True,
            )
    return found


async def main(litellm: str | None, g4f: str | None) -> int:
    with tempfile.TemporaryDirectory() as home:
        port = free_port()
        site = await start("site", "", [sys.executable, __file__, "site", "", str(port)], port, home)
        services: list[Service] = []
        try:
            await start_all(f"http://127.0.0.1:{port}/", home, litellm, g4f, services)
            found = await compare(services)
            held = {service.name: await measure_memory(service) for service in services[:2]}
        finally:
            for service in [*services, site]:
                await service.end()
    ratios = [found["doorkey", many].cpu / found["relay", many].cpu for many in AT_ONCE]
    rate = found["doorkey", 64].rate / found["relay", 64].rate
    workers = found["doorkey", 64].cpu / found["doorkey, 2 workers", 64].cpu
    first = found["doorkey", 1].first - found["relay", 1].first
    print(f"CPU of a stream, of the relay's: {', '.join(f'{each:.2f}' for each in ratios)} (goal {RELAY_GOAL})")
    print(f"streams/s at 64, of the relay's: {rate:.2f} (goal {RATE_GOAL})")
    print(f"streams per CPU second of a worker, 2 workers of 1: {workers:.2f} (goal {WORKERS_GOAL})")
    print(f"first text at 1, behind the relay: {first:.2f} ms (goal {FIRST_GOAL})")
    reached = max(ratios) <= RELAY_GOAL and rate >= RATE_GOAL and workers >= WORKERS_GOAL and first <= FIRST_GOAL
    for name, (early, late) in held.items():
        growth = (late / early - 1) * 100
        print(
            f"{name}: {early:.1f} MiB after 2,000 requests, {late:.1f} after {REQUESTS:,}: {growth:+.1f} % "
            f"(goals {MEMORY_GOAL:g} MiB, {GROWTH_GOAL:g} %)"
        )
        reached = reached and late <= MEMORY_GOAL and growth <= GROWTH_GOAL
    return 0 if reached else 1


async def serve_app(kind: str, url: str, port: int) -> None:
    runner = web.AppRunner(KINDS[kind](url), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    if len(sys.argv) == 4:
        asyncio.run(serve_app(sys.argv[1], sys.argv[2], int(sys.argv[3])))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--litellm", help="the command of an installed LiteLLM proxy")
    parser.add_argument("--g4f", help="the command of an installed gpt4free")
    given = parser.parse_args()
    sys.exit(asyncio.run(main(given.litellm, given.g4f)))
