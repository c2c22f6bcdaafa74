"""The twins of ChatGptt and ChatgptFree: WordPress with AI Power, at a host that sets a cookie by script."""

from __future__ import annotations

import json
import re
import secrets
from typing import Any, ClassVar
from urllib.parse import quote

from aiohttp import web

from doorkey import Kind
from doorkey.clock import Clock
from doorkey_providers.twins import page, stream
from doorkey_providers.twins.nonce import Nonces
from doorkey_providers.twins.switches import Switches
from doorkey_providers.twins.twin import Fields, Refusal, Twin
from doorkey_providers.twins.wordpress_pages import Chat
from doorkey_providers.twins.wpaicg_literals import DONE_2, ROWS, START_2, Row

NONCES = {"1": "wpaicg-chatbox", "2": "aipkit_frontend_chat_nonce"}
"""The action that a nonce is made for, by the plugin's major version."""
DECOY_NONCE = "wpaicg-imagelog"
CACHE, STREAM, NEW_NONCE = "aipkit_cache_sse_message", "aipkit_frontend_chat_stream", "aipkit_get_frontend_chat_nonce"
STEPS = {
    "1": {"wpaicg_chat_shortcode_message": "message", "wpaicg_chatbox_message": "message"},
    "2": {CACHE: "cache", STREAM: "stream", "aipkit_frontend_chat_message": "message", NEW_NONCE: "nonce"},
}
CONVERSATION = "wpaicg_chat_history_0"
JSON_TYPE = "application/json"


