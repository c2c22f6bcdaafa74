"""What holds for all tests: groups that DOORKEY_REQUIRE names are there, and run; a browser for a whole module."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer
from hypothesis import HealthCheck, settings

from doorkey.browser import BrowserPool
from doorkey.sessions.key_state import check_transitions

sys.path.insert(0, str(Path(__file__).parent))
from elsewhere import Elsewhere, thread
from login_site import LoginSite

check_transitions()
# How long an example takes says how busy the machine is, not what the code does.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


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


@pytest.fixture(scope="session", autouse=True)
def strangers_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Settings and state of whoever runs the tests are neither read nor written."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
            patch.setenv(name, str(tmp_path_factory.mktemp(name.lower())))
        yield


@pytest.fixture(scope="module")
async def browsers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[BrowserPool]:
    """One browser for the tests of a module that run in one loop: starting one costs more than most of them do."""
    pool = BrowserPool(state=tmp_path_factory.mktemp("browsers"))
    yield pool
    await pool.close()


@pytest.fixture
async def members() -> AsyncIterator[LoginSite]:
    """A site with a login form, where nobody is logged in."""
    site = LoginSite()
    async with TestServer(site.app(), host="127.0.0.1") as server:
        site.url = str(server.make_url("/"))
        yield site


@pytest.fixture(scope="session")
def elsewhere() -> Iterator[Elsewhere]:
    """Serves a site from another thread, for callers that block their own."""
    with thread() as serving:
        yield serving
