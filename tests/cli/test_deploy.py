"""What `deploy/` ships: a systemd unit whose command exists, and shell completions that click makes now."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from click.shell_completion import get_completion_class

from doorkey.cli.main import cli
from doorkey.cli.serve import serve

DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.mark.parametrize(("shell", "name"), [("bash", "doorkey.bash"), ("zsh", "_doorkey"), ("fish", "doorkey.fish")])
def test_the_completions_are_those_of_the_command(shell: str, name: str) -> None:
    kind = get_completion_class(shell)
    assert kind is not None
    source = (DEPLOY / "completions" / name).read_text(encoding="utf-8")
    made = kind(cli, {}, "doorkey", "_DOORKEY_COMPLETE")
    assert source.strip() == (made.source_template % made.source_vars()).strip()


def test_the_completion_of_bash_completes() -> None:
    found = shutil.which("bash")
    assert found is not None
    script = f"source {DEPLOY}/completions/doorkey.bash; complete -p doorkey"
    done = subprocess.run([found, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert "_doorkey_completion" in done.stdout


def test_the_unit_runs_the_service_and_reloads_it() -> None:
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # systemd's keys have capitals
    unit.read(DEPLOY / "doorkey.service")
    program, command = unit["Service"]["ExecStart"].split()
    assert Path(program).name == "doorkey"
    assert cli.commands[command] is serve
    assert "-HUP $MAINPID" in unit["Service"]["ExecReload"]
    assert int(unit["Service"]["TimeoutStopSec"]) > 25


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    text = (DEPLOY / "doorkey.service").read_text(encoding="utf-8")
    unit = tmp_path / "doorkey.service"
    unit.write_text(text.replace("%h/.local/bin/doorkey", "/bin/true"))
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    done = subprocess.run(
        ["systemd-analyze", "--user", "verify", unit],
        capture_output=True, text=True, timeout=60, check=False, env=environment,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
