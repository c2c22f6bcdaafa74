"""`doorkey demo --once` tells the whole story, and leaves nothing behind."""

from __future__ import annotations

import re

import pytest

from .conftest import Doorkey

pytestmark = pytest.mark.browser


async def test_the_demo_tells_the_story_and_leaves_nothing_behind(doorkey: Doorkey) -> None:
    process = await doorkey.start("demo", "--once", "--port", "0")
    done = await doorkey.end(process)
    assert (done.code, done.err) == (0, "")
    story = [
        r"Local copies of sites.*\n  chatgptfree +http://127.0.0.1:\d+/",
        r"which has no session yet\n  chatgptfree < What does doorkey do\?\n  chatgptfree > \S",
        r"including a visit by a real Chromium; the site saw 1 page load, 1 request\n",
        r" ms: the same session, plain HTTP; the site saw 1 page load, 2 requests\n",
        r"changes its tokens; 20 callers ask at the same time\n",
        r"\n  20 answers in [\d.]+ s: \d+ were refused, and the page was loaded once for all of them\n",
        r"The same for aichats\n.*\n.*\n  [\d.]+ s; the site saw 1 page load, 1 request\n",
    ]
    assert [part for part in story if not re.search(part, done.out)] == []
    assert "\x1b" not in done.out
    await doorkey.gone()
    assert list(doorkey.folder.iterdir()) == []
    assert not [path for path in doorkey.home.rglob("*") if path.suffix == ".db" or path.name.startswith("run-")]
