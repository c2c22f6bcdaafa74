"""What AI Power 2.x is asked and answers: a POST that keeps the question, then the stream of its answer."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from doorkey import Chat, Delta, EventStream, Flow, Head, JsonDocument, Kind, Reply, Request, Session, Tokens, Verdict
from doorkey.errors import Changed, MissingToken
from doorkey_providers.wpaicg.answers import EMPTY, FAILED, QUOTA, parsed
from doorkey_providers.wpaicg.page import ENDPOINT

CACHE = "aipkit_cache_sse_message"
STREAM = "aipkit_frontend_chat_stream"
WHOLE = "aipkit_frontend_chat_message"
NEW_NONCE = "aipkit_get_frontend_chat_nonce"
ACTIONS = (CACHE, STREAM, WHOLE)
STALE = Verdict(Kind.STALE, "the nonce was refused")
UNKNOWN = Verdict(Kind.CHANGED, "the answer has none of the forms that AI Power 2.x is known to send")


def ask(chat: Chat, session: Session, bot: Mapping[str, Any], *, prompt: str) -> Flow[Sequence[Delta] | None]:
    """The site keeps conversations by a uuid; each question is one of its own, with all its turns in the text."""
    conversation = str(uuid.UUID(chat.id))
    at = str(int(chat.at * 1000))
    own = {"bot_id": bot["id"], "session_id": visitor(session), "conversation_uuid": conversation}
    if bot["mode"] == "json":
        yield _post("the question", {"action": WHOLE, "message": prompt, **own}, session, decode=_decoder)
        return None
    kept = {
        "action": CACHE,
        "message": prompt,
        "bot_id": bot["id"],
        "user_client_message_id": f"aipkit-client-msg-{bot['id']}-{at}-{chat.id[:5]}",
    }
    # Repeatable: a question that is kept and never streamed costs nothing.
    reply = yield _post("keeping the question", kept, session, repeatable=True)
    query = {"action": STREAM, "cache_key": cache_key(reply), **own, "post_id": bot["post_id"], "_ts": at}
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
    """A new nonce from the site's own endpoint. Raises MissingToken."""
    reply = yield _post("a new nonce", {"action": NEW_NONCE, "bot_id": bot["id"]}, session, repeatable=True)
    match parsed(reply.body):
        case {"success": True, "data": {"nonce": str(nonce)}} if nonce.strip():
            return {"nonce": nonce}
    raise MissingToken("nonce", f"the site's own endpoint ({NEW_NONCE})")


def _post(what: str, form: dict[str, str], session: Session, **more: Any) -> Request:
    kinds = ("application/json",)
    return Request(
        url=ENDPOINT, method="POST", what=what, form=form, expects=kinds, accept="*/*", referer=session.url, **more
    )


def visitor(session: Session) -> str:
    """The visitor's uuid, by which the site counts its guests' quota: the page's, or one that stays the same."""
    return session.local.get("aipkit_guest_uuid") or str(uuid.uuid5(uuid.NAMESPACE_URL, session.visitor))


def cache_key(reply: Reply) -> str:
    """Raises Changed where the site kept nothing."""
    match reply.data():
        case {"success": True, "data": {"cache_key": str(key)}} if key:
            return key
    raise Changed("keeping the question: the site answered without a cache_key", answer_status=reply.status)


def failure(told: Mapping[str, Any]) -> Verdict | None:
    """What JSON says went wrong: `{"success": false, "data": …}`; None: nothing."""
    if told.get("success") is not False:
        return None
    data = told.get("data")
    return error(data if isinstance(data, dict) else {})


def error(data: Mapping[str, Any]) -> Verdict:
    """What went wrong. The site's own words are not repeated: they may hold the prompt."""
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
    """Deltas until the event `done`; comments, `message_start`, `status` and events nobody knows are no text."""

    def event(self, name: str, data: str) -> Iterable[Delta]:
        told = parsed(data)
        if not isinstance(told, dict):
            self.finish(UNKNOWN)
        elif name == "error" or "error" in told:
            self.finish(error(told))
        elif name == "done" or told.get("finished") is True:
            self.note_finish_reason(told.get("finish_reason"))
            self.finish()
        elif name in ("", "message") and isinstance(told.get("delta"), str) and told["delta"]:
            return (str(told["delta"]),)
        return ()


class TwoJson(JsonDocument):
    """`{"success": true, "data": {"reply": text}}`."""

    def document(self, value: Any) -> Iterable[Delta]:
        match value:
            case {"success": True, "data": {"reply": str(text)}}:
                return (text,) if text.strip() else ()
        verdict = failure(value) if isinstance(value, dict) else None
        self.finish(UNKNOWN if verdict is None else verdict)
        return ()


def _decoder(head: Head) -> TwoStream | TwoJson:
    return TwoStream(head) if head.media_type == "text/event-stream" else TwoJson(head)


def dressed(request: Request, session: Session, bot: Mapping[str, Any]) -> dict[str, str]:
    """Form or query of *request* with the nonce."""
    fields = dict(request.form or request.query or {})
    return {"bot_id": bot["id"], **fields, "_ajax_nonce": str(session.tokens["nonce"])}
