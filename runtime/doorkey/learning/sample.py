"""Makes a write that was shown ready to be sent once more, with another text and without its tokens."""

from __future__ import annotations

import json
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from email import message_from_string
from typing import Any

from doorkey.learning.carried import template
from doorkey.learning.draft import Draft
from doorkey.learning.recording import Exchange, Recording
from doorkey.learning.values import DATE, is_random
from doorkey.model.request import Part, Request

ADDED = " (tried by doorkey)"
"""What is added to a text, so that the write is another one and a person recognises it."""
FILE = b"tried by doorkey\n"


@dataclass(frozen=True, slots=True)
class Sample:
    """A write to try. `request` holds no token. `changed` are the names of the fields with another text."""

    request: Request = field(repr=False)
    changed: tuple[str, ...] = ()

    def __str__(self) -> str:
        said = f", with “{ADDED.strip()}” added to {' and '.join(self.changed)}" if self.changed else ""
        return f"{self.request.method} {self.request.url}{said}"


def make_sample(recording: Recording, draft: Draft) -> Sample | None:
    """Return the write of *recording* that was meant: the last one that sent what was typed, else the last one."""
    calls = {(call.method, template(call.path)) for call in draft.calls}
    origin = recording.url.split("/", 3)[:3]
    writes = [one for one in recording.exchanges if one.writes and (one.method, template(one.path)) in calls]
    writes = [one for one in writes if one.url.split("/", 3)[:3] == origin]
    if not writes:
        return None
    typed = recording.typed - recording.typed_secrets
    meant = [one for one in writes if any(leaf.value in typed for leaf in one.fields)] or writes
    return _make(meant[-1], _list_tokens(draft), typed)


def _list_tokens(draft: Draft) -> frozenset[str]:
    """List the names of the fields and parameters that doorkey fills in by itself."""
    return frozenset(key for one in draft.sends for what in (one.form, one.query, one.json) for key in what)


def _make(exchange: Exchange, tokens: Set[str], typed: Set[str]) -> Sample:
    texts = {leaf.path: leaf.value for leaf in exchange.fields if leaf.path not in tokens}
    changed = {path for path, text in texts.items() if text in typed}
    if not changed:
        free = [path for path, text in texts.items() if _is_prose(text)]
        changed = set(sorted(free, key=lambda path: len(texts[path]))[-1:])
    query = [(name, value) for name, value in exchange.query if name not in tokens]
    kind = exchange.headers.get("content-type", "")
    body: Mapping[str, Any] = {}
    if kind.lower().startswith("multipart/"):
        body = {"parts": tuple(_list_parts(exchange, tokens, changed))}
    elif exchange.body.lstrip()[:1] in ("{", "["):
        body = {"json": _rewrite(json.loads(exchange.body), (), tokens, changed)}
    elif exchange.fields:
        body = {"form": {path: text + (ADDED if path in changed else "") for path, text in texts.items()}}
    what = "the write of the trial"
    request = Request(url=exchange.path, method=exchange.method, what=what, query=query or None, **body)
    return Sample(request, tuple(sorted(changed)))


def _is_prose(text: str) -> bool:
    """Whether *text* may be another one: no number, no date, no choice of a list that is short."""
    return len(text) > 2 and not text.isdigit() and not DATE.match(text) and not is_random(text)


def _rewrite(value: Any, path: tuple[str, ...], tokens: Set[str], changed: Set[str]) -> Any:
    here = ".".join(path)
    if isinstance(value, dict):
        return {
            name: _rewrite(inner, (*path, str(name)), tokens, changed)
            for name, inner in value.items()
            if ".".join((*path, str(name))) not in tokens
        }
    if isinstance(value, list):
        return [_rewrite(inner, (*path, str(at)), tokens, changed) for at, inner in enumerate(value)]
    return f"{value}{ADDED}" if isinstance(value, str) and here in changed else value


def _list_parts(exchange: Exchange, tokens: Set[str], changed: Set[str]) -> list[Part]:
    """List the parts of a multipart body. A recording lacks what files hold, so a small text takes its place."""
    message = message_from_string(f"Content-Type: {exchange.headers['content-type']}\n\n{exchange.body}")
    found = []
    for part in message.walk():
        name, text = part.get_param("name", header="content-disposition"), part.get_payload()
        if not isinstance(name, str) or name in tokens or not isinstance(text, str):
            continue
        filename = part.get_filename()
        if filename is not None:
            found.append(Part(name=name, data=FILE, filename=filename, media_type=part.get_content_type()))
            continue
        value = text.removesuffix("\n").removesuffix("\r") + (ADDED if name in changed else "")
        found.append(Part(name=name, data=value.encode(), media_type="text/plain"))
    return found
