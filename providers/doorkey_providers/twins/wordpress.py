"""The twins of ChatGptt and ChatgptFree: WordPress with AI Power 1.x behind a host that sets a cookie by script."""

from __future__ import annotations

import html
import json
import re
import secrets
from typing import ClassVar
from urllib.parse import quote

from aiohttp import web

from doorkey.clock import Clock
from doorkey_providers.twins import failures, page, stream
from doorkey_providers.twins.nonce import Nonces
from doorkey_providers.twins.switches import Switches
from doorkey_providers.twins.twin import Fields, Refusal, Twin

CHAT_NONCE = "wpaicg-chatbox"
DECOY_NONCE = "wpaicg-imagelog"
ACTION = "wpaicg_chat_shortcode_message"
CONVERSATION = "wpaicg_chat_history_0"
ASK = """
  const chat = document.querySelector(".wpaicg-chat-shortcode"), client = localStorage.getItem("wpaicg_chat_client_id");
  const kept = "wpaicg_chat_history_shortcode_" + client, history = JSON.parse(localStorage.getItem(kept) || "[]");
  const response = await fetch(wpaicgParams.ajax_url, {method: "POST", body: new URLSearchParams({
    _wpnonce: chat.dataset.nonce, post_id: chat.dataset.postId, url: chat.dataset.url,
    action: "wpaicg_chat_shortcode_message", message: question, bot_id: chat.dataset.botId,
    chatbot_identity: "shortcode", wpaicg_chat_client_id: client, wpaicg_chat_history: JSON.stringify(history)})});
  if (!response.ok) throw new Error("status " + response.status);
  if ((response.headers.get("content-type") || "").startsWith("text/event-stream")) {
    answer.textContent = "";
    await lines(response, (text) => {
      if (!text.startsWith("data: {")) return;
      const choice = (JSON.parse(text.slice(6)).choices || [])[0];
      if (choice && choice.delta) answer.textContent += choice.delta.content || "";
    });
  } else {
    const told = await response.json();
    answer.textContent = told.status === "success" ? told.data : told.msg;
  }
  history.push({id: Date.now(), text: "Human: " + question}, {text: "AI: " + answer.textContent});
  localStorage.setItem(kept, JSON.stringify(history));
"""
CLIENT_ID = """<script>
if (!localStorage.getItem("wpaicg_chat_client_id"))
  localStorage.setItem("wpaicg_chat_client_id", Math.random().toString(36).slice(2, 12));
</script>
"""


