"""Changed settings are taken over while the service runs; a fault in them changes nothing."""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path

import aiohttp
import pytest
from double import DoubleRuntime

from doorkey import Runtime, Settings
from doorkey.clock import SystemClock
from doorkey.config.registry import leave_out_broken
from doorkey.config.settings import ServiceSettings
from doorkey.errors import ConfigurationError, UnknownSite
from doorkey.service.app import adopt, build_app, serve
from doorkey.service.reload import Reloader

sys.path.insert(0, str(Path(__file__).parents[1]))
from entered import until

ONE = '[sites.aichats]\nurl = "http://127.0.0.1:9/"\n'
TWO = ONE + '[sites.wiki]\nprovider = "web"\nurl = "http://127.0.0.1:9/"\n'


class FastClock(SystemClock):
    """Looks at the files without a pause."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


async def test_a_changed_file_is_taken_over_and_a_faulty_one_is_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "doorkey")
    path, taken = tmp_path / "doorkey.toml", list[Settings]()
    path.write_text(ONE)
    reloader = Reloader(
        Settings.load(path),
        load=lambda: Settings.load(path),
        adopt=taken.append,
        files=lambda _: [path],
        clock=FastClock(),
    )
    watching = asyncio.create_task(reloader.watch())
    await asyncio.sleep(0)
    path.write_text(TWO)
    await until(lambda: bool(taken))
    assert list(taken[0].sites) == ["aichats", "wiki"]
    assert "sites added: wiki" in caplog.text
    path.write_text("[sites")
    await until(lambda: "not taken over" in caplog.text)
    path.write_text(ONE + "[browser]\nidle = 5.0\n")
    await until(lambda: len(taken) == 2)
    assert "sites removed: wiki" in caplog.text
    assert "browser: changes take effect when the service is started again" in caplog.text
    watching.cancel()


async def test_other_keys_and_hosts_hold_for_the_next_request_and_streams_go_on(runtime: DoubleRuntime) -> None:
    gate = asyncio.Event()
    runtime.script = [["Hello"], gate, [" there"]]
    app = build_app(runtime, service=ServiceSettings(), key="old")
    asked = {"model": "aichats/gpt-4", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
    async with (
        serve(app, "127.0.0.1", 0, shutdown=1.0) as base,
        aiohttp.ClientSession(base) as client,
        client.post("/v1/chat/completions", json=asked, headers={"x-api-key": "old"}) as stream,
    ):
        await stream.content.readuntil(b"Hello")
        adopt(app, ServiceSettings(hosts=("doorkey",)), "new")
        for key, host, status in (
            ("old", "localhost", 401),
            ("new", "localhost", 200),
            ("new", "doorkey", 200),
            ("new", "x", 403),
        ):
            async with client.get("/v1/models", headers={"x-api-key": key, "Host": host}) as response:
                assert response.status == status
        gate.set()
        assert (await stream.read()).endswith(b"data: [DONE]\n\n")


def settings(text: str, tmp_path: Path) -> Settings:
    path = tmp_path / "doorkey.toml"
    path.write_text(text)
    return Settings.load(path)


async def test_a_runtime_takes_other_sites_over(tmp_path: Path) -> None:
    async with Runtime(settings(ONE + '[models]\nfast = ["aichats/gpt-4"]\n', tmp_path)) as runtime:
        assert runtime.models()[-1] == "fast"
        with pytest.raises(UnknownSite):
            runtime.target("wiki")
        before = runtime.target("aichats")
        runtime.adopt(settings(TWO, tmp_path))
        assert runtime.target("wiki").site.name == "wiki"
        assert "fast" not in runtime.models()
        assert runtime.target("aichats").key == before.key
        with pytest.raises(ConfigurationError, match="no provider is called"):
            runtime.adopt(settings(TWO.replace('"web"', '"nobody"'), tmp_path))
        assert list(runtime.sites) == ["aichats", "wiki"]


async def test_a_runtime_takes_other_manners_over(tmp_path: Path) -> None:
    def with_rate(at_once: int) -> Settings:
        return settings(f"{ONE}[sites.aichats.manners]\nat_once = {at_once}\n", tmp_path)

    async with Runtime(with_rate(2)) as runtime:
        assert (pace := runtime.status()[0].pace) is not None
        assert pace.at_once == 2
        runtime.adopt(with_rate(5))
        assert (pace := runtime.status()[0].pace) is not None
        assert pace.at_once == 5


async def test_one_broken_site_never_stops_the_others(tmp_path: Path) -> None:
    odd = '[sites.odd]\nprovider = "nobody"\nurl = "http://127.0.0.1:9/"\n'
    models = '[models]\nfast = ["odd/x", "aichats/gpt-4"]\nodd = ["odd/x"]\n'
    usable, faults = leave_out_broken(settings(ONE + odd + models, tmp_path))
    assert (list(usable.sites), usable.models) == (["aichats"], {"fast": ("aichats/gpt-4",)})
    assert "no provider is called 'nobody'" in faults["odd"]
    with pytest.raises(ConfigurationError, match="nobody"):
        leave_out_broken(settings(odd, tmp_path))
