"""The rungs of a renewal below the browser: the site's own token endpoint, and its page fetched as it is."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from doorkey.clock import Clock
from doorkey.errors import Changed
from doorkey.model.page import Page
from doorkey.model.request import MiB, Request
from doorkey.model.session import Cookie, Session, Tokens
from doorkey.model.site import Site
from doorkey.protections.judge import default_verdict
from doorkey.provider import Provider
from doorkey.sessions.identity import Identity
from doorkey.transport.direct import Direct
from doorkey.transport.headers import Conversation, merged
from doorkey.transport.stream import whole

PAGE = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


class HttpRenewal:
    """A held session made new without a browser, where that is possible: None where it is not."""

    def __init__(
        self, site: Site, provider: Provider, identity: Identity, direct: Direct, clock: Clock, limit: float
    ) -> None:
        self._site, self._provider, self._identity = site, provider, identity
        self._direct, self._clock, self._limit = direct, clock, limit

    async def refresh(self, held: Session) -> Session | None:
        flow = self._provider.refresh(held)
        if flow is None:
            return None
        conversation = Conversation(self._clock)
        request = next(flow)
        while True:
            dressed = self._provider.dress(request, held)
            stream = await self._direct.open(dressed, held, self._site, conversation=conversation, total=self._limit)
            verdict = self._provider.judge(dressed, stream.head, held)
            if not verdict:
                stream.close()
                raise verdict.error(self._site.name, stream.head.status)
            try:
                request = flow.send(await whole(stream, request.limit))
            except StopIteration as stop:
                tokens = {**held.tokens, **stop.value}
                return self._renewed(replace(held, tokens=tokens, rung="token endpoint"), conversation)

    async def page(self, held: Session) -> Session | None:
        if self._provider.needs_scripts:
            return None
        conversation = Conversation(self._clock)
        page = await self._fetched(self._site.url, held, conversation)
        others = {path: await self._fetched(path, held, conversation) for path in self._provider.pages}
        tokens = await asyncio.to_thread(self._read, replace(page, others=others))
        return self._renewed(replace(held, tokens=tokens, rung="direct"), conversation)

    def _read(self, page: Page) -> Tokens:
        self._identity.check(page)
        return self._provider.read(page)

    async def _fetched(self, url: str, held: Session, conversation: Conversation) -> Page:
        request = Request(url=url, what="the page", accept=PAGE, expects=("text/html",), repeatable=True, follow=3)
        stream = await self._direct.open(request, held, self._site, conversation=conversation, total=self._limit)
        verdict = default_verdict(request, stream.head)
        if not verdict:  # a challenge, too, comes with 200 and is a page
            stream.close()
            raise verdict.error(self._site.name, stream.head.status)
        if stream.head.status != 200 or not stream.head.is_html:
            stream.close()
            raise Changed(f"the page came with HTTP {stream.head.status} ({stream.head.media_type})")
        reply = await whole(stream, 8 * MiB)
        cookies = {cookie.name: cookie.value for cookie in merged(held.cookies, conversation.cookies)}
        return Page(url=reply.url, html=reply.text(), cookies=cookies, local=held.local)

    def _renewed(self, session: Session, conversation: Conversation) -> Session:
        cookies = merged(session.cookies, conversation.cookies)
        return replace(
            session,
            gen=0,
            born=self._clock.wall(),
            cookies=cookies,
            hard=hard_age(self._provider, cookies, self._clock.wall()),
        )


def hard_age(provider: Provider, cookies: tuple[Cookie, ...], wall: float) -> float:
    """The age past which a session with *cookies* is not used: none outlives the cookies it needs."""
    ends = [c.expires for c in cookies if c.expires is not None and c.name in provider.cookies_needed]
    return min([provider.hard, *(max(0.0, end - wall) for end in ends)])
