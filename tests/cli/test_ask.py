"""`doorkey ask` prints the answer and nothing else; however it ends, nothing is left behind."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from doorkey import Runtime, Settings
from doorkey.browser import BrowserPool
from doorkey_providers.twins.aichats import AiChatsTwin
from doorkey_providers.twins.twin import Twin

from .conftest import LIMIT, Done, Doorkey

pytestmark = [pytest.mark.browser, pytest.mark.slow]

Held = Callable[..., Awaitable[Process]]


async def test_the_answer_is_all_that_is_printed(doorkey: Doorkey, twin: Twin) -> None:
    done = await doorkey("ask", "What is a nonce?")
    assert (done.code, done.out, done.err) == (0, "chatgptfree heard: What is a nonce?\n", "")
    spoken = await doorkey("ask", "-m", "chatgptfree", "-", stdin="Wo ist der Schlüssel?\n".encode())
    assert "Wo ist der Schlüssel?" in spoken.out
    machine = json.loads((await doorkey("ask", "--json", "again")).out)
    assert (machine["site"], machine["renewed"], machine["answer"]) == ("chatgptfree", 0, "chatgptfree heard: again")
    assert twin.counts.page_loads == 1


def test_a_picture_is_written_to_its_file(quick: Callable[..., Done], nearby: Callable[[Twin], Twin]) -> None:
    nearby(AiChatsTwin())
    done = quick("ask", "--image", "key.png", "a key")
    assert (done.code, done.err) == (0, f"key.png: {Path('key.png').stat().st_size} bytes, image/png\n")
    assert Path("key.png").read_bytes().startswith(b"\x89PNG")


@pytest.fixture
async def entered(doorkey: Doorkey, twin: Twin, browsers: BrowserPool, tmp_path: Path) -> None:
    """A session is there already: what a command does with its streams needs no visit."""
    store = f"sqlite://{tmp_path / 'sessions.db'}"
    settings = Settings.model_validate({"sites": {twin.name: {"url": twin.url}}, "store": {"url": store}})
    async with Runtime(settings, pool=browsers) as runtime:
        await runtime.visit(twin.name)
    doorkey.settings["DOORKEY_STORE__URL"] = store


@pytest.mark.usefixtures("entered")
async def test_a_reader_that_leaves_is_no_error(doorkey: Doorkey) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        process = await doorkey.start("ask", "hello", stdout=writing)
    finally:
        os.close(writing)
    done = await doorkey.end(process)
    assert (done.code, done.err) == (141, "")
    await doorkey.gone()


@pytest.mark.usefixtures("entered")
async def test_closed_standard_streams_do_no_harm(doorkey: Doorkey, twin: Twin) -> None:
    command = doorkey.command
    doorkey.command = "/bin/sh"
    process = await doorkey.start("-c", f"'{command}' ask hello <&- >&-; echo $? >&2")
    assert (await doorkey.end(process)).err == "0\n"
    assert twin.counts.accepted == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])  # SIGTERM: as in test_serve
async def test_a_signal_during_a_visit_ends_all_without_a_word(
    doorkey: Doorkey, held: Held, number: signal.Signals
) -> None:
    process = await held("ask", "hello")
    assert doorkey.processes("chrom")
    process.send_signal(number)
    done = await doorkey.end(process)
    assert (done.code, done.out, done.err) == (130, "", "")
    await doorkey.gone(within=3.0)


async def test_a_kill_during_a_visit_leaves_no_chromium(doorkey: Doorkey, held: Held) -> None:
    process = await held("ask", "hello")
    process.kill()
    await doorkey.gone(within=3.0)
    assert (await doorkey.end(process)).code == -signal.SIGKILL


async def test_a_terminal_is_told_what_goes_on(doorkey: Doorkey, twin: Twin, held: Held) -> None:
    terminal, inner = pty.openpty()
    os.set_blocking(terminal, False)
    seen = bytearray()
    more = asyncio.Event()

    def read() -> None:
        try:
            seen.extend(os.read(terminal, 4096))
        except OSError:  # its other end is closed
            asyncio.get_running_loop().remove_reader(terminal)
        more.set()

    asyncio.get_running_loop().add_reader(terminal, read)
    try:
        process = await held("ask", "hello", stderr=inner)
        os.close(inner)
        async with asyncio.timeout(LIMIT):
            while f"opening {twin.url}".encode() not in seen:
                more.clear()
                await more.wait()
        twin.switch(release=True)
        done = await doorkey.end(process)
    finally:
        asyncio.get_running_loop().remove_reader(terminal)
        os.close(terminal)
    assert (done.code, done.out) == (0, "chatgptfree heard: hello\n")
