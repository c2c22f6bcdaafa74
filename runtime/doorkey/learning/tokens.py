"""Puts the tokens together: their names, where they are read, and which requests carry them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from doorkey.learning.bodies import Leaf, read_json
from doorkey.learning.carried import Slot, Traced, template
from doorkey.learning.differences import OF_FORMS, Value
from doorkey.learning.draft import Doubt, Evidence, SendDraft, Source, TokenDraft
from doorkey.learning.login import put
from doorkey.learning.origins import Origin
from doorkey.learning.recording import Exchange
from doorkey.learning.usage import find_usage
from doorkey.learning.values import JWT, is_random, make_name
from doorkey.model.page import Page

WRITES = "POST,PUT,PATCH,DELETE /*"
HEADERS = {
    "csrf-token": "X-CSRF-Token",
    "csrf_token": "X-CSRF-Token",
    "_csrf": "X-CSRF-TOKEN",
    "xsrf-token": "X-XSRF-TOKEN",
}
"""The usual header for a token of this name, where no request was seen that carried it."""
BEARER = re.compile(r"access|token|jwt|bearer", re.IGNORECASE)
"""Names of bearer tokens in the answer to a login."""


@dataclass(slots=True)
class _Rule:
    header: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)
    form: dict[str, str] = field(default_factory=dict)
    json: dict[str, Any] = field(default_factory=dict)


class TokenTable:
    """Collects tokens. *home* is the page of `url`, as a logged-in visitor saw it, and *place* its path."""

    def __init__(self, home: Page | None, place: str) -> None:
        self._home, self._place = home, place
        self._names: dict[str, str] = {}  # a token's name by the text of its source
        self._tokens: dict[str, TokenDraft] = {}
        self._rules: dict[str, _Rule] = {}
        self._slots: set[Slot] = set()
        self.doubts: list[Doubt] = []

    @property
    def tokens(self) -> tuple[TokenDraft, ...]:
        return tuple(self._tokens.values())

    @property
    def sends(self) -> tuple[SendDraft, ...]:
        found = [SendDraft(when, one.header, one.query, one.form, one.json) for when, one in self._rules.items()]
        return tuple(sorted(found, key=lambda one: one.when != ""))

    @property
    def keys(self) -> frozenset[str]:
        """The names of the headers, parameters and fields that hold tokens."""
        return frozenset(slot.key for slot in self._slots)

    @property
    def _bears(self) -> bool:
        """Whether requests carry an Authorization header."""
        return any(name.lower() == "authorization" for rule in self._rules.values() for name in rule.header)

    def add_refresh(self, path: str) -> None:
        """Add the token at *path* in the login's answer, by which the session is renewed."""
        said = Evidence("in the answer to the login; renews the session")
        self._tokens["refresh"] = TokenDraft("refresh", f"json:{path}", said)

    def guess_bearer(self, login: Exchange, *, sure: bool) -> None:
        """Add the token in the answer to *login* as a bearer token, where no request was seen to carry it.

        *sure*: the login hands out nothing else.
        """
        found = find_bearer(login)
        if found is None:
            return
        name = self._add(f"json:{found.path}", "authorization", Evidence("in the answer to the login"))
        self._put("", Slot("header", "Authorization"), f"Bearer {{{name}}}")
        if not sure:
            said = "no request was seen that carries the token of the login: the header Authorization is a guess"
            self.doubts.append(Doubt(said, "compare it with your browser's own requests"))

    def find_in_renewal(self, body: str) -> dict[str, str]:
        """Return where the answer *body* of a renewal holds tokens, for those at another path than in the login's."""
        leaves = [leaf.path for leaf in read_json(body) if not leaf.listed]
        found: dict[str, str] = {}
        for name, token in self._tokens.items():
            path = str(token.source).removeprefix("json:")
            if not isinstance(token.source, str) or path == token.source or path in leaves:
                continue
            last = path.rpartition(".")[2].lower().replace("_", "")
            alike = [leaf for leaf in leaves if leaf.rpartition(".")[2].lower().replace("_", "") == last]
            if alike:
                found[name] = f"json:{alike[0]}"
        return found

    def add_traced(self, traced: Sequence[Traced], answers: Mapping[int, str]) -> None:
        """Add what requests carried. *answers* tells whose answers settings can read: of the "login", and if "read"."""
        for one in traced:
            carried, origin = one.carried, one.origin
            follows = [other for other in traced if other.carried.slot == carried.slot]
            source = self._find_source(origin, answers)
            if answers.get(origin.at) == "renewal" and origin.kind in ("json", "header"):
                continue  # the same token, as a renewal gave it
            slot = carried.slot
            if source is None and follows[0] is one and slot.place == "header" and not carried.exchange.writes:
                source, slot = f"request:{slot.key}", replace(slot, prefix="")  # the page sends it when it opens
            if source is None and answers.get(origin.at) == "behind a token":
                self._explain_state(one)
                continue
            if source is None:
                self._add_next(one, follows)
                continue
            name = self._add(source, slot.key, Evidence(f"{origin.evidence}, sent as {_words(slot)}"))
            when = self._find_condition(one, follows, source)
            self._put(when, slot, f"{slot.prefix}{{{name}}}")

    def _add_next(self, one: Traced, follows: Sequence[Traced]) -> None:
        """Take note of a token whose later values stand in the answers to the requests before."""
        first, origin = follows[0], one.origin
        name = next((name for slot, name in self._slot_names() if slot == first.carried.slot), "")
        if first is one or not name or origin.kind not in ("header", "json"):
            what = f"the {_words(one.carried.slot)} came with the answer to {origin.page}"
            self.doubts.append(Doubt(what, "settings can't read it there: name a page that holds it"))
            return
        token = self._tokens[name]
        source = dict(token.source) if isinstance(token.source, Mapping) else as_table(token.source)
        said = Evidence(f"{token.evidence.text}; valid once, each answer carries the next")
        self._tokens[name] = TokenDraft(name, {**source, "next": origin.text}, said)

    def _explain_state(self, one: Traced) -> None:
        """Say that a value belongs to what the site keeps, and not to the session: a version of it, for example."""
        what = f"the {_words(one.carried.slot)} came with the answer to {one.origin.page}, a call of the site's scripts"
        self.doubts.append(Doubt(what, "let your program call it first through doorkey, and send what it reads there"))

    def _slot_names(self) -> list[tuple[Slot, str]]:
        found = []
        for one in self._rules.values():
            for place, values in (("header", one.header), ("query", one.query), ("form", one.form)):
                for key, text in values.items():
                    prefix, _, rest = text.partition("{")
                    found.append((Slot(place, key, prefix), rest.rstrip("}")))  # type: ignore[arg-type]  # a literal
        return found

    def _find_source(self, origin: Origin, answers: Mapping[int, str]) -> Source | None:
        kind, _, rest = origin.text.partition(":")
        if origin.kind in ("local", "session"):
            return {kind: rest, "inside": origin.inside} if origin.inside else origin.text
        if origin.kind == "cookie" or (origin.kind != "page" and answers.get(origin.at) == "login"):
            return origin.text
        if origin.kind == "page":
            if origin.page == self._place or self._is_at_home(origin.text):
                return origin.text
            return {"page": origin.page, **as_table(origin.text)}
        if answers.get(origin.at) == "read":
            return {"page": origin.page, "json": rest} if origin.kind == "json" else f"response:{rest}"
        return None

    def _is_at_home(self, source: str) -> bool:
        css = source.rpartition("@")[0]
        return bool(self._home and css and not source.startswith("html:") and self._home.find(css) is not None)

    def _find_condition(self, one: Traced, follows: Sequence[Traced], source: Source) -> str:
        """Return the `when` of the requests that carry the token."""
        carried = one.carried
        if any(not other.carried.exchange.writes for other in follows):
            return ""
        scoped = isinstance(source, Mapping) and "page" in source and one.origin.kind == "page"
        of_form = one.origin.text.startswith(("form[", "#")) and " " in one.origin.text
        if carried.slot.place in ("query", "json") or scoped or of_form:
            return f"{carried.exchange.method} {template(carried.exchange.path)}"
        return WRITES

    def add_differences(self, values: Sequence[Value], *, compared: bool, scripts: Sequence[str] = ()) -> None:
        """Add what differed between two sessions and no recorded request carried. *compared*: there were two.

        *scripts* are those of the page, which may say where a value goes.
        """
        said = "differs between two sessions" if compared else "looks like a token; seen in one session only"
        if not compared:  # a field of the same name on another page most likely holds the same token
            values = [value for value in values if value.name not in self.keys]
        known = {value.text: self._names[value.source] for value in values if value.source in self._names}
        for value in sorted(values, key=lambda one: one.kind not in OF_FORMS):
            if value.source in self._names or (value.kind not in OF_FORMS and Slot("form", value.name) in self._slots):
                continue
            if value.kind in ("local", "session") and (self._bears or "refresh" in value.name.lower()):
                continue  # what scripts keep beside the token that requests were seen to carry
            name = known.get(value.text, "")
            if not name:
                source: Source = value.source
                if value.page:
                    source = {"page": value.page, **as_table(value.source)}
                elif value.inside:
                    kind, _, key = value.source.partition(":")
                    source = {kind: key, "inside": value.inside}
                name = known[value.text] = self._add(source, value.name, Evidence(said))
            self._send_difference(value, name, scripts)

    def _send_difference(self, value: Value, name: str, scripts: Sequence[str]) -> None:
        if value.kind in OF_FORMS:
            scoped = value.kind == "action" or value.source.startswith(("form[", "#"))
            slot = Slot("query" if value.kind == "action" else "form", value.name)
            self._put(f"POST {value.action}" if scoped else WRITES, slot, f"{{{name}}}")
            return
        if any(
            f"{{{name}}}" in text for one in self._rules.values() for text in (*one.header.values(), *one.form.values())
        ):
            return  # the value is sent already, read at another place
        used = find_usage(value, scripts)
        if used is not None:
            self._put("" if used.key.lower() == "authorization" else WRITES, used, f"{{{name}}}")
            where = f"{value.source} as {_words(used)}"
            self.doubts.append(Doubt(f"a script of the page sends {where}, and no request was seen that does"))
            return
        if value.kind in ("local", "session") and JWT.fullmatch(value.text):
            slot, text = Slot("header", "Authorization"), f"Bearer {{{name}}}"
        else:
            slot, text = Slot("header", HEADERS.get(value.name.lower(), "X-CSRF-Token")), f"{{{name}}}"
        self._put("" if slot.key == "Authorization" else WRITES, slot, text)
        said = f"no request was seen that carries {value.source}: the header {slot.key} is a guess from common usage"
        self.doubts.append(Doubt(said, "compare it with your browser's own requests, or record one: doorkey add --har"))

    def _add(self, source: Source, wanted: str, evidence: Evidence) -> str:
        key = source if isinstance(source, str) else repr(sorted(source.items()))
        if key in self._names:
            return self._names[key]
        base = name = make_name(wanted)
        number = 2
        while name in self._tokens:
            name, number = f"{base}_{number}", number + 1
        self._names[key] = name
        self._tokens[name] = TokenDraft(name, source, evidence)
        return name

    def _put(self, when: str, slot: Slot, text: str) -> None:
        self._slots.add(slot)
        rule = self._rules.setdefault(when, _Rule())
        if slot.place == "json":
            put(rule.json, Leaf("json", slot.key, ""), text)
        else:
            {"header": rule.header, "query": rule.query, "form": rule.form}[slot.place].setdefault(slot.key, text)


def find_bearer(login: Exchange) -> Leaf | None:
    """Return the token in the answer to *login* that looks like a bearer token."""
    told = [leaf for leaf in read_json(login.answer_body) if not leaf.listed and is_random(leaf.value, leaf.path)]
    named = [leaf for leaf in told if BEARER.search(leaf.path.rpartition(".")[2])]
    return next((leaf for leaf in named if "refresh" not in leaf.path.lower()), None)


def as_table(source: str) -> dict[str, str]:
    """Return the *source* of a token as a table, to which further keys can be added."""
    kind, colon, rest = source.partition(":")
    if colon and kind in ("html", "cookie", "local", "session", "json", "header", "response", "script"):
        return {kind: rest[1:-1] if kind == "html" else rest}
    css, _, attribute = source.rpartition("@")
    return {"css": css, "attribute": attribute}


def _words(slot: Slot) -> str:
    return f"{slot.place} {slot.key}"
