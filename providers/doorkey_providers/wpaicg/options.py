"""The settings of a site with AI Power beyond the common ones: how a login there is told and done."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from doorkey_providers.web.options import Css, Table, VisitOptions


class PowerOptions(Table):
    ready: Css | None = Field(
        default=None, description="A selector of what only a logged-in page has: body.logged-in in most themes."
    )
    visit: VisitOptions = VisitOptions()

    @model_validator(mode="after")
    def _knows_who_is_in(self) -> Self:
        if self.visit.steps and self.ready is None:
            raise ValueError("visit.steps: expected ready beside them, such as ready = 'body.logged-in'")
        return self
