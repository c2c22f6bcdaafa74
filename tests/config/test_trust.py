"""A settings file that only lies in the working directory runs no program and reads nothing of the user's."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from doorkey import Settings
from doorkey.config.settings import config_dirs, state_dir
from doorkey.config.trust import REGISTER, find_risks, trust
from doorkey.errors import ConfigurationError

HARMLESS = '[sites.wiki]\nprovider = "web"\nurl = "https://wiki.example/"\n'
STEPS = 'ready = "#out"\nvisit.steps = [{{ fill = "#pw", value = "{}" }}]\n'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


def write(text: str) -> Path:
    file = Path("doorkey.toml")
    file.write_text(text)
    return file


RISKY = [
    HARMLESS + STEPS.format("command:touch ran"),
    HARMLESS + STEPS.format("secret:mine"),
    HARMLESS + STEPS.format("file:/etc/hostname"),
    HARMLESS + STEPS.format("file:../above"),
    HARMLESS + STEPS.format("file:~/.ssh/id_rsa"),
    HARMLESS + 'login.request = { path = "/", form = { p = "totp:command:touch ran" } }\nready = "#out"\n',
    HARMLESS + 'http_credentials = { username = "a", password = "command:touch ran" }\n',
    HARMLESS + '[notify]\ncommand = "touch ran"\n',
    HARMLESS + '[notify]\nwebhook = "command:touch ran"\n',
    HARMLESS + '[browser]\nexecutable = "./chromium"\n',
]


@pytest.mark.parametrize("text", RISKY)
def test_a_file_that_does_more_than_name_sites_needs_trust_once_for_its_content(text: str) -> None:
    file = write(text)
    with pytest.raises(ConfigurationError, match="is not trusted") as caught:
        Settings.load()
    assert "doorkey trust" in caught.value.message
    trust(file, text, state_dir())
    Settings.load()
    write(text + "# changed\n")
    with pytest.raises(ConfigurationError, match="is not trusted"):
        Settings.load()


@pytest.mark.parametrize("text", RISKY)
def test_naming_the_file_that_lies_there_changes_nothing(text: str, folder: Path) -> None:
    write(text)
    for path in ("doorkey.toml", "./doorkey.toml", folder / "doorkey.toml", folder / ".." / "work" / "doorkey.toml"):
        with pytest.raises(ConfigurationError, match="is not trusted"):
            Settings.load(path)


def test_trust_is_for_one_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trust(write(RISKY[0]), RISKY[0], state_dir())
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.chdir(other)
    write(RISKY[0])
    with pytest.raises(ConfigurationError, match="is not trusted"):
        Settings.load()


def test_a_link_out_of_the_folder_leads_out_of_it(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    Path("inside").symlink_to(tmp_path / "secret")
    write(HARMLESS + STEPS.format("file:inside"))
    with pytest.raises(ConfigurationError, match="is not trusted"):
        Settings.load()


def test_what_names_only_sites_variables_and_files_of_its_folder_needs_none() -> None:
    Path("value").write_text("x")
    for reference in ("env:WIKI_PASSWORD", "file:value", "file:./value"):
        write(HARMLESS + STEPS.format(reference))
        assert Settings.load().sites["wiki"]
    assert not (state_dir() / REGISTER).exists()


def test_the_users_own_file_and_one_named_elsewhere_need_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other.toml"
    other.write_text(RISKY[0])
    assert Settings.load(other).sites["wiki"]
    home = config_dirs()[-1]
    home.mkdir(parents=True)
    (home / "doorkey.toml").write_text(RISKY[0])
    assert Settings.load().source == home / "doorkey.toml"
    monkeypatch.chdir(home)
    assert Settings.load().sites["wiki"]


def test_what_the_error_tells_holds_no_arguments() -> None:
    risks = find_risks({"a": {"b": ["command:get --key s3cr3t-argument"]}}, Path())
    assert [str(risk) for risk in risks] == ["a.b.1: runs get"]


def test_the_register_is_the_users_alone_and_a_damaged_one_trusts_nothing() -> None:
    file = write(RISKY[0])
    trust(file, RISKY[0], state_dir())
    register = state_dir() / REGISTER
    assert stat.S_IMODE(register.stat().st_mode) == 0o600
    for text in ("", "[]", "{", "null"):
        register.write_text(text)
        with pytest.raises(ConfigurationError, match="is not trusted"):
            Settings.load()
