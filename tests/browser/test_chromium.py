"""Finding a Chromium, getting one, and the command line it is started with."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import playwright
import pytest

from doorkey.browser.arguments import PLAYWRIGHTS_FEATURES, list_arguments, use_sandbox
from doorkey.browser.chromium import Chromium, find_chromium
from doorkey.browser.install import find_driver_fault, install_certificate_tools, install_chromium
from doorkey.errors import BrowserMissing, ConfigurationError

debian = pytest.mark.skipif(not Path("/etc/debian_version").exists(), reason="packages are Debian's")


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
    with pytest.raises(BrowserMissing, match=r"does not exist.*correct it"):
        find_chromium(tmp_path / "nothing")


class Machine:
    """A system without a Chromium, whose commands are noted and answered; `gives` makes one of them bring it."""

    def __init__(self, gives: str = "", faults: Sequence[str] = ()) -> None:
        self.ran: list[str] = []
        self.said: list[str] = []
        self._gives = gives
        self._faults = list(faults)
        self._there = False

    def run(self, command: Sequence[str]) -> int:
        self.ran.append(" ".join(command))
        self._there = self._there or bool(self._gives and self._gives in self.ran[-1])
        return 0 if self._there or "libatomic1" in self.ran[-1] else 1

    def find(self, configured: Path | None, downloads: Path | None) -> Chromium:
        if not self._there:
            raise BrowserMissing("no Chromium was found")
        return Chromium(Path("/it"), "150.0", 150, "system")

    def fault(self) -> str:
        return self._faults.pop(0) if self._faults else ""

    def install(self, *, root: bool, ask: Callable[[str], bool] | None = None) -> Chromium:
        return install_chromium(
            say=self.said.append, ask=ask, run=self.run, root=root, fault=self.fault, find=self.find
        )


def test_a_download_is_tried_before_the_systems_packages() -> None:
    machine = Machine(gives="playwright install")
    assert machine.install(root=False).major == 150
    assert [command.rpartition(" ")[2] for command in machine.ran] == ["chromium"]


def test_a_failed_download_without_root_gives_the_one_command() -> None:
    machine = Machine()
    with pytest.raises(BrowserMissing, match=r"sudo apt-get install -y chromium|system's own means"):
        machine.install(root=False)


@debian
def test_as_root_the_systems_packages_are_announced_and_installed() -> None:
    machine = Machine(gives="apt-get install -y chromium")
    assert machine.install(root=True).source == "system"
    assert "--with-deps" in machine.ran[0]
    assert any("installing system packages" in step for step in machine.said)


@debian
def test_a_person_who_says_no_gets_no_system_package() -> None:
    machine = Machine()
    with pytest.raises(BrowserMissing, match="install it yourself"):
        machine.install(root=True, ask=lambda _: False)
    assert not any("apt-get" in command for command in machine.ran)


@debian
def test_what_playwrights_driver_lacks_is_installed_first() -> None:
    machine = Machine(gives="playwright install", faults=["libatomic.so.1: no such file"])
    machine.install(root=True)
    assert "libatomic1" in machine.ran[0]


@debian
def test_the_tools_for_certificates_are_installed_where_they_are_missing() -> None:
    machine = Machine(gives="apt-get install -y libnss3-tools")
    tools = partial(install_certificate_tools, say=machine.said.append, run=machine.run)
    tools(root=True, find=lambda: [])
    assert machine.ran == []
    tools(root=True, find=lambda: ["libnss3-tools"])
    assert machine.ran == ["apt-get install -y libnss3-tools"]


def test_without_root_the_missing_tools_for_certificates_are_only_told() -> None:
    machine = Machine()
    install_certificate_tools(
        say=machine.said.append, run=machine.run, root=False, find=lambda: ["libnss3-tools", "openssl"]
    )
    assert machine.ran == []
    assert ["ca_file" in line and "libnss3-tools" in line for line in machine.said] == [True]


def test_a_driver_that_can_not_be_mended_is_told() -> None:
    machine = Machine(faults=["it fails", "it fails"])
    with pytest.raises(BrowserMissing, match="driver does not start"):
        machine.install(root=True)


def test_the_driver_of_this_machine_starts() -> None:
    assert find_driver_fault() == ""


def test_the_features_that_playwright_switches_off_stay_off() -> None:
    bundle = Path(playwright.__file__).parent / "driver/package/lib/coreBundle.js"
    block = re.search(r"disabledFeatures = \[(.*?)\]\.filter", bundle.read_text(), re.DOTALL)
    assert block is not None
    theirs = re.findall(r'^\s*"(\w+)"', block[1], re.MULTILINE)
    assert theirs
    assert set(theirs) <= set(PLAYWRIGHTS_FEATURES)


def test_the_arguments_hold_one_list_of_features() -> None:
    assert sum(argument.startswith("--disable-features=") for argument in list_arguments()) == 1


def test_the_sandbox_is_on_for_everyone_but_root() -> None:
    assert use_sandbox("auto", root=False)
    assert not use_sandbox("auto", root=True)
    with pytest.raises(ConfigurationError, match="ordinary user"):
        use_sandbox(True, root=True)
