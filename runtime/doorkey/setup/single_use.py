"""Finds tokens that a page hands out anew each time it is loaded, as sites do whose tokens serve once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from doorkey.learning.draft import Draft, Source, TokenDraft
    from doorkey.runtime import Runtime

MASKED = re.compile(r"authenticity_token|csrfmiddlewaretoken|requestverificationtoken|_csrf|_token", re.IGNORECASE)
"""Names under which frameworks send a token that looks another one each time and serves as long as the session."""
ALIKE = 8
"""Characters at the beginning that two forms of one token have in common: the rest is a time and a signature."""


async def find_single_use(runtime: Runtime, site: str, draft: Draft) -> list[str]:
    """Return the names of the tokens of *draft* that two loads of their page in one session show differently.

    Sends two GET requests for each page. Raises what a request raises.
    """
    pages: dict[str, list[TokenDraft]] = {}
    for token in draft.tokens:
        place = _find_page(token.source, draft.url)
        if place and not MASKED.fullmatch(_find_field(draft, token.name)):
            pages.setdefault(place, []).append(token)
    found = []
    for place, tokens in pages.items():
        first, second = await _load(runtime, site, place), await _load(runtime, site, place)
        for token in tokens:
            one, other = _read(token.source, first), _read(token.source, second)
            if one and other and one[:ALIKE] != other[:ALIKE]:
                found.append(token.name)
    return found


def _find_page(source: Source, home: str) -> str:
    """Return the place of the page from whose source the token is read; empty if it is read elsewhere."""
    if isinstance(source, Mapping):
        return str(source.get("page") or home) if ("css" in source or "html" in source) and "next" not in source else ""
    return home if "@" in source or source.startswith("html:") else ""


def _find_field(draft: Draft, name: str) -> str:
    sent = (item for one in draft.sends for what in (one.form, one.header, one.query) for item in what.items())
    return next((key for key, text in sent if f"{{{name}}}" in text), "")


async def _load(runtime: Runtime, site: str, place: str) -> str:
    from doorkey.model.request import Reply, Request

    request = Request(url=place, what="the page of a token", accept="text/html,*/*;q=0.8", repeatable=True, follow=5)
    async with await runtime.send(site, request) as answer:
        head, body = answer.head, await answer.read(LONGEST)
    return Reply(status=head.status, headers=head.headers, url=head.url, body=body).text()


LONGEST = 4 * 1024 * 1024
"""Bytes of a page in which tokens are looked for."""


def _read(source: Source, text: str) -> str:
    """Return the token at *source* in the page with this *text*; empty if it is not there."""
    return next(_list_values(source, text), "")


def _list_values(source: Source, text: str) -> Iterator[str]:
    from doorkey.learning.tokens import as_table
    from doorkey.model.page import Page

    table = source if isinstance(source, Mapping) else as_table(source)
    if "html" in table:
        found = re.search(table["html"], text)
        if found is not None and found.lastindex:
            yield found[1]
        return
    tag = Page(url="", html=text).find(table["css"])
    if tag is not None:
        yield str(tag.get(table.get("attribute") or "value") or "")
