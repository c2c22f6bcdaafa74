"""Builds sessions from what a site gave, and tells whether one is another one again."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace

from doorkey.clock import Clock
from doorkey.model.session import Cookie, Key, Session, Tokens
from doorkey.provider import Provider


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
    ) -> Session:
        """A session made by *rung*, whose page ended at *url*. It keeps the visitor's id of the *previous* one."""
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
                rung=rung,
            )
        )

    def age(self, session: Session) -> Session:
        """*session*, born now. It lives no longer than the first of the cookies that its requests need."""
        provider, wall = self.provider, self.clock.wall()
        needed = [cookie for cookie in session.cookies if cookie.name in provider.cookies_needed]
        left = [max(0.0, cookie.expires - wall) for cookie in needed if cookie.expires is not None]
        return replace(session, gen=0, born=wall, soft=provider.soft, hard=min([provider.hard, *left]))


def is_same_session(found: Session, refused: Session, provider: Provider) -> bool:
    """Whether all that *provider* can tell sessions apart by is alike; False where there is nothing to tell by."""
    named, tokens_tell = provider.cookies_needed, bool(found.tokens) and not provider.steps
    if dict(found.tokens) != dict(refused.tokens):
        return False
    # After a new login a token may be the old one (an XSRF cookie that the site lets be): its other cookies tell.
    names = named or (() if tokens_tell else {cookie.name for cookie in (*found.cookies, *refused.cookies)})
    if not names and not found.tokens:
        return False
    return all(found.cookie(name) == refused.cookie(name) for name in names)
