"""The settings that only sites with AI Power have: how to log in there, and how to see that it worked."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from doorkey_providers.web.options import VisitOptions
from doorkey_providers.web.setting_types import Css
from doorkey_providers.web.token_options import Table


class PowerOptions(Table):
    """The table `[sites.NAME]`, apart from the settings that every site has."""

    ready: Css | None = Field(
        default=None,
        description="A CSS selector of what only a logged-in page has; in most themes body.logged-in.",
    )
    visit: VisitOptions = VisitOptions()

    @model_validator(mode="after")
    def _check_ready(self) -> Self:
        if self.visit.steps and self.ready is None:
            raise ValueError("visit.steps: expected ready as well, such as ready = 'body.logged-in'")
        return self
