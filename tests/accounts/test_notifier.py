"""The user is told that a site needs a person, once, without secrets, and without holding up anybody."""

from __future__ import annotations

import json
import logging
import shlex
import sys
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from doorkey import Runtime, Settings
from doorkey.accounts.notifier import AGAIN, Notifier
from doorkey.errors import NeedsPerson
from doorkey.model.events import VisitEvent

sys.path.insert(0, str(Path(__file__).parents[1]))
from login_site import PASSWORD, USER, LoginSite
from stepped_clock import SteppedClock

WRITES = """
import json, os

with open({!r}, "a") as file:
    print(json.dumps([os.environ["NOTIFY_SITE"], os.environ["NOTIFY_REASON"]]), file=file)
"""


def writing(path: Path) -> str:
    return shlex.join([sys.executable, "-c", WRITES.format(str(path))])


def needed(site: str = "wiki", step: str = "person") -> VisitEvent:
    return VisitEvent(at=1_700_000_000.0, site=site, step=step, detail="a code is asked for")  # type: ignore[arg-type]


async def test_a_command_is_told_once_an_hour_for_each_site(tmp_path: Path) -> None:
    clock, told = SteppedClock(), tmp_path / "told"
    notifier = Notifier(clock, command=writing(told))
    for event in (needed(), needed(), needed("blog"), needed(step="login")):
        notifier.on_event(event)
    await notifier.close()
    lines = sorted(map(json.loads, told.read_text().splitlines()))
    assert lines == [["blog", "a code is asked for"], ["wiki", "a code is asked for"]]
    await clock.advance(AGAIN)
    notifier.on_event(needed())
    await notifier.close()
    assert len(told.read_text().splitlines()) == 3


async def test_a_webhook_gets_json() -> None:
    got: list[object] = []

    async def take(request: web.Request) -> web.Response:
        got.append(await request.json())
        return web.Response()

    app = web.Application()
    app.router.add_post("/hook", take)
    async with TestServer(app, host="127.0.0.1") as server:

        async def url() -> str:
            return str(server.make_url("/hook"))

        notifier = Notifier(SteppedClock(), webhook=url)
        notifier.on_event(needed())
        await notifier.close()
    assert got == [{"site": "wiki", "reason": "a code is asked for", "at": "2023-11-14T22:13:20+00:00"}]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("/nowhere/at-all", "notify.command failed: No such file or directory"),
        (f"{sys.executable} -c 'raise SystemExit(3)'", "notify.command ended with exit code 3"),
        (f"{sys.executable} -c 'import sys; sys.stdin.close(); __import__(\"signal\").pause()'", "did not end within"),
    ],
)
async def test_a_notice_that_fails_is_logged(command: str, said: str, caplog: pytest.LogCaptureFixture) -> None:
    notifier = Notifier(SteppedClock(), command=command, limit=2.0)
    with caplog.at_level(logging.WARNING, "doorkey.notify"):
        notifier.on_event(needed())
        await notifier.close()
    assert said in caplog.text


async def test_a_webhook_that_is_not_there_is_logged_without_its_url(caplog: pytest.LogCaptureFixture) -> None:
    async def url() -> str:
        return "http://127.0.0.1:1/secret-path"

    notifier = Notifier(SteppedClock(), webhook=url)
    notifier.on_event(needed())
    await notifier.close()
    assert "notify.webhook failed" in caplog.text
    assert "secret-path" not in caplog.text


@pytest.mark.browser
async def test_a_login_that_asks_for_a_code_notifies(
    members: LoginSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    members.asks_code, told = True, tmp_path / "told"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    steps = [
        {"open": "/login"}, {"fill": "#user", "value": USER}, {"fill": "#pw", "value": "env:WIKI_PW"},
        {"click": "form button"},
    ]  # fmt: skip
    monkeypatch.setenv("WIKI_PW", PASSWORD)
    wiki = {"provider": "web", "url": members.url, "ready": "a[href*=logout]", "visit": {"steps": steps}}
    settings = Settings.model_validate(
        {"store": {"url": "memory://"}, "sites": {"wiki": wiki}, "notify": {"command": writing(told)}}
    )
    async with Runtime(settings) as runtime:
        with pytest.raises(NeedsPerson, match="one-time code"):
            await runtime.session("wiki")
    [(site, reason)] = map(json.loads, told.read_text().splitlines())
    assert (site, "one-time code" in reason, PASSWORD in reason) == ("wiki", True, False)
