"""Pages with AI Power's chat, by generation, and the scripts that ask from them."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

ASK_ONE = """
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
ASK_TWO = """
  const config = JSON.parse(document.querySelector("[data-config]").dataset.config);
  const own = {bot_id: config.botId, session_id: localStorage.getItem("aipkit_guest_uuid"), conversation_uuid: "c"};
  const sent = async (fields) => {
    const body = new URLSearchParams({...fields, _ajax_nonce: config.nonce});
    const told = await (await fetch(config.ajaxUrl, {method: "POST", body})).json();
    if (!told.success) throw new Error(told.data.message);
    return told.data;
  };
  answer.textContent = "";
  if (!config.streamEnabled) {
    const told = await sent({...own, action: "aipkit_frontend_chat_message", message: question});
    answer.textContent = told.reply;
    return;
  }
  const {cache_key} = await sent({action: "aipkit_cache_sse_message", message: question, bot_id: config.botId});
  const query = new URLSearchParams({...own, action: "aipkit_frontend_chat_stream", cache_key,
    post_id: config.postId, _ajax_nonce: config.nonce});
  await lines(await fetch(config.ajaxUrl + "?" + query), (text) => {
    if (!text.startsWith("data: {")) return;
    const told = JSON.parse(text.slice(6));
    if (told.error) throw new Error(told.error);
    answer.textContent += told.delta || "";
  });
"""
IDS = """<script>
if (!localStorage.getItem("%s")) localStorage.setItem("%s", Math.random().toString(36).slice(2, 12));
</script>
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """What a page is made of. `bots` are the names of further bots; the page's first bot has none."""

    generation: str
    streams: bool
    url: str
    ajax_url: str
    post_id: int
    nonce: str = field(repr=False)
    decoy: str = field(repr=False)
    bots: tuple[str, ...] = ()

    def parts(self) -> dict[str, str]:
        """Return the plugin's parts of `page.chat_page`: ask, head, attributes, inside."""
        return self._two() if self.generation == "2.x" else self._one()

    def _one(self) -> dict[str, str]:
        told = json.dumps({"ajax_url": self.ajax_url, "search_nonce": self.nonce, "logged_in": "0"})
        told = told.replace("/", "\\/")
        inside = f'<input type="hidden" id="wpaicg-img-nonce" value="{self.decoy}">'
        return {
            "ask": ASK_ONE,
            "head": f"<script id='wpaicg-init-js-extra'>\nvar wpaicgParams = {told};\n</script>\n"
            + IDS % (("wpaicg_chat_client_id",) * 2),
            "attributes": _write_attributes(self._marks("0")),
            "inside": inside
            + "".join(f"<div {_write_attributes(self._marks(bot))}></div>" for bot, _ in self._list_further_bots()),
        }

    def _marks(self, bot: str) -> dict[str, str]:
        marks = {
            "class": "wpaicg-chat-shortcode",
            "data-nonce": self.nonce,
            "data-post-id": str(self.post_id),
            "data-url": self.url,
            "data-bot-id": bot,
            "data-type": "shortcode",
        }
        if self.generation != "1.7":
            marks["data-openai_stream_nav"] = "1" if self.streams else "0"
        return marks

    def _two(self) -> dict[str, str]:
        further = [(bot, self._config(bot, name, popup=True)) for bot, name in self._list_further_bots()]
        popups = (
            f'<div id="aipkit_popup_wrapper_{bot}" {_write_attributes({"data-config": config})}></div>'
            for bot, config in further
        )
        own = {"class": "aipkit_chat_container", "id": "aipkit_chat_container_4"}
        return {
            "ask": ASK_TWO,
            "head": IDS % (("aipkit_guest_uuid",) * 2),
            "attributes": _write_attributes({**own, "data-config": self._config("4", "Twin", popup=False)}),
            "inside": "".join(popups),
        }

    def _config(self, bot: str, name: str, *, popup: bool) -> str:
        config: dict[str, Any] = {
            "botId": int(bot),
            "ajaxUrl": self.ajax_url,
            "nonce": self.nonce,
            "postId": self.post_id,
            "popupEnabled": popup,
            "streamEnabled": self.streams,
            "headerName": name,
        }
        return json.dumps(config)

    def _list_further_bots(self) -> Iterator[tuple[str, str]]:
        return ((str(5 + at), name) for at, name in enumerate(self.bots))


def _write_attributes(attributes: dict[str, str]) -> str:
    return " ".join(f'{name}="{html.escape(value)}"' for name, value in attributes.items())
