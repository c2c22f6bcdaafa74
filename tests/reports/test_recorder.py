"""Calls that fail alike share a report; each call is found by its request; a folder that can't be written is told."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from doorkey.errors import Blocked, DoorkeyError, QueueFull, RequestError
from doorkey.model.events import Attempt, CallRecord, Events
from doorkey.model.site import Site
from doorkey.provider import Provider
from doorkey.reports.archive import Archive
from doorkey.reports.recorder import AGAIN, Recorder, SiteRecorder
from stepped_clock import SteppedClock

RECORD = CallRecord(at=5.0, site="wiki", attempts=(Attempt(what="POST /x", status=403, transport="direct", verdict="refused", took=0.1),))  # fmt: skip # noqa: E501


class Setup:
    def __init__(self, folder: Path) -> None:
        self.clock = SteppedClock()
        self.archive = Archive(folder / "reports")
        self.recorder = Recorder(self.archive, self.clock, lambda: ["service-key-1"])
        site = Site(name="wiki", url="https://wiki.example/", profile="desktop")
        self.site: SiteRecorder = self.recorder.of("wiki", Provider(site), Events(self.clock).of("wiki"))

    async def fail(self, request: str, error: DoorkeyError | None = None, record: CallRecord = RECORD) -> DoorkeyError:
        error = error or Blocked("refused", site="wiki")
        await self.site.fail_call(record, error, request, None)
        return error


@pytest.fixture
def made(tmp_path: Path) -> Setup:
    return Setup(tmp_path)


async def test_calls_that_fail_alike_share_one_report(made: Setup) -> None:
    errors = await asyncio.gather(*(made.fail(f"request-{number}") for number in range(50)))
    await made.recorder.close()
    [report] = made.archive.list_reports()
    assert {error.report for error in errors} == {report.id}
    assert all(made.archive.find(f"request-{number}") == report for number in range(50))


async def test_after_a_while_a_report_is_written_anew(made: Setup) -> None:
    await made.fail("a")
    await made.clock.advance(AGAIN)
    await made.fail("b")
    assert len(made.archive.list_reports()) == 2


async def test_another_answer_gets_another_report(made: Setup) -> None:
    await made.fail("a")
    other = replace(RECORD, attempts=(RECORD.attempts[0]._replace(status=404),))
    await made.fail("b", record=other)
    assert len(made.archive.list_reports()) == 2


async def test_a_call_whose_visit_has_a_report_gets_none_of_its_own(made: Setup) -> None:
    first = await made.fail("a")
    again = await made.fail("b", first.again())
    await made.recorder.close()
    assert len(made.archive.list_reports()) == 1
    assert str(again) == str(first)
    assert made.archive.find("b") == made.archive.find("a")


@pytest.mark.parametrize("error", [RequestError("no such model"), QueueFull("wiki", 3, 1.0)])
async def test_what_no_site_has_said_gets_no_report(made: Setup, error: DoorkeyError) -> None:
    message = str(error)
    await made.fail("a", error)
    assert (made.archive.list_reports(), str(error)) == ([], message)


async def test_keys_of_the_service_are_masked(made: Setup) -> None:
    await made.fail("a", Blocked("refused: service-key-1"))
    [report] = made.archive.list_reports()
    assert report.message == "refused: •••"


async def test_a_folder_that_cannot_be_written_does_not_replace_the_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "reports").write_text("a file in the way")
    made = Setup(tmp_path)
    with caplog.at_level(logging.WARNING, "doorkey.reports"):
        error = await made.fail("a")
    assert (str(error), error.report) == ("refused", "")
    assert "a report can't be written" in caplog.text
