"""The twin of AiChats: a Yii2 site with signed cookies, a streamed chat, and images."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from urllib.parse import quote, unquote

from aiohttp import web

from doorkey.clock import Clock
from doorkey_providers.twins import page, stream
from doorkey_providers.twins.counters import Received, keep
from doorkey_providers.twins.picture import png
from doorkey_providers.twins.twin import Fields, Refusal, Twin

UNVERIFIED = "Unable to verify your data submission."
ASK = """
  const image = location.pathname.startsWith("/image");
  const response = await fetch("/chat/send2/", {method: "POST",
    headers: {"content-type": "application/json", accept: "application/json, text/event-stream"},
    body: JSON.stringify({type: image ? "image" : "chat", messagesHistory: [{from: "you", content: question}]})});
  if (!response.ok) throw new Error("status " + response.status);
  answer.textContent = "";
  if (image) {
    const picture = answer.appendChild(new Image());
    picture.alt = question;
    picture.src = (await response.json()).data[0].url;
    await picture.decode();
  } else await lines(response, (text) => { if (text.startsWith("data: ")) answer.textContent += text.slice(6); });
"""


class AiChatsTwin(Twin):
    """ai-chats.org: POST /chat/send2/. A missing or expired cookie of any kind gets Yii2's 400.

    Its stream has no end mark: `cut` set to "end" can't be told from a short answer. `quota` and `backend_failure` are
    429 and 500. An answer's newlines become spaces: its `data:` lines can't hold them.
    """

    name = "aichats"
    page_paths = ("/chat/", "/image/")
    api_path = "/chat/send2/"
    script_cookie = "muVyak"
    hits_cookie = "muVyak_hits"
    session_cookie = "ai-chat-front"
    csrf_cookie = "_csrf-front"

    def __init__(self, *, clock: Clock | None = None) -> None:
        super().__init__(clock=clock)
        self._elsewhere: web.AppRunner | None = None
        self._images_origin = ""

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Serve the site, and its images also on another port, which needs no cookies."""
        await super().start(host, port)
        app = web.Application()
        app.add_routes([web.get("/images/{name}", self._send_image_elsewhere)])
        self._elsewhere = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._elsewhere.setup()
        await web.TCPSite(self._elsewhere, "127.0.0.1", 0).start()
        # Another host name as well: cookies ignore ports, and this host must not get the site's cookies.
        self._images_origin = f"http://localhost:{self._elsewhere.addresses[0][1]}"

    async def stop(self) -> None:
        elsewhere, self._elsewhere = self._elsewhere, None
        if elsewhere is not None:
            await elsewhere.cleanup()
        await super().stop()

    def app(self) -> web.Application:
        app = super().app()
        app.add_routes([web.get("/images/{name}", self._send_image)])
        return app

    def render(self, request: web.Request) -> str:
        token = secrets.token_urlsafe(48)
        head = f'<meta name="csrf-param" content="_csrf-front">\n<meta name="csrf-token" content="{token}">\n'
        what = "images" if request.path.startswith("/image") else "chat"
        return page.chat_page(title=f"Twin of AiChats, {what}", gate=self.cookie_gate.gate(), ask=ASK, head=head)

    def greet(self, request: web.Request, response: web.Response) -> None:
        if not self._has_session(request.cookies):
            session = secrets.token_hex(16)
            response.set_cookie(
                self.session_cookie, session + self.cookie_gate.passes.sign("session", session), httponly=True
            )
        if not self._has_signed_csrf(request.cookies):
            value = f'a:2:{{i:0;s:11:"_csrf-front";i:1;s:32:"{secrets.token_urlsafe(24)}";}}'
            response.set_cookie(self.csrf_cookie, quote(self._sign_csrf(value) + value, safe=""), httponly=True)

    def message(self, fields: Fields) -> str:
        match fields.get("messagesHistory"):
            case [*_, {"content": str(content)}]:
                return content
        return ""

    def refuse_visitor(self) -> web.Response:
        text = page.bare_page("Bad Request (#400)", UNVERIFIED)
        return web.Response(status=400, text=text, content_type="text/html")

    def refusal(self, request: web.Request, fields: Fields) -> Refusal | None:
        if request.method != "POST":
            return Refusal("method", web.Response(status=405, headers={"Allow": "POST"}))
        if not self._has_session(request.cookies):
            return Refusal("session", self._refuse_csrf(request))
        if not self._has_signed_csrf(request.cookies):
            return Refusal("csrf", self._refuse_csrf(request))
        if fields.get("type") not in ("chat", "image") or not self.message(fields):
            return Refusal("malformed", web.json_response({"error": "type and messagesHistory are needed"}, status=422))
        if self.switches.quota:
            told = {"name": "Too Many Requests", "message": "Rate limit exceeded.", "code": 0, "status": 429}
            return Refusal("quota", web.json_response(told, status=429, headers={"Retry-After": "3600"}))
        if self.switches.backend_failure:
            text = page.bare_page("Internal Server Error (#500)", "An internal server error occurred.")
            return Refusal("backend", web.Response(status=500, text=text, content_type="text/html"))
        return None

    async def reply(self, request: web.Request, fields: Fields) -> web.StreamResponse:
        message = self.message(fields)
        if fields["type"] == "image":
            name = f"{hashlib.sha256(message.encode()).hexdigest()[:16]}.png"
            origin = self._images_origin if self.switches.image_elsewhere else f"{request.scheme}://{request.host}"
            return await self.send_json(request, json.dumps({"data": [{"url": f"{origin}/images/{name}"}]}))
        text = " ".join(f"{self.name} heard: {message}".splitlines())
        return await stream.send_events(
            request,
            stream.write_events(stream.split_words(text)),
            gate=self.stream_gate,
            cut=self.switches.cut,
            in_pieces=self.switches.awkward,
        )

    async def _send_image(self, request: web.Request) -> web.Response:
        let_in = self.cookie_gate.lets_in(request) and self._has_session(request.cookies)
        keep(self.fetches, Received.of(request, {}, "" if let_in else "cookie"))
        if not let_in:
            return web.Response(status=403, text=page.forbidden(), content_type="text/html")
        return self._draw(request)

    async def _send_image_elsewhere(self, request: web.Request) -> web.Response:
        keep(self.fetches, Received.of(request, {}))
        return self._draw(request)

    def _draw(self, request: web.Request) -> web.Response:
        self.counts.add("images")
        return web.Response(body=png(request.match_info["name"]), content_type="image/png")

    def _refuse_csrf(self, request: web.Request) -> web.Response:
        if "text/html" in request.headers.get("Accept", ""):
            return self.refuse_visitor()
        told = {"name": "Bad Request", "message": UNVERIFIED, "code": 0, "status": 400}
        return web.json_response(told, status=400)

    def _has_session(self, cookies: Mapping[str, str]) -> bool:
        value = cookies.get(self.session_cookie, "")
        return self.cookie_gate.passes.signed(value[32:], "session", value[:32])

    def _has_signed_csrf(self, cookies: Mapping[str, str]) -> bool:
        value = unquote(cookies.get(self.csrf_cookie, ""))
        return len(value) > 64 and secrets.compare_digest(value[:64].encode(), self._sign_csrf(value[64:]).encode())

    def _sign_csrf(self, value: str) -> str:
        return (self.cookie_gate.passes.sign("csrf", value) * 2)[:64]
