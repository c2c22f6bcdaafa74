"""What an agent can do: list sites, read their state, call one, ask one, ask a person for help."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from doorkey.accounts.confirmations import Confirmations, Decision
from doorkey.agents.content import TEXTUAL, Redaction, mark
from doorkey.agents.rules import check_request, is_write
from doorkey.clients.aio import Client
from doorkey.clients.response import Response
from doorkey.clock import Clock
from doorkey.config.agent_schema import AgentSettings
from doorkey.config.settings import Settings
from doorkey.engine.answer import Answer
from doorkey.errors import DoorkeyError, RequestError, UnknownSite
from doorkey.model.chat import Delta, Image
from doorkey.model.events import Events
from doorkey.model.request import MiB, Request
from doorkey.model.site import Site
from doorkey.model.text import read_text
from doorkey.model.urls import join_location, origin_of
from doorkey.status import SiteStatus
from doorkey.transport.redirects import REDIRECTS

READ = 4 * MiB
"""Bytes of an answer that are read; the rest is left."""
BODY = 256 * 1024
"""Characters of the longest body that an agent may send: a person has to look through it."""
MESSAGE = 2000
"""Characters of the longest message to a person."""
MOST_REDIRECTS = 5
SHOWN_HEADERS = ("content-type", "content-language", "last-modified", "etag", "date", "retry-after", "allow")
"""Headers of answers that an agent sees. Others may hold secrets: cookies, challenges, new tokens."""


class Sites(Protocol):
    """What the tools need of a Runtime."""

    settings: Settings

    @property
    def sites(self) -> Mapping[str, Site]: ...

    @property
    def clock(self) -> Clock: ...

    @property
    def events(self) -> Events: ...

    def models(self) -> tuple[str, ...]: ...

    def sites_of(self, model: str) -> tuple[str, ...]: ...

    async def known(self) -> list[SiteStatus]: ...

    async def send(self, site: str, request: Request, *, timeout: float | None = None) -> Answer[bytes]: ...

    async def answer(self, model: str, messages: Sequence[object]) -> Answer[Delta]: ...


@dataclass(frozen=True, slots=True)
class Reach:
    """The sites and the methods that the agents of a key may use, within what the settings allow; None: all."""

    sites: frozenset[str] | None = None
    methods: frozenset[str] | None = None


class AgentTools:
    """The tools over one runtime. They raise DoorkeyError, whose message is for the agent. No answer holds a secret."""

    def __init__(self, runtime: Sites, confirmations: Confirmations, reach: Reach | None = None) -> None:
        self._runtime = runtime
        self._reach = reach or Reach()
        self._confirmations = confirmations

    async def list_sites(self) -> str:
        """Return the sites that agents may use, with what they may do there, as JSON."""
        known = {status.name: status for status in await self._runtime.known()}
        shown = []
        for name, site in self._runtime.sites.items():
            settings = self._settings(name)
            if not self._may_use(name):
                continue
            models = [model for model in self._runtime.models() if name in self._runtime.sites_of(model)]
            shown.append(
                {
                    "site": name,
                    "page": _without_query(site.url),
                    "state": known[name].state if name in known else "none",
                    "models": models,
                    "allowed": ["GET", "HEAD", *settings.write],
                    "confirmed_by_person": bool(settings.write) and settings.confirm,
                }
            )
        return json.dumps({"sites": shown}, ensure_ascii=False)

    async def show_status(self, site: str) -> str:
        """Return how *site* stands, as JSON."""
        self._require(site)
        status = next(status for status in await self._runtime.known() if status.name == site)
        shown = {
            "site": status.name,
            "state": status.state,
            "session_age_seconds": None if status.age is None else round(status.age),
            "transport": status.transport,
            "last_error": status.last_error,
            "retry_after_seconds": None if status.retry_after is None else round(status.retry_after),
            "waiting_calls": status.waiting,
        }
        return json.dumps(shown, ensure_ascii=False)

    async def call(
        self, site: str, path: str, *, method: str = "GET", body: str = "", content_type: str = "", start: int = 0
    ) -> str:
        """Return the answer of *site* to a request with its session, from character *start* on."""
        method, settings = method.upper(), self._require(site)
        if self._reach.methods is not None and method not in self._reach.methods:
            raise RequestError(f"this key may not use the method {method[:20]}", param="method")
        check_request(settings, site, method, path)
        _check_body(method, body)
        if is_write(method) and settings.confirm:
            await self._confirm(site, settings, f"{method} {path}", body, content_type)
        headers = {"content-type": content_type or "application/json"} if body else {}
        async with Client(site, self._runtime) as client:
            data = body.encode() if body else None
            request = client.request(method, path, data=data, headers=headers, allow_redirects=False)
            for _ in range(MOST_REDIRECTS):
                async with request as response:
                    onward = None if is_write(method) else _find_redirect(response, self._runtime.sites[site])
                    if onward is None:
                        return await _describe(response, site, start, settings.answer)
                request = client.request(method, onward, allow_redirects=False)
        raise DoorkeyError(f"{site}: redirected more than {MOST_REDIRECTS} times", site=site)

    async def ask(self, model: str, question: str, *, system: str = "") -> str:
        """Return what the chat of a site answers."""
        for site in self._runtime.sites_of(model):
            self._require(site)
        messages = [{"role": "system", "content": system}] if system else []
        answer = await self._runtime.answer(model, [*messages, {"role": "user", "content": question}])
        pieces: list[str] = []
        limit, held = self._settings(answer.site).answer, 0
        async with answer:
            async for delta in answer:
                pieces.append(f"[picture: {delta.alt}]" if isinstance(delta, Image) else delta)
                held += len(pieces[-1])
                if held > limit:
                    break
        text = Redaction(answer.session)("".join(pieces))
        return mark(text, answer.site, f"The answer of {model}:", start=0, limit=limit)

    async def ask_person(self, site: str, message: str) -> str:
        """Show *message* to the user, and return what they say."""
        settings = self._require(site)
        if not message.strip() or len(message) > MESSAGE:
            raise RequestError(f"message must be a text of at most {MESSAGE} characters", param="message")
        self._notify(site, "an agent asks for help")
        decision = await self._confirmations.ask("help", site, message, patience=settings.patience)
        if decision is None:
            return f"Nobody answered within {settings.patience:g} s. Go on without, or stop and tell the user."
        return f"The user says: {'done' if decision.allowed else 'no'}.{_add_note(decision)}"

    async def _confirm(self, site: str, settings: AgentSettings, title: str, body: str, content_type: str) -> None:
        """Return once a person has allowed the request. Raises RequestError if they don't."""
        self._notify(site, f"an agent wants to send {title.partition('?')[0]}")
        decision = await self._confirmations.ask(
            "write", site, title, body=body, content_type=content_type, patience=settings.patience
        )
        if decision is None:
            raise RequestError(
                f"the request was not sent: nobody allowed it within {settings.patience:g} s. The user can do that by "
                "`doorkey confirm`, while the call waits"
            )
        if not decision.allowed:
            raise RequestError(f"the request was not sent: the user refused it.{_add_note(decision)}")

    def _notify(self, site: str, what: str) -> None:
        self._runtime.events.of(site).report("person", f"{what}: see `doorkey confirm`")

    def _may_use(self, site: str) -> bool:
        return self._settings(site).use and (self._reach.sites is None or site in self._reach.sites)

    def _settings(self, site: str) -> AgentSettings:
        return self._runtime.settings.sites[site].agents

    def _require(self, site: str) -> AgentSettings:
        """Return the settings of *site*. Raises UnknownSite if agents can't use it."""
        usable = [name for name in self._runtime.sites if self._may_use(name)]
        if site not in usable:
            raise UnknownSite(
                f"agents can't use a site {site[:80]!r}; they can use {', '.join(usable) or 'none'}", param="site"
            )
        return self._settings(site)


