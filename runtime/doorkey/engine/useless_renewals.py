"""The refusals of one key against which renewing its session did not help, as a value with pure changes."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any, TypeAlias

from doorkey.model.request import Request, kind_of

RefusalShape: TypeAlias = tuple[int, str, str, str]
"""How a refusal looks: status, media type and kind of body; and of one that has a name, what was asked for."""
Asked: TypeAlias = tuple[str, str]
"""The kind of a request: method and path."""

log = logging.getLogger("doorkey.notes")

MOST_SHAPES = 64
"""Shapes that are remembered of a key; the one that was concluded first is forgotten first."""
MOST_KNOWN = 256
"""Requests that are remembered of a shape."""
TELLING = 64 * 1024
"""Bytes of a body that its digest is made of, beside its length."""
MOST_DOUBTS = 64
"""Refusals in a row after which a session is renewed for them again, at most."""


@dataclass(frozen=True, slots=True)
class Useless:
    """Renewals that did not help against one shape, which is remembered until `until` (wall seconds), for `length`
    seconds.

    The `known` requests, by their digests, were refused by a fresh session, or not sent again; `about` are their kinds,
    and `gen` is the last session that they were refused with. `renewals` counts them. `doubts` counts the refusals of
    other requests since the last renewal or acceptance of their kind (`asked`).
    """

    length: float
    until: float = 0.0
    gen: int = -1
    renewals: int = 0
    doubts: int = 0
    known: tuple[str, ...] = ()
    about: frozenset[Asked] = frozenset()
    asked: frozenset[Asked] = frozenset()

    @property
    def needed(self) -> int:
        """Refusals in a row that make another renewal worth a try: 1, 2, 4, …"""
        return min(MOST_DOUBTS, 1 << min(30, max(0, self.renewals - 1)))


@dataclass(frozen=True, slots=True)
class UselessRenewals:
    """What is remembered of one key, by shape. `salt` goes into the digests of requests, so that nobody can look a
    request up by the digest that it has elsewhere.
    """

    salt: str = ""
    shapes: Mapping[RefusalShape, Useless] = field(default_factory=dict)

    def is_useless(self, request: Request, shape: RefusalShape, wall: float) -> bool:
        """Whether renewing for this refusal is not worth a try now."""
        useless = self.shapes.get(shape)
        if useless is None or wall >= useless.until:
            return False
        return self._identify(request) in useless.known or useless.doubts + 1 < useless.needed

    def doubt(self, request: Request, shape: RefusalShape) -> UselessRenewals:
        """A session was not renewed for this refusal, because it is remembered."""
        useless = self.shapes.get(shape)
        if useless is None or self._identify(request) in useless.known:
            return self
        asked = useless.asked | {kind_of(request)}
        return self._with(shape, replace(useless, doubts=useless.doubts + 1, asked=asked))

    def conclude(
        self, request: Request, shape: RefusalShape, gen: int, wall: float, *, first: float, longest: float, salt: str
    ) -> UselessRenewals:
        """The fresh session *gen* met this refusal, too: it is remembered for *first* seconds, twice as long each time
        that it comes back, up to *longest*. *salt* is taken where there is none yet."""
        if not self.salt:
            return replace(self, salt=salt).conclude(request, shape, gen, wall, first=first, longest=longest, salt=salt)
        useless = self.shapes.get(shape) or Useless(first)
        if wall >= useless.until:
            length = min(longest, useless.length * 2) if useless.renewals else first
            useless = replace(useless, length=length, until=wall + length)
        identity = self._identify(request)
        known = (*(one for one in useless.known if one != identity), identity)[-MOST_KNOWN:]
        made = replace(
            useless,
            gen=max(useless.gen, gen),
            renewals=useless.renewals + 1,
            doubts=0,
            known=known,
            about=useless.about | {kind_of(request)},
            asked=frozenset(),
        )
        return self._with(shape, made)

    def forget(self, shape: RefusalShape) -> UselessRenewals:
        """A renewal helped against this shape."""
        return self._without(shape) if shape in self.shapes else self

    def accept(self, request: Request, gen: int) -> UselessRenewals:
        """An accepted request ends the doubts of its kind; by a newer session, it shows that renewing helped."""
        kind, identity, after = kind_of(request), self._identify(request), self
        for shape, useless in self.shapes.items():
            known = tuple(one for one in useless.known if one != identity)
            if not known or (kind in useless.about and gen > useless.gen):
                after = after._without(shape)
            elif kind in useless.asked:
                after = after._with(shape, replace(useless, known=known, doubts=0, asked=frozenset()))
            elif len(known) < len(useless.known):
                after = after._with(shape, replace(useless, known=known))
        return after

    def _with(self, shape: RefusalShape, useless: Useless) -> UselessRenewals:
        shapes = {**self.shapes, shape: useless}
        for oldest in list(shapes)[: max(0, len(shapes) - MOST_SHAPES)]:
            del shapes[oldest]
        return replace(self, shapes=shapes)

    def _without(self, shape: RefusalShape) -> UselessRenewals:
        shapes = {other: useless for other, useless in self.shapes.items() if other != shape}
        return replace(self, shapes=shapes) if shapes else UselessRenewals()

    def _identify(self, request: Request) -> str:
        """A digest that the same request has again. It tells nothing about what the request holds."""
        digest = blake2b(key=self.salt.encode()[:64], digest_size=8)
        digest.update(repr((*kind_of(request), request.form, request.json, request.parts)).encode())
        # An upload that is not in memory is another one each time.
        body = request.body or b""
        bodies = [body if isinstance(body, bytes) else str(id(body)).encode()]
        for data in (*bodies, *(part.data for part in request.parts or ())):
            digest.update(b"%d:" % len(data))
            digest.update(data[:TELLING])
        return digest.hexdigest()


class UselessRenewalsText:
    """How `UselessRenewals` lies in the store."""

    empty = UselessRenewals()

    def write(self, value: UselessRenewals) -> str:
        if not value.shapes:
            return ""
        return json.dumps({"salt": value.salt, "shapes": [_plain(*entry) for entry in value.shapes.items()]})

    def read(self, text: str, wall: float) -> UselessRenewals:
        """The value in *text*, without times that only a wrong clock can have written."""
        try:
            data: dict[str, Any] = json.loads(text)
            return UselessRenewals(str(data["salt"]), dict(_entry(one, wall) for one in data["shapes"]))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            log.warning("what is known of refusals can't be read (%s): it is learned anew", type(error).__name__)
            return self.empty


def _plain(shape: RefusalShape, useless: Useless) -> list[Any]:
    return [
        shape, useless.length, useless.until, useless.gen, useless.renewals, useless.doubts, useless.known,
        sorted(useless.about), sorted(useless.asked),
    ]  # fmt: skip


def _entry(plain: list[Any], wall: float) -> tuple[RefusalShape, Useless]:
    (status, kind, body, asked), length, until, gen, renewals, doubts, known, about, about_doubts = plain
    useless = Useless(
        length=float(length),
        until=min(float(until), wall + float(length)),
        gen=int(gen),
        renewals=int(renewals),
        doubts=int(doubts),
        known=tuple(map(str, known)),
        about=frozenset((str(method), str(path)) for method, path in about),
        asked=frozenset((str(method), str(path)) for method, path in about_doubts),
    )
    return (int(status), str(kind), str(body), str(asked)), useless
