"""Builds sessions from what a site gave, and tells whether one is another one again."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from doorkey.clock import Clock
from doorkey.model.cookie_jar import CookieJar
from doorkey.model.cookies import Change, Cookie, on_path, path_of
from doorkey.model.session import JSON, Key, Session, Tokens
from doorkey.provider import Provider

EARLY = 0.8
"""Share of a needed cookie's life after which the next session is fetched."""
DISTINCT = 16
"""Characters of a token that is found in a stored text only because it was put there."""
TELLING = 2
"""Characters that a token needs, so that to find it in a stored text is no chance."""


@dataclass(frozen=True, slots=True)
class SessionBuilder:
    """Builds the sessions of one key. None has a generation yet: the store numbers them."""

    key: Key
    provider: Provider
    clock: Clock

    def build(
        self,
        rung: str,
        url: str,
        *,
        cookies: tuple[Cookie, ...],
        headers: Mapping[str, str],
        tokens: Tokens,
        local: Mapping[str, str],
        previous: Session | None,
        tab: Mapping[str, str] | None = None,
    ) -> Session:
        """A session made by *rung*, whose page ended at *url*. It keeps id and seeds of the *previous* visitor.

        Without a *tab*, where no page was opened, it keeps that one, too.
        """
        held = previous.tab if previous is not None and tab is None else tab or {}
        return self.age(
            Session(
                key=self.key,
                gen=0,
                url=url,
                born=0.0,
                soft=0.0,
                hard=0.0,
                max_uses=self.provider.max_uses,
                cookies=cookies,
                headers=dict(headers),
                tokens=tokens,
                local=dict(local),
                visitor=(previous.visitor if previous else "") or secrets.token_hex(16),
                seeds=previous.seeds if previous else {},
                tab=dict(held),
                rung=rung,
            )
        )

    def age(self, session: Session) -> Session:
        """*session*, born now."""
        wall = self.clock.wall()
        soft, hard = ages(self.provider, replace(session, born=wall))
        return replace(session, gen=0, born=wall, soft=soft, hard=hard)


def with_cookies(session: Session, changes: Iterable[Change], provider: Provider) -> Session:
    """*session* after *changes* to its cookies. It lives as long as they do."""
    changed = replace(session, cookies=CookieJar(session.cookies).changed(changes).cookies)
    soft, hard = ages(provider, changed)
    return replace(changed, soft=soft, hard=hard)


def ages(provider: Provider, session: Session) -> tuple[float, float]:
    """The soft and the hard age of *session*, as far as its cookies and tokens tell.

    A session lives no longer than the first of the cookies and tokens that its requests need, and its successor is
    fetched early enough that nobody waits for it.
    """
    names, hard = {*provider.cookies_needed, *provider.cookies_read}, provider.hard
    for cookie in session.cookies:
        if cookie.expires is not None and cookie.name in names and cookie.goes_to_host(provider.site.url):
            hard = min(hard, max(0.0, cookie.expires - session.born))
    lasts = provider.lasts(session.tokens, session.born)
    if lasts is not None:
        hard = min(hard, lasts)
    return (provider.soft, hard) if hard == provider.hard else (min(provider.soft, EARLY * hard), hard)


def shared_parts(found: Session, provider: Provider) -> tuple[str, ...]:
    """The names of the tokens and cookies that make *found* another session again (`is_same_session`)."""
    names = provider.cookies_needed or (() if found.tokens else {cookie.name for cookie in found.cookies})
    return (*(f"the token {name}" for name in found.tokens), *(f"the cookie {name}" for name in names))


def without_tokens(session: Session) -> dict[str, str]:
    """The local storage of *session* without the entries that hold one of its tokens."""
    tokens = [token for token in _texts(list(session.tokens.values())) if len(token) >= TELLING]
    return {name: value for name, value in session.local.items() if not any(token in value for token in tokens)}


def with_tokens(session: Session, kept: Tokens, given: Tokens) -> Session:
    """*session* with the *kept* tokens and those that the site has *given*. What its page has stored of the old ones is
    replaced, too: a visit must not show the site a token that it has replaced.
    """
    swaps = [(session.tokens.get(name), value) for name, value in given.items()]
    local, tab = dict(session.local), dict(session.tab)
    for old, new in swaps:
        if isinstance(old, str) and isinstance(new, str) and len(old) >= DISTINCT:
            local = {name: text.replace(old, new) for name, text in local.items()}
            tab = {name: text.replace(old, new) for name, text in tab.items()}
    return replace(session, tokens={**kept, **given}, local=local, tab=tab)


def _texts(value: JSON) -> list[str]:
    """All texts and numbers in *value*, as texts."""
    if isinstance(value, dict):
        return [text for one in value.values() for text in _texts(one)]
    if isinstance(value, list):
        return [text for one in value for text in _texts(one)]
    return [] if value is None or isinstance(value, bool) else [str(value)]


def is_same_session(found: Session, refused: Session, provider: Provider) -> bool:
    """Whether all that *provider* can tell sessions apart by is alike; False where there is nothing to tell by."""
    if dict(found.tokens) != dict(refused.tokens):
        return False
    named = provider.cookies_needed
    # After a new login a token may be the old one (an XSRF cookie that the site lets be): its other cookies tell.
    logs_in = provider.steps or provider.has_login or provider.renews_login
    if found.tokens and not logs_in and not named:
        return True
    ours, theirs = _told_by(found, named), _told_by(refused, named)
    return bool(ours or theirs or found.tokens) and ours == theirs


def _told_by(session: Session, named: tuple[str, ...]) -> list[str]:
    """The cookies, all or those *named*, by which the site knows the session: those that go to its URL, or else those
    of other paths of its host."""
    url = session.key.url
    known = [cookie for cookie in session.cookies if not named or cookie.name in named]
    at_host = [cookie for cookie in known if cookie.goes_to_host(url)]
    at_url = [cookie for cookie in at_host if on_path(cookie.path, path_of(url))]
    return sorted(cookie.pair for cookie in at_url or at_host)
