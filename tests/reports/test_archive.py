"""Reports lie where only their owner reads them, so many and so long."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from doorkey.reports.archive import DAY, Archive
from doorkey.reports.report import Cause, Kind, Report, Rule


def made(at: float, kind: Kind = "visit", site: str = "wiki") -> Report:
    return Report(
        id="", kind=kind, site=site, at=at, code="site_changed", message="<b>gone</b>",
        causes=(Cause("renamed", "a <i> is gone"),), rules=(Rule("csrf", "meta", False),),
    )  # fmt: skip


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "reports", keep=3, days=2)


def test_a_report_is_read_as_it_was_written(archive: Archive) -> None:
    written = archive.write(made(1000.0))
    assert archive.list_reports() == [written]
    assert archive.find(written.id) == written


def test_only_the_owner_reads(archive: Archive, tmp_path: Path) -> None:
    archive.write(made(1000.0), picture=b"jpeg")
    archive.remember_calls([("request", "report")])
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "reports").rglob("*") if path.is_file()}
    folders = [path for path in (tmp_path / "reports", *(tmp_path / "reports").rglob("*")) if path.is_dir()]
    assert modes == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}


def test_the_newest_of_each_kind_are_kept(archive: Archive) -> None:
    for at in range(5):
        archive.write(made(1000.0 + at))
        archive.write(made(1000.0 + at, "call"))
    kept = [(report.kind, report.at) for report in archive.list_reports()]
    assert sorted(kept) == [(kind, 1000.0 + at) for kind in ("call", "visit") for at in (2, 3, 4)]


def test_old_reports_go(archive: Archive) -> None:
    archive.write(made(0.0))
    archive.write(made(2 * DAY + 1))
    assert [report.at for report in archive.list_reports()] == [2 * DAY + 1]


def test_reports_of_one_second_have_ids_of_their_own(archive: Archive) -> None:
    assert archive.write(made(5.0)).id != archive.write(made(5.0)).id


def test_a_call_is_found_by_its_request(archive: Archive) -> None:
    written = archive.write(made(5.0))
    archive.remember_calls([("req-1", "gone-report"), ("req-2", written.id)])
    assert archive.find("req-2") == written
    assert archive.find("req-1") is None


@pytest.mark.parametrize("name", ["../../etc", "", "a/b", ".new-x"])
def test_a_strange_name_finds_nothing(archive: Archive, name: str) -> None:
    archive.write(made(5.0))
    assert archive.find(name) is None


def test_a_file_that_cannot_be_read_hides_no_other(archive: Archive, tmp_path: Path) -> None:
    written = archive.write(made(5.0))
    broken = tmp_path / "reports" / "broken"
    broken.mkdir()
    (broken / "report.json").write_text("[1]")
    assert archive.list_reports() == [written]


def test_the_page_escapes_what_a_site_says_and_loads_nothing(archive: Archive) -> None:
    text = archive.page(archive.write(made(5.0), picture=b"x")).read_text()
    assert "<b>gone" not in text
    assert "a &lt;i&gt; is gone" in text
    assert "default-src 'none'" in text
    assert "http://" not in text
    assert "https://" not in text


def test_deleted_reports_are_gone(archive: Archive) -> None:
    archive.write(made(5.0))
    archive.delete(archive.list_reports())
    assert archive.list_reports() == []
