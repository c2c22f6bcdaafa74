"""`doorkey add` on software that none of us wrote: it is told, and what was written carries logged-in writes."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urljoin

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from software.application import PASSWORD, USER, Application
from software.wordpress import WordPress

LIMIT = 180.0
KINDS = {
    "mediawiki": "MediaWiki",
    "dokuwiki": "DokuWiki",
    "django": "Django's admin",
    "flask": "Flask-WTF",
    "jupyter": "Jupyter",
}
LOGINS = {"mediawiki": "index.php?title=Special:UserLogin", "dokuwiki": "doku.php?id=start&do=login"}
"""Where one logs in at software that lets strangers read; the others ask at once."""
LEFT_OUT = ("wordpress",)
"""Applications with a test of their own below."""
ONCE = "flask"
"""Its forms have a second token that serves once, which no page says of itself."""


@pytest.fixture
def site(application: Application) -> str:
    """The site's name, by which the variables of its login are those that the application has."""
    return next(iter(application.environment)).partition("_")[0].lower()


async def doorkey(folder: Path, *arguments: str, **variables: str) -> tuple[int, str, str]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), **variables}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "doorkey", *arguments, cwd=folder, env=environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(LIMIT):
        out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def added(folder: Path, *arguments: str, **variables: str) -> dict[str, Any]:
    _, out, err = await doorkey(folder, "add", *arguments, "--json", **variables)
    assert err == ""
    told: dict[str, Any] = json.loads(out)
    return told


async def test_its_front_page_tells_what_it_is(application: Application, tmp_path: Path) -> None:
    told = await added(tmp_path, application.url, "--name", "it")
    assert told["kind"] == KINDS[application.name]
    assert tomllib.loads((tmp_path / "doorkey.toml").read_text())["sites"]["it"]["url"] == application.url
    if application.name in LOGINS:
        assert (told["exit"], told["check"]["exit"]) == (0, 0), "strangers may read"
        assert any(row["what"] == "login" for row in told["found"]), "where one may log in is said"
    else:
        unset = [f"IT_{name.partition('_')[2]}" for name in application.environment]
        assert (told["exit"], told["missing"]) == (3, unset)


async def test_what_is_written_for_its_login_carries_writes_over_a_killed_session(
    application: Application, site: str, tmp_path: Path
) -> None:
    variables = dict(application.environment)
    url = urljoin(application.url, LOGINS.get(application.name, ""))
    told = await added(tmp_path, url, "--name", site, **variables)
    assert (told["kind"], told["exit"]) == (KINDS[application.name], 0)
    assert application.password not in json.dumps(told) + (tmp_path / "doorkey.toml").read_text()
    assert (await doorkey(tmp_path, "fetch", site, told["fetch"].split()[-1].strip("'"), **variables))[0] == 0
    if application.name == ONCE:
        return
    for mark in ("add1x", "add2x"):
        write = application.write(mark)
        body = ["-d", urlencode(write.form)] if write.form is not None else ["--json", json.dumps(write.json)]
        code, _, err = await doorkey(tmp_path, "fetch", site, write.path, "-X", write.method, *body, **variables)
        assert (code, err) == (0, "")
        await asyncio.to_thread(application.kill_sessions)
    assert application.writes("add") == {"add1x": 1, "add2x": 1}


@pytest.mark.real("wordpress")
@pytest.mark.parametrize(
    ("generation", "switches"),
    [("1.9", {"bots": ("5",)}), ("1.9", {"bots": (), "widget": True}), ("2.x", {"popup": True})],
)
async def test_ai_power_on_a_real_wordpress_is_told_by_its_generation_and_answers(
    wordpress: WordPress, generation: str, switches: dict[str, Any], tmp_path: Path
) -> None:
    wordpress.plugin(generation, "json")
    wordpress.switch(**switches)
    told = await added(tmp_path, f"{wordpress.url}/chat/", "--name", "blog")
    assert (told["kind"], told["provider"], told["exit"]) == (f"AI Power {generation[0]}.x", "wpaicg", 0)
    code, answer, err = await doorkey(tmp_path, "ask", "-m", "blog", "Hello")
    assert (code, err) == (0, "")
    assert answer.strip()


@pytest.mark.real("wordpress")
async def test_wordpress_itself_is_logged_in_and_its_rest_api_written_to_over_a_killed_session(
    wordpress: WordPress, tmp_path: Path
) -> None:
    wordpress.switch(gone=True)
    told = await added(tmp_path, wordpress.url, "--name", "stranger")
    assert (told["kind"], told["exit"]) == ("WordPress", 0)
    # On a busy machine, PHP needs long for the many scripts of wp-admin.
    variables = {"BLOG_USER": USER, "BLOG_PASSWORD": PASSWORD, "DOORKEY_LIMITS__VISIT": "150"}
    told = await added(tmp_path, f"{wordpress.url}/wp-login.php", "--name", "blog", **variables)
    assert (told["kind"], told["exit"]) == ("WordPress", 0)
    for title in ("one", "two"):
        write = ("/?rest_route=/wp/v2/posts", "--json", json.dumps({"title": title}))
        code, answer, err = await doorkey(tmp_path, "fetch", "blog", *write, **variables)
        assert (code, err) == (0, "")
        assert json.loads(answer)["title"]["raw"] == title
        await asyncio.to_thread(wordpress.kill_sessions)
