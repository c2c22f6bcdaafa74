"""`doorkey dashboard` prints a link that opens the running service's dashboard, once."""

from __future__ import annotations

import json
import re

import aiohttp
import pytest

from doorkey_providers.twins.twin import Twin

from .conftest import LIMIT, Doorkey
from .test_serve import line, until_it_rests


async def opens(link: str) -> int:
    jar = aiohttp.CookieJar(unsafe=True)
    timeout = aiohttp.ClientTimeout(LIMIT)
    async with aiohttp.ClientSession(cookie_jar=jar, timeout=timeout) as browser, browser.get(link) as answer:
        return answer.status


async def test_both_commands_print_a_link_that_opens_once(doorkey: Doorkey, twin: Twin) -> None:
    text = await until_it_rests(await doorkey.start("serve", "--port", "0"))
    printed = re.search(r"^dashboard +(http://127\.0\.0\.1:(\d+)/dashboard/enter/\S+)  \(opens once", text, re.M)
    assert printed is not None, text
    assert [await opens(printed[1]), await opens(printed[1])] == [200, 401]

    done = await doorkey.end(await doorkey.start("dashboard", "--port", printed[2]))
    assert (done.code, done.err) == (0, "")
    link, told = done.out.splitlines()
    assert told == "(works once, for 10 minutes)"
    assert [await opens(link), await opens(link)] == [200, 401]

    done = await doorkey.end(await doorkey.start("dashboard", "--json", "--url", f"http://127.0.0.1:{printed[2]}/"))
    made = json.loads(done.out)
    assert made["expires_in"] == 600
    assert await opens(made["url"]) == 200


async def test_a_service_without_a_key_needs_no_link(doorkey: Doorkey, twin: Twin) -> None:
    told = json.loads(await line(await doorkey.start("serve", "--port", "0", "--no-key", "--json")))
    base = told["base_url"].removesuffix("/v1")
    done = await doorkey.end(await doorkey.start("dashboard", "--url", base))
    assert done.out.splitlines()[0] == f"{base}/"
    assert await opens(done.out.splitlines()[0]) == 200


@pytest.mark.parametrize(
    ("settings", "arguments", "told"),
    [
        ({}, ("--url", "http://127.0.0.1:1"), "no service answers at http://127.0.0.1:1"),
        ({}, ("--url", "ftp://x"), "expected an http(s) URL"),
        ({"DOORKEY_SERVICE__PORT": "0"}, (), "name it with --port or --url"),
        ({"DOORKEY_SERVICE__SOCKET": "/tmp/doorkey.sock"}, (), "browsers open no Unix sockets"),
    ],
)
async def test_what_it_can_t_do_is_told(
    doorkey: Doorkey, settings: dict[str, str], arguments: tuple[str, ...], told: str
) -> None:
    done = await doorkey.end(await doorkey.start("dashboard", *arguments, settings=settings))
    assert done.code != 0
    assert told in done.err
    assert "Traceback" not in done.err
