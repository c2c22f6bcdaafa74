"""A settings file gets one table more, whole, or stays as it was."""

from __future__ import annotations

import fcntl
import os
import resource
from pathlib import Path

import pytest

from doorkey.errors import ConfigurationError
from doorkey.setup.settings_file import append_table, check_addable

TABLE = '[sites.b]   # a comment\nprovider = "web"\nurl = "https://b.example/"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "doorkey.toml"
    path.write_bytes(b"# mine, \xc3\xa9\n[sites.a]\nurl='https://a.example/'")
    return path


def test_a_table_is_put_behind_what_is_there(file: Path) -> None:
    before = file.read_bytes()
    append_table(file, "b", TABLE)
    assert file.read_bytes() == before + b"\n\n" + TABLE.encode()


def test_a_new_file_holds_the_table_alone(tmp_path: Path) -> None:
    append_table(tmp_path / "new.toml", "b", TABLE)
    assert (tmp_path / "new.toml").read_text() == TABLE


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[sites.b]\n", "already called 'b'"),
        ("[sites]\nb.url = 'https://b.example/'\n", "already called 'b'"),
        ("[sites]\n'b'.url = 'https://b.example/'\n", "already called 'b'"),
        ("sites = {}\n", "can't be appended"),
        ("[sites.b\n", "can't be appended"),
        ("\ud800", "can't be appended"),
    ],
)
def test_a_file_that_cannot_take_it_stays_as_it_is(file: Path, text: str, words: str) -> None:
    file.write_bytes(text.encode(errors="surrogatepass"))
    before = file.read_bytes()
    for attempt in (append_table, check_addable):
        with pytest.raises(ConfigurationError, match=words):
            attempt(file, "b", TABLE)
    assert file.read_bytes() == before


def test_a_disk_that_is_full_leaves_the_file_and_nothing_beside_it(file: Path) -> None:
    before, limits = file.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    # As a full disk does, it lets a part be written.
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 5, limits[1]))
    try:
        with pytest.raises(ConfigurationError, match="can't be written"):
            append_table(file, "b", TABLE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_two_commands_never_write_at_once(file: Path) -> None:
    number = os.open(file.parent, os.O_RDONLY)
    try:
        fcntl.flock(number, fcntl.LOCK_EX)
        with pytest.raises(ConfigurationError, match="another doorkey command is adding"):
            append_table(file, "b", TABLE)
    finally:
        os.close(number)
    append_table(file, "b", TABLE)


def test_what_is_no_ordinary_file_is_left_as_it_is(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for attempt in (append_table, check_addable):
        with pytest.raises(ConfigurationError, match="is no ordinary file"):
            attempt(pipe, "b", TABLE)
    assert pipe.is_fifo()
