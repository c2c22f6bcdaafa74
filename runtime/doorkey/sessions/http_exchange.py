"""The requests of one rung of a renewal by plain HTTP. They share their cookies, and what the site gives is kept."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

from doorkey.clock import Clock
from doorkey.errors import Changed, DoorkeyError
from doorkey.model.cookie_jar import CookieJar
from doorkey.model.request import Reply, Request
from doorkey.model.session import Tokens
from doorkey.model.site import Site
from doorkey.model.verdict import Kind
from doorkey.protections.judge import default_verdict
from doorkey.provider import Flow, Provider
from doorkey.sessions.held import HeldSession
from doorkey.sessions.login_answer import UNSUITED, explain_end, explain_refused, quote, shows_login_form
from doorkey.sessions.request_secrets import SecretReader, fill_in
from doorkey.transport.conversation import Conversation
from doorkey.transport.direct import Direct
from doorkey.transport.holding import read_to_judge
from doorkey.transport.redirects import allowed_redirect, redirected
from doorkey.transport.stream import Stream, whole

REDIRECTS = 5
"""Redirects of one request that are followed."""
TELLING = 4
"""Characters of a token that is taken out of the site's words: a shorter one may be any word."""
SAFE = ("GET", "HEAD", "OPTIONS")


@dataclass(slots=True)
class HttpExchange:
    """`logs_in`: the requests are a login. `sent`: the one with the login's values was sent. `answer` is what that got,
    `before` the answer before it, and `last` the one that came last. `limit`: seconds that each request may take.
    `secrets` are the values that must not be repeated.
    """

    site: Site
    provider: Provider
    direct: Direct
    clock: Clock
    held: HeldSession
    reader: SecretReader
    limit: float
    conversation: Conversation
    logs_in: bool = False
    sent: bool = False
    secrets: list[str] = field(default_factory=list, repr=False)
    last: Reply | None = field(default=None, repr=False)
    before: Reply | None = field(default=None, repr=False)
    answer: Reply | None = field(default=None, repr=False)

    @property
    def jar(self) -> CookieJar:
        """The held session's cookies, as the answers left them."""
        jar = CookieJar(self.held.session.cookies)
        if self.conversation.by_identity:
            jar = self.conversation.over(jar)
        return jar.alive(self.clock.wall())

    async def run(self, flow: Flow[Tokens], kept: Tokens) -> Tokens:
        """The tokens that the requests of *flow* give. They are stored, beside the *kept* ones, when this returns.

        Raises NeedsPerson with `retry_after` where the site refused the login, else the error of the refused request.
        """
        tokens = self.held.session.tokens.values()
        self.secrets += [value for value in tokens if isinstance(value, str) and len(value) >= TELLING]
        request = next(flow)
        while True:
            try:
                request = flow.send(await self._ask(request))
            except StopIteration as stop:
                given: Tokens = stop.value
                await self.held.take(given, kept)
                return given

    async def open(self, request: Request, *, strict: bool) -> tuple[Request, Stream]:
        """The answer to *request*, or to the last one that it was redirected to. Raises Changed where a *strict* one is
        redirected to another place than the site. What the answers set is stored before the next request shows it.
        """
        stream = await self._send(request)
        for _ in range(REDIRECTS):
            if not 300 <= stream.head.status < 400:
                break
            onward = redirected(request, stream.head, self.site)
            if onward is None or (not strict and request.own_host and not onward.own_host):
                break
            stream.close()
            request, _ = allowed_redirect(request, onward, self.site)
            stream = await self._send(request)
        return request, stream

    def check_refused(self) -> None:
        """Raise NeedsPerson where the site answered the login by its login form. Parses a page."""
        if self.answer is not None and shows_login_form(self.answer):
            raise explain_refused(self.answer, self.before, tuple(self.secrets))

    def explain(self, error: DoorkeyError, *, last: bool) -> DoorkeyError:
        """The error of a login that ended in *error*, as `explain_end` does. Parses a page."""
        if error.retry_after is not None or self.answer is None:
            return error
        return explain_end(error, self.answer, self.before, tuple(self.secrets), last=last)

    async def _ask(self, request: Request) -> Reply:
        session = self.held.session
        if not request.dressed:
            request = self.provider.dress(request, session)
        filled, secrets = await fill_in(request, self.reader.read)
        self.secrets += secrets
        shows_values = self.logs_in and (bool(secrets) or request.method.upper() not in SAFE)
        self.sent = self.sent or shows_values
        asked, stream = await self.open(filled, strict=False)
        head = await read_to_judge(self.provider, asked, stream)
        if request.dressed:
            verdict = default_verdict(asked, head, self.provider.recognize(asked, head))
        else:
            verdict = self.provider.judge(asked, head, session)
        if verdict.kind is not Kind.OK and not (shows_values and verdict.kind is Kind.REFUSED):
            stream.close()
            raise verdict.error(self.site.name, head.status)
        reply = await whole(stream, request.limit)
        reply = replace(reply, jar=self.jar.values_at(reply.url, self.clock.wall()))
        before, self.last = self.last, reply
        if shows_values:
            self.before, self.answer = before, reply
        if shows_values and (not verdict or (400 <= reply.status < 500 and reply.status not in UNSUITED)):
            raise await asyncio.to_thread(explain_refused, reply, before, tuple(self.secrets))
        if request.dressed and reply.status >= 400:
            said = await asyncio.to_thread(quote, reply, before, tuple(self.secrets))
            raise Changed(f"{self.site.name}: {request.what} was answered with HTTP {reply.status}{said}")
        return reply

    async def _send(self, request: Request) -> Stream:
        # Of no generation: what the transport remembers of this one's cookies is older.
        session = replace(self.held.session, gen=-1)
        stream = await self.direct.open(request, session, self.site, conversation=self.conversation, total=self.limit)
        if self.held.journal is not None:
            await self.held.update(self.jar.cookies)
        return stream
