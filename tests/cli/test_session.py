"""`doorkey session export`: the session of a site that ends it, in a file that only its owner reads."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from doorkey.accounts.imports import read_login
from doorkey.cli.session import write_private

from .conftest import Doorkey
from .test_login import configure

sys.path.insert(0, str(Path(__file__).parents[1]))
from login_site import PASSWORD, USER, LoginSite

pytestmark = pytest.mark.slow

STEPS = """
[sites.wiki.visit]
steps = [
  { open = "/login" }, { fill = "#user", value = "env:WIKI_USER" }, { fill = "#pw", value = "env:WIKI_PW" },
  { click = "form button" },
]
"""


@pytest.mark.browser
async def test_a_dead_session_is_renewed_before_it_is_exported(doorkey: Doorkey, members: LoginSite) -> None:
    configure(doorkey.folder, members, steps=STEPS)
    doorkey.settings |= {"WIKI_USER": USER, "WIKI_PW": PASSWORD}
    first = await doorkey("session", "export", "wiki", "-o", "state.json")
    assert (first.code, first.out) == (0, "")
    assert "It holds secrets" in first.err
    state = doorkey.folder / "state.json"
    assert state.stat().st_mode & 0o777 == 0o600
    members.log_out()
    second = await doorkey("session", "export", "wiki", "-o", "state.json")
    assert second.code == 0, second.err
    (alive,) = members.sessions
    assert [cookie.value for cookie in read_login(state.read_text(), members.url, 0.0).cookies] == [alive]


async def test_a_file_that_cannot_be_written_is_told(doorkey: Doorkey) -> None:
    done = await doorkey("session", "export", "wiki")
    assert (done.code, "no site is called 'wiki'" in done.err) == (2, True)


def test_an_export_goes_into_a_pipe_or_through_a_link_and_replaces_neither(tmp_path: Path) -> None:
    file, link, pipe = tmp_path / "file", tmp_path / "link", tmp_path / "pipe"
    file.write_text("old")
    link.symlink_to(file)
    write_private(link, "new")
    assert (link.is_symlink(), file.read_text(), file.stat().st_mode & 0o777) == (True, "new", 0o600)
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_private(pipe, "text")
    assert (os.read(reader, 99), pipe.is_fifo()) == (b"text", True)
    os.close(reader)
