"""The provider of any site, by configuration alone: it reads tokens, puts them into requests, and judges answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from doorkey import Flow, Head, Kind, Page, Provider, Reply, Request, Session, Tokens, Verdict
from doorkey.errors import Changed, ConfigurationError, MissingToken
from doorkey_providers.web.declared_request import DeclaredRequest, look_inside
from doorkey_providers.web.nearest import describe_instead
from doorkey_providers.web.options import SendOptions, WebOptions
from doorkey_providers.web.rules import Rule, leads_to
from doorkey_providers.web.sending import Sending
from doorkey_providers.web.sources import (
    BY_ANSWER,
    BY_SCRIPT,
    OF_ANSWERS,
    OF_REQUESTS,
    Source,
    find_in_answer,
    find_on_page,
)
from doorkey_providers.web.templates import Template
from doorkey_providers.web.token_life import EXPIRES_IN, read_life
from doorkey_providers.web.token_options import TokenOptions
from doorkey_providers.web.values import JSON

OBSTACLES = (
    ("limited", Kind.RATE_LIMITED),
    ("blocked", Kind.BLOCKED),
    ("person", Kind.CHALLENGED),
    ("challenge", Kind.CHALLENGED),
)
"""The settings that describe what stands before the site, and what each means."""
WHOLE = (200, 201, 203)
"""The statuses whose answers `alive` can judge. Others have no body, or a part of one."""


class WebSite(Provider):
    """Does what `Options` says (docs/web.md). Tokens go to the site's own origin only."""

    Options = WebOptions
    login_request: DeclaredRequest | None
    renew_request: DeclaredRequest | None

    def __init__(self, site: Any) -> None:
        super().__init__(site)
        options = site.options if site.options is not None else WebOptions()
        if not isinstance(options, WebOptions):
            raise ConfigurationError(f"sites.{site.name}: expected options of the provider web", site=site.name)
        self.options = options
        self.obstacles = tuple((key, kind, rule) for key, kind in OBSTACLES for rule in getattr(options, key))
        self.recognizes = bool(self.obstacles)
        rules = (*options.stale, *options.alive, *(rule for _, _, rule in self.obstacles))
        self.reads_bodies = any(rule.sign in ("body", "json") for rule in rules)
        self._declare_requests()
        tokens = self.on_pages.values()
        self.ready = options.ready
        self.steps = options.visit.steps
        self.cookies_needed = options.cookies.needed
        self.cookies_sliding = options.cookies.sliding
        self.cookies_read = tuple(token.cookie for token in tokens if token.cookie is not None and token.page is None)
        self.sought = {name: str(token.source) for name, token in self.on_pages.items() if token.page is None}
        self.pages = tuple(dict.fromkeys(token.page for token in tokens if token.page is not None))
        self.script_values = tuple(token.script for token in tokens if token.script is not None)
        self.indexed_values = tuple(token.indexeddb for token in tokens if token.indexeddb is not None)
        self.sees_requests = any(token.source.kind in OF_REQUESTS for token in tokens)
        self.sees_answers = any(token.source.kind in OF_ANSWERS for token in tokens)
        self.needs_scripts = any(token.source.kind in BY_SCRIPT for token in tokens)
        self.needs_page = bool(options.tokens)
        self.page_suffices = len(tokens) == len(options.tokens) and (
            bool(tokens or self.ready) or not (self.has_login or self.renews_login)
        )
        # A page tells nothing of tokens that it does not hold.
        told_by_page = options.ready is not None and len(tokens) == len(options.tokens)
        self.check_url = options.check.url or (site.url if told_by_page or options.check.holds else None)
        self.checks_page = options.check.holds is None
        looked_for = options.check.holds.text if options.check.holds else options.ready
        self.check_rule = f"{options.check.url or 'url'}: {looked_for}"
        self.check_shows_tokens = self.check_url == site.url and not self.pages and not self.needs_scripts
        self.resend = options.resend
        self.examples = options.examples
        self.hard = options.life.hard
        self.soft = options.life.soft if options.life.soft is not None else options.life.hard / 2
        self.max_uses = options.max_uses
        nexts = [find_next_source(token, options.cookies.sliding) for token in options.tokens.values()]
        self.passes_on = any(nexts)
        self.next_in_body = any(source is not None and source.kind not in ("header", "cookie") for source in nexts)
        self.single_use = tuple(name for name, token in options.tokens.items() if token.next is not None)
        self.using_up = tuple(sending for sending in self.sendings if sending.takes & set(self.single_use))

    def _declare_requests(self) -> None:
        """Set what `login.request` and `renew.request` mean for the site."""
        options = self.options
        self.sendings = tuple(_build_sending(send) for send in options.send)
        self.sent = frozenset(name for sending in self.sendings for name in sending.takes)
        self.login_request = self.renew_request = None
        if options.login is not None:
            # What the login's answer lacks, the token endpoint may give.
            needed = frozenset() if options.renew is not None else self.sent
            self.login_request = DeclaredRequest.build("login.request", options.login.request, options.tokens, needed)
        if options.renew is not None:
            request = options.renew.request
            self.renew_request = DeclaredRequest.build("renew.request", request, options.tokens, self.sent)
        self.has_login, self.renews_login = options.login is not None, options.renew is not None
        self.on_pages = {
            name: token
            for name, token in options.tokens.items()
            if not (self.has_login or self.renews_login) or token.page is not None or token.source.kind not in BY_ANSWER
        }

    def read(self, page: Page) -> Tokens:
        self._check_ready(page)
        return {name: self._read_token(name, token, page) for name, token in self.on_pages.items()}

    def fits(self, session: Session) -> bool:
        return session.tokens.keys() >= self.options.tokens.keys() - {EXPIRES_IN}

    def login(self, session: Session) -> Flow[Tokens] | None:
        return None if self.login_request is None else self.login_request.run({})

    def refresh(self, session: Session) -> Flow[Tokens] | None:
        declared = self.renew_request
        if declared is None or not session.tokens.keys() >= declared.options.names - declared.options.tokens.keys():
            return None
        return declared.run(session.tokens)

    def is_complete(self, given: Tokens, kept: Tokens) -> bool:
        declared = [request for request in (self.login_request, self.renew_request) if request is not None]
        proven = self.ready is None or any(given.keys() & request.proving for request in declared)
        return proven and all(
            name in given or (name in kept and token.source.kind in BY_SCRIPT) for name, token in self.on_pages.items()
        )

    def lasts(self, tokens: Tokens, born: float) -> float | None:
        return read_life(tokens, self.sent, born)

    def dress(self, request: Request, session: Session) -> Request:
        if not request.own_host:
            return request
        for sending in self.sendings:
            request = sending.put(request, session.tokens)
        return request

    def looks_into(self, request: Request, head: Head) -> bool:
        if super().looks_into(request, head):
            return True
        if not self.reads_bodies:
            return False
        standing = (rule for _, _, rule in self.obstacles)
        alive = self._select_alive(request, head, untyped=True)
        rules = [*self._select((*self.options.stale, *standing), request), *alive]
        return any(rule.reads_body(head) for rule in rules)

    def shows_session(self, reply: Reply, page: Page) -> bool:
        rule = self.options.check.holds
        if rule is not None:
            whole = replace(reply, held=reply.body, complete=True)
            return bool(rule.holds(Request(url=reply.url), whole))
        return super().shows_session(reply, page)

    def recognize(self, request: Request, head: Head) -> Verdict:
        for key, kind, rule in self.obstacles:
            if request.own_host and rule.concerns(request) and rule.holds(request, head):
                name = f"sites.{self.site.name}.{key}: {rule.text}"
                detail = f"{request.what} met HTTP {head.status} ({name})"
                return Verdict(kind, detail, by=name, by_hand=key == "person")
        return Verdict(Kind.OK)

    def judge(self, request: Request, head: Head, session: Session) -> Verdict:
        verdict = super().judge(request, head, session)
        if verdict.by:
            return verdict  # a protection in front of the site answered, not the site
        for rule in self._select(self.options.stale, request):
            if rule.holds(request, head):
                return Verdict(Kind.STALE, f"{request.what} was refused with HTTP {head.status} (stale: {rule.text})")
        if not verdict:
            return verdict
        alive = self._select_alive(request, head)
        if alive and all(rule.holds(request, head) is False for rule in alive):
            wanted = " or ".join(rule.text for rule in alive)
            detail = f"{request.what} got HTTP {head.status} without a sign of a live session (alive: {wanted})"
            return Verdict(Kind.REFUSED, detail, by_absence=True)
        return verdict

    def _select(self, rules: Iterable[Rule], request: Request) -> list[Rule]:
        return [rule for rule in rules if rule.concerns(request)]

    def _select_alive(self, request: Request, head: Head, *, untyped: bool = False) -> list[Rule]:
        """The `alive` rules that this answer can be held against. *untyped*: one without a media type may be a page."""
        if head.status not in WHOLE or request.method.upper() == "HEAD":
            return []
        untyped = untyped and not head.media_type
        return [rule for rule in self._select(self.options.alive, request) if untyped or rule.can_tell(head)]

    def next_tokens(self, request: Request, answer: Head) -> Tokens:
        """Return the tokens that *answer* carries for the next request. Those in its body need a whole Reply."""
        found: dict[str, JSON] = {}
        for name, token in self.options.tokens.items():
            source = find_next_source(token, self.cookies_sliding)
            value = find_in_answer(source, answer, decode=token.decode) if source is not None else None
            if value is not None:
                found[name] = value
        return found

    def uses_up(self, request: Request) -> bool:
        return request.own_host and any(sending.selects(request) for sending in self.using_up)

    def _check_ready(self, page: Page) -> None:
        """Raises Changed on a login page, and MissingToken if `ready` is missing."""
        asked, came = urlsplit(self.site.url).path or "/", urlsplit(page.url).path
        for rule in self.options.stale:
            if rule.sign == "redirect" and came != asked and leads_to(rule.name, page.url):
                raise Changed(
                    f"{self.site.name}: the visit was redirected to {came}, a page for people who are not logged in "
                    f"(sites.{self.site.name}.stale: {rule.text})",
                    site=self.site.name,
                )
        if self.ready is not None and page.find(self.ready) is None:
            sought = f"sites.{self.site.name}.ready: {self.ready} on {came}"
            came_instead = describe_instead(Source("css", self.ready), page)
            raise MissingToken("sign that the page is ready", sought, site=self.site.name, came=came_instead)

    def _read_token(self, name: str, token: TokenOptions, page: Page) -> JSON:
        where = page if token.page is None else page.others.get(token.page)
        source, key = token.source, f"sites.{self.site.name}.tokens.{name}"
        if where is None:
            raise MissingToken(name, f"{key}: {source} on {token.page}", site=self.site.name, came="not been opened")
        value = find_on_page(source, where, decode=token.decode)
        came = "" if value is not None else describe_instead(source, where)
        if value is not None and token.inside is not None:
            value, came = look_inside(value, token.inside), "another value there"
        if value is None or value == "":
            inside = f", inside it {token.inside}" if token.inside is not None else ""
            sought = f"{key}: {source}{inside} on {urlsplit(where.url).path or '/'}"
            raise MissingToken(name, sought, site=self.site.name, came=came)
        return value


def find_next_source(token: TokenOptions, sliding: tuple[str, ...]) -> Source | None:
    """Return where an answer carries the token's next value: as configured, or in the sliding cookie it comes from."""
    if token.next is None and token.cookie is not None and token.cookie in sliding:
        return token.source
    return token.next


def _build_sending(send: SendOptions) -> Sending:
    def templates(texts: Mapping[str, str]) -> dict[str, Template]:
        return {name: Template.parse(text) for name, text in texts.items()}

    return Sending(
        send.when, templates(send.header), templates(send.query), templates(send.form), _parse_templates(send.body)
    )


def _parse_templates(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _parse_templates(inner) for name, inner in value.items()}
    return Template.parse(value) if isinstance(value, str) else value
