"""Sessions and rows as text: how stores keep them, and how what can't be read any more is told from what can."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import fields

from doorkey.model.session import Key, Session
from doorkey.sessions.store import Row

log = logging.getLogger("doorkey.store")

NUMBERS = (int, float)
KINDS: Mapping[str, tuple[type, ...]] = {
    "whole": (int,), "gen": (int,), "claim": (str,), "claimed_until": NUMBERS, "failed_until": NUMBERS,
    "failed_for": NUMBERS, "why": (str,), "code": (str,),
}  # fmt: skip
"""The types that the values of a row have, besides the session."""


def write_session(session: Session | None) -> str | None:
    return None if session is None else json.dumps(session.to_json())


def read_session(key: Key, text: object) -> Session | None:
    """The session that `write_session` wrote; None for one that can't be read, which the log says."""
    if text is None:
        return None
    try:
        session = Session.from_json(json.loads(str(text)))
        _check_types(session)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("%s: the stored session can't be read (%s): it counts as absent", key.site, type(error).__name__)
        return None
    return session


def make_row(key: Key, session: Session | None, values: Mapping[str, object]) -> Row:
    """The row of *values* by name. A value of a wrong type counts as absent; the session beside it stays."""
    wrong = [name for name, kinds in KINDS.items() if not isinstance(values.get(name), kinds)]
    if wrong:
        log.warning("%s: the store's row has a wrong %s, which counts as absent", key.site, " and ".join(wrong))
    known = {name: values[name] for name in KINDS if name not in wrong}
    gen = known.pop("gen", session.gen if session is not None else -1)
    return Row(**{**known, "session": session, "gen": gen, "whole": bool(known.get("whole"))})  # type: ignore[arg-type]


def write_row_text(row: Row) -> str:
    """The row as one text. It holds secrets."""
    values = {one.name: getattr(row, one.name) for one in fields(row) if one.name != "session"}
    return json.dumps({**values, "session": write_session(row.session)})


def read_row_text(key: Key, text: str) -> tuple[Row, bool]:
    """The row that `write_row_text` wrote, and whether all of its session could be read."""
    try:
        values = json.loads(text)
    except ValueError:
        values = None
    if not isinstance(values, dict):
        log.warning("%s: the store's row can't be read: it counts as absent", key.site)
        return Row(), False
    held = values.get("session")
    session = read_session(key, held)
    return make_row(key, session, values), held is None or session is not None


def _check_types(session: Session) -> None:
    """Raises TypeError for a session whose values are not of the types that its fields have."""
    texts: list[object] = [session.url, session.visitor, session.rung, *session.key]
    numbers: list[object] = [session.gen, session.born, session.soft, session.hard]
    numbers += [] if session.max_uses is None else [session.max_uses]
    texts += [*session.tokens.keys(), *session.seeds.keys()]
    texts += [*session.headers.values(), *session.local.values(), *session.tab.values()]
    numbers += session.rungs.values()
    for cookie in session.cookies:
        texts += [cookie.name, cookie.value, cookie.domain, cookie.path, cookie.same_site]
        numbers += [cookie.host_only, cookie.secure, cookie.http_only]
        numbers += [] if cookie.expires is None else [cookie.expires]
    if not all(isinstance(text, str) for text in texts) or not all(isinstance(one, int | float) for one in numbers):
        raise TypeError("a value of another type")
