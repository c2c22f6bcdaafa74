"""Requests to AI Power 1.x and decoders of its answers (observed with 1.7.14, 1.8.79 and 1.9.18).

A request is one form, with earlier turns as the page's own script sends them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from doorkey import Chat, Delta, EventStream, Flow, Head, JsonDocument, Kind, Request, Session, Verdict

ENDPOINT = "/wp-admin/admin-ajax.php"
MESSAGE = "wpaicg_chat_shortcode_message"
WIDGET_MESSAGE = "wpaicg_chatbox_message"
ACTIONS = (MESSAGE, WIDGET_MESSAGE)
TYPES = ("application/json", "text/event-stream")
VOICES = {"user": "Human", "assistant": "AI"}
FAILED = Verdict(Kind.SITE_DOWN, "the site's own AI backend failed")
"""SITE_DOWN, as another site of an alias may answer. What a body says is never a reason to send something twice."""
QUOTA = Verdict(Kind.QUOTA, "the site's quota for guests is used up")
EMPTY = Verdict(Kind.BLOCKED, "the site says that the message is empty: AI Power 1.7 and 1.8 remove <tags> from it")
UNKNOWN = Verdict(Kind.CHANGED, "the answer has no form that AI Power 1.x is known to send")


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


def parse_json(text: str | bytes) -> Any:
    """Read *text* as JSON; None if it is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def find_failure(told: dict[str, Any]) -> Verdict | None:
    """Return what a JSON object reports as failed, or None. Its words are not repeated, as they may hold the prompt."""
    words = str(told.get("msg") or "").lower()
    if told.get("tokenLimitReached"):
        return QUOTA
    if told.get("ipBanned"):
        return Verdict(Kind.BLOCKED, "the site has banned this address")
    if told.get("error"):
        return FAILED
    if told.get("status") != "error":
        return None
    if "invalid nonce" in words or "nonce verification failed" in words:
        return Verdict(Kind.STALE, "the nonce was refused")
    if "nothing was inputted" in words:
        return EMPTY
    return FAILED


class PowerJson(JsonDocument):
    """Reads `{"status": "success", "data": text}`. In it, `msg` says "Something went wrong" even after a success."""

    def document(self, value: Any) -> Iterable[Delta]:
        told = value if isinstance(value, dict) else {}
        verdict = find_failure(told)
        text = told.get("data")
        if verdict is None and told.get("status") == "success" and isinstance(text, str):
            return (text,) if text.strip() else ()
        self.finish(UNKNOWN if verdict is None else verdict)
        return ()


class PowerStream(EventStream):
    """Reads OpenAI's chunks until `[DONE]`. What 1.8 adds after it is ignored.

    An error of the site's backend comes as content, in chunks without `id`, `object` and `model`, and without `[DONE]`:
    such chunks are held back until a whole chunk or the end mark shows that they are an answer.
    """

    by_line = True

    def __init__(self, head: Head | None = None) -> None:
        super().__init__(head)
        self._held: list[str] = []
        self._given = False
        self._suspect = False
        self._bare: list[str] = []

    def event(self, name: str, data: str) -> Iterable[Delta]:
        if data == "[DONE]":
            self.finish()
            return self._release()
        if data == "[LIMITED]":
            self.finish(QUOTA)
            return ()
        return self._chunk(self._object(data)) if data.strip() else ()

    def is_event(self, data: str) -> bool:
        return not data.strip().startswith("{") or parse_json(data) is not None

    def line(self, text: str) -> Iterable[Delta]:
        self._bare.append(text)
        return ()

    def close(self) -> Sequence[Delta]:
        deltas = list(self.feed(b"\n\n"))
        if self.verdict is None and self._bare:
            deltas.extend(self._document(self._object("\n".join(self._bare))))
        if self.verdict is None and self._suspect:
            self.finish(FAILED)
        return [*deltas, *super().close()]

    def _object(self, text: str) -> dict[str, Any]:
        value = parse_json(text)
        if not isinstance(value, dict):
            self.finish(UNKNOWN)
            return {}
        return value

    def _chunk(self, told: dict[str, Any]) -> Iterable[Delta]:
        verdict = find_failure(told)
        if verdict is not None:
            self.finish(verdict)
            return ()
        whole = bool(told.get("id") and told.get("object") and told.get("model"))
        match told.get("choices"):
            case [{"finish_reason": reason}, *_]:
                self.note_finish_reason(reason)
        match told.get("choices"):
            case [{"delta": {"content": str(text)}}, *_] if text:
                self._held.append(text)
                self._suspect = self._suspect or not whole
            case [dict(last), *_] if "delta" not in last and self._suspect and not whole:
                self.finish(FAILED)  # this frame ends an error, never an answer
                return ()
        return self._release() if whole else ()

    def _release(self) -> Iterable[Delta]:
        text = "".join(self._held)
        self._held, self._suspect = [], False
        self._given = self._given or bool(text)
        return (text,) if text else ()

    def _document(self, told: dict[str, Any]) -> Iterable[Delta]:
        """Read a bare JSON object that came without `[DONE]`: an answer of the other mode, or a failure."""
        verdict = find_failure(told)
        text = told.get("data")
        if verdict is not None:
            self.finish(verdict)
        elif not (self._given or self._suspect) and told.get("status") == "success" and isinstance(text, str):
            self.finish()
            return (text,) if text.strip() else ()
        return ()
