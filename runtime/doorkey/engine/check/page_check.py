"""Loads the page of a session check, as a session or as a stranger."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace

from doorkey.clock import Clock
from doorkey.engine.check.facts import LoginForm, PageFacts, login_form_of, read_facts
from doorkey.errors import Changed
from doorkey.model.cookie_jar import CookieJar
from doorkey.model.page import Page
from doorkey.model.request import MiB, Reply, Request
from doorkey.model.session import Session, Tokens
from doorkey.protections.judge import recognize_head
from doorkey.provider import Provider
from doorkey.sessions.target import SiteTarget
from doorkey.transport.conversation import Conversation
from doorkey.transport.selector import Transport
from doorkey.transport.stream import whole

PAGE = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
MOST = 4 * MiB
"""Bytes of the page that are read."""


@dataclass(frozen=True, slots=True)
class PageLoad:
    """What came. `shows`: whether it holds what the check looks for. `tells`: False for a site that is down, busy, or
    behind a challenge: then it says nothing about the session. `tokens` are those on the page, None where a page load
    does not tell them."""

    facts: PageFacts
    shows: bool
    tells: bool
    tokens: Tokens | None = None


class PageChecks:
    """Loads pages for checks by a transport."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def load(
        self,
        target: SiteTarget,
        session: Session,
        transport: Transport,
        *,
        conversation: Conversation | None = None,
        url: str | None = None,
        total: float,
    ) -> PageLoad:
        """The page of the check, or the one at *url*, as *session* gets it. Raises DoorkeyError."""
        provider, form = target.provider, login_form_of(target.provider.steps, target.provider.check_url)
        asked = url or provider.check_url
        assert asked is not None
        page_like = provider.checks_page or url is not None
        request = Request(
            url=asked,
            what="the session check",
            accept=PAGE if page_like else "*/*",
            expects=("text/html",) if page_like else (),
            repeatable=True,
            follow=3,
            limit=MOST,
        )
        if session.tokens:
            request = provider.dress(request, session)
        conversation = conversation or Conversation(self._clock)
        stream = await transport.open(request, session, target.site, conversation=conversation, total=total)
        status = stream.head.status
        tells = status < 500 and status != 429 and recognize_head(request, stream.head) is None
        if not tells:
            stream.close()
            return PageLoad(PageFacts(status, ""), shows=False, tells=False)
        reply = await whole(stream, MOST)
        cookies = conversation.over(CookieJar(session.cookies)).values_at(reply.url, self._clock.wall())
        return await asyncio.to_thread(_read, provider, reply, session, cookies, form, with_tokens=url is None)


def as_stranger(session: Session) -> Session:
    """A session of the same browser that the site does not know: no cookies, no tokens, no storage.

    Generation 0 is nobody's: its requests carry no cookies of a live page either.
    """
    return replace(session, gen=0, cookies=(), tokens={}, local={})


def _read(
    provider: Provider,
    reply: Reply,
    session: Session,
    cookies: Mapping[str, str],
    form: LoginForm,
    *,
    with_tokens: bool,
) -> PageLoad:
    text = reply.text() if reply.is_html else ""
    facts = read_facts(reply.status, reply.url, text, form)
    page = Page(url=reply.url, html=text, cookies=cookies, local=session.local)
    shows = provider.shows_session(reply, page)
    tokens: Tokens | None = None
    if shows and with_tokens and session.tokens and provider.check_shows_tokens:
        try:
            tokens = provider.read(page)
        except Changed:
            tokens = None
    return PageLoad(facts, shows, tells=True, tokens=tokens)
