"""Puts tokens into requests: into headers, the query, a form or JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from doorkey import Request, Tokens
from doorkey.errors import Changed
from doorkey_providers.web.bodies import with_form, with_json
from doorkey_providers.web.form_splice import remove_fields, splice_form
from doorkey_providers.web.templates import UNSENDABLE, Template
from doorkey_providers.web.when import When


@dataclass(frozen=True, slots=True)
class Sending:
    """What goes into the requests that `when` selects. A value replaces one of the same name in the request."""

    when: tuple[When, ...] = ()
    header: Mapping[str, Template] = field(default_factory=dict)
    query: Mapping[str, Template] = field(default_factory=dict)
    form: Mapping[str, Template] = field(default_factory=dict)
    json: Mapping[str, Any] = field(default_factory=dict)

    @property
    def takes(self) -> frozenset[str]:
        """The names of the tokens that are used."""
        texts = (*self.header.values(), *self.query.values(), *self.form.values(), *_find_templates(self.json))
        return frozenset(name for text in texts for name in text.names)

    def selects(self, request: Request) -> bool:
        return not self.when or any(when.matches(request) for when in self.when)

    def put(self, request: Request, tokens: Tokens) -> Request:
        if not self.selects(request):
            return request
        if self.header:
            request = with_headers(request, _fill_texts(self.header, tokens))
        if self.query:
            request = with_query(request, _fill_texts(self.query, tokens))
        if self.form:
            request = with_form(request, _fill_texts(self.form, tokens))
        if self.json:
            request = with_json(request, _fill(self.json, tokens))
        return request


def _find_templates(value: Any) -> Iterator[Template]:
    if isinstance(value, Template):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _find_templates(inner)


def _fill_texts(templates: Mapping[str, Template], tokens: Tokens) -> dict[str, str]:
    return {name: template.text(tokens) for name, template in templates.items()}


def _fill(value: Any, tokens: Tokens) -> Any:
    if isinstance(value, Template):
        return value.value(tokens)
    if isinstance(value, Mapping):
        return {name: _fill(inner, tokens) for name, inner in value.items()}
    return value


def with_headers(request: Request, values: Mapping[str, str]) -> Request:
    for name, value in values.items():
        if UNSENDABLE.search(value):
            raise Changed(
                f"the value for the header {name} holds a line break or another control character, so it is not sent"
            )
    own = {name.lower() for name in values}
    kept = {name: value for name, value in request.headers.items() if name.lower() not in own}
    return replace(request, headers={**kept, **values})


def with_query(request: Request, values: Mapping[str, str]) -> Request:
    """*request* with *values* in its query. The rest of the query stays as it is written, byte for byte."""
    url, hash_, fragment = request.url.partition("#")
    path, _, query = url.partition("?")
    if request.query is not None:
        pairs = request.query.items() if isinstance(request.query, Mapping) else request.query
        kept = [(name, value) for name, value in pairs if name not in values]
        query = remove_fields(query.encode(), values).decode()
        return replace(
            request,
            url=f"{path}?{query}{hash_}{fragment}" if query else path + hash_ + fragment,
            query=[*kept, *values.items()],
        )
    query = splice_form(query.encode(), values, quote=quote).decode()
    return replace(request, url=f"{path}?{query}{hash_}{fragment}")
