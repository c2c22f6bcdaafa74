"""Playwright's recordings are made only where they are wanted, lie beside the report, and go with it."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Error

from changing_site import ChangingSite, Entered
from doorkey.browser import BrowserPool
from doorkey.browser.capture import explain_no_video
from doorkey.errors import ConfigurationError, DoorkeyError
from doorkey.model.inspection import NONE, Inspection
from doorkey.reports.archive import Archive
from doorkey.reports.recordings import number_name
from doorkey.reports.report import Report

GOOD = '<a id="logout" href="/logout">Log out</a><meta name="csrf-token" content="kq83hdn2la9x">'
RULES = {"ready": "#logout", "tokens": {"csrf": "meta[name=csrf-token]@content"}}
TRACED = ["credentials-trace.zip"]


@pytest.fixture
def record(browsers: BrowserPool) -> Iterator[Callable[..., None]]:
    """Records from now on until the end of the test."""

    def begin(*kinds: Any) -> None:
        browsers.inspection = Inspection(recordings=frozenset(kinds))

    yield begin
    browsers.inspection = NONE


def names(archive: Archive, report: Report) -> list[str]:
    return [path.name for path in archive.list_recordings(report)]


@pytest.mark.browser
@pytest.mark.slow
async def test_a_trace_and_a_har_lie_beside_the_report_for_its_owner_only(
    site: ChangingSite, enter: Entered, record: Callable[..., None]
) -> None:
    site.html = GOOD
    record("trace", "har")
    runtime, archive = await enter(site.url, **RULES)
    await runtime.visit("wiki", report=True)
    await runtime.close()
    [report] = archive.list_reports()
    har, trace = archive.list_recordings(report)
    assert (har.name, trace.name) == ("credentials-requests.har", *TRACED)
    assert {stat.S_IMODE(path.stat().st_mode) for path in (har, trace)} == {0o600}
    assert json.loads(har.read_text())["log"]["entries"][0]["request"]["url"] == site.url
    assert "trace.trace" in zipfile.ZipFile(trace).namelist()
    page = archive.page(report).read_text()
    assert "can't be cleaned" in page
    assert 'href="credentials-trace.zip"' in page
    assert [path.name for path in archive.page(report).parent.parent.glob(".*")] == []
    archive.delete([report])
    assert not har.parent.exists()


@pytest.mark.browser
@pytest.mark.slow
async def test_after_a_failure_visits_are_traced_until_one_works(site: ChangingSite, enter: Entered) -> None:
    reports = {"trace": "after-failure"}
    for html, recorded in (("gone", []), ("still gone", TRACED), (GOOD, None), ("gone again", []), ("gone", TRACED)):
        site.html = html
        runtime, archive = await enter(site.url, reports=reports, **RULES)  # as a process of its own
        if html == GOOD:
            await runtime.visit("wiki")
        else:
            with pytest.raises(DoorkeyError):
                await runtime.visit("wiki")
        await runtime.close()
        if recorded is not None:
            assert (html, names(archive, archive.list_reports()[0])) == (html, recorded)
    assert [path.name for path in archive.page(archive.list_reports()[0]).parent.parent.glob(".*")] == []


@pytest.mark.browser
@pytest.mark.slow
async def test_a_window_that_is_recorded_gets_a_report(
    site: ChangingSite, enter: Entered, browsers: BrowserPool, record: Callable[..., None]
) -> None:
    site.html = GOOD
    record("har")
    runtime, archive = await enter(site.url, **RULES)
    opened = asyncio.create_task(runtime.open("wiki"))
    await site.opened.wait()
    await close_page(browsers, site.url)
    await asyncio.wait([opened])
    await runtime.close()
    [report] = archive.list_reports()
    assert (report.kind, names(archive, report)) == ("window", ["credentials-requests.har"])
    assert "A window of wiki, opened by a person" in archive.page(report).read_text()


async def close_page(browsers: BrowserPool, url: str) -> None:
    """Close the page at *url* as a person does."""
    [running] = browsers._list_all()
    pages = [page for context in running.browser.contexts for page in context.pages]
    [page] = [page for page in pages if page.url in (url, "about:blank")]
    await page.wait_for_selector("#logout")
    await page.close()


@pytest.mark.browser
async def test_without_reports_nothing_can_be_recorded(
    site: ChangingSite, enter: Entered, record: Callable[..., None]
) -> None:
    record("trace")
    runtime, _ = await enter(site.url, reports={"keep": 0}, **RULES)
    with pytest.raises(ConfigurationError, match=r"reports\.keep is 0"):
        await runtime.visit("wiki")


def test_what_a_process_left_behind_is_deleted_a_day_later(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "reports")
    old, new = archive.make_folder(), archive.make_folder()
    os.utime(old, (1e9, 1e9))
    archive.prune(new.stat().st_mtime)
    assert (old.exists(), new.exists()) == (False, True)
    assert stat.S_IMODE(new.stat().st_mode) == 0o700


def test_recordings_of_one_report_have_names_of_their_own() -> None:
    assert [number_name("credentials-trace.zip", number) for number in (1, 2)] == [
        "credentials-trace.zip", "credentials-trace-visit-2.zip",
    ]  # fmt: skip


def test_a_video_without_ffmpeg_says_what_to_install() -> None:
    told = explain_no_video(Error("Video rendering requires ffmpeg binary."))
    assert told is not None
    assert "playwright install ffmpeg" in told.message
    assert explain_no_video(Error("Target closed")) is None
