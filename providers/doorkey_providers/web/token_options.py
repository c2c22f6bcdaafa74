"""The settings that say where a token is read."""

from __future__ import annotations

import re
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from doorkey_providers.web.sources import (
    IN_ANSWERS,
    KINDS,
    OF_REQUESTS,
    Kind,
    Source,
    check_source,
    parse_source,
)

FIELDS: dict[Kind, str] = {kind: {"json": "path_in_json"}.get(kind, kind.replace("-", "_")) for kind in KINDS}
"""The field of TokenOptions for each kind of source."""


def _parse_next(value: object) -> object:
    return parse_source(value, IN_ANSWERS) if isinstance(value, str) else value


class Table(BaseModel):
    # The text of an error goes to people and logs, so it must not repeat what was typed.
    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, defer_build=True, arbitrary_types_allowed=True
    )


class TokenOptions(Table):
    """Where one token is read: exactly one source, on the site's page or another. A text is read by `parse_source`."""

    css: str | None = Field(
        default=None, description="A CSS selector. The token is the element's attribute, else its text."
    )
    attribute: str = Field(default="", description="The attribute of the selected element.")
    cookie: str | None = Field(default=None, description="A cookie's name.")
    local: str | None = Field(default=None, description="A key in local storage.")
    session: str | None = Field(default=None, description="A key in session storage.")
    indexeddb: str | None = Field(default=None, description="A value in IndexedDB: DATABASE/STORE/KEY.")
    script: str | None = Field(default=None, description="A path from the scripts' global scope.")
    request: str | None = Field(default=None, description="A header of the requests that the page itself sends.")
    request_query: str | None = Field(
        default=None, alias="request-query", description="A parameter in the query of the page's own requests."
    )
    request_body: str | None = Field(
        default=None, alias="request-body", description="A field of the bodies that the page itself sends."
    )
    response: str | None = Field(default=None, description="A header of the answers to the page's own requests.")
    response_body: str | None = Field(
        default=None, alias="response-body", description="A path into the JSON of the answers to its own requests."
    )
    html: str | None = Field(default=None, description="A regular expression. The token is its first group.")
    path_in_json: str | None = Field(
        default=None,
        alias="json",
        description="A path into JSON: the page's, or that of the answer to a declared request.",
    )
    header: str | None = Field(default=None, description="A header of the answer to a declared request.")
    page: str | None = Field(default=None, pattern=r"^/", description="The path of the page that the token is on.")
    inside: str | None = Field(default=None, description="A path into the value, if the value is JSON.")
    decode: bool = Field(default=True, description="Whether to undo a cookie's percent-encoding.")
    next: Annotated[Source | None, BeforeValidator(_parse_next)] = Field(
        default=None, description="Where an answer carries the next token, if a token can be used only once."
    )

    @model_validator(mode="before")
    @classmethod
    def _read_text(cls, value: object) -> object:
        table: dict[str, Any] = value if isinstance(value, dict) else {}
        if isinstance(value, str):
            source = parse_source(value)
        elif isinstance(table.get("css"), str) and "attribute" not in table:
            source = parse_source(f"css:{table['css']}")  # a selector in a table may name its attribute as well
        elif isinstance(table.get("html"), str) and re.fullmatch(r"/.+/", table["html"], re.S):
            source = parse_source(f"html:{table['html']}")
        else:
            return value
        return {**table, source.kind: source.name, **({"attribute": source.attribute} if source.attribute else {})}

    @model_validator(mode="after")
    def _check_source(self) -> Self:
        named = self._list_kinds()
        if len(named) != 1:
            raise ValueError(f"expected exactly one of {', '.join(KINDS)}; came {' and '.join(named) or 'none'}")
        if self.attribute and self.css is None:
            raise ValueError("expected css beside attribute")
        if self.page is not None and named[0] in ("script", "indexeddb", "header", *OF_REQUESTS):
            where = "in the answer to a declared request" if named[0] == "header" else "on the site's own page"
            raise ValueError(f"{named[0]} is read {where} only: leave out page")
        check_source(self.source)
        return self

    @property
    def source(self) -> Source:
        kind = self._list_kinds()[0]
        return Source(kind, getattr(self, FIELDS[kind]), self.attribute)

    def _list_kinds(self) -> list[Kind]:
        return [kind for kind, field in FIELDS.items() if getattr(self, field) is not None]
