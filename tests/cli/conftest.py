"""The installed command as a user runs it: a process of its own, in a home and a folder of its own."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from doorkey.cli.main import cli
from doorkey.errors import DoorkeyError
from doorkey.model.failure import describe_error, exit_code
from doorkey_providers.twins.twin import Twin
from doorkey_providers.twins.wordpress import ChatgptFreeTwin

if TYPE_CHECKING:
    from elsewhere import Elsewhere

LIMIT = 120.0
"""Seconds that any command of these tests may take, on a busy machine too."""
PASSED = ("PATH", "LANG", "LC_ALL", "TMPDIR", "PLAYWRIGHT_BROWSERS_PATH", "COVERAGE_PROCESS_START")
MARK = "DOORKEY_TEST_MARK"


@dataclass(frozen=True, slots=True)
class Done:
    code: int
    out: str
    err: str


def failed(error: DoorkeyError, out: str = "", err: str = "") -> Done:
    """How a command ends that *error* ends."""
    return Done(exit_code(error), out, f"{err}doorkey: {describe_error(error)}\n")


async def ended(pid: int) -> None:
    """Return once the process has ended."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop, end = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(process, end.set)
    try:
        await end.wait()
    finally:
        loop.remove_reader(process)
        os.close(process)


class Doorkey:
    """Runs `doorkey`. Each command carries a mark in its environment, which whatever it starts inherits."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "work"
        self.home = folder / "home"
        self.mark = uuid.uuid4().hex
        self.settings: dict[str, str] = {}
        self._started: list[asyncio.subprocess.Process] = []
        self.folder.mkdir()
        self.home.mkdir()
        beside = Path(sys.executable).with_name("doorkey")
        self.command = str(beside) if beside.exists() else shutil.which("doorkey") or "doorkey"

    async def start(
        self,
        *arguments: str,
        stdin: int | None = asyncio.subprocess.DEVNULL,
        stdout: int | None = asyncio.subprocess.PIPE,
        stderr: int | None = asyncio.subprocess.PIPE,
        settings: Mapping[str, str] | None = None,
    ) -> asyncio.subprocess.Process:
        environment = {name: os.environ[name] for name in PASSED if name in os.environ}
        environment |= {"HOME": str(self.home), MARK: self.mark, **self.settings, **(settings or {})}
        process = await asyncio.create_subprocess_exec(
            self.command, *arguments, cwd=self.folder, env=environment, stdin=stdin, stdout=stdout, stderr=stderr
        )
        self._started.append(process)
        return process

    async def __call__(
        self, *arguments: str, stdin: bytes | None = None, settings: Mapping[str, str] | None = None
    ) -> Done:
        """Run to the end. *settings* are variables; *stdin* is what standard input says."""
        source = asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE
        return await self.end(await self.start(*arguments, stdin=source, settings=settings), stdin)

    async def end(self, process: asyncio.subprocess.Process, stdin: bytes | None = None) -> Done:
        async with asyncio.timeout(LIMIT):
            out, err = await process.communicate(stdin)
        assert process.returncode is not None
        return Done(process.returncode, (out or b"").decode(), (err or b"").decode())

    def processes(self, name: str = "") -> list[int]:
        """The pids of all that our commands started and that still run; *name* is a part of the program's."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                mine = entry.name.isdigit() and self.mark.encode() in (entry / "environ").read_bytes()
                if mine and name in (entry / "comm").read_text():
                    found.append(int(entry.name))
            except OSError:
                continue  # it has ended, or is another user's
        return found

    async def gone(self, within: float = 10.0) -> None:
        """Return once none of them runs any more."""
        async with asyncio.timeout(within):
            while running := self.processes():
                await ended(running[0])

    async def close(self) -> None:
        """End what a test has left running."""
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)
        for process in self._started:
            await process.communicate()

    def use(self, *twins: Twin) -> None:
        """Configure *twins* as sites."""
        self.settings |= {f"DOORKEY_SITES__{twin.name.upper()}__URL": twin.url for twin in twins}


@pytest.fixture
async def doorkey(tmp_path: Path) -> AsyncIterator[Doorkey]:
    made = Doorkey(tmp_path)
    yield made
    await made.close()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home and a folder of this test's own for what it runs in this process; no variable of doorkey's is set."""
    for name in [*os.environ]:
        if name.startswith(("DOORKEY_", "XDG_")) or name in ("DISPLAY", "WAYLAND_DISPLAY"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def quick(home: Path) -> Iterator[Callable[..., Done]]:
    """Runs a command in this process: the same as `Doorkey`, for whatever needs no process of its own."""
    log = logging.getLogger("doorkey")
    level = log.level

    def run(*arguments: str, input: bytes | None = None, settings: Mapping[str, str] | None = None) -> Done:
        result = CliRunner().invoke(cli, arguments, input=input, env=settings, prog_name="doorkey")
        out, err = result.stdout_bytes.decode(), result.stderr_bytes.decode()  # its text has other line ends
        if isinstance(result.exception, DoorkeyError):
            return failed(result.exception, out, err)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return Done(result.exit_code, out, err)

    yield run
    log.setLevel(level)


@pytest.fixture
async def twin(doorkey: Doorkey) -> AsyncIterator[Twin]:
    """A site that is configured, and not yet entered."""
    async with ChatgptFreeTwin() as site:
        doorkey.use(site)
        yield site


@pytest.fixture
def nearby(home: Path, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Twin], Twin]]:
    """Serves a twin to commands in this process: it is configured, and not yet entered."""
    with ExitStack() as exits:

        def serve(twin: Twin) -> Twin:
            exits.enter_context(elsewhere(twin))
            monkeypatch.setenv(f"DOORKEY_SITES__{twin.name.upper()}__URL", twin.url)
            return twin

        yield serve


@pytest.fixture
def held(twin: Twin, doorkey: Doorkey) -> Callable[..., Awaitable[asyncio.subprocess.Process]]:
    """Starts a command, and returns it when its visit waits for the page."""

    async def start(*arguments: str, stderr: int = asyncio.subprocess.PIPE) -> asyncio.subprocess.Process:
        twin.switch(hold_page=True)
        process = await doorkey.start(*arguments, stderr=stderr)
        async with asyncio.timeout(LIMIT):
            await twin.counts.until(lambda counts: counts.held > 0)
        return process

    return start
