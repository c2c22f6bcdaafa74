"""Real limits on requests: they are told and never visited for, and what is answered beside them is right."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import aiohttp
import pytest

from doorkey.errors import RateLimited

sys.path.insert(0, str(Path(__file__).parent))
from asking import ANSWERED, entered, outcome, outcomes, visits
from software.gated import Gated
from software.nginx import limited as limiting
from software.packages import Packages, Unavailable

pytestmark = pytest.mark.browser

Start = Callable[..., Gated]
AT_ONCE = 60
HOUR = 3600


@pytest.fixture
def behind(start: Start) -> Gated:
    return start("open")


@pytest.fixture
def nginx(packages: Packages, tmp_path: Path, behind: Gated) -> Iterator[str]:
    try:
        with limiting(packages, tmp_path / "nginx", behind.host) as url:
            yield url
    except Unavailable as unavailable:
        pytest.skip(f"nginx can't be had here: {unavailable}")


@pytest.mark.real("nginx")
@pytest.mark.parametrize(("way", "limited"), [("bare", "HTTP 503"), ("told", "HTTP 429")])
async def test_nginx_s_limit_causes_no_visit(nginx: str, behind: Gated, way: str, limited: str) -> None:
    said: list[str] = []
    async with entered(nginx, said=said) as runtime:
        met = await outcomes(runtime, [f"question {number}" for number in range(AT_ONCE)], f"/{way}/api/heard")
        assert set(met) == {ANSWERED, limited}
        (status,) = runtime.status()
        assert (visits(said), status.state) == (1, "fresh")
    counts = behind.counts()
    assert (counts["pages"], counts["calls"]) == (1, met[ANSWERED])


@pytest.mark.real("nginx")
@pytest.mark.parametrize(("way", "limited"), [("bare", "HTTP 503"), ("told", "HTTP 429")])
async def test_after_a_refusal_the_others_wait_for_as_long_as_nginx_says_and_are_answered(
    nginx: str, way: str, limited: str
) -> None:
    # Three are let through at once; without the wait all others were refused.
    async with entered(nginx, manners={"at_once": 1, "rate": 50}) as runtime:
        met = await outcomes(runtime, [f"question {number}" for number in range(8)], f"/{way}/api/heard")
    assert set(met) <= {ANSWERED, limited}
    assert met[limited] <= 2


@pytest.mark.real("nginx")
@pytest.mark.parametrize(("path", "after"), [("bare-page", None), ("told-page", 3.0)])
async def test_a_page_that_nginx_limits_is_left_alone_for_the_time_it_names(
    nginx: str, behind: Gated, path: str, after: float | None
) -> None:
    async with entered(f"{nginx}/{path}") as runtime:
        await runtime.session("notes")
        with pytest.raises(RateLimited) as told:
            await runtime.visit("notes")
        assert told.value.retry_after is not None
        assert after is None or told.value.retry_after <= after
        assert await outcome(runtime, "the session is as good as before") == ANSWERED
    assert behind.counts()["pages"] == 1


@pytest.mark.real("nginx")
async def test_callers_who_find_the_page_limited_are_all_told_by_one_visit(nginx: str, behind: Gated) -> None:
    async with aiohttp.ClientSession() as person, person.get(f"{nginx}/told-page") as page:
        assert page.status == 200
    said: list[str] = []
    async with entered(f"{nginx}/told-page", said=said) as runtime:
        for _ in range(2):
            met = await outcomes(runtime, [f"question {number}" for number in range(AT_ONCE)])
            assert met == {"RateLimited": AT_ONCE}
    assert visits(said) == 1
    counts = behind.counts()
    assert (counts["pages"], counts["calls"]) == (1, 0)


@pytest.mark.real("express")
async def test_express_rate_limit_causes_no_visit_however_it_is_told(start: Start) -> None:
    notes = start("express", limit=20, seconds=HOUR, page=False)
    said: list[str] = []
    async with entered(notes.url, said=said) as runtime:
        for way in ("legacy", "draft-6", "draft-7", "draft-8"):
            met = await outcomes(runtime, [f"{way} {number}" for number in range(AT_ONCE)], f"/{way}/heard")
            assert met == {ANSWERED: 20, "HTTP 429": AT_ONCE - 20}
        (status,) = runtime.status()
        assert (visits(said), status.state) == (1, "fresh")
    assert notes.counts() == {"pages": 1, "calls": 80, "limited": 4 * (AT_ONCE - 20)}


@pytest.mark.real("express")
async def test_a_page_that_express_limits_is_visited_no_more_in_its_time(start: Start) -> None:
    notes = start("express", limit=1, seconds=HOUR, page=True)
    async with entered(notes.url) as runtime:
        await runtime.session("notes")
        with pytest.raises(RateLimited) as told:
            await runtime.visit("notes")
        assert told.value.retry_after == pytest.approx(HOUR, abs=60)
        assert await outcome(runtime, "the session is as good as before", "/draft-8/heard") == ANSWERED
    assert notes.counts()["pages"] == 1
