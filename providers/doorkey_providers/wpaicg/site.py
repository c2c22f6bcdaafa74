"""The provider of WordPress sites with the plugin AI Power (wpaicg, aipkit), generations 1.7 to 2.x."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, cast

from doorkey import Chat, ChatProvider, Delta, Flow, Head, Kind, Page, Request, Session, Tokens, Verdict
from doorkey.errors import Changed, UnknownModel
from doorkey_providers.wpaicg import generation_one as wpaicg_one
from doorkey_providers.wpaicg import generation_two as wpaicg_two
from doorkey_providers.wpaicg.generation_one import parse_json
from doorkey_providers.wpaicg.options import PowerOptions
from doorkey_providers.wpaicg.page import READY, read_tokens

EXPIRED = "The link you followed has expired"
DIED = re.compile(r"<title>\s*(Something went wrong\.?|WordPress Failure Notice)\s*</title>")
"""The title of WordPress' page for an expired nonce. A theme's styles may push its text past the first 4 KiB."""
SHORT = 16
"""Bytes of the longest answer that may be one of WordPress' own numbers, which it gives in place of an error."""
FAILURES = {wpaicg_one.ACTIONS: wpaicg_one.find_failure, wpaicg_two.ACTIONS: wpaicg_two.find_failure}
"""What finds a failure in JSON, by the actions that it answers."""
DAMAGE = "AI Power up to 1.8 damages prompts: line breaks become spaces, <tags> and %25 are lost"


