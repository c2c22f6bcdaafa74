"""The settings of reports."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from doorkey.config.settings_schema import Seconds, Section


class ReportSettings(Section):
    """`reports`: what is kept of visits that failed and of calls that were refused (docs/reports.md)."""

    keep: int = Field(
        default=20, ge=0, description="How many reports of visits, and as many of calls, are kept; 0: none is written."
    )
    trace: Literal["never", "after-failure"] = Field(
        default="never",
        description='"after-failure" records Playwright\'s trace of the visits after one that failed, until one works; '
        "kept with the report of each that fails. It holds credentials.",
    )
    days: Seconds = Field(default=14.0, description="Days after which a report is deleted.")
