"""Whether a renewed session is the refused one again."""

from __future__ import annotations

from doorkey.model.session import Session
from doorkey.provider import Provider


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