class AIPowerSite(ChatProvider):
    """A site with AI Power. Its page tells generation, bots and endpoint; an answer's type tells its mode.

    A first visit is the browser's, for the cookies that hosts set by script; a dead nonce is renewed by the endpoint of
    2.x, or by the page alone. Each bot of a page with several is a model.
    `sends_history`: to 1.x, the page's nine fields with earlier turns in one of them; else six, with all turns in
    `message`. `first_bot_only`: the page's other bots are no models.
    """

    Options = PowerOptions
    needs_scripts = False
    default_model = "site"
    known_models: ClassVar[tuple[str, ...]] = ("site",)
    sends_history: ClassVar[bool] = True
    first_bot_only: ClassVar[bool] = False
    accept: ClassVar[str] = "application/json, text/event-stream"

    def __init__(self, site: Any) -> None:
        super().__init__(site)
        options = site.options if isinstance(site.options, PowerOptions) else PowerOptions()
        # Guests see the chat as well, so a login needs another sign.
        self.logs_in = options.ready is not None
        self.ready = options.ready or READY
        self.steps = options.visit.steps

    def fits(self, session: Session) -> bool:
        return "bots" in session.tokens

    def read(self, page: Page) -> Tokens:
        return read_tokens(page, self.site.name)

    def models(self, tokens: Tokens | None = None) -> tuple[str, ...]:
        known = super().models(tokens)
        if not tokens or "bots" not in tokens or self.first_bot_only:
            return known
        bots = read_bots(tokens)
        return (*known, *(bot["name"] for bot in bots if len(bots) > 1 and bot["name"] not in known))

    def model(self, name: str) -> str:
        """Return the model's name. An unknown one may be a bot's, which only the page tells (see `answer`)."""
        try:
            return super().model(name)
        except UnknownModel:
            if self.first_bot_only:
                raise
            return name

    def notes(self, session: Session) -> tuple[str, ...]:
        generation, bots = str(session.tokens["generation"]), read_bots(session.tokens)
        modes = {"json": "JSON", "stream": "event stream"}
        told = [f"{bot['name']} ({modes[bot['mode']]})" for bot in bots]
        damaged = (DAMAGE,) if generation.startswith(("1.7", "1.8")) else ()
        return (f"AI Power {generation}, {len(bots)} bot{'s' * (len(bots) > 1)}: {', '.join(told)}", *damaged)

    def dress(self, request: Request, session: Session) -> Request:
        action = read_action(request)
        if action in wpaicg_one.ACTIONS and request.form:
            fields = wpaicg_one.fill_form(request.form, session, find_bot(request.form, session))
        elif action in wpaicg_two.ACTIONS:
            fields = wpaicg_two.fill_fields(request, session, read_bots(session.tokens)[0])
        elif action == wpaicg_two.NEW_NONCE:
            fields = dict(request.form or {})
        else:
            return request
        url = str(session.tokens["endpoint"])
        return replace(request, url=url, form=fields) if request.form else replace(request, url=url, query=fields)

    def judge(self, request: Request, head: Head, session: Session) -> Verdict:
        # A successful answer may be long; what refuses with status 200 is short, or JSON.
        if head.status == 403 or 0 < len((head.held or head.start).strip()) <= SHORT or head.is_json:
            verdict = self._judge_text(request, head, session)
            if verdict is not None:
                return verdict
        return super().judge(request, head, session)

    def _judge_text(self, request: Request, head: Head, session: Session) -> Verdict | None:
        """Return what the text of an answer says of the request; None if it says nothing."""
        text, action = head.text().strip(), read_action(request)
        # Not by the sentence alone: an answer or any page of the site may hold it.
        if head.status == 403 and ((head.is_html and EXPIRED in text) or DIED.search(text)):
            return Verdict(Kind.STALE, f"{request.what} was refused: the nonce has expired")
        if text == "0":
            return Verdict(
                Kind.CHANGED,
                f"{request.what}: WordPress knows no such action. AI Power is gone, or no longer of generation "
                f"{session.tokens.get('generation', '')}: see doorkey check {self.site.name}",
            )
        if text == "-1":
            return Verdict(Kind.BLOCKED, f"{request.what} was refused by another plugin of the site (-1)")
        if head.is_json and text[:1] == "{":
            told = parse_json(text)
            for actions, failure in FAILURES.items():
                verdict = failure(told) if action in actions and isinstance(told, dict) else None
                # A failure without a name is the backend's only if the status says no more.
                if verdict is not None and (head.status == 200 or verdict.kind is not Kind.SITE_DOWN):
                    return verdict
        return None

    def refresh(self, session: Session) -> Flow[Tokens] | None:
        # To a login that has ended, the endpoint silently gives a guest's nonce. A page would show the end.
        if self.logs_in or not is_second_generation(session):
            return None
        return wpaicg_two.refresh(session, read_bots(session.tokens)[0])

    def answer(self, chat: Chat, session: Session) -> Flow[Sequence[Delta] | None]:
        bot, prompt = self._bot(chat.model, session), self.prompt(chat)
        if is_second_generation(session):
            return wpaicg_two.ask(chat, session, bot, prompt=prompt)
        return wpaicg_one.ask(chat, session, bot, prompt=prompt, history=self.sends_history, accept=self.accept)

    def _bot(self, name: str, session: Session) -> Mapping[str, Any]:
        """Return the bot that *name* means on the session's page. Raises UnknownModel, which lists the bots."""
        bots = read_bots(session.tokens)
        if not self.first_bot_only:
            for bot in bots:
                if bot["name"] == name:
                    return bot
        if not name or name in super().models():
            return bots[0]
        raise UnknownModel(
            f"{self.site.name} has no model {name[:80]!r}; its page has: {', '.join(self.models(session.tokens))}",
            param="model",
            site=self.site.name,
        )


def is_second_generation(session: Session) -> bool:
    return str(session.tokens.get("generation", "")).startswith("2")


def read_bots(tokens: Tokens) -> list[Mapping[str, Any]]:
    """Return the bots of a page, in its order. Raises Changed for tokens of another provider."""
    bots = tokens.get("bots")
    if not isinstance(bots, list) or not bots or not isinstance(bots[0], dict):
        raise Changed("the session holds no bots of AI Power: make a new session with doorkey visit")
    return cast("list[Mapping[str, Any]]", bots)


def find_bot(form: Mapping[str, str], session: Session) -> Mapping[str, Any]:
    """Return the bot whose id stands in *form*, else the page's first."""
    bots = read_bots(session.tokens)
    for bot in bots:
        if bot["id"] == form.get("bot_id") and bot.get("action") == form.get("action"):
            return bot
    return bots[0]


def read_action(request: Request) -> str:
    fields = request.form or request.query
    return str(fields.get("action") or "") if isinstance(fields, Mapping) else ""
