"""What a visit yields: cookies, headers, tokens, storage, frozen and numbered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple, TypeAlias

from doorkey.model.cookie_jar import CookieJar
from doorkey.model.cookies import Cookie
from doorkey.model.urls import origin_of

JSON: TypeAlias = "str | int | float | bool | list[JSON] | dict[str, JSON] | None"
Tokens: TypeAlias = Mapping[str, JSON]


class Key(NamedTuple):
    """What a session belongs to. Sessions are used through the egress they were visited with.

    `url` is the page a visit opens; `egress` is "direct" or a digest of the proxy's URL (which may hold a password);
    `caller` is a digest of the cookies and the user agent that a caller passed. Such a session is never stored.
    """

    site: str
    url: str
    profile: str = "desktop"
    egress: str = "direct"
    caller: str = ""

    def __str__(self) -> str:
        return "|".join(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Frozen. `gen` only rises within a key, over all processes that share the store.

    `headers` are the browser's own (user agent, Accept-Language, Sec-CH-UA*), lower-case names. `born` is wall time;
    `soft` and `hard` are ages in seconds: past `soft` a new one is fetched behind, past `hard` it is not used.
    `visitor` is a random id that stays the same for a key for ever, as a visitor's browser would keep one.
    `rung` is how this session came about, `rungs` how often each rung made one for this key, this one included.
    `seeds` is what an imported login had in `sessionStorage` (texts by name) and `indexedDB` (as Playwright writes it):
    the browser begins each visit with it. `tab` is what the page's tab had in its session storage at the end of the
    last visit: other browsers are given it, and no visit begins with it.
    """

    key: Key
    gen: int
    url: str
    born: float
    soft: float
    hard: float
    max_uses: int | None = None
    cookies: tuple[Cookie, ...] = field(default=(), repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    tokens: Tokens = field(default_factory=dict, repr=False)
    local: Mapping[str, str] = field(default_factory=dict, repr=False)
    visitor: str = field(default="", repr=False)
    rung: str = ""
    rungs: Mapping[str, int] = field(default_factory=dict)
    seeds: Mapping[str, JSON] = field(default_factory=dict, repr=False)
    tab: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def origin(self) -> str:
        return origin_of(self.url)

    def cookie(self, name: str) -> str | None:
        """The value of the named cookie, the one that goes to the site before all others; None when there is none."""
        named = [cookie for cookie in self.cookies if cookie.name == name]
        at_site = [cookie for cookie in named if cookie.goes_to_host(self.key.url)]
        return next((cookie.value for cookie in (*at_site, *named)), None)

    def to_json(self) -> dict[str, Any]:
        """A plain structure for a store. It holds secrets."""
        return {
            **{name: getattr(self, name) for name in NAMES},
            "key": self.key._asdict(),
            "cookies": [cookie.to_json() for cookie in self.cookies],
            "headers": dict(self.headers),
            "tokens": dict(self.tokens),
            "local": dict(self.local),
            "rungs": dict(self.rungs),
            "seeds": dict(self.seeds),
            "tab": dict(self.tab),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Session:
        """The reverse of `to_json`. Raises TypeError or KeyError on a structure of another version."""
        rest = {**data, "key": Key(**data["key"]), "cookies": CookieJar.from_json(data["cookies"]).cookies}
        return cls(**rest)


NAMES = tuple(one.name for one in fields(Session))
"""Its fields. `dataclasses.asdict` would copy all they hold, ten times as slowly."""