def _add_note(decision: Decision) -> str:
    return f" They add: {decision.note}" if decision.note else ""


def _check_body(method: str, body: str) -> None:
    if body and not is_write(method):
        raise RequestError(f"{method} takes no body", param="body")
    if len(body) > BODY:
        raise RequestError(f"body must have at most {BODY} characters", param="body")


def _find_redirect(response: Response, site: Site) -> str | None:
    """Return the URL of a redirect that stays at the site. Others are answers."""
    location = response.headers.get("location")
    if response.status not in REDIRECTS or not location or response.refused:
        return None
    try:
        url = join_location(response.url, location).partition("#")[0]
        return url if origin_of(url) == site.origin else None
    except ValueError:
        return None


async def _describe(response: Response, site: str, start: int, limit: int) -> str:
    """Return *response* as text for an agent."""
    if start < 0:
        raise RequestError("start must be 0 or more", param="start")
    body, whole = await _read(response)
    redact = Redaction(response.answer.session, (*response.answer.cookies, *response.answer.head.cookies))
    lines = [f"HTTP {response.status} from {_without_query(response.url)}"]
    lines += [f"{name}: {response.headers[name]}" for name in SHOWN_HEADERS if name in response.headers]
    if "location" in response.headers:
        lines.append(f"location: {_without_query(response.headers['location'])}")
    if response.refused:
        lines.append("The site refuses this request, and renewing the session does not help.")
    if body and not TEXTUAL.fullmatch(response.content_type):
        lines.append(f"The body is not text, and is left out ({len(body)} bytes{'' if whole else ' or more'}).")
        body = b""
    elif not whole:
        lines.append(f"The body is longer than {READ} bytes; the rest is left out.")
    text = read_text(body, response.headers.get("content-type", ""), cut=not whole)
    return mark(redact(text), site, redact("\n".join(lines)), start=start, limit=limit)


async def _read(response: Response) -> tuple[bytes, bool]:
    """Return the body, and whether that is all of it."""
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > READ:
            return bytes(body[:READ]), False
    return bytes(body), True


def _without_query(url: str) -> str:
    """Return *url* without what may hold a secret: user, query and fragment."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(no URL)"
    host = parts.netloc.rpartition("@")[2]
    shown = parts._replace(netloc=host, query="", fragment="").geturl()
    return f"{shown}?…" if parts.query else shown
