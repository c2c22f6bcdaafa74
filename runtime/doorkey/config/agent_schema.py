"""The settings of what agents may do at a site."""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict, Field, field_validator

from doorkey.config.names import Names

RULE = r"(?!GET |HEAD |TRACE |CONNECT )[A-Z]{3,20} /\S*"
READS = ("GET", "HEAD")


class AgentSettings(BaseModel):
    """`sites.NAME.agents`: what `doorkey mcp` lets agents do at the site."""

    # An error's text goes to people and logs: it must not repeat what was typed.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, defer_build=True)

    use: bool = Field(default=True, description="Whether agents may use the site at all.")
    write: Names = Field(
        default=(),
        description='Requests besides GET and HEAD that agents may send, such as "POST /api/items/*"; "*" is one part '
        "of the path.",
    )
    confirm: bool = Field(default=True, description="Whether a person has to allow each of these requests.")
    patience: float = Field(
        default=300.0,
        gt=0,
        allow_inf_nan=False,
        description="Seconds that a request waits for the person; then it is not sent.",
    )
    answer: int = Field(default=50_000, gt=0, le=1_000_000, description="Characters of an answer that an agent gets.")

    @field_validator("write")
    @classmethod
    def _check_rules(cls, rules: tuple[str, ...]) -> tuple[str, ...]:
        for rule in rules:
            if not re.fullmatch(RULE, rule) or "?" in rule or "#" in rule:
                raise ValueError(
                    'expected a method and a path without a query, like "POST /api/items" or "DELETE /api/items/*"; '
                    "GET and HEAD need no rule"
                )
        return rules
