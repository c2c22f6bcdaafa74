"""Finding a Chromium, getting one, and the command line it is started with."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import playwright
import pytest

from doorkey.browser.chromium import find_chromium, install_chromium
from doorkey.browser.launch import PLAYWRIGHTS_FEATURES, arguments, sandboxed
from doorkey.errors import BrowserMissing, ConfigurationError


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_the_machines_chromium_is_found_with_its_version() -> None:
    found = find_chromium()
    assert found.major > 100
    assert found.version.startswith(f"{found.major}.")


def test_a_configured_browser_is_taken(tmp_path: Path) -> None:
    found = find_chromium(script(tmp_path / "mine", "echo Chromium 150.0.1.2"))
    assert (found.major, found.source) == (150, "setting")


@pytest.mark.parametrize(
    ("text", "said"),
    [("echo this command requires the snap", "does not name a Chromium"), ("exit 1", "does not name a Chromium")],
)
def test_a_stub_is_no_browser(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BrowserMissing, match=said):
        find_chromium(script(tmp_path / "chromium", text))


def test_a_wrong_setting_is_an_error_although_another_browser_is_there(tmp_path: Path) -> None:
    with pytest.raises(BrowserMissing, match=r"no such file.*correct it"):
        find_chromium(tmp_path / "nothing")


def test_a_failed_download_without_root_gives_the_one_command() -> None:
    ran: list[Sequence[str]] = []

    def failing(command: Sequence[str]) -> int:
        ran.append(command)
        return 1

    with pytest.raises(BrowserMissing, match="install"):
        install_chromium(say=lambda _: None, run=failing, root=False)
    assert ran[0][-2:] == ["--no-shell", "chromium"]


def test_a_person_who_says_no_gets_no_system_package() -> None:
    ran: list[Sequence[str]] = []

    def failing(command: Sequence[str]) -> int:
        ran.append(command)
        return 1

    with pytest.raises(BrowserMissing):
        install_chromium(say=lambda _: None, ask=lambda _: False, run=failing, root=True)
    assert not any("apt-get" in command for command in ran)


def test_the_features_that_playwright_switches_off_stay_off() -> None:
    bundle = Path(playwright.__file__).parent / "driver/package/lib/coreBundle.js"
    block = re.search(r"disabledFeatures = \[(.*?)\]\.filter", bundle.read_text(), re.DOTALL)
    assert block is not None
    theirs = re.findall(r'^\s*"(\w+)"', block[1], re.MULTILINE)
    assert theirs
    assert set(theirs) <= set(PLAYWRIGHTS_FEATURES)


def test_the_arguments_hold_one_list_of_features() -> None:
    assert sum(argument.startswith("--disable-features=") for argument in arguments()) == 1


def test_the_sandbox_is_on_for_everyone_but_root() -> None:
    assert sandboxed("auto", root=False)
    assert not sandboxed("auto", root=True)
    with pytest.raises(ConfigurationError, match="ordinary user"):
        sandboxed(True, root=True)
