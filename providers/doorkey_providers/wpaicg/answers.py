"""What AI Power 1.x answers, in both of its modes (observed: 1.7.14, 1.8.79, 1.9.18)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from doorkey import Delta, EventStream, Head, JsonDocument, Kind, Verdict

FAILED = Verdict(Kind.SITE_DOWN, "the site's own AI backend failed")
"""SITE_DOWN: it may work later, and another site of an alias may be asked. Said by a body, so nothing is sent twice."""
QUOTA = Verdict(Kind.QUOTA, "the site's quota for guests is used up")
EMPTY = Verdict(Kind.BLOCKED, "the site found the message empty: AI Power 1.7 and 1.8 strip <tags> from it")
UNKNOWN = Verdict(Kind.CHANGED, "the answer has none of the forms that AI Power 1.x is known to send")


def parsed(text: str | bytes) -> Any:
    """*text* as JSON; None where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def failure(told: dict[str, Any]) -> Verdict | None:
    """What a JSON object says went wrong. Its own words are not repeated: they may hold the prompt."""
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
    """`{"status": "success", "data": text}`; `msg` says "Something went wrong" even then."""

    def document(self, value: Any) -> Iterable[Delta]:
        told = value if isinstance(value, dict) else {}
        verdict = failure(told)
        text = told.get("data")
        if verdict is None and told.get("status") == "success" and isinstance(text, str):
            return (text,) if text.strip() else ()
        self.finish(UNKNOWN if verdict is None else verdict)
        return ()


class PowerStream(EventStream):
    """OpenAI's chunks until `[DONE]`; what 1.8 adds after it is not read.

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
        return not data.strip().startswith("{") or parsed(data) is not None

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
        value = parsed(text)
        if not isinstance(value, dict):
            self.finish(UNKNOWN)
            return {}
        return value

    def _chunk(self, told: dict[str, Any]) -> Iterable[Delta]:
        verdict = failure(told)
        if verdict is not None:
            self.finish(verdict)
            return ()
        whole = all(told.get(name) for name in ("id", "object", "model"))
        match told.get("choices"):
            case [{"finish_reason": reason}, *_]:
                self.note_finish_reason(reason)
        match told.get("choices"):
            case [{"delta": {"content": str(text)}}, *_] if text:
                self._held.append(text)
                self._suspect = self._suspect or not whole
            case [dict(last), *_] if "delta" not in last and self._suspect and not whole:
                self.finish(FAILED)  # the frame that closes an error, and no answer
                return ()
        return self._release() if whole else ()

    def _release(self) -> Iterable[Delta]:
        text = "".join(self._held)
        self._held, self._suspect = [], False
        self._given = self._given or bool(text)
        return (text,) if text else ()

    def _document(self, told: dict[str, Any]) -> Iterable[Delta]:
        """A bare JSON object where no `[DONE]` was: the answer of the other mode, or a failure."""
        verdict = failure(told)
        text = told.get("data")
        if verdict is not None:
            self.finish(verdict)
        elif not (self._given or self._suspect) and told.get("status") == "success" and isinstance(text, str):
            self.finish()
            return (text,) if text.strip() else ()
        return ()
