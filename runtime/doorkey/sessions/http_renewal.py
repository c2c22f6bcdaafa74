"""The rungs of a renewal below the browser: the site's own token endpoint, and its page fetched as it is."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from doorkey.clock import Clock
from doorkey.errors import Changed
from doorkey.model.cookie_jar import CookieJar
from doorkey.model.page import Page
from doorkey.model.request import Head, MiB, Request
from doorkey.model.session import Session, Tokens
from doorkey.model.site import Site
from doorkey.protections.judge import default_verdict
from doorkey.provider import Provider
from doorkey.sessions.builder import SessionBuilder
from doorkey.sessions.held import HeldSession
from doorkey.sessions.identity import Identity
from doorkey.transport.conversation import Conversation
from doorkey.transport.direct import Direct
from doorkey.transport.holding import read_to_judge
from doorkey.transport.redirects import allowed_redirect, redirected
from doorkey.transport.stream import Stream, whole

REDIRECTS = 3
"""Redirects of a page that are followed."""
PAGE = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


class HttpRenewal:
    """Renews a held session without a browser. Each rung returns None where it does not apply to the site.

    `headers` are those of the requests that go by the same transport. `cache_sign` is the header by which the page that
    was fetched last came from a cache; empty without one.
    """

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
        self.headers = direct.headers
        self.cache_sign = ""

    async def refresh(self, held: HeldSession) -> Session | None:
        """A session whose tokens come from the site's own token endpoint."""
        session = held.session
        flow = self._provider.refresh(session)
        if flow is None:
            return None
        conversation = Conversation(self._clock)
        request = next(flow)
        while True:
            dressed = self._provider.dress(request, session)
            stream = await self._open(dressed, held, conversation)
            verdict = self._provider.judge(dressed, await read_to_judge(self._provider, dressed, stream), session)
            if not verdict:
                stream.close()
                raise verdict.error(self._site.name, stream.head.status)
            try:
                request = flow.send(await whole(stream, request.limit))
            except StopIteration as stop:
                tokens = {**session.tokens, **stop.value}
                return self._renew("token endpoint", replace(session, tokens=tokens), conversation)

    async def page(self, held: HeldSession) -> Session | None:
        """A session whose tokens come from the page, fetched with the held session's cookies."""
        self.cache_sign = ""
        if self._provider.needs_scripts:
            return None
        session, conversation = held.session, Conversation(self._clock)
        page = await self._fetch(self._site.url, held, conversation)
        others = {path: await self._fetch(path, held, conversation) for path in self._provider.pages}
        tokens = await asyncio.to_thread(self._read, replace(page, others=others))
        return self._renew("direct", replace(session, tokens=tokens), conversation)

    def _read(self, page: Page) -> Tokens:
        self._identity.check(page)
        return self._provider.read(page)

    async def _fetch(self, url: str, held: HeldSession, conversation: Conversation) -> Page:
        request = Request(url=url, what="the page", accept=PAGE, expects=("text/html",), repeatable=True)
        stream = await self._open(request, held, conversation)
        for _ in range(REDIRECTS):
            onward = redirected(request, stream.head, self._site)
            if onward is None:
                break
            stream.close()
            request, _ = allowed_redirect(request, onward, self._site)
            stream = await self._open(request, held, conversation)
        verdict = default_verdict(request, await read_to_judge(self._provider, request, stream))
        if not verdict:  # a challenge, too, comes with 200 and is a page
            stream.close()
            raise verdict.error(self._site.name, stream.head.status)
        if stream.head.status != 200 or not stream.head.is_html:
            stream.close()
            raise Changed(f"the page came with HTTP {stream.head.status} ({stream.head.media_type})")
        self.cache_sign = self.cache_sign or _find_cache(stream.head)
        reply = await whole(stream, 8 * MiB)
        session = held.session
        cookies = self._jar(session, conversation).values_at(reply.url, self._clock.wall())
        return Page(url=reply.url, html=reply.text(), cookies=cookies, local=session.local)

    async def _open(self, request: Request, held: HeldSession, conversation: Conversation) -> Stream:
        """The answer to *request*. The cookies that it set are kept before the next request shows them."""
        # Of no generation: what the transport remembers of this one's cookies is older.
        session = replace(held.session, gen=-1)
        stream = await self._direct.open(request, session, self._site, conversation=conversation, total=self._limit)
        await held.update(self._jar(held.session, conversation).cookies)
        return stream

    def _jar(self, session: Session, conversation: Conversation) -> CookieJar:
        return conversation.over(CookieJar(session.cookies)).alive(self._clock.wall())

    def _renew(self, rung: str, session: Session, conversation: Conversation) -> Session:
        cookies = self._jar(session, conversation).cookies
        return self._builder.age(replace(session, cookies=cookies, rung=rung))


def _find_cache(head: Head) -> str:
    """The header by which a page cache says that the answer is its own; empty without one."""
    age = head.headers.get("age", "0").strip()
    if age.isdigit() and int(age) > 0:
        return f"Age: {age}"
    for name in ("x-cache", "cf-cache-status", "x-proxy-cache", "x-cache-status", "x-litespeed-cache"):
        value = head.headers.get(name, "")
        if "hit" in value.lower():
            return f"{name}: {value[:40]}"
    return ""
