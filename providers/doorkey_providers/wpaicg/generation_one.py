"""Requests to AI Power 1.x: one form, with earlier turns as the page's own script sends them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from doorkey import Chat, Delta, Flow, Request, Session
from doorkey_providers.wpaicg.answers import PowerJson, PowerStream
from doorkey_providers.wpaicg.page import ENDPOINT, MESSAGE, WIDGET_MESSAGE

ACTIONS = (MESSAGE, WIDGET_MESSAGE)
TYPES = ("application/json", "text/event-stream")
VOICES = {"user": "Human", "assistant": "AI"}


def ask(
    chat: Chat, session: Session, bot: Mapping[str, Any], *, prompt: str, history: bool, accept: str
) -> Flow[Sequence[Delta] | None]:
    """Send the one request of 1.x. *history* says whether earlier turns are sent apart from the message.

    The answer's media type tells its mode.
    """
    message, turns = split_turns(chat, prompt) if history else (prompt, [])
    form = {"action": bot["action"], "message": message, "bot_id": bot["id"]}
    if history:
        form["chatbot_identity"] = bot["identity"]
        form["wpaicg_chat_history"] = json.dumps(turns, ensure_ascii=False)
    yield Request(
        url=ENDPOINT,
        method="POST",
        what="the question",
        form=form,
        accept=accept,
        expects=TYPES,
        referer=session.url,
        decode=lambda head: (PowerStream if head.media_type == "text/event-stream" else PowerJson)(head),
    )
    return None


def split_turns(chat: Chat, prompt: str) -> tuple[str, list[dict[str, Any]]]:
    """Return the message and the earlier turns.

    The page knows two speakers. A chat with others becomes one text, *prompt*.
    """
    turns = [message for message in chat.messages if message.role not in ("system", "developer")]
    if not turns or turns[-1].role != "user" or {turn.role for turn in turns} - set(VOICES):
        return prompt, []
    told = [message.text for message in chat.messages if message.role in ("system", "developer")]
    history: list[dict[str, Any]] = []
    for at, turn in enumerate(turns[:-1]):
        entry: dict[str, Any] = {"text": f"{VOICES[turn.role]}: {turn.text}"}
        history.append({"id": int(chat.at * 1000) + at, **entry} if turn.role == "user" else entry)
    return "\n".join(text for text in (*told, turns[-1].text) if text.strip()), history


def fill_form(form: Mapping[str, str], session: Session, bot: Mapping[str, Any]) -> dict[str, str]:
    """Add to *form* what the page holds: nonce, post id, its URL, and with a history the visitor's id."""
    own = {
        "_wpnonce": str(session.tokens["nonce"]),
        "post_id": bot["post_id"],
        "url": bot.get("url") or session.url,
    }
    full = {**own, **form}
    full.setdefault("bot_id", bot["id"])
    if "chatbot_identity" in full:
        # The site counts a guest's quota by this id. Without the page's own, one is used that stays the same.
        full["wpaicg_chat_client_id"] = session.local.get("wpaicg_chat_client_id") or session.visitor
    return full
