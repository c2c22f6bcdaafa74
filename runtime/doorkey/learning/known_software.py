"""Joins what is known of a site's software with what was learned of the site itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

from doorkey.learning.draft import Draft
from doorkey.model.page import Page
from doorkey.recognition.frameworks import GUESSES, NOTHING_KNOWN
from doorkey.recognition.proposal import Line, Login, Proposal, make_steps


def join(proposal: Proposal, draft: Draft, page: Page) -> Proposal:
    """Return *proposal* with what was learned: *page* is the one of the draft's `url`, after the login.

    Software that doorkey knows keeps its own tokens and its own sign of a login, where the page has them.
    """
    framework, login = proposal.framework, proposal.login
    if framework.provider != "web" or login is None:
        return proposal
    keeps_page = bool(framework.home) and any(token.later for token in framework.tokens)
    url = proposal.url if keeps_page else draft.url
    known = framework.name not in (*GUESSES, NOTHING_KNOWN) and proposal.token is not None
    keeps_ready = bool(framework.ready) and (keeps_page or page.find(framework.ready) is not None)
    ready = login.ready if keeps_ready or not draft.ready else draft.ready
    if not keeps_page:
        login = replace(login, page=_find_place(login, url))
    learned = list(draft.lines())
    lines = [
        *(replace(line, value=url) if line.key == "url" else line for line in proposal.lines if _is_first(line)),
        Line("ready", ready, draft.ready_evidence.text if ready == draft.ready else "only on a logged-in page"),
        *(line for line in (proposal.lines if known or not draft.tokens else learned) if _is_of_tokens(line)),
        *(line for line in learned if line.key == "check" and ready in ("", draft.ready)),
        *_join_stale(proposal, draft),
    ]
    if login.by_steps:
        steps, comments = make_steps(login.form, proposal.variables, login.page)
        lines.append(Line("visit.steps", steps, "how the browser logs in when `ready` is missing", comments))
    path = proposal.path if proposal.path != _get_path(proposal.url) else _get_path(url)
    return replace(
        proposal,
        url=url,
        login=replace(login, ready=ready),
        token=proposal.token if known or not draft.tokens else None,
        lines=tuple(lines),
        path=path,
    )


def _find_place(login: Login, url: str) -> str:
    """Return the path to open for the form; empty if the page at *url* leads strangers to it by itself."""
    return "" if login.shown_at == url else _get_path(login.form_url or login.seen)


def _join_stale(proposal: Proposal, draft: Draft) -> Iterator[Line]:
    """Return the line of `stale`: what is known of the software, and what was learned."""
    known = next((line for line in proposal.lines if line.key == "stale"), None)
    rules = (*(known.value if known is not None else ()), *draft.stale)
    if rules:
        yield Line("stale", rules, "what an answer looks like when the session is dead")


def _is_first(line: Line) -> bool:
    return line.key in ("provider", "url")


def _is_of_tokens(line: Line) -> bool:
    return line.key.partition(".")[0] in ("tokens", "send")


def _get_path(url: str) -> str:
    parts = urlsplit(url)
    tail = (f"?{parts.query}" if parts.query else "") + (f"#{parts.fragment}" if parts.fragment else "")
    return (parts.path or "/") + tail
