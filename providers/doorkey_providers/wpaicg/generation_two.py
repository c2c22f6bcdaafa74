"""Requests to AI Power 2.x and decoders of its answers: a POST stores the question, a GET streams the answer."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from doorkey import Chat, Delta, EventStream, Flow, Head, JsonDocument, Kind, Reply, Request, Session, Tokens, Verdict
from doorkey.errors import Changed, MissingToken
from doorkey_providers.wpaicg.generation_one import EMPTY, ENDPOINT, FAILED, QUOTA, parse_json

CACHE = "aipkit_cache_sse_message"
STREAM = "aipkit_frontend_chat_stream"
WHOLE = "aipkit_frontend_chat_message"
NEW_NONCE = "aipkit_get_frontend_chat_nonce"
ACTIONS = (CACHE, STREAM, WHOLE)
STALE = Verdict(Kind.STALE, "the nonce was refused")
UNKNOWN = Verdict(Kind.CHANGED, "the answer has no form that AI Power 2.x is known to send")


def ask(chat: Chat, session: Session, bot: Mapping[str, Any], *, prompt: str) -> Flow[Sequence[Delta] | None]:
    """Ask one question. The site keeps conversations by uuid; each question is a new one with all turns in its text."""
    conversation = str(uuid.UUID(chat.id))
    at = str(int(chat.at * 1000))
    own = {"bot_id": bot["id"], "session_id": visitor_id(session), "conversation_uuid": conversation}
    if bot["mode"] == "json":
        yield _post("the question", {"action": WHOLE, "message": prompt, **own}, session, decode=_decoder)
        return None
    kept = {
        "action": CACHE,
        "message": prompt,
        "bot_id": bot["id"],
        "user_client_message_id": f"aipkit-client-msg-{bot['id']}-{at}-{chat.id[:5]}",
    }
    # Repeatable, as a stored question that is never streamed costs nothing.
    reply = yield _post("storing the question", kept, session, repeatable=True)
    query = {"action": STREAM, "cache_key": read_cache_key(reply), **own, "post_id": bot["post_id"], "_ts": at}
    yield Request(
        url=ENDPOINT,
        what="the answer's stream",
        query=query,
        accept="text/event-stream",
        expects=("text/event-stream", "application/json"),
        referer=session.url,
        decode=_decoder,
    )
    return None


def refresh(session: Session, bot: Mapping[str, Any]) -> Flow[Tokens]:
    """Fetch a new nonce from the site's own endpoint. Raises MissingToken."""
    reply = yield _post("a new nonce", {"action": NEW_NONCE, "bot_id": bot["id"]}, session, repeatable=True)
    match parse_json(reply.body):
        case {"success": True, "data": {"nonce": str(nonce)}} if nonce.strip():
            return {"nonce": nonce}
    raise MissingToken("nonce", f"the site's own endpoint ({NEW_NONCE})")


def _post(what: str, form: dict[str, str], session: Session, **more: Any) -> Request:
    kinds = ("application/json",)
    return Request(
        url=ENDPOINT, method="POST", what=what, form=form, expects=kinds, accept="*/*", referer=session.url, **more
    )


def visitor_id(session: Session) -> str:
    """Return the uuid by which the site counts a guest's quota: the page's, or one that stays the same."""
    return session.local.get("aipkit_guest_uuid") or str(uuid.uuid5(uuid.NAMESPACE_URL, session.visitor))


def read_cache_key(reply: Reply) -> str:
    """Return the key of the stored question. Raises Changed if there is none."""
    match reply.data():
        case {"success": True, "data": {"cache_key": str(key)}} if key:
            return key
    raise Changed("storing the question: the site answered without a cache_key", answer_status=reply.status)


def find_failure(told: Mapping[str, Any]) -> Verdict | None:
    """Return what `{"success": false, "data": …}` reports as failed; None for another object."""
    if told.get("success") is not False:
        return None
    data = told.get("data")
    return read_error(data if isinstance(data, dict) else {})


def read_error(data: Mapping[str, Any]) -> Verdict:
    """Return what *data* reports as failed. The site's words are not repeated, as they may hold the prompt."""
    code = str(data.get("code") or "")
    words = str(data.get("error") or data.get("message") or "").lower()
    if data.get("quota_notice"):
        return QUOTA
    if code.startswith("nonce_failure") or words.startswith("security check failed"):
        return STALE
    if code == "empty_data_to_cache":
        return EMPTY
    return FAILED


class TwoStream(EventStream):
    """Reads deltas until the event `done`. Comments, `message_start`, `status` and unknown events are no text."""

    def event(self, name: str, data: str) -> Iterable[Delta]:
        told = parse_json(data)
        if not isinstance(told, dict):
            self.finish(UNKNOWN)
        elif name == "error" or "error" in told:
            self.finish(read_error(told))
        elif name == "done" or told.get("finished") is True:
            self.note_finish_reason(told.get("finish_reason"))
            self.finish()
        elif name in ("", "message") and isinstance(told.get("delta"), str) and told["delta"]:
            return (str(told["delta"]),)
        return ()


class TwoJson(JsonDocument):
    """Reads `{"success": true, "data": {"reply": text}}`."""

    def document(self, value: Any) -> Iterable[Delta]:
        match value:
            case {"success": True, "data": {"reply": str(text)}}:
                return (text,) if text.strip() else ()
        verdict = find_failure(value) if isinstance(value, dict) else None
        self.finish(UNKNOWN if verdict is None else verdict)
        return ()


def _decoder(head: Head) -> TwoStream | TwoJson:
    return TwoStream(head) if head.media_type == "text/event-stream" else TwoJson(head)


def fill_fields(request: Request, session: Session, bot: Mapping[str, Any]) -> dict[str, str]:
    """Return the form or query of *request* with the nonce in it."""
    fields = dict(request.form or request.query or {})
    return {"bot_id": bot["id"], **fields, "_ajax_nonce": str(session.tokens["nonce"])}
