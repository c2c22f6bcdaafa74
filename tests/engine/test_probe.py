"""A probe says how well a dead session would be noticed, and what it records settles which writes are sent again."""

from __future__ import annotations

import pytest
from aiohttp import web

from doorkey.engine.check.probe import Probed, example_of, probe_site
from doorkey.errors import SessionEnded

from .login_engine import SAVED, VAGUE, Engaged, LoginSite, engaged, page


async def probed(engine: Engaged, *, with_calls: bool = True) -> Probed:
    session = await engine.keeper.get(engine.target, deadline=engine.clock.now() + 10)  # type: ignore[arg-type]
    learning = engine.checks.learning
    transport = engine.selector.for_page(engine.target.site, session.key)
    calls = [example_of(text) for text in engine.target.provider.examples] if with_calls else None
    return await probe_site(learning, engine.target, session, transport, calls)  # type: ignore[arg-type]


async def test_what_a_probe_has_recorded_is_sent_again() -> None:
    async with engaged(examples=["POST /notes text=probe"]) as engine:
        engine.site.dead = VAGUE["an empty 500"]
        found = await probed(engine)
        assert "a dead session is noticed" in found.noticed
        assert "strangers get" in found.spoiled
        assert found.calls == (
            "POST /notes text=probe: a stranger gets HTTP 500 (no type); after a death, a request "
            "with this answer is sent again",
        )
        await engine.write("one")
        engine.site.kill()
        assert await engine.write("two") == (302, "ok", 1)
        assert engine.site.notes == ["one", "two"]


async def test_what_a_probe_has_recorded_is_suspect_before_any_write_was_accepted() -> None:
    async with engaged(examples=["POST /notes text=probe"]) as engine:
        engine.site.dead = lambda request: page("<title>Notes</title>Send the form again")
        await probed(engine)
        engine.site.kill()
        assert await engine.write("first") == (302, "ok", 1)
        assert engine.site.notes == ["first"]


async def test_without_a_probe_the_same_answer_is_told() -> None:
    async with engaged() as engine:
        engine.site.dead = VAGUE["an empty 500"]
        await probed(engine, with_calls=False)
        await engine.write("one")
        engine.site.kill()
        with pytest.raises(SessionEnded):
            await engine.write("two")


async def test_a_stranger_who_may_write_teaches_nothing() -> None:
    async with engaged(examples=["POST /plain text=probe"]) as engine:
        await engine.write("one", "/plain")
        await engine.settle()
        engine.site.dead = lambda request: engine.site.writes["/plain"](request, "")
        engine.site.writes["/plain"] = saved
        found = await probed(engine)
        assert "so it tells nothing" in found.calls[0]


def saved(request: web.Request, sid: str) -> web.Response:
    return page(SAVED)


async def test_a_sign_that_strangers_see_is_told() -> None:
    async with engaged(server=LoginSite(open_to_all=True)) as engine:
        found = await probed(engine)
        assert "strangers see" in found.noticed
