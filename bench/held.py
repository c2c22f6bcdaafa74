"""Measures what a service holds for long: 1,000 streams in which nothing comes, and a dashboard that somebody has open.

Of the streams it tells their memory, the CPU that they take, and how long the site is held after all clients have left:
all at once, and one client of so many. A bare relay does the same in the same run.
Of the dashboard it tells how much CPU the service takes more, while nothing happens and at 20 requests a second.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time

import aiohttp
from aiohttp import web
from streams import KEY, Client, Service, relay_app, start

from service import free_port, memory

STREAMS, SECONDS, REQUESTS = 1000, 20.0, 20
ONE_GOAL, DASHBOARD_GOAL = 1.0, 2.0
"""Seconds, and percent of a core."""
HEADERS = {"x-api-key": KEY}


def silent_site(_: str) -> web.Application:
    """A chat site as the provider `aichats` knows it; nothing comes after the first piece of an answer.

    `/open` tells how many answers there are.
    """
    held: set[web.StreamResponse] = set()

    async def page(_: web.Request) -> web.Response:
        response = web.Response(text="<title>A chat</title>", content_type="text/html")
        for name in ("ai-chat-front", "_csrf-front", "muVyak"):
            response.set_cookie(name, "x" * 40)
        return response

    async def chat(request: web.Request) -> web.StreamResponse:
        await request.read()
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"data: word0 \n\n")
        held.add(response)
        try:
            await asyncio.Event().wait()
        finally:
            held.discard(response)
        return response

    async def count(_: web.Request) -> web.Response:
        return web.Response(text=str(len(held)))

    app = web.Application()
    app.add_routes([web.get("/chat/", page), web.post("/chat/send2/", chat), web.get("/open", count)])
    return app


class HeldClient(Client):
    async def begin(self) -> None:
        """Ask, and read until the first text."""
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEY}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(self._body)}\r\n\r\n"
        self._writer.write(head.encode() + self._body)
        await self._reader.readuntil(b"word0")


async def share_of_core(service: Service, requests: int = 0) -> float:
    """The percent of a core that the service takes in SECONDS, at so many *requests* a second."""
    client = await Client.open(service)
    before, began = service.cpu(), time.perf_counter()
    while (left := SECONDS - (time.perf_counter() - began)) > 0:
        if requests:
            await client.ask("/v1/models")
        await asyncio.sleep(1 / requests if requests else left)
    taken = service.cpu() - before
    client.close()
    return taken / (time.perf_counter() - began) * 100


async def measure_streams(service: Service, site: str) -> float:
    """Print what idle streams cost, and return the seconds after which one whose client left has ended at the site."""
    first = await HeldClient.open(service)
    await first.begin()
    before = memory(service.process.pid)
    clients = []
    while len(clients) < STREAMS - 1:
        more = [await HeldClient.open(service) for _ in range(min(50, STREAMS - 1 - len(clients)))]
        await asyncio.gather(*(client.begin() for client in more))
        clients += more
    held = memory(service.process.pid)
    share = await share_of_core(service)
    async with aiohttp.ClientSession() as session:

        async def wait(most: int) -> float:
            began = time.perf_counter()
            while True:
                async with session.get(f"{site}open") as answer:
                    if int(await answer.text()) <= most:
                        return time.perf_counter() - began
                await asyncio.sleep(0.02)

        await wait(STREAMS)
        first.close()
        one = await wait(STREAMS - 1)
        for client in clients:
            client.close()
        all_gone = await wait(0)
    each = (held - before) / STREAMS * 1024
    print(
        f"{service.name}, {STREAMS} idle streams: {held:.0f} MiB, {each:.0f} KiB each, {share:.1f} % of a core; "
        f"one left: its answer ended after {one:.2f} s (goal {ONE_GOAL:g} s), all left: {all_gone:.1f} s"
    )
    return one


async def measure_dashboard(service: Service) -> bool:
    base, extra = f"http://127.0.0.1:{service.port}", []
    jar = aiohttp.CookieJar(unsafe=True)
    for requests in (0, REQUESTS):
        without = await share_of_core(service, requests)
        async with aiohttp.ClientSession(base, cookie_jar=jar, headers={"Accept": "text/html"}) as browser:
            async with browser.post("/api/dashboard/links", headers=HEADERS) as made:
                path = (await made.json())["path"]
            async with browser.get(path) as page:
                page.raise_for_status()
            async with browser.get("/dashboard/events") as events:
                events.raise_for_status()
                assert b"data:" in await events.content.readany()
                reading = asyncio.create_task(events.content.read())
                extra.append(await share_of_core(service, requests) - without)
                reading.cancel()
        print(f"an open dashboard, {requests} requests/s: {extra[-1]:+.1f} % of a core (goal {DASHBOARD_GOAL:g} %)")
    return max(extra) <= DASHBOARD_GOAL


async def main() -> int:
    with tempfile.TemporaryDirectory() as home:
        port = free_port()
        url = f"http://127.0.0.1:{port}/"
        site = await start("site", "", [sys.executable, __file__, "site", url, str(port)], port, home)
        port = free_port()
        relay = await start("relay", "m", [sys.executable, __file__, "relay", url, str(port)], port, home)
        port = free_port()
        command = [sys.executable, "-m", "doorkey", "--log", "error", "serve", "--port", str(port)]
        variables = {"DOORKEY_SITES__AICHATS__URL": f"{url}chat/", "DOORKEY_SERVICE__KEY": KEY}
        variables |= {f"DOORKEY_MANNERS__{name}": str(2 * STREAMS) for name in ("AT_ONCE", "RATE", "QUEUE")}
        service = await start("doorkey", "aichats/gpt-4", command, port, home, **variables)
        try:
            await measure_streams(relay, url)
            reached = [await measure_streams(service, url) <= ONE_GOAL, await measure_dashboard(service)]
        finally:
            for each in (service, relay, site):
                await each.end()
    print(f"load of the machine: {os.getloadavg()[0]:.1f}")
    return 0 if all(reached) else 1


async def serve_app(kind: str, url: str, port: int) -> None:
    app = {"site": silent_site, "relay": relay_app}[kind](url)
    # handler_cancellation: what a client asked for ends when it leaves.
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    if len(sys.argv) == 4:
        asyncio.run(serve_app(sys.argv[1], sys.argv[2], int(sys.argv[3])))
    sys.exit(asyncio.run(main()))
