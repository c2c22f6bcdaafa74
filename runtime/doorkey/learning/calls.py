"""Finds a call of the recording that tells whether a session is alive."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from doorkey.learning.bodies import Leaf, read_json
from doorkey.learning.login import Found
from doorkey.learning.recording import Exchange, Recording

TELLS_WHO = ("user", "me", "profile", "account", "session", "whoami", "self", "identity")
IDENTITY = ("id", "username", "email", "login", "name", "sub")
REFUSED = (401, 403)


def find_check(recording: Recording, found: Found | None) -> Mapping[str, str] | None:
    """Return a session check for a site whose pages don't tell who is logged in, as plain HTTP gets them.

    It is a call that names the user. Its path says so, or the site refused it before the login *found*.
    """
    after = found.at + 1 if found is not None else 0
    earlier = recording.exchanges[:after]
    refused = {one.path for one in earlier if one.method == "GET" and one.status in REFUSED}
    here = urlsplit(recording.url)[:2]
    calls = [one for one in recording.exchanges[after:] if _is_read(one) and one.origin == here]
    for one in (*filter(_tells_who, calls), *(one for one in calls if one.path in refused)):
        named = next((leaf.path for leaf in _list_leaves(one) if _last(leaf.path) in IDENTITY), None)
        if named is not None:
            return {"url": one.place, "holds": f"json:{named}"}
    return None


def _is_read(exchange: Exchange) -> bool:
    return exchange.method == "GET" and exchange.status == 200 and exchange.is_json


def _tells_who(exchange: Exchange) -> bool:
    return exchange.path.lower().rstrip("/").rpartition("/")[2] in TELLS_WHO


def _list_leaves(exchange: Exchange) -> Iterator[Leaf]:
    """List the values of the answer that don't stand in a list, those inside an object that names a user first."""
    leaves = [leaf for leaf in read_json(exchange.answer_body) if not leaf.listed]
    yield from sorted(leaves, key=lambda leaf: not any(part.lower() in TELLS_WHO for part in leaf.path.split(".")))


def _last(path: str) -> str:
    return path.rpartition(".")[2].lower()
