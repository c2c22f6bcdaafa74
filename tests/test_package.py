"""What is shipped: our three packages and nothing else, and never a browser's state."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {"doorkey", "doorkey_providers", "doorkey_profiles"}
SHIPPED = {
    ".ci", "LICENSE", "Makefile", "PKG-INFO", "README.md", "bench", "browser_profiles", "docs", "providers",
    "pyproject.toml", "runtime", "tests", ".gitignore", "deploy",
}  # fmt: skip
KINDS = {
    ".py",
    ".pyi",
    ".toml",
    ".md",
    ".txt",
    ".typed",
    ".css",
    ".js",
    ".html",
    ".json",
    ".svg",
    ".png",
    ".sse",
    ".sql",
    ".ini",
    ".php",
    ".conf",
    ".mjs",
    ".bash",
    ".fish",
    ".service",
    ".yaml",
    ".dockerignore",
}
NAMES = {"Dockerfile", "_doorkey", "LICENSE", "Makefile", "PKG-INFO", ".gitignore", "run", "setup", "test-real"}
STATE = re.compile(
    r"(?i)cookies|login data|local storage|local state|\.db\b|\.sqlite|storage.?state|session.*\.json|\.env$"
)


def surprising(files: list[str]) -> list[str]:
    """The files of an archive that no allow-list names, or that look like a browser's state."""
    found = []
    for file in files:
        path = PurePosixPath(file)
        listed = path.suffix in KINDS or path.name in NAMES
        if not listed or (STATE.search(file) and path.suffix != ".py"):
            found.append(file)
    return found


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A wheel and an sdist, by the build backend itself: it needs no network."""
    out = tmp_path_factory.mktemp("dist")
    code = f"from hatchling import build; build.build_wheel({str(out)!r}); build.build_sdist({str(out)!r})"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, timeout=120)
    return next(out.glob("*.whl")), next(out.glob("*.tar.gz"))


def test_the_wheels_top_level_names_are_ours_only(archives: tuple[Path, Path]) -> None:
    names = zipfile.ZipFile(archives[0]).namelist()
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == PACKAGES


def test_the_wheel_holds_every_module_and_the_profiles(archives: tuple[Path, Path]) -> None:
    names = set(zipfile.ZipFile(archives[0]).namelist())
    for root in ("runtime", "providers", "browser_profiles"):
        files = [
            path for path in (ROOT / root).glob("*/**/*") if path.suffix in {".py", ".toml", ".css", ".js", ".typed"}
        ]
        assert files
        assert {path.relative_to(ROOT / root).as_posix() for path in files} <= names


def test_the_wheel_says_its_commands_and_entry_points(archives: tuple[Path, Path]) -> None:
    wheel = zipfile.ZipFile(archives[0])
    entries = wheel.read(next(name for name in wheel.namelist() if name.endswith("entry_points.txt"))).decode()
    assert "doorkey = doorkey.cli.main:main" in entries
    assert "[doorkey.providers]" in entries
    assert "[doorkey.twins]" in entries


def test_the_sdist_holds_no_browser_state_and_nothing_unlisted(archives: tuple[Path, Path]) -> None:
    with tarfile.open(archives[1]) as sdist:
        files = [name.partition("/")[2] for name in sdist.getnames()]
    assert {file.partition("/")[0] for file in files} <= SHIPPED
    assert surprising(files) == []


@pytest.mark.parametrize(
    "file",
    [
        "browser_profiles/doorkey_profiles/Default/Cookies",
        "runtime/doorkey/sessions.db",
        "browser_profiles/storage_state.json",
        "tests/.env",
        "docs/core.12345",
    ],
)
def test_the_allow_list_would_find_state(file: str) -> None:
    assert surprising([file]) == [file]
