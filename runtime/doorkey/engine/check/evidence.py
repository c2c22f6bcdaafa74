"""Whether the answer to a request of a dead session is one that only strangers get: then nothing was processed."""

from __future__ import annotations

import asyncio
from typing import Any

from doorkey.engine.call import JudgedReply
from doorkey.engine.check.facts import read_facts
from doorkey.engine.check.learning import CheckState, Learning
from doorkey.engine.check.shapes import shape_of, template_of
from doorkey.engine.decision_tables import Suspicion
from doorkey.model.session import Session
from doorkey.model.urls import origin_of
from doorkey.model.verdict import Kind
from doorkey.sessions.target import SiteTarget


async def look_closer(
    learning: Learning, target: SiteTarget, session: Session, reply: JudgedReply[Any], state: CheckState
) -> None:
    """Raise the suspicion of *reply* to REFUSING where a probe has recorded such an answer, where it is the page that
    strangers see (they may have been looked at only now), or where it leads to the login and accepted answers lead
    elsewhere."""
    head = reply.head
    template, shape = template_of(reply.request, head.url), shape_of(head, reply.request)
    accepted = shape in state.knowledge.shapes.of(template).shapes
    if state.knowledge.strangers.get(template) == shape and not accepted:
        reply.suspicion = Suspicion.REFUSING
        return
    if head.is_html and await asyncio.to_thread(_is_strangers_page, reply, state):
        reply.suspicion = Suspicion.REFUSING
        return
    url = head.location if 300 <= head.status < 400 else None
    # Where accepted answers lead shows the login as well, now that the session is dead.
    known = state.knowledge.shapes.of(template).leads_elsewhere(shape)
    if not url or not known or origin_of(url) != target.site.origin:
        return
    async with state.looking:
        if url not in state.led:
            state.led[url] = await _shows_login(learning, target, session, state, url)
    if state.led.get(url):
        reply.suspicion = Suspicion.REFUSING


def _is_strangers_page(reply: JudgedReply[Any], state: CheckState) -> bool:
    """Whether the page has the title that strangers see. Parses it: not for the event loop.

    Where nobody knows the title that a session sees, this counts only for a page in place of another media type.
    """
    stranger, home = state.knowledge.calibration.stranger, state.knowledge.calibration.home
    if stranger is None or not stranger.title:
        return False
    differs = reply.verdict.kind is Kind.REFUSED if home is None else home.title != stranger.title
    head = reply.head
    return differs and read_facts(head.status, head.url, head.text(), state.form).title == stranger.title


async def _shows_login(learning: Learning, target: SiteTarget, session: Session, state: CheckState, url: str) -> bool:
    """Whether *url* shows the login to the dead session."""
    load = await learning.load(target, session, state, url=url)
    if load is None:
        return False
    stranger, home = state.knowledge.calibration.stranger, state.knowledge.calibration.home
    # A page without a login form is the strangers' only at their address: titles of other pages may be the same.
    if stranger is not None and load.facts.resembles(stranger) and load.facts.query == stranger.query:
        return True
    return load.facts.login and not (home is not None and home.login)