class WordPressTwin(Twin):
    """A page with AI Power's chat shortcode, and `/wp-admin/admin-ajax.php`.

    `rotate()` kills the nonces and leaves the cookies. Any name of field or header is taken; the log says what came.
    """

    page_paths = ("/",)
    api_path = "/wp-admin/admin-ajax.php"
    title: ClassVar[str]
    post_id: ClassVar[int] = 4
    model: ClassVar[str]

    def __init__(self, *, clock: Clock | None = None, key: str = "") -> None:
        """*key* is the site's `NONCE_KEY` with its `NONCE_SALT`: known, its nonces can be computed; else random."""
        super().__init__(clock=clock)
        self.nonces = Nonces(key or secrets.token_hex(32))

    @property
    def streams(self) -> bool:
        return self.switches.stream and self.switches.generation != "1.7"

    @property
    def nonce(self) -> str:
        """The nonce that a page loaded now would hold."""
        self.nonces.life = self.switches.nonce_life
        return self.nonces.make(CHAT_NONCE, self.clock.wall())

    def rotate(self) -> None:
        self.nonces.rotate()

    def render(self, request: web.Request) -> str:
        origin = f"{request.scheme}://{request.host}"
        nonce, decoy = self.nonce, self.nonces.make(DECOY_NONCE, self.clock.wall())
        params = json.dumps({"ajax_url": origin + self.api_path, "search_nonce": nonce, "logged_in": "0"})
        params = params.replace("/", "\\/")
        attributes = {
            "class": "wpaicg-chat-shortcode",
            "data-nonce": nonce,
            "data-post-id": str(self.post_id),
            "data-url": origin + request.path,
            "data-bot-id": "0",
            "data-type": "shortcode",
        }
        if self.switches.generation != "1.7":
            attributes["data-openai_stream_nav"] = "1" if self.streams else "0"
        return page.chat_page(
            title=self.title,
            gate=self.entrance.gate(),
            ask=ASK,
            head=f"<script id='wpaicg-init-js-extra'>\nvar wpaicgParams = {params};\n</script>\n{CLIENT_ID}",
            attributes=" ".join(f'{name}="{html.escape(value)}"' for name, value in attributes.items()),
            inside=f'<input type="hidden" id="wpaicg-img-nonce" value="{decoy}">',
        )

    def message(self, fields: Fields) -> str:
        return str(fields.get("message") or "")

    def refusal(self, request: web.Request, fields: Fields) -> Refusal | None:
        reason, failure = self._failure(request, fields) or ("", None)
        if failure is None:
            return None
        body, kind = failure.body, failure.media_type
        return Refusal(reason, web.Response(status=failure.status, text=body, content_type=kind))

    def _failure(self, request: web.Request, fields: Fields) -> tuple[str, failures.Failure] | None:
        now, generation = self.switches, self.switches.generation
        self.nonces.life = now.nonce_life
        nonce = str(fields.get("_wpnonce") or "")
        if fields.get("action") != ACTION:
            return "action", failures.unknown_action()
        # 1.9 reads the nonce from the form alone, so to it a GET has none.
        posted = request.method == "POST" or generation != "1.9"
        if not posted or not self.nonces.valid(nonce, CHAT_NONCE, self.clock.wall()):
            return "nonce", failures.wrong_nonce(generation)
        if now.banned:
            return "banned", failures.banned(self.streams)
        if not self.message(fields).strip():
            return "empty", failures.nothing_said()
        if now.quota:
            return "quota", failures.limit_reached(self.streams, now.limited_mark)
        if now.backend_failure:
            return "backend", failures.backend_failed(generation, self.streams)
        return None

    async def reply(self, request: web.Request, fields: Fields) -> web.StreamResponse:
        said = self.message(fields)
        answer = f"{self.name} heard: {said if self.switches.generation == '1.9' else damaged(said)}"
        if self.streams:
            return await self._stream(request, answer)
        headers = {}
        if self.switches.generation == "1.7":
            # 1.7 keeps the whole conversation in a cookie of the answer.
            told = request.cookies.get(CONVERSATION, "") + quote(f"Human: {said}\nAI: {answer}\n", safe="")
            headers["Set-Cookie"] = f"{CONVERSATION}={told[-3000:]}; path=/"
        body = failures.success(answer).encode()
        return await stream.send_whole(request, body, failures.JSON_TYPE, cut=self.switches.cut, headers=headers)

    async def _stream(self, request: web.Request, answer: str) -> web.StreamResponse:
        frames = [self._frame({"content": words}) for words in stream.words(answer)]
        parts = [*stream.events([*frames, self._frame({}, "stop")]), b"data: [DONE]\n\n"]
        if self.switches.generation == "1.8":
            parts.append(failures.trailer(answer).encode())
        return await stream.send_events(
            request, parts, gate=self.stream_gate, cut=self.switches.cut, in_pieces=self.switches.awkward
        )

    def _frame(self, delta: dict[str, str], finish: str | None = None) -> str:
        frame = {
            "id": "chatcmpl-twin",
            "object": "chat.completion.chunk",
            "created": int(self.clock.wall()),
            "model": self.model,
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        }
        return json.dumps(frame, ensure_ascii=False)


class ChatGpttTwin(WordPressTwin):
    """chatgptt.me: answers in JSON."""

    name = "chatgptt"
    title = "Twin of ChatGptt"
    script_cookie = "hcdn_seen"
    model = "gpt-4o"


class ChatgptFreeTwin(WordPressTwin):
    """chatgptfree.ai: answers as a stream."""

    name = "chatgptfree"
    title = "Twin of ChatgptFree"
    script_cookie = "wp_guard_ok"
    model = "gpt-4o-mini-2024-07-18"
    post_id = 106
    usual = Switches(stream=True)


def damaged(message: str) -> str:
    """What `sanitize_text_field` leaves of a prompt, as 1.7 and 1.8 apply it: no tags, no `%25`, no newlines."""
    bare = re.sub(r"<[^<>]+>", "", message)
    bare = re.sub(r"[\s]+", " ", bare)
    return re.sub(r"%[a-fA-F0-9]{2}", "", bare).strip()
