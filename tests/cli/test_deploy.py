"""What `deploy/` ships: a systemd unit whose command exists, shell completions that click makes now, a container."""

from __future__ import annotations

import configparser
import json
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from click.shell_completion import get_completion_class

from doorkey.cli.main import cli
from doorkey.cli.serve import serve
from doorkey.config.settings import Settings
from doorkey.service.key import check_exposure

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")


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


@pytest.mark.parametrize(
    ("words", "begun", "offered"),
    [
        (["visit"], "", ["notes", "wiki"]),
        (["session", "export"], "w", ["wiki"]),
        (["check", "wiki"], "n", ["notes"]),
        (["explain", "--config", "other.toml"], "", ["club"]),
        (["login", "--config", "none.toml"], "", []),
        (["reports", "list", "--config", "broken.toml"], "", []),
    ],
)
def test_a_shell_is_offered_the_names_of_sites(
    words: list[str], begun: str, offered: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in {"doorkey": "[sites.wiki]\n[sites.notes]", "other": "[sites.club]", "broken": "[sites"}.items():
        (tmp_path / f"{name}.toml").write_text(text)
    kind = get_completion_class("bash")
    assert kind is not None
    found = kind(cli, {}, "doorkey", "_DOORKEY_COMPLETE").get_completions(words, begun)
    assert [one.value for one in found] == offered


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


def instructions(name: str) -> list[str]:
    return re.findall(rf"^ *{name} (.*)$", DOCKERFILE, re.M)


def test_the_image_serves_as_an_ordinary_user_with_settings_that_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [int(user) > 1000 for user in instructions("USER")] == [True]
    init, _, program = json.loads(instructions("ENTRYPOINT")[0])
    assert (init, program, cli.commands[json.loads(instructions("CMD")[-1])[0]]) == ("tini", "doorkey", serve)
    for variable in " ".join(instructions("ENV")).split():
        monkeypatch.setenv(*variable.split("=", 1))
    settings = Settings.load()
    check_exposure(settings.service)
    assert instructions("EXPOSE") == [str(settings.service.port)]
    assert f":{settings.service.port}/healthz" in instructions("HEALTHCHECK")[0]
    assert f'"127.0.0.1:{settings.service.port}:{settings.service.port}"' in (DEPLOY / "compose.yaml").read_text()


def test_the_image_takes_all_of_the_project_and_its_extras() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    copied = {source for line in instructions("COPY") for source in line.split()[:-1]}
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert {package.partition("/")[0] for package in packages} <= copied
    kept = {line.removeprefix("!") for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()}
    assert {source for source in copied if not source.startswith(("/", "--"))} <= kept
    extras = re.search(r"whl\)\[([\w,]+)\]", DOCKERFILE)
    assert extras is not None
    # A container has no desktop, whose keyring that extra uses.
    assert set(extras[1].split(",")) == set(project["project"]["optional-dependencies"]) - {"keyring"}


@pytest.mark.skipif(shutil.which("hadolint") is None, reason="hadolint is not installed")
def test_hadolint_accepts_the_image() -> None:
    done = subprocess.run(
        ["hadolint", DEPLOY / "Dockerfile"], capture_output=True, text=True, timeout=60, check=False
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "")