class WordPressTwin(Twin):
    """A page with AI Power's chat, and `/wp-admin/admin-ajax.php`. Failures are the rows of `wpaicg_literals`.

    `rotate()` kills the nonces and leaves the cookies. Any name of field or header is taken; the log says what came.
    """

    page_paths = ("/",)
    api_path = "/wp-admin/admin-ajax.php"
    title: ClassVar[str]
    post_id: ClassVar[int] = 4
    model: ClassVar[str]

    def __init__(self, *, clock: Clock | None = None, key: str = "") -> None:
        """*key* is `NONCE_KEY` with `NONCE_SALT`, which nonces can be computed from. By default it is random."""
        super().__init__(clock=clock)
        self.nonces = Nonces(key or secrets.token_hex(32))
        self._kept: dict[str, str] = {}

    @property
    def streams(self) -> bool:
        return self.switches.stream and self.switches.generation != "1.7"

    @property
    def nonce(self) -> str:
        """The nonce that the page holds now."""
        self.nonces.life = self.switches.nonce_life
        return self.nonces.make(NONCES[self._first], self.clock.wall())

    @property
    def _first(self) -> str:
        return self.switches.generation[0]

    def rotate(self) -> None:
        self.nonces.rotate()

    def render(self, request: web.Request) -> str:
        origin = f"{request.scheme}://{request.host}"
        chat = Chat(
            generation=self.switches.generation,
            streams=self.streams,
            url=origin + request.path,
            ajax_url=origin + self.api_path,
            post_id=self.post_id,
            nonce=self.nonce,
            decoy=self.nonces.make(DECOY_NONCE, self.clock.wall()),
            bots=self.switches.bots,
        )
        return page.chat_page(title=self.title, gate=self.cookie_gate.gate(), **chat.parts())

    def message(self, fields: Fields) -> str:
        """Return the prompt as this generation of the plugin receives it."""
        said = self._kept.get(str(fields.get("cache_key")), "") or str(fields.get("message") or "")
        return damage(said) if self.switches.generation in ("1.7", "1.8") else said

    def refusal(self, request: web.Request, fields: Fields) -> Refusal | None:
        step = STEPS[self._first].get(str(fields.get("action") or ""))
        if step is None:
            return self._find_refusal("unknown action", "cache" if self._first == "2" and self.streams else "message")
        if step == "nonce":
            return None
        for case in self._list_cases(request, fields):
            refused = self._find_refusal(case, step)
            if refused is not None:
                return refused
        return None

    def _list_cases(self, request: web.Request, fields: Fields) -> list[str]:
        """Return the cases that apply now, the most important first. Some have rows only at another step."""
        now = self.switches
        self.nonces.life = now.nonce_life
        nonce = str(fields.get("_wpnonce" if self._first == "1" else "_ajax_nonce") or "")
        # 1.9 reads the nonce from the form only, so a GET has none.
        posted = request.method == "POST" or now.generation != "1.9"
        holds = {
            "nonce": not posted or not self.nonces.valid(nonce, NONCES[self._first], self.clock.wall()),
            "banned": now.banned,
            "empty": fields.get("action") != STREAM and not self.message(fields).strip(),
            "quota marked" if now.limited_mark else "quota": now.quota,
            "backend": now.backend_failure,
            now.row: bool(now.row),
        }
        return [case for case, true in holds.items() if true]

    def _find_refusal(self, case: str, step: str) -> Refusal | None:
        place = (self.switches.generation, "stream" if self.streams else "json", step)
        row = next((row for row in ROWS if row.case == case and (row.generation, row.mode, row.step) == place), None)
        return None if row is None else Refusal("" if row.kind is Kind.OK else case, to_response(row))

    async def reply(self, request: web.Request, fields: Fields) -> web.StreamResponse:
        said, generation = self.message(fields), self.switches.generation
        answer = f"{self.name} heard: {said}"
        match fields.get("action"):
            case "aipkit_get_frontend_chat_nonce":
                return web.Response(text=_two({"nonce": self.nonce}), content_type=JSON_TYPE)
            case "aipkit_cache_sse_message":
                key = f"aipkit_sse_{secrets.token_hex(8)}"
                self._kept[key] = said
                return web.Response(text=_two({"cache_key": key}), content_type=JSON_TYPE)
            case "aipkit_frontend_chat_stream":
                # A key can be used once.
                if self._kept.pop(str(fields.get("cache_key")), None) is None:
                    text = 'event: error\ndata: {"error":"The request has expired."}\n\n'
                    return web.Response(text=text, content_type="text/event-stream")
                deltas = [_json({"delta": words}) for words in stream.split_words(answer)]
                return await self._stream(request, [START_2, *stream.write_events(deltas), DONE_2])
            case "aipkit_frontend_chat_message":
                return await self.send_json(request, _two({"reply": answer}))
        if self.streams:
            frames = [self._frame({"content": words}) for words in stream.split_words(answer)]
            parts = [*stream.write_events([*frames, self._frame({}, "stop")]), b"data: [DONE]\n\n"]
            # 1.8 adds a bare line of JSON that repeats the whole answer.
            return await self._stream(request, [*parts, success(answer) + b"\n"] if generation == "1.8" else parts)
        headers = {}
        if generation == "1.7":
            # 1.7 keeps the whole conversation in a cookie.
            told = request.cookies.get(CONVERSATION, "") + quote(f"Human: {said}\nAI: {answer}\n", safe="")
            headers["Set-Cookie"] = f"{CONVERSATION}={told[-3000:]}; path=/"
        return await stream.send_whole(request, success(answer), JSON_TYPE, cut=self.switches.cut, headers=headers)

    async def _stream(self, request: web.Request, parts: list[bytes]) -> web.StreamResponse:
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
        return _json(frame)


class ChatGpttTwin(WordPressTwin):
    """chatgptt.me, which answers in JSON."""

    name = "chatgptt"
    title = "Twin of ChatGptt"
    script_cookie = "hcdn_seen"
    model = "gpt-4o"


class ChatgptFreeTwin(WordPressTwin):
    """chatgptfree.ai, which streams its answers."""

    name = "chatgptfree"
    title = "Twin of ChatgptFree"
    script_cookie = "wp_guard_ok"
    model = "gpt-4o-mini-2024-07-18"
    post_id = 106
    usual = Switches(stream=True)


def to_response(row: Row) -> web.Response:
    """Return *row* as a site sends it."""
    return web.Response(status=row.status, body=row.body, headers={"Content-Type": row.content_type})


def success(answer: str) -> bytes:
    """Return an answer of 1.x in JSON. Its `msg` is always this text."""
    return _json({"status": "success", "msg": "Something went wrong", "data": answer, "log": 0}).encode()


def _two(data: dict[str, str]) -> str:
    return _json({"success": True, "data": data})


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def damage(message: str) -> str:
    """Return what `sanitize_text_field` leaves of a prompt in 1.7 and 1.8: no tags, no `%25`, no line breaks."""
    bare = re.sub(r"<[^<>]+>", "", message)
    bare = re.sub(r"[\s]+", " ", bare)
    return re.sub(r"%[a-fA-F0-9]{2}", "", bare).strip()
