"""What must hold of keepers while the store is away, while a process ends, and of what they keep from a visit."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from dataclasses import replace

from doorkey.errors import Blocked, NeedsPerson, RateLimited, SiteDown, Unavailable, VisitFailed
from doorkey.model.cookies import Cookie

from .fleet_world import KEY, Properties, World, gather, session_of, told

CALLER: ContextVar[str] = ContextVar("CALLER", default="")
PROPERTIES = Properties()
holds = PROPERTIES.holds


@holds
async def a_store_that_is_away_is_waited_for_a_while_and_its_failure_is_remembered(world: World) -> None:
    node = world.node()
    held = await node.get()
    node.keeper.accept(held)
    node.store.away = True
    waiting = asyncio.create_task(node.renew(held))
    await world.clock.sleep(world.chance.uniform(1, 8))
    node.store.away = False
    renewed = await waiting
    node.keeper.accept(renewed)
    node.store.away, began = True, world.clock.now()
    assert isinstance(await told(node.renew(renewed)), Unavailable)
    assert 10 <= world.clock.now() - began <= 11
    state = node.keeper.states[KEY]
    assert isinstance(state.pause.why, Unavailable), "it is not asked at every request"
    assert state.pause.until > world.clock.now() - 0.5
    assert world.site.made == 2


@holds
async def a_pause_is_told_with_its_own_error_while_the_store_is_away(world: World) -> None:
    node = world.node(patience=0.0)
    world.site.failure = world.chance.choice(
        (NeedsPerson("a code"), Blocked("blocked"), SiteDown("down", arrived=True))
    )
    assert isinstance(await told(node.get()), type(world.site.failure))
    node.store.away = True
    error = await told(node.get())
    assert isinstance(error, type(world.site.failure))
    assert error.retry_after is not None
    assert len(world.site.begun) == 1


@holds
async def a_claim_outlasts_an_absence_of_the_store_shorter_than_it(world: World) -> None:
    world.site.seconds = 30.0
    node, other = world.node(), world.node()
    visiting = asyncio.create_task(node.get())
    await world.clock.sleep(world.chance.uniform(4, 10))
    node.store.away = True
    await world.clock.sleep(6)
    node.store.away = False
    waiting = asyncio.create_task(other.get())
    await world.clock.sleep(60)
    assert (len(world.site.begun), world.site.most_at_once) == (1, 1)
    assert await waiting == await visiting


@holds
async def an_end_that_is_cut_short_gives_the_claim_back_all_the_same(world: World) -> None:
    ending, other = world.node(), world.node()
    ending.hangs = True
    first = asyncio.create_task(ending.get())
    await world.clock.sleep(1)
    for _ in range(world.chance.randint(1, 3)):
        cut = asyncio.create_task(ending.keeper.close())
        await world.pause(0.03)
        cut.cancel()
        await asyncio.gather(cut, return_exceptions=True)
    await asyncio.gather(first, return_exceptions=True)
    await world.clock.sleep(0.2)
    row = await world.shared.row(KEY)
    assert row.claim == ""
    assert await other.get() is not None


@holds
async def a_failure_is_told_to_the_store_although_the_process_ends(world: World) -> None:
    ending = world.node()
    world.site.failure = Blocked("blocked")
    first = asyncio.create_task(ending.get())
    state = ending.keeper.states[KEY]
    while state.pause.why is None:
        await world.clock.sleep(0.001)
    await asyncio.wait_for(asyncio.gather(ending.keeper.close(), return_exceptions=True), None)
    await asyncio.gather(first, return_exceptions=True)
    await world.clock.sleep(0.2)
    row = await world.shared.row(KEY)
    assert (row.claim, row.code) == ("", Blocked.code)


@holds
async def after_its_end_a_keeper_begins_no_visit_and_none_goes_on(world: World) -> None:
    node = world.node()
    node.hangs = True
    first = asyncio.create_task(node.get())
    await world.clock.sleep(1)
    await node.keeper.close()
    assert (node.keeper.states[KEY].flight, world.site.at_once) == (None, 0)
    await asyncio.gather(first, return_exceptions=True)
    assert isinstance(await told(node.get()), VisitFailed)
    assert len(world.site.begun) == 1


@holds
async def a_visit_is_in_no_callers_context(world: World) -> None:
    node, seen = world.node(), []
    make = node.make

    async def noted(*arguments: object) -> object:
        seen.append(CALLER.get())
        return await make(*arguments)

    node.make = noted  # type: ignore[method-assign,assignment]
    CALLER.set("somebody")
    await node.get()
    assert seen == [""]


@holds
async def a_visit_by_name_ends_no_later_pause(world: World) -> None:
    node, other = world.node(patience=0.0), world.node(patience=0.0)
    await node.keeper.visit(node, deadline=world.clock.now() + 100)
    held = await node.get()
    node.keeper.accept(held)
    world.site.failure = NeedsPerson("a code")
    await told(other.renew(held))
    assert isinstance(await told(node.renew(held)), NeedsPerson)
    assert len(world.site.begun) == 2, "the other's pause holds here, too"


@holds
async def successors_are_fetched_a_little_early_and_not_all_at_once(world: World) -> None:
    world.site.changes = {"soft": 100.0, "hard": 1000.0}
    times = []
    for _ in range(8):
        node = world.node()
        await node.get()
        state = node.keeper.states[KEY]
        times.append(state.soft_at - state.born)
    assert all(90 <= time <= 100 for time in times)
    assert len({round(time, 6) for time in times}) > 4


@holds
async def what_was_fetched_ahead_waits_until_the_uses_before_it_are_spent(world: World) -> None:
    world.site.changes = {"max_uses": 10}
    node, state = world.node(), None
    first = await node.get()
    state = node.keeper.states[KEY]
    for use in range(2, 9):
        assert await node.get() == first
        assert (state.flight is not None) == (use >= 8), "at four fifths"
    await world.clock.sleep(world.site.seconds + 0.5)
    assert state.waiting_session is not None
    assert await node.get() == first, "its uses are not thrown away"
    if world.chance.random() < 0.5:
        node.keeper.refuse(state.waiting_session, named=True)
        assert (await node.get()).gen > state.refused, "nor is a refused one taken"
        return
    assert await node.get() == first
    assert (await node.get(), world.site.made) == (state.current, 2)
    assert state.current != first


@holds
async def a_second_doubt_of_one_session_costs_nothing(world: World) -> None:
    node = world.node()
    state = node.keeper.states[KEY]
    fresh = await node.get()
    node.keeper.refuse(fresh, named=False)
    before = state.pause.until, state.pause.failures, state.unproven
    for _ in range(world.chance.randint(1, 20)):
        node.keeper.refuse(fresh, named=False)
    assert (state.pause.until, state.pause.failures, state.unproven) == before


@holds
async def tokens_and_visit_notes_are_of_their_generation_alone(world: World) -> None:
    node = world.node()
    state = node.keeper.states[KEY]
    old = await node.get()
    state.replace_tokens(old.gen, {"nonce": "next"}, renews_budget=False)
    assert (await node.get()).tokens == {"nonce": "next"}
    new = await node.renew(old)
    state.replace_tokens(old.gen, {"nonce": "of the old one"}, renews_budget=False)
    assert (await node.get()).tokens == new.tokens


@holds
async def a_holder_that_lost_its_claim_takes_what_came_in_its_place(world: World) -> None:
    node, state = world.node(), None
    visiting = asyncio.create_task(node.get())
    await world.clock.sleep(0.4)
    state = node.keeper.states[KEY]
    flight = state.flight
    await world.shared.close()  # the store has lost the claim, and all else
    await visiting
    assert flight is not None
    assert flight.done()
    row = await world.shared.row(KEY)
    assert row.session == state.current, "what is used here is what the store has"


@holds
async def who_waits_for_another_processs_visit_goes_on_at_its_end(world: World) -> None:
    world.site.seconds = 5.0
    node, other = world.node(patience=0.0), world.node(patience=0.0)
    visiting = asyncio.create_task(node.get())
    await world.clock.sleep(1)
    waiting = asyncio.create_task(other.get())
    first, second = await gather(timed(world, visiting), timed(world, waiting))
    assert second - first < 0.3
    assert other.store.asked["begin"] <= 3, "it waits for the notice, and does not ask all the time"
    node.keeper.accept(await node.get())
    world.site.failure = Blocked("blocked")
    failing = asyncio.create_task(told(node.renew(await node.get())))
    await world.clock.sleep(1)
    waiting = asyncio.create_task(told(other.renew(await other.get())))
    first, second = await gather(timed(world, failing), timed(world, waiting))
    assert second - first < 0.3
    assert len(world.site.begun) == 2
    assert other.store.asked["begin"] <= 6


async def timed(world: World, task: asyncio.Task[object]) -> float:
    await task
    return world.clock.now()


@holds
async def generations_rise_above_what_the_store_and_its_askers_know(world: World) -> None:
    store, wall = world.parts.store, world.clock.wall()
    far = int(wall * 1000) + 10**9
    for row, seen in ((store.Row(gen=far), -1), (store.Row(), far)):
        claimed, claim = row.begin(KEY, seen, 15.0, wall, True)
        _, made = claimed.commit(claim, session_of(world.site, sid="s"), wall)
        assert made.gen == far + 1


@holds
async def a_pause_lasts_as_long_as_the_site_asks_for(world: World) -> None:
    node = world.node(patience=0.0)
    asked = world.chance.uniform(20, 200)
    world.site.failure = RateLimited("later", retry_after=asked)
    await told(node.get())
    await world.clock.sleep(asked / 2)
    error = await told(node.get())
    assert error.retry_after is not None
    assert asked / 2 - 5 <= error.retry_after <= asked / 2
    assert len(world.site.begun) == 1


@holds
async def a_budget_is_given_up_when_a_session_ends_before_it(world: World) -> None:
    node = world.node()
    state = node.keeper.states[KEY]
    for uses in (4, 4, 4):
        session = await node.get()
        for _ in range(uses):
            node.keeper.accept(session)
        node.keeper.refuse(session, named=True)
    assert state.budget.learned == 4
    session = await node.get()
    node.keeper.accept(session)
    node.keeper.refuse(session, named=True)
    assert state.budget.learned is None


@holds
async def cookies_of_another_value_are_stored_at_once_and_of_another_age_later(world: World) -> None:
    node = world.node()
    session = await node.get()

    async def rotate(value: str, expires: float) -> None:
        cookies = (Cookie("sid", value, "notes.example", expires=expires),)
        await node.keeper.renew_cookies(session, lambda held: replace(held, cookies=cookies))

    at = world.clock.wall() + 1000
    for number in range(4):
        await rotate(f"r{number}", at)
        assert (await world.shared.row(KEY)).session.cookie("sid") == f"r{number}"
    await rotate("r3", at + 5)
    assert (await world.shared.row(KEY)).session.cookies[0].expires == at
    await world.clock.sleep(31)
    await rotate("r3", at + 9)
    assert (await world.shared.row(KEY)).session.cookies[0].expires == at + 9


@holds
async def what_a_visit_was_given_is_no_session_yet_and_serves_requests_here(world: World) -> None:
    node, other = world.node(), world.node()
    held = await node.get()
    node.keeper.accept(held)
    node.gives = "given"
    renewing = asyncio.create_task(node.renew(held, named=False))
    await world.clock.sleep(world.site.seconds / 2)
    row = await world.shared.row(KEY)
    assert (row.whole, row.session.cookie("sid")) == (False, "given")
    assert (await node.get()).cookie("sid") == "given"
    assert await other.get() == await renewing, "nobody takes the half one"


@holds
async def a_login_by_hand_waits_for_a_visit_and_takes_its_place(world: World) -> None:
    node, other = world.node(), world.node()
    visiting = asyncio.create_task(node.get())
    await world.clock.sleep(0.3)
    adopted = await other.keeper.adopt(other, session_of(world.site, sid="by hand"))
    assert adopted.gen > (await visiting).gen
    assert (await world.shared.row(KEY)).session == adopted == await other.get()


@holds
async def logins_that_the_site_ends_at_once_end_in_a_rest(world: World) -> None:
    node = world.node()
    for _ in range(4):
        session = await node.get()
        node.keeper.accept(session)
        node.keeper.refuse(session, named=True, login=True)
    assert isinstance(await told(node.get()), NeedsPerson)
    assert world.site.made == 4


@holds
async def a_fault_of_the_visit_reaches_who_waits(world: World) -> None:
    node = world.node()

    async def broken(*arguments: object) -> object:
        await world.clock.sleep(1)
        raise LookupError("a fault of ours")

    make, node.make = node.make, broken  # type: ignore[method-assign,assignment]
    results = await asyncio.gather(*(node.get() for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [LookupError] * 3
    row = await world.shared.row(KEY)
    assert row.claim == "", "its claim is given back"
    node.make = make  # type: ignore[method-assign]
    await world.clock.sleep(2)
    assert await node.get() is not None


@holds
async def a_visit_begins_with_the_newest_session_and_knows_whether_the_refused_one_ever_worked(world: World) -> None:
    node, other = world.node(), world.node()
    first = await node.get()
    assert await other.get() == first
    worked = world.chance.random() < 0.5
    if worked:
        node.keeper.accept(first)
    second = await node.renew(first)
    assert node.reasons[-1].fresh is not worked
    node.keeper.accept(second)
    world.site.changes = {"max_uses": 5}
    await other.keeper.visit(other, deadline=world.clock.now() + 100)
    await node.renew(second)
    assert node.reasons[-1].previous.cookie("sid") == "s3", "it is the other process's own, but its login is the last"
