"""What a command promises in passing: whose settings count, whose signals, what it reads, and what it shows."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from doorkey.cli.banner import Banner
from doorkey.cli.fetch import build_request
from doorkey.cli.run import run
from doorkey.model.page import Page
from doorkey.model.session import Key, Session
from doorkey.setup.session_report import report_session

from .conftest import Done

Quick = Callable[..., Done]
SITE = {"DOORKEY_SITES__CHATGPTFREE__URL": "http://127.0.0.1:1/"}
NOTHING_ASKED: dict[str, Any] = {
    "method": None, "data": (), "data_binary": None, "json_body": None, "form": (), "upload_file": None,
    "as_query": False, "header": (), "follow": False, "max_time": None,
}  # fmt: skip


def test_config_check_knows_a_profile_of_ones_own(quick: Quick, home: Path) -> None:
    profiles = home / ".config" / "doorkey" / "profiles"
    profiles.mkdir(parents=True)
    (profiles / "mine.toml").write_text('description = "Mine."\n')
    done = quick("config", "check", settings={**SITE, "DOORKEY_SITES__CHATGPTFREE__PROFILE": "mine"})
    assert (done.code, done.err) == (0, "")


def test_the_demo_finds_the_chromium_that_playwright_keeps_elsewhere(quick: Quick, tmp_path: Path) -> None:
    chrome = tmp_path / "kept" / "chromium-1" / "chrome-linux64" / "chrome"
    chrome.parent.mkdir(parents=True)
    chrome.write_text("#!/bin/sh\necho Chromium 156.0.1.2\n")
    chrome.chmod(0o700)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = {"PATH": "", "PLAYWRIGHT_BROWSERS_PATH": str(tmp_path / "kept")}
        done = quick("demo", "--once", "--port", str(taken.getsockname()[1]), settings=settings)
    assert "is taken by another program" in done.err  # found, and gone on


@pytest.fixture
def unhung() -> Iterator[None]:
    """A process that `nohup` started: it ignores SIGHUP."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGHUP, before)


def test_a_signal_that_is_ignored_stays_ignored(unhung: None) -> None:
    async def work() -> str:
        os.kill(os.getpid(), signal.SIGHUP)
        return "done"

    assert run(work()) == "done"
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def asked(stdin: bytes = b"", **options: Any) -> tuple[str, dict[str, Any]]:
    """What `doorkey fetch` would send, with *stdin* there to be read."""
    found: list[tuple[str, dict[str, Any]]] = []

    @click.command()
    def command() -> None:
        found.append(build_request({**NOTHING_ASKED, **options}, only_head=False))

    result = CliRunner().invoke(command, input=stdin)
    assert result.exception is None, result.exception
    return found[0]


def test_standard_input_is_read_once(quick: Quick) -> None:
    method, arguments = asked(b"a=1", data=("@-", "@-"))
    assert (method, arguments["data"]) == ("POST", "a=1&")


@pytest.mark.parametrize("option", ["data_binary", "json_body"])
def test_an_empty_body_is_a_body(option: str) -> None:
    method, arguments = asked(**{option: ""})
    assert (method, arguments["data"]) == ("POST", b"" if option == "data_binary" else "")
    assert "content-type" in arguments["headers"]


PAGE = "https://user.example/app;jsessionid=SECRET/chat;v=SECRET?token=SECRET#SECRET"


def test_a_page_is_shown_without_what_may_be_a_key() -> None:
    session = Session(key=Key("x", PAGE), gen=1, url=PAGE, born=0, soft=1, hard=2)
    assert Page(url=PAGE, html="").place == "https://user.example/app/chat"
    assert report_session(session)["url"] == "https://user.example/app/chat"
    assert report_session(session, reveal=True)["url"] == PAGE


def test_login_takes_headed(quick: Quick) -> None:
    done = quick("login", "nowhere", "--headed", settings=SITE)
    assert (done.code, "no site is called 'nowhere'" in done.err) == (2, True)


def test_config_check_shows_values_as_the_file_says_them(quick: Quick) -> None:
    done = quick("config", "check", settings={"DOORKEY_SERVICE__HOSTS": "doorkey,nas"})
    shown = dict(line.split()[:2] for line in done.out.splitlines() if line.startswith(("browser.", "service.")))
    assert (shown["browser.virtual"], shown["service.hosts"]) == ("true", "doorkey,")


def test_a_web_site_has_a_sample_too() -> None:
    banner = Banner(
        base="http://127.0.0.1:8787", key="", asks_key=False, file=None, models=(), pages={"wiki": "/start"},
        without_sites="", dashboard="",
    )  # fmt: skip
    assert "try it:\n  curl http://127.0.0.1:8787/site/wiki/start\n" in banner.as_text()
