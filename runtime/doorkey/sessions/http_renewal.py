"""The rungs of a renewal below the browser: the site's own token endpoint, and its page fetched as it is."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from doorkey.clock import Clock
from doorkey.errors import Changed
from doorkey.model.cookie_jar import CookieJar
from doorkey.model.page import Page
from doorkey.model.request import MiB, Request
from doorkey.model.session import Session, Tokens
from doorkey.model.site import Site
from doorkey.protections.judge import default_verdict
from doorkey.provider import Provider
from doorkey.sessions.builder import SessionBuilder
from doorkey.sessions.identity import Identity
from doorkey.transport.conversation import Conversation
from doorkey.transport.direct import Direct
from doorkey.transport.holding import read_to_judge
from doorkey.transport.stream import whole

PAGE = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


class HttpRenewal:
    """Renews a held session without a browser. Each rung returns None where it does not apply to the site."""

    def __init__(
        self,
        site: Site,
        provider: Provider,
        identity: Identity,
        builder: SessionBuilder,
        direct: Direct,
        clock: Clock,
        limit: float,
    ) -> None:
        self._site, self._provider, self._identity, self._builder = site, provider, identity, builder
        self._direct, self._clock, self._limit = direct, clock, limit

    async def refresh(self, held: Session) -> Session | None:
        """A session whose tokens come from the site's own token endpoint."""
        flow = self._provider.refresh(held)
        if flow is None:
            return None
        conversation = Conversation(self._clock)
        request = next(flow)
        while True:
            dressed = self._provider.dress(request, held)
            stream = await self._direct.open(dressed, held, self._site, conversation=conversation, total=self._limit)
            verdict = self._provider.judge(dressed, await read_to_judge(self._provider, dressed, stream), held)
            if not verdict:
                stream.close()
                raise verdict.error(self._site.name, stream.head.status)
            try:
                request = flow.send(await whole(stream, request.limit))
            except StopIteration as stop:
                tokens = {**held.tokens, **stop.value}
                return self._renew(replace(held, tokens=tokens, rung="token endpoint"), conversation)

    async def page(self, held: Session) -> Session | None:
        """A session whose tokens come from the page, fetched with the held session's cookies."""
        if self._provider.needs_scripts:
            return None
        conversation = Conversation(self._clock)
        page = await self._fetch(self._site.url, held, conversation)
        others = {path: await self._fetch(path, held, conversation) for path in self._provider.pages}
        tokens = await asyncio.to_thread(self._read, replace(page, others=others))
        return self._renew(replace(held, tokens=tokens, rung="direct"), conversation)

    def _read(self, page: Page) -> Tokens:
        self._identity.check(page)
        return self._provider.read(page)

    async def _fetch(self, url: str, held: Session, conversation: Conversation) -> Page:
        request = Request(url=url, what="the page", accept=PAGE, expects=("text/html",), repeatable=True, follow=3)
        stream = await self._direct.open(request, held, self._site, conversation=conversation, total=self._limit)
        verdict = default_verdict(request, await read_to_judge(self._provider, request, stream))
        if not verdict:  # a challenge, too, comes with 200 and is a page
            stream.close()
            raise verdict.error(self._site.name, stream.head.status)
        if stream.head.status != 200 or not stream.head.is_html:
            stream.close()
            raise Changed(f"the page came with HTTP {stream.head.status} ({stream.head.media_type})")
        reply = await whole(stream, 8 * MiB)
        cookies = conversation.over(CookieJar(held.cookies)).values_at(reply.url, self._clock.wall())
        return Page(url=reply.url, html=reply.text(), cookies=cookies, local=held.local)

    def _renew(self, session: Session, conversation: Conversation) -> Session:
        jar = conversation.over(CookieJar(session.cookies)).alive(self._clock.wall())
        return self._builder.age(replace(session, cookies=jar.cookies))
