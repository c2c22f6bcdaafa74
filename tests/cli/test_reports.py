"""`doorkey reports` and `doorkey explain ID` show what was kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from doorkey.assembly import open_archive
from doorkey.config.settings import Settings
from doorkey.reports.report import Cause, Report

from .conftest import Done

Quick = Callable[..., Done]


def made(at: float, site: str = "wiki") -> Report:
    return Report(
        id="", kind="visit", site=site, at=at, code="site_changed", message="it is gone", version="1",
        causes=(Cause("renamed", "csrf is gone\x1b[31m", "meta[name=x]", "Set it"),),
    )  # fmt: skip


@pytest.fixture
def kept(home: Path) -> list[Report]:
    """Three reports, the newest first, and a call that ended with the oldest."""
    archive = open_archive(Settings())
    written = [archive.write(report) for report in (made(1.7e9), made(1.7e9 + 60), made(1.7e9 + 120, "shop"))]
    archive.remember_calls([("request-1", written[0].id)])
    return written[::-1]


def test_reports_are_listed_the_newest_first(quick: Quick, kept: list[Report]) -> None:
    done = quick("reports")
    lines = done.out.splitlines()
    assert (done.code, [line.split()[0] for line in lines[1:]]) == (0, [report.id for report in kept])
    assert "renamed: csrf is gone" in lines[1]
    assert "\x1b" not in done.out


@pytest.mark.parametrize("arguments", [("reports", "shop"), ("reports", "list", "shop")])
def test_those_of_one_site_are_listed(quick: Quick, kept: list[Report], arguments: tuple[str, ...]) -> None:
    assert [line.split()[0] for line in quick(*arguments).out.splitlines()[1:]] == [kept[0].id]


def test_a_list_for_programs(quick: Quick, kept: list[Report]) -> None:
    told = json.loads(quick("reports", "list", "--json").out)
    assert [one["id"] for one in told] == [report.id for report in kept]
    assert told[0]["causes"][0]["kind"] == "renamed"


@pytest.mark.parametrize("which", [0, 1, "newest"])
def test_the_path_of_a_report(quick: Quick, kept: list[Report], which: int | str) -> None:
    name, wanted = ([], kept[0]) if isinstance(which, str) else ([kept[which].id], kept[which])
    path = Path(quick("reports", "open", *name).out.strip())  # there is no screen
    assert path.name == "report.html"
    assert wanted.id in path.parts


def test_a_text_for_an_issue(quick: Quick, kept: list[Report]) -> None:
    text = quick("reports", "text", kept[2].id).out
    assert "a visit to wiki failed (site_changed)" in text
    assert "renamed: csrf is gone" in text
    assert "\x1b" not in text


def test_the_report_of_a_call_is_found(quick: Quick, kept: list[Report], home: Path) -> None:
    (home / "doorkey.toml").write_text('[sites.chatgptfree]\nurl = "https://example.com/"\n')
    done = quick("explain", "request-1")
    assert (done.code, kept[2].id in done.out, "csrf is gone" in done.out) == (0, True, True)


def test_what_is_no_site_and_no_report_is_told(quick: Quick, kept: list[Report]) -> None:
    done = quick("explain", "wikki")
    assert (done.code, "no site, no report and no call" in done.err) == (2, True)


def test_reports_are_deleted(quick: Quick, kept: list[Report]) -> None:
    assert quick("reports", "delete", kept[0].id).out == "deleted 1 report\n"
    assert quick("reports", "delete", "--all").out == "deleted 2 reports\n"
    assert "there are no reports" in quick("reports").err


@pytest.mark.parametrize("arguments", [("open", "nothing-here"), ("text", "nothing-here"), ("delete", "nothing-here")])
def test_an_unknown_report_is_told_with_the_newest(
    quick: Quick, kept: list[Report], arguments: tuple[str, ...]
) -> None:
    done = quick("reports", *arguments)
    assert (done.code, f"the newest is {kept[0].id}" in done.err) == (2, True)


def test_delete_wants_to_know_which(quick: Quick, kept: list[Report]) -> None:
    done = quick("reports", "delete")
    assert done.code == 2
    assert len(open_archive(Settings()).list_reports()) == 3


@pytest.mark.parametrize(
    ("selector", "code", "told"),
    [
        ("#logout", 0, '#logout finds 1 element; its text has a value\n  <a id="logout"> Log out\n'),
        ("meta[name=csrf]@content", 0, "its content has a value"),
        ("#log-out", 1, "#log-out finds nothing; near: #logout"),
        ("a[", 2, "is no CSS selector"),
    ],
)
def test_a_selector_is_tried_on_the_stored_page(quick: Quick, home: Path, selector: str, code: int, told: str) -> None:
    page = '<meta name="csrf" content="•••"/><a id="logout">Log out</a>'
    report = open_archive(Settings()).write(made(1.7e9), page)
    done = quick("reports", "try", report.id, selector)
    assert (done.code, told in done.out + done.err) == (code, True), done


def test_a_report_without_a_page_says_so(quick: Quick, kept: list[Report]) -> None:
    done = quick("reports", "try", kept[0].id, "#logout")
    assert (done.code, "no page is stored" in done.err) == (2, True)
