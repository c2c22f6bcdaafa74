"""The provider of WordPress sites with the plugin AI Power (wpaicg), generations 1.7 to 1.9."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import urljoin, urlsplit

from doorkey import Chat, ChatProvider, Delta, Flow, Head, Kind, Page, Request, Session, Tokens, Verdict
from doorkey.errors import MissingToken
from doorkey_providers.wpaicg_answers import PowerJson, PowerStream

MARKED = "[data-nonce][data-post-id]"
ENDPOINT = "/wp-admin/admin-ajax.php"
MESSAGE = "wpaicg_chat_shortcode_message"
WIDGET_MESSAGE = "wpaicg_chatbox_message"
DIED = re.compile(rb"<title>\s*(Something went wrong\.?|WordPress Failure Notice)\s*</title>")
"""WordPress' page for a nonce that has expired: a theme's styles may push its sentence past the first 4 KiB."""


class AIPowerSite(ChatProvider):
    """Nonce and post id are on the chat's own element; the page names the endpoint, the answer's type its mode.

    A first visit is the browser's, for the cookies that hosts set by script; a dead nonce is renewed by the page alone.
    `sends_history`: the page's nine fields with earlier turns in one of them; else six, with all turns in `message`.
    """

    ready = MARKED
    needs_scripts = False
    default_model = "site"
    known_models: ClassVar[tuple[str, ...]] = ("site",)
    sends_history: ClassVar[bool] = True
    accept: ClassVar[str] = "application/json, text/event-stream"

    def read(self, page: Page) -> Tokens:
        tag = page.find(f".wpaicg-chat-shortcode{MARKED}") or page.find(MARKED)
        if tag is None:
            newer = page.find("[data-config][id^=aipkit], [id^=aipkit] [data-config], [data-config*=nonce]")
            came = (
                "AI Power 2.x (data-config), which this provider does not speak: it knows 1.7 to 1.9" if newer else ""
            )
            raise MissingToken("nonce", f"{MARKED} at {page.url}", site=self.site.name, came=came)
        marks = {name: str(value).strip() for name, value in tag.attrs.items() if name.startswith("data-")}
        # The floating widget renders a broken post id: "<123".
        post_id = "".join(char for char in marks["data-post-id"] if char in "0123456789")
        for name, value in (("nonce", marks["data-nonce"]), ("post id", post_id)):
            if not value:
                raise MissingToken(name, f"{MARKED} at {page.url}", site=self.site.name)
        widget = marks.get("data-type") == "widget"
        bot = marks.get("data-bot-id") or "0"
        return {
            "nonce": marks["data-nonce"],
            "post_id": post_id,
            "url": marks.get("data-url") or page.url,
            "bot_id": bot,
            "identity": "widget" if widget else "shortcode" if bot == "0" else f"custom_bot_{bot}",
            "action": WIDGET_MESSAGE if widget else MESSAGE,
            "endpoint": endpoint(page),
        }

    def dress(self, request: Request, session: Session) -> Request:
        if not request.form or request.form.get("action") != MESSAGE:
            return request
        own = {name: str(value) for name, value in session.tokens.items()}
        form = {"_wpnonce": own["nonce"], "post_id": own["post_id"], "url": own["url"], **request.form}
        form |= {"action": own["action"], "bot_id": own["bot_id"]}
        if self.sends_history:
            form["chatbot_identity"] = own["identity"]
            form["wpaicg_chat_client_id"] = session.local.get("wpaicg_chat_client_id") or session.visitor
        return replace(request, url=own["endpoint"], form=form)

    def judge(self, request: Request, head: Head, session: Session) -> Verdict:
        start = head.start.strip()
        if b"The link you followed has expired" in start or (head.status == 403 and DIED.search(start)):
            return Verdict(Kind.STALE, f"{request.what} was refused: the nonce has expired")
        if start == b"0":
            return Verdict(Kind.CHANGED, f"{request.what}: WordPress knows no such action; AI Power 1.x is not there")
        if start == b"-1":
            return Verdict(Kind.BLOCKED, f"{request.what} was refused by another plugin of the site (-1)")
        return super().judge(request, head, session)

    def answer(self, chat: Chat, session: Session) -> Flow[Sequence[Delta] | None]:
        message, history = self.said(chat)
        form = {"action": MESSAGE, "message": message}
        if self.sends_history:
            form["wpaicg_chat_history"] = json.dumps(history, ensure_ascii=False)
        yield Request(
            url=ENDPOINT,
            method="POST",
            what="the question",
            form=form,
            accept=self.accept,
            expects=("application/json", "text/event-stream"),
            referer=session.url,
            decode=lambda head: PowerStream() if head.media_type == "text/event-stream" else PowerJson(),
        )
        return None

    def said(self, chat: Chat) -> tuple[str, list[dict[str, Any]]]:
        """The message and the earlier turns. What doesn't fit the page's two voices is told as one text instead."""
        prompt = self.prompt(chat)
        turns = [message for message in chat.messages if message.role not in ("system", "developer")]
        voices = {"user": "Human", "assistant": "AI"}
        if (
            not self.sends_history
            or not turns
            or turns[-1].role != "user"
            or {turn.role for turn in turns} - set(voices)
        ):
            return prompt, []
        told = [message.text for message in chat.messages if message.role in ("system", "developer")]
        history: list[dict[str, Any]] = []
        for at, turn in enumerate(turns[:-1]):
            entry: dict[str, Any] = {"text": f"{voices[turn.role]}: {turn.text}"}
            history.append({"id": int(chat.at * 1000) + at, **entry} if turn.role == "user" else entry)
        return "\n".join(text for text in (*told, turns[-1].text) if text.strip()), history


def endpoint(page: Page) -> str:
    """`wpaicgParams.ajax_url` when it is of the page's origin, else WordPress' usual place."""
    usual = urljoin(page.url, ENDPOINT)
    rest = page.html.partition("wpaicgParams =")[2]
    try:
        params, _ = json.JSONDecoder().raw_decode(rest.lstrip())
    except ValueError:
        return usual
    told = params.get("ajax_url") if isinstance(params, dict) else None
    url = urljoin(page.url, told) if isinstance(told, str) and told else usual
    return url if urlsplit(url)[:2] == urlsplit(page.url)[:2] else usual
