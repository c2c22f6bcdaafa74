"""What holds for all tests: the groups of third-party software that DOORKEY_REQUIRE names are there, and run."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest


def _required() -> set[str]:
    return {name.strip() for name in os.environ.get("DOORKEY_REQUIRE", "").split(",") if name.strip()}


def _groups(item: pytest.Item) -> set[str]:
    """The groups of a test: `@pytest.mark.real("group")`."""
    return {str(name) for mark in item.iter_markers("real") for name in mark.args}


def pytest_collection_finish(session: pytest.Session) -> None:
    if session.config.option.markexpr == "real":
        missing = _required().difference(*map(_groups, session.items))
        if missing:
            raise pytest.UsageError(f"DOORKEY_REQUIRE names groups that have no test: {', '.join(sorted(missing))}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and _groups(item) & _required():
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} is required (DOORKEY_REQUIRE) and was skipped: {reason}"
    return report
