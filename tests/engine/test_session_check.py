"""A dead session is noticed by the site's own page, whatever its answers look like, and no write is made twice."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from aiohttp import web

from doorkey.clock import SystemClock
from doorkey.engine.check.checks import EVERY
from doorkey.errors import SessionEnded
from doorkey.model.request import Request
from doorkey.sessions.memory import MemoryStore

from .login_engine import DEAD, VAGUE, Engaged, LoginSite, engaged, page

pytestmark = pytest.mark.slow


async def warm(engine: Engaged, path: str = "/notes") -> None:
    """An accepted write, after which the check is calibrated."""
    await engine.write("warm", path)
    await engine.settle()


@pytest.mark.parametrize("form", DEAD)
async def test_fifty_writes_across_a_death_are_each_made_once(form: str) -> None:
    async with engaged() as engine:
        engine.site.dead = DEAD[form]
        await warm(engine)
        engine.site.kill()
        answers = await asyncio.gather(*(engine.write(f"n{number}") for number in range(50)))
        assert {status for status, _, _ in answers} == {302}
        assert Counter(engine.site.notes) == Counter(["warm", *(f"n{number}" for number in range(50))])
        assert engine.target.visits == 2
        assert engine.site.pages <= 4, "one check, and one look where the answer leads"


@pytest.mark.parametrize("form", VAGUE)
async def test_what_may_have_been_processed_is_told_and_not_sent_again(form: str) -> None:
    async with engaged() as engine:
        engine.site.dead = VAGUE[form]
        await warm(engine)
        engine.site.kill()
        with pytest.raises(SessionEnded, match="POST /notes") as told:
            await engine.write("lost")
        assert told.value.answer_status in (400, 500)
        assert await engine.write("next") == (302, "ok", 0)
        assert engine.site.notes == ["warm", "next"]
        assert engine.target.visits == 2


@pytest.mark.parametrize("form", VAGUE)
async def test_a_setting_says_that_a_death_is_proof_enough(form: str) -> None:
    async with engaged(resend="dead") as engine:
        engine.site.dead = VAGUE[form]
        await warm(engine)
        engine.site.kill()
        assert await engine.write("again") == (302, "ok", 1)
        assert engine.site.notes == ["warm", "again"]


async def test_a_setting_says_that_no_write_is_sent_again() -> None:
    async with engaged(resend="never") as engine:
        await warm(engine)
        engine.site.kill()
        with pytest.raises(SessionEnded):
            await engine.write("once")
        assert engine.site.notes == ["warm"]


async def test_reading_is_sent_again_whatever_the_answer_was() -> None:
    async with engaged() as engine:
        await warm(engine)
        engine.site.kill()
        read = Request(url="/notes", repeatable=True)
        assert (await engine.send(read))[2] == 1


@pytest.mark.parametrize(
    "refusal",
    [
        lambda request, sid: web.json_response({"field": "too long"}, status=422),
        lambda request, sid: web.Response(status=403),
        lambda request, sid: page("<p>wrong field</p>", 400),
    ],
    ids=["validation", "forbidden", "wrong field"],
)
async def test_a_refusal_for_another_reason_costs_a_check_and_no_visit(refusal: object) -> None:
    async with engaged() as engine:
        await warm(engine)
        engine.site.writes["/other"] = refusal  # type: ignore[assignment]
        before = engine.site.pages
        answers = await asyncio.gather(*(engine.write(path="/other") for _ in range(10)))
        assert {status for status, _, _ in answers} <= {400, 403, 422}
        assert engine.target.visits == 1
        assert engine.site.pages - before <= 2


async def test_answers_that_set_a_cookie_to_what_it_is_cost_one_check() -> None:
    def refuse(request: web.Request, sid: str) -> web.Response:
        return page("<p>wrong field</p>", 400, **{"Set-Cookie": f"sid={sid}; Path=/; Max-Age=1000"})

    async with engaged() as engine:
        await warm(engine)
        engine.site.writes["/other"] = refuse
        before = engine.site.pages
        await asyncio.gather(*(engine.write(path="/other") for _ in range(10)))
        assert engine.site.pages - before <= 2


async def test_a_death_of_the_same_form_a_moment_later_is_found() -> None:
    async with engaged() as engine:
        await warm(engine)
        engine.site.dead = DEAD["a bare 403"]
        engine.site.writes["/other"] = lambda request, sid: web.Response(status=403)
        assert (await engine.write(path="/other"))[0] == 403
        engine.site.kill()
        assert await engine.write("saved", "/notes") == (302, "ok", 1)
        assert engine.site.notes == ["warm", "saved"]


async def test_a_write_that_rotates_the_cookie_and_fails_is_made_once() -> None:
    def rotate(request: web.Request, sid: str) -> web.Response:
        engine.site.notes.append("rotated")
        engine.site.live.discard(sid)
        return web.Response(status=500, headers={"Set-Cookie": f"sid={engine.site.log_in()}; Path=/"})

    async with engaged() as engine:
        await warm(engine)
        engine.site.writes["/rotate"] = rotate
        assert (await engine.write(path="/rotate"))[0] == 500
        assert engine.site.notes == ["warm", "rotated"]
        assert await engine.write("next") == (302, "ok", 0)
        assert engine.target.visits == 1, "the rotated cookie is the session's"


@pytest.mark.parametrize("location", ["/login", "/", "/bye"])
async def test_a_logout_is_made_once(location: str) -> None:
    outs: list[str] = []

    def log_out(request: web.Request, sid: str) -> web.Response:
        outs.append(sid)
        engine.site.live.discard(sid)
        return page("", 302, Location=location)

    async with engaged() as engine:
        await warm(engine)
        engine.site.writes["/logout"] = log_out
        assert await engine.write(path="/logout") == (302, "ok", 0)
        assert len(outs) == 1
        assert await engine.write("next") in ((302, "ok", 0), (302, "ok", 1))
        assert (len(outs), engine.site.notes) == (1, ["warm", "next"])


async def test_a_page_that_strangers_see_tells_nothing_and_all_is_as_before() -> None:
    async with engaged(server=LoginSite(open_to_all=True)) as engine:
        await warm(engine)
        engine.site.kill()
        assert await engine.write("again") == (302, "ok", 1)  # 401 renews, as it does without a check
        assert "strangers see" in engine.checks.status(engine.target.key)[1]
        pages = engine.site.pages
        engine.site.writes["/other"] = lambda request, sid: web.Response(status=422)
        assert (await engine.write(path="/other"))[0] == 422
        assert engine.site.pages == pages


async def test_maintenance_says_nothing_about_the_session() -> None:
    async with engaged() as engine:
        await warm(engine)
        engine.site.down = True
        engine.site.writes["/other"] = lambda request, sid: web.Response(status=500)
        assert await engine.write(path="/other") == (500, "unchecked", 0)
        assert engine.target.visits == 1


async def test_what_was_learned_outlives_the_process() -> None:
    clock = SystemClock()
    store = MemoryStore(clock)
    site = LoginSite()
    async with engaged(store=store, clock=clock, server=site) as first:
        await warm(first)
        text = await store.learned(first.target.key)
    assert "s0" not in text, "no value of a cookie is kept"
    assert "warm" not in text
    site.kill()
    site.strangers = 0
    async with engaged(store=store, clock=clock, server=site) as second:
        await store.learn(second.target.key, lambda _: text)  # the port, and so the key, is another one
        second.site.dead = DEAD["the login page, its fields at byte 20,000"]
        await second.write("fresh")
        await second.settle()
        assert site.strangers == 0


async def test_an_answer_that_differs_from_ten_accepted_ones_is_suspect() -> None:
    async with engaged() as engine:
        for number in range(12):
            await engine.write(f"n{number}", "/plain")
        await engine.settle()
        pages = engine.site.pages
        engine.site.dead = lambda request: web.json_response({"ok": False})
        engine.site.kill()
        with pytest.raises(SessionEnded):
            await engine.write("lost", "/plain")
        assert engine.site.pages == pages + 1


async def test_new_calls_wait_for_a_check_before_they_are_sent() -> None:
    async with engaged() as engine:
        await warm(engine)
        engine.site.kill()
        first = asyncio.create_task(engine.write("first"))
        async with asyncio.timeout(10 * EVERY):  # the write that warmed up was checked; the next check waits
            while engine.checks.learning.get(engine.target.key).task is None:  # type: ignore[union-attr]
                await asyncio.sleep(0)
        others = await asyncio.gather(*(engine.write(f"n{number}") for number in range(5)))
        assert {renewed for *_, renewed in others} == {0}, "they were sent with the new session at once"
        assert (await first)[2] == 1
        assert engine.target.visits == 2


async def test_a_success_that_looks_like_others_costs_nothing() -> None:
    async with engaged() as engine:
        await warm(engine, "/plain")
        pages = engine.site.pages
        for number in range(20):
            assert await engine.write(f"n{number}", "/plain") == (200, "ok", 0)
        assert engine.site.pages == pages
