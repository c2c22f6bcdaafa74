"""A request that the settings declare, `login.request` or `renew.request`: what is sent, and what its answer gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from doorkey import Flow, Page, Provider, Reply, Request, Tokens
from doorkey.errors import Changed
from doorkey_providers.web.nearest import describe_instead
from doorkey_providers.web.request_options import RequestOptions, refers
from doorkey_providers.web.sources import BY_ANSWER, Source, find_in_answer, find_on_page
from doorkey_providers.web.templates import Template
from doorkey_providers.web.token_life import EXPIRES_IN
from doorkey_providers.web.token_options import TokenOptions
from doorkey_providers.web.values import JSON, parse_json, to_text, walk

PAGE = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
DATA = "application/json, text/plain, */*"


@dataclass(frozen=True, slots=True)
class AnswerToken:
    """Where an answer holds a token; `inside` and `decode` are those of TokenOptions."""

    source: Source
    inside: str | None = None
    decode: bool = True

    def find(self, reply: Reply) -> JSON:
        if self.source.kind == "cookie":
            value = find_on_page(self.source, Page(url=reply.url, html="", cookies=reply.jar), decode=self.decode)
        else:
            value = find_in_answer(self.source, reply)
        return value if self.inside is None or value is None else look_inside(value, self.inside)


@dataclass(frozen=True, slots=True)
class DeclaredRequest:
    """`key` is its name in the site's settings, `options` what stands there. `tokens` are those that its answer may
    hold, `required` those without which it is no answer.
    """

    key: str
    options: RequestOptions
    tokens: Mapping[str, AnswerToken]
    required: frozenset[str] = frozenset()

    @classmethod
    def build(
        cls, key: str, options: RequestOptions, tokens: Mapping[str, TokenOptions], required: frozenset[str]
    ) -> DeclaredRequest:
        """The request *key*, whose answer holds those of the site's *tokens* that are not on a page."""
        found = {
            name: AnswerToken(token.source, token.inside, token.decode)
            for name, token in tokens.items()
            if token.page is None and token.source.kind in (*BY_ANSWER, "cookie")
        }
        found |= {name: AnswerToken(source) for name, source in options.answer.items()}
        told = {name for name, token in found.items() if token.source.kind != "cookie"}
        return cls(key, options, found, required & told)

    @property
    def proving(self) -> frozenset[str]:
        """The tokens that only an accepted request's answer holds. A stranger has cookies, too."""
        return frozenset(name for name, token in self.tokens.items() if token.source.kind != "cookie")

    def run(self, tokens: Tokens) -> Flow[Tokens]:
        """Fetch the page before the request, where there is one, and send the request. *tokens* fill its values."""
        known, referer = dict(tokens), None
        if self.options.before is not None:
            page = yield Request(
                url=self.options.before,
                what=f"the page before {self.key}",
                accept=PAGE,
                expects=("text/html",),
                repeatable=True,
                dressed=True,
            )
            known |= {name: self._read_before(name, token, page) for name, token in self.options.tokens.items()}
            referer = page.url
        reply = yield self._build(known, referer)
        return self._read(reply)

    def _build(self, tokens: Tokens, referer: str | None) -> Request:
        options = self.options
        form = (
            None
            if options.form is None
            else {
                name: to_text(_fill(value, tokens)) if not isinstance(value, str) else _fill_text(value, tokens)
                for name, value in options.form.items()
            }
        )
        return Request(
            url=options.path,
            method=options.method,
            what=self.key,
            form=form,
            json=None if options.body is None else _fill(options.body, tokens),
            headers={name: _fill_text(value, tokens) for name, value in options.header.items()},
            accept=PAGE if options.form is not None else DATA,
            referer=referer,
            own_host="://" not in options.path,
            dressed=True,
        )

    def _read_before(self, name: str, token: TokenOptions, reply: Reply) -> JSON:
        source = token.source
        value = AnswerToken(source, token.inside, token.decode).find(reply)
        if value in (None, ""):
            page = Page(url=reply.url, html=reply.text(), cookies=reply.jar)
            instead = "" if source.kind == "header" else describe_instead(source, page, logs_in=True)
            came = instead and f"; the page has {instead}"
            raise Changed(f"{self.key}.tokens.{name}: {source} is not on {self.options.before}{came}")
        return value

    def _read(self, reply: Reply) -> Tokens:
        values = {name: token.find(reply) for name, token in self.tokens.items()}
        found = {name: value for name, value in values.items() if value not in (None, "")}
        missing = sorted(self.required - found.keys())
        if missing:
            source = self.tokens[missing[0]].source
            instead = describe_instead(source, Page(url=reply.url, html=reply.text())) if source.kind == "json" else ""
            came = f"HTTP {reply.status}, {reply.media_type or 'no type'}{instead and f', {instead}'}"
            raise Changed(f"tokens.{missing[0]}: {source} is not in the answer to {self.key}; came {came}")
        seconds = self._find_life(reply)
        return found if seconds is None or EXPIRES_IN in found else {**found, EXPIRES_IN: seconds}

    def _find_life(self, reply: Reply) -> JSON:
        """What stands as `expires_in` beside a token of the answer; None where nothing does."""
        for token in self.tokens.values():
            if token.source.kind == "json":
                beside = token.source.name.rpartition(".")[0]
                seconds = walk(parse_json(reply.text()), f"{beside}.{EXPIRES_IN}" if beside else EXPIRES_IN)
                if seconds is not None:
                    return seconds
        return None


def look_inside(value: JSON, path: str) -> JSON:
    """What lies at *path* in *value*. It may be the text of JSON, and so may what it holds (redux-persist)."""
    for part in path.split("."):
        value = walk(parse_json(value) if isinstance(value, str) else value, part)
    return value


def _fill(value: Any, tokens: Tokens) -> Any:
    """*value* with its templates filled in, and its references as secrets."""
    if isinstance(value, dict):
        return {name: _fill(inner, tokens) for name, inner in value.items()}
    if isinstance(value, list):
        return [_fill(inner, tokens) for inner in value]
    if isinstance(value, str):
        return Provider.secret(value) if refers(value) else Template.parse(value).value(tokens)
    return value


def _fill_text(value: str, tokens: Tokens) -> str:
    return Provider.secret(value) if refers(value) else Template.parse(value).text(tokens)
