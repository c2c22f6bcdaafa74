"""The twin of Aichat: one JSON endpoint that needs a cookie, which the page's script makes."""

from __future__ import annotations

import json

from aiohttp import web

from doorkey_providers.twins import page
from doorkey_providers.twins.twin import Fields, Refusal, Twin

ASK = """
  const response = await fetch("/api/text", {method: "POST", headers: {"content-type": "application/json"},
    body: JSON.stringify({message: question, temperature: 1, presence_penalty: 0, top_p: 1, frequency_penalty: 0})});
  if (!response.ok) throw new Error("status " + response.status);
  answer.textContent = (await response.json()).message;
"""


class AichatTwin(Twin):
    """chat-gpt.org: POST /api/text. `backend_failure` sends `response: false`; `bare_message` omits `response`."""

    name = "aichat"
    page_paths = ("/chat",)
    api_path = "/api/text"
    script_cookie = "cg_visitor"

    def render(self, request: web.Request) -> str:
        return page.chat_page(title="Twin of Aichat", gate=self.cookie_gate.gate(), ask=ASK)

    def message(self, fields: Fields) -> str:
        return str(fields.get("message") or "")

    def refusal(self, request: web.Request, fields: Fields) -> Refusal | None:
        if request.method != "POST":
            return Refusal("method", web.Response(status=405, headers={"Allow": "POST"}))
        if not self.message(fields):
            return Refusal("malformed", web.json_response({"error": "message is missing"}, status=400))
        if self.switches.quota:
            told = {"response": False, "message": "Too many requests"}
            return Refusal("quota", web.json_response(told, status=429, headers={"Retry-After": "3600"}))
        if self.switches.backend_failure:
            return Refusal("backend", web.json_response({"response": False, "message": "The model is not available."}))
        return None

    async def reply(self, request: web.Request, fields: Fields) -> web.StreamResponse:
        told = {"message": f"{self.name} heard: {self.message(fields)}"}
        full = told if self.switches.bare_message else {"response": True, **told}
        return await self.send_json(request, json.dumps(full, ensure_ascii=False))
