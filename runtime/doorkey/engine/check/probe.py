"""Tries a site's session check out, and records how the site answers strangers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from doorkey.engine.check.learning import CheckState, Learning
from doorkey.engine.check.page_check import as_stranger
from doorkey.engine.check.shapes import Shape, shape_of, template_of
from doorkey.errors import DoorkeyError, RequestError
from doorkey.model.request import Request
from doorkey.model.session import Session
from doorkey.sessions.target import SiteTarget
from doorkey.transport.holding import read_to_judge
from doorkey.transport.selector import Transport

EXAMPLE = re.compile(r"([A-Z]+) (/\S*)(?: (.*))?")
FORM = {"content-type": "application/x-www-form-urlencoded"}
LIMIT = 30.0
"""Seconds that one call of a stranger may take."""


@dataclass(frozen=True, slots=True)
class Probed:
    """What a probe has found. `noticed` says how a dead session would be noticed; `spoiled`, what the site shows to
    broken cookies; `calls`, how it answers each example of a stranger. All are sentences for people."""

    noticed: str
    spoiled: str = ""
    calls: tuple[str, ...] = ()


async def probe_site(
    learning: Learning, target: SiteTarget, session: Session, transport: Transport, calls: Sequence[Request] | None
) -> Probed:
    """Try the check with *session* and, unless *calls* is None, as a stranger and with broken cookies.

    The *calls* are sent as a stranger.
    """
    if target.provider.check_url is None:
        return Probed("there is no session check, as `ready` is not set: only refusals (401, 403, …) and `stale` renew")
    state = await learning.know(target)
    await learning.calibrate(target, session, state)
    noticed = state.knowledge.calibration.describe()
    if calls is None:
        return Probed(noticed)
    spoiled = await _see_spoiled(learning, target, session, state)
    told = [await _send_as_stranger(target, session, transport, state, request) for request in calls]
    await learning.save(target, state.knowledge, probed=True)
    return Probed(noticed, spoiled, tuple(told))


async def _see_spoiled(learning: Learning, target: SiteTarget, session: Session, state: CheckState) -> str:
    """What the page of the check shows to cookies that the site has never given out."""
    cookies = tuple(replace(cookie, value="0" * len(cookie.value)) for cookie in session.cookies)
    spoiled = replace(as_stranger(session), key=session.key._replace(caller="spoiled"), cookies=cookies)
    load = await learning.load(target, spoiled, state)
    stranger = state.knowledge.calibration.stranger
    if load is None:
        return "the page could not be had with broken cookies"
    if load.shows:
        return "the page shows the session even with broken cookies: something else than cookies makes it"
    if stranger is not None and load.facts.resembles(stranger):
        return "with broken cookies the page is the one that strangers get"
    return f"with broken cookies the page is another one than strangers get (HTTP {load.facts.status})"


async def _send_as_stranger(
    target: SiteTarget, session: Session, transport: Transport, state: CheckState, request: Request
) -> str:
    """Send one example as a stranger, and record the form of the answer."""
    body = request.body if isinstance(request.body, bytes) else b""
    text = " ".join(filter(None, (request.method, request.url, body.decode("utf-8", "replace"))))
    try:
        stream = await transport.open(request, as_stranger(session), target.site, total=LIMIT)
        head = await read_to_judge(target.provider, request, stream)
        stream.close()
    except DoorkeyError as error:
        return f"{text}: no answer to a stranger ({error.message})"
    template, shape = template_of(request, head.url), shape_of(head, request)
    if shape in state.knowledge.shapes.of(template).shapes:
        state.knowledge.strangers.pop(template, None)
        return f"{text}: a stranger gets what sessions get ({_words(shape)}), so it tells nothing"
    state.knowledge.strangers[template] = shape
    return f"{text}: a stranger gets {_words(shape)}; after a death, a request with this answer is sent again"


def _words(shape: Shape) -> str:
    to = f" to {shape.leads[0]}" if shape.leads else ""
    return f"HTTP {shape.status}{to} ({shape.media_type or 'no type'})"


def example_of(text: str) -> Request:
    """The request that *text* names: "POST /notes title=probe". Raises RequestError."""
    found = EXAMPLE.fullmatch(text.strip())
    if found is None:
        raise RequestError(f'expected an example like "POST /notes title=probe"; came {text[:60]!r}')
    body = found[3].encode() if found[3] else None
    return Request(
        url=found[2], method=found[1], what="the example", body=body, headers=FORM if body else {}, accept="*/*"
    )
