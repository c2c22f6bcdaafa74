"""Fetches third-party software once, into a cache folder: the system stays as it is, and nobody need be root."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

MINUTES = 5 * 60.0
"""Seconds that one download may take."""


class Unavailable(Exception):
    """The software can't be had here, and why."""


class Packages:
    """`say` is told, in a line, whatever is about to be fetched."""

    def __init__(self, cache: Path, say: Callable[[str], None]) -> None:
        self._cache, self._say = cache, say

    def debian(self, name: str, runtime: Sequence[str], data: Sequence[str]) -> Path:
        """A folder with Debian's packages unpacked as if it were the root: *data* alone, *runtime* with what it needs
        and the system lacks. Nothing is installed or configured. Raises Unavailable."""
        for tool in ("apt-get", "apt-cache", "dpkg-deb"):
            if shutil.which(tool) is None:
                raise Unavailable(f"{tool} is not there: {name} is taken from Debian's packages")
        return self._once(f"debian-{name}", (*runtime, "", *data), lambda folder: self._unpack(folder, runtime, data))

    def python(self, name: str, requirements: Sequence[str]) -> Path:
        """The interpreter of a virtual environment that holds *requirements*. Raises Unavailable."""
        folder = self._once(f"python-{name}", requirements, lambda folder: self._environment(folder, requirements))
        return folder / "bin" / "python"

    def javascript(self, name: str, requirements: Sequence[str]) -> Path:
        """A folder whose `node_modules` holds *requirements*; none of their scripts was run. Raises Unavailable."""
        if shutil.which("npm") is None:
            raise Unavailable(f"npm is not there: {name} is taken from it")
        install = ["npm", "install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund"]

        def fetch(folder: Path) -> None:
            run([*install, "--prefix", str(folder), *requirements], folder)

        return self._once(f"javascript-{name}", requirements, fetch)

    def _once(self, name: str, wanted: Sequence[str], fetch: Callable[[Path], None]) -> Path:
        asked = hashlib.sha256(repr((sys.version_info[:2], *wanted)).encode()).hexdigest()
        folder, stamp = self._cache / name, self._cache / f"{name}.stamp"
        with self._alone():
            if not stamp.exists() or stamp.read_text() != asked:
                stamp.unlink(missing_ok=True)
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                self._say(f"fetching {', '.join(filter(None, wanted))} into {folder}")
                fetch(folder)
                stamp.write_text(asked)
        return folder

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Two runs at a time share one cache."""
        self._cache.mkdir(parents=True, exist_ok=True)
        with (self._cache / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _unpack(self, folder: Path, runtime: Sequence[str], data: Sequence[str]) -> None:
        archives = folder / "archives"
        archives.mkdir()
        needed = self._closure(runtime) if runtime else []
        run(["apt-get", "download", *needed, *data], archives)
        for archive in sorted(archives.glob("*.deb")):
            run(["dpkg-deb", "-x", str(archive), str(folder)], folder)
        shutil.rmtree(archives)
        relink(folder)

    def _closure(self, runtime: Sequence[str]) -> list[str]:
        """*runtime*, what its names stand for, and what the system lacks of their needs."""
        simulated = ["apt-get", "install", "--simulate", "--no-install-recommends", *runtime]
        try:
            told = run(simulated, self._cache)
        except Unavailable:
            if os.geteuid() != 0:
                raise
            self._say("apt-get update: the package lists are missing or old")
            run(["apt-get", "update"], self._cache)
            told = run(simulated, self._cache)
        lacking = re.findall(r"^Inst (\S+)", told, re.MULTILINE)
        # php-cli only points to php8.2-cli, which may be installed already and is wanted here all the same.
        told = run(["apt-cache", "depends", *runtime], self._cache)
        meant = re.findall(r"^\s*Depends: (php\d[\d.]*-\S+)", told, re.MULTILINE)
        shared = [name.rpartition("-")[0] + "-common" for name in meant[:1]]
        return sorted({*runtime, *lacking, *meant, *shared})

    def _environment(self, folder: Path, requirements: Sequence[str]) -> None:
        run([sys.executable, "-m", "venv", str(folder)], self._cache)
        run([str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *requirements], self._cache)


def run(command: Sequence[str], folder: Path) -> str:
    """What *command* says. Raises Unavailable with its last line."""
    environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=MINUTES)
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise Unavailable(f"{' '.join(command[:3])}: {exc}") from exc
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()
        raise Unavailable(f"{' '.join(command[:3])} ended with {done.returncode}: {said[-1][:300]}")
    return done.stdout


def relink(root: Path) -> None:
    """Let absolute links in *root*, and Composer's paths to PHP libraries, lead to *root*."""
    for loader in root.glob("usr/share/*/vendor/composer/*.php"):
        text = loader.read_text()
        loader.write_text(re.sub(r"(['\"])(?=/usr/share/php)", rf"\g<1>{root}", text))
    for folder, names, files in os.walk(root):
        for name in (*names, *files):
            link = Path(folder, name)
            if link.is_symlink() and (target := os.readlink(link)).startswith("/"):
                inside = root / target.lstrip("/")
                if inside.exists() or inside.is_symlink():
                    link.unlink()
                    link.symlink_to(inside)
