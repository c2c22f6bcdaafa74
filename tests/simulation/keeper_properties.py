"""What must hold of keepers that share a store (I1 to I11 of the algorithm), each as a run in a drawn world."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from doorkey.errors import Blocked, DoorkeyError, NeedsPerson, SiteDown, TimeLimit
from doorkey.model.cookies import Cookie

from .fleet_world import KEY, Node, Properties, World, gather, session_of, told

PROPERTIES = Properties()
holds = PROPERTIES.holds


@holds
async def one_wave_of_refusals_costs_one_visit(world: World) -> None:
    nodes, named = world.nodes(), world.chance.random() < 0.7
    first = {(await node.get()).gen for node in nodes}
    assert (len(first), world.site.made) == (1, 1)
    callers = [(node, await node.get()) for node in nodes for _ in range(world.chance.randint(1, 30))]
    for node, session in callers:
        node.keeper.accept(session)
    renewed = await gather(*(world.soon(node.renew(session, named=named)) for node, session in callers))
    assert len({session.gen for session in renewed}) == 1
    assert renewed[0].gen > min(first)
    assert (world.site.made, world.site.most_at_once) == (2, 1)


@holds
async def late_news_of_an_older_session_costs_nothing(world: World) -> None:
    node = world.node()
    old = await node.get()
    node.keeper.accept(old)
    new = await node.renew(old)
    assert await node.renew(old) == new
    node.keeper.refuse(old, named=True)
    node.keeper.accept(old)
    state = node.keeper.states[KEY]
    assert (await node.get(), world.site.made) == (new, 2)
    assert (state.refused, state.accepted) == (old.gen, old.gen)
    state.publish(old, world.clock.now())
    assert state.current == new
    node.keeper.refuse(new, named=True)
    pause = state.pause.until
    node.keeper.refuse(old, named=True)
    node.keeper.accept(old)
    assert (state.refused, state.pause.until) == (new.gen, pause)
    newest = await node.get()
    assert newest.gen > new.gen
    node.keeper.accept(newest)
    node.keeper.accept(old)
    assert state.accepted == newest.gen


@holds
async def cancelling_any_callers_strands_nobody_and_costs_no_second_visit(world: World) -> None:
    node = world.node()
    callers = [asyncio.create_task(node.get()) for _ in range(world.chance.randint(3, 12))]
    await world.pause(0.4)
    gone = [callers[0], *world.chance.sample(callers[1:], world.chance.randint(0, len(callers) - 2))]
    for caller in gone:
        caller.cancel()
    stayed = [caller for caller in callers if caller not in gone]
    assert len({(await caller).gen for caller in stayed}) == 1
    await asyncio.gather(*gone, return_exceptions=True)
    state = node.keeper.states[KEY]
    assert (world.site.made, state.callers, state.flight) == (1, 0, None)


@holds
async def at_a_dead_site_visits_grow_with_time_and_not_with_load(world: World) -> None:
    nodes = world.nodes()
    world.site.failure = SiteDown("down", arrived=True)
    end = world.clock.now() + 2000

    async def call(node: Node, every: float) -> None:
        while world.clock.now() < end:
            error = await told(node.get(seconds=30))
            assert error.retry_after is None or error.retry_after <= 300
            await world.clock.sleep(every)

    await gather(*(call(node, world.chance.uniform(5, 15)) for node in nodes for _ in range(2)))
    # 1, 2, 4 … 256 s, then 300 s, each halved at the most.
    assert 8 <= len(world.site.begun) <= (9 + 2000 / 150 + 2) * len(nodes)
    assert world.site.most_at_once == 1
    world.site.failure = None
    await world.clock.sleep(300)
    assert await nodes[0].get() is not None


@holds
async def sessions_that_never_work_are_fetched_at_growing_pauses_until_one_is_used(world: World) -> None:
    node, state = world.node(), None
    pauses = []
    session = await node.get()
    state = node.keeper.states[KEY]
    for _ in range(12):
        node.keeper.refuse(session, named=world.chance.random() < 0.5)
        pauses.append(state.pause.until - world.clock.now())
        await world.clock.sleep(max(0.0, pauses[-1]))
        session = await node.get(newer_than=session.gen)
    assert all(0.5 * 2**at <= pause <= 2**at for at, pause in enumerate(pauses[:9])), pauses
    assert all(150 <= pause <= 300 for pause in pauses[9:]), pauses
    assert len({round(pause / 2 ** min(at, 8), 6) for at, pause in enumerate(pauses)}) > 6, "drawn"
    assert state.is_open
    node.keeper.accept(session)
    assert not state.is_open
    node.keeper.refuse(session, named=True)
    assert state.pause.until <= world.clock.now(), "it has worked: it died, and no pause is due"
    fresh = await node.get()
    assert fresh.gen > session.gen
    node.keeper.refuse(fresh, named=True)
    assert state.pause.until - world.clock.now() <= 1.0, "the first pause again"


@holds
async def while_a_session_is_renewed_behind_no_request_waits(world: World) -> None:
    world.site.changes = {"soft": 100.0, "hard": 200.0}
    nodes = world.nodes()
    for node in nodes:
        await node.get()
    for _ in range(400):
        await world.clock.sleep(world.chance.uniform(0.5, 1.5))
        for node in nodes:
            session = node.keeper.get_ready(node)
            assert session is not None, "nobody waits"
            node.keeper.accept(session)
    assert 400 * 0.9 / 100 - 1 <= world.site.made <= len(nodes) * (400 * 1.1 / 89) + 1
    assert world.site.most_at_once == 1


@holds
async def a_session_past_its_hard_age_is_not_used(world: World) -> None:
    world.site.changes = {"soft": 50.0, "hard": 60.0}
    node = world.node()
    old = await node.get()
    await world.clock.sleep(world.chance.uniform(61, 500))
    assert node.keeper.get_ready(node) is None
    assert (await node.get()).gen > old.gen
    late = world.node()
    await world.clock.sleep(61)
    assert (await late.get()).cookie("sid") == f"s{world.site.made}" == "s3"


@holds
async def a_holder_stalled_past_its_limit_publishes_nothing_over_a_newer_session(world: World) -> None:
    stalled, other = world.node(), world.node()
    world.site.seconds, seconds = 40.0, world.site.seconds
    stalled.store.cut = True
    slow = asyncio.create_task(stalled.get())
    await world.clock.sleep(5)
    world.site.seconds = seconds
    new = await other.get()
    kept = await slow
    row = await world.shared.row(KEY)
    assert row.session == new, "the stalled one's was refused at its commit"
    assert kept == new
    assert world.site.made == 2


@holds
async def where_a_login_ends_the_one_before_a_stalled_holder_settles_in_two_visits(world: World) -> None:
    stalled, other = world.node(), world.node()
    stalled.stalls, stalled.store.cut = 40.0, True  # its login was sent, and it stands still past its claim
    slow = asyncio.create_task(stalled.get())
    await world.clock.sleep(5 + world.site.seconds)
    await other.get()
    await slow
    for _ in range(20):
        for node in (stalled, other):
            session = await node.get()
            while session.cookie("sid") != f"s{world.site.made}":  # the site knows the last login alone
                session = await node.renew(session)
            node.keeper.accept(session)
    assert world.site.made == 2, "nobody ends the other's login again"


@holds
async def a_visit_longer_than_its_claim_keeps_it(world: World) -> None:
    world.site.seconds = world.chance.uniform(20, 55)
    nodes = [world.node() for _ in range(3)]
    callers = [asyncio.create_task(world.soon(node.get())) for node in nodes]
    await world.clock.sleep(60)
    assert (len(world.site.begun), world.site.most_at_once) == (1, 1)
    assert len({(await caller).gen for caller in callers}) == 1


@holds
async def when_a_holder_dies_another_takes_over_when_its_claim_ends(world: World) -> None:
    victim, heir = world.node(), world.node()
    victim.hangs = True
    dying = asyncio.create_task(victim.get())
    await world.pause(1)
    await world.clock.sleep(0.2)
    victim.store.cut = True
    began = world.clock.now()
    waiting = asyncio.create_task(heir.get())
    await world.clock.sleep(0.5)
    await victim.keeper.close()
    await asyncio.gather(dying, return_exceptions=True)
    await waiting
    assert world.clock.now() - began <= 15 * 1.1 + 1 + world.site.seconds
    assert world.site.made == 1


@holds
async def a_closing_process_gives_its_claim_back(world: World) -> None:
    closing, other = world.node(), world.node()
    closing.hangs = True
    first = asyncio.create_task(closing.get())
    await world.clock.sleep(1)
    waiting = asyncio.create_task(other.get())
    await world.clock.sleep(1)
    began = world.clock.now()
    await closing.keeper.close()
    told = (await asyncio.gather(first, return_exceptions=True))[0]
    assert isinstance(told, DoorkeyError)
    assert "shutting down" in told.message
    await waiting
    assert world.clock.now() - began <= world.site.seconds + 1
    assert closing.keeper.states[KEY].flight is None


@holds
async def a_failed_visit_is_known_to_all_processes(world: World) -> None:
    first, other = world.node(patience=0.0), world.node(patience=0.0)
    world.site.failure = world.chance.choice((NeedsPerson("a code"), Blocked("blocked")))
    for node in (first, other, first, other):
        error = await told(node.get())
        assert isinstance(error, type(world.site.failure))
        assert error.retry_after is not None
        assert error.retry_after > 0
    assert len(world.site.begun) == 1
    row = await world.shared.row(KEY)
    assert (row.code, row.claim) == (world.site.failure.code, "")


@holds
async def a_visit_without_end_is_ended_at_its_limit(world: World) -> None:
    node = world.node(limit=20.0, patience=0.0)
    node.hangs = True
    began = world.clock.now()
    error = await told(node.get())
    assert isinstance(error, TimeLimit)
    assert "visit" in error.message
    assert world.clock.now() - began <= 21
    await world.clock.sleep(2)
    assert await node.get() is not None


@holds
async def a_callers_time_limit_ends_its_wait_and_not_the_visit(world: World) -> None:
    world.site.seconds = 10.0
    node = world.node()
    error = await told(node.get(seconds=world.chance.uniform(0.5, 9)))
    assert isinstance(error, TimeLimit)
    assert "while a visit goes on" in error.message
    assert await node.get() is not None
    assert len(world.site.begun) == 1


@holds
async def a_declared_budget_leads_to_no_use_beyond_it(world: World) -> None:
    most = world.chance.choice((1, 2, 3, 5, 10, 30))
    world.site.changes = {"max_uses": most}
    node, uses = world.node(), world.chance.randint(5, 100)
    callers = [asyncio.create_task(world.soon(node.get(), 100)) for _ in range(uses)]
    await world.clock.sleep(100 + (uses / most + 2) * (world.site.seconds + 0.5))
    assert all(caller.done() for caller in callers), "nobody waits for longer than the visits take"
    got = await gather(*callers)
    counts = [sum(one.gen == gen for one in got) for gen in {one.gen for one in got}]
    assert max(counts) <= most
    assert world.site.made <= -(-uses // most) + 1
    assert world.site.most_at_once == 1
    stored = (await world.shared.row(KEY)).session
    assert stored is not None
    assert (stored.tokens, stored.cookies != ()) == ({}, True), "its tokens are this process's alone"
    assert (await world.node().get()).tokens, "another process fetches one of its own"


@holds
async def a_budget_is_learned_from_sessions_that_end_alike(world: World) -> None:
    node, most = world.node(), world.chance.randint(2, 9)
    refused = 0
    used: dict[int, int] = {}
    session = await node.get()
    for _ in range(most * 8):
        while used.get(session.gen, 0) >= most:
            refused += 1
            session = await node.renew(session)
        used[session.gen] = used.get(session.gen, 0) + 1
        node.keeper.accept(session)
        await world.clock.sleep(4)
        session = await node.get()
    assert refused == 3, "three sessions teach it"


@holds
async def no_budget_is_learned_while_others_use_the_sessions(world: World) -> None:
    maker, node = world.node(), world.node()
    for _ in range(5):
        session = await maker.get()
        assert await node.get() == session
        node.keeper.accept(session)
        node.keeper.accept(session)
        node.keeper.refuse(session, named=True)
        maker.keeper.accept(session)
        await maker.renew(session)
    assert node.keeper.states[KEY].budget.learned is None


@holds
async def what_is_stored_and_fresh_is_taken_without_a_visit(world: World) -> None:
    made = await world.node().get()
    age = world.chance.uniform(1, 1000)
    await world.clock.sleep(age)
    later = world.node()
    assert await later.get() == made
    assert world.site.made == 1
    born = later.keeper.states[KEY].born
    assert abs(world.clock.now() - born - age) < 10, "its age comes along"
    outgrown = world.node()
    outgrown.outgrown = made.gen
    assert (await outgrown.get()).gen > made.gen


@holds
async def a_visit_by_name_heeds_no_pause_and_is_newer_than_all(world: World) -> None:
    node, other = world.node(patience=0.0), world.node(patience=0.0)
    held = await node.get()
    newer = await other.renew(held)
    other.keeper.accept(newer)
    world.site.failure = Blocked("blocked")
    assert isinstance(await told(other.renew(newer)), Blocked)
    world.site.failure = None
    by_name = await node.keeper.visit(node, deadline=world.clock.now() + 100)
    assert by_name.gen > newer.gen
    assert by_name.cookie("sid") == "s3"


@holds
async def a_login_elsewhere_ends_a_long_pause_here(world: World) -> None:
    node, other = world.node(), world.node()
    world.site.failure = NeedsPerson("a code")
    for waits in (node, other):
        assert isinstance(await told(waits.get()), NeedsPerson)
    adopted = await other.keeper.adopt(other, session_of(world.site, sid="by hand"))
    assert await node.get() == adopted == await other.get()
    assert len(world.site.begun) == 1
    for waits in (node, other):
        pause = waits.keeper.states[KEY].pause
        assert (pause.why, pause.until <= world.clock.now()) == (None, True)


@holds
async def renewed_cookies_are_kept_for_their_generation_alone(world: World) -> None:
    node, other = world.node(), world.node()
    old = await node.get()
    fresh = (Cookie("sid", "rotated", "notes.example"),)
    await node.keeper.renew_cookies(old, lambda session: replace(session, cookies=fresh))
    assert (await node.get()).cookies == fresh
    assert (await other.get()).cookies == fresh, "they are in the store"
    new = await node.renew(old)
    await node.keeper.renew_cookies(old, lambda session: replace(session, cookies=()))
    assert await node.get() == new
    await world.shared.renew_cookies(replace(old, cookies=()))
    assert (await world.shared.row(KEY)).session == new
    assert world.site.made == 2


@holds
async def what_a_failed_visit_was_given_is_what_the_next_one_begins_with(world: World) -> None:
    node = world.node()
    first = await node.get()
    node.keeper.accept(first)
    node.gives, world.site.failure = "given", SiteDown("went away", arrived=True)
    renewing = asyncio.create_task(node.renew(first))
    await world.clock.sleep(world.site.seconds + 0.5)
    fresh = world.node()
    world.site.failure = None
    await renewing
    reason = node.reasons[-1]
    assert reason.previous.cookie("sid") == "given"
    assert reason.refused is not None
    assert await fresh.get() == await node.get()


@holds
async def an_unnamed_refusal_leaves_the_session_to_the_others(world: World) -> None:
    node = world.node()
    first = await node.get()
    node.keeper.accept(first)
    renewing = asyncio.create_task(node.renew(first, named=False))
    await world.clock.sleep(0.2)
    assert await node.get() == first
    again = asyncio.create_task(node.renew(first, named=False))
    assert (await renewing) == (await again)
    reason = node.reasons[-1]
    assert (reason.refused.gen, reason.named, reason.fresh) == (first.gen, False, False)
    assert world.site.made == 2


@holds
async def a_claim_by_a_clock_an_hour_ahead_ends_in_time(world: World) -> None:
    row = world.parts.store.Row()
    wall = world.clock.wall()
    row, claim = row.begin(KEY, -1, 15.0, wall + 3600, True)
    assert isinstance(claim, world.parts.store.Claim)
    row, busy = row.begin(KEY, -1, 15.0, wall, True)
    assert busy == world.parts.store.Busy(15.0)
    row = row.fail(claim, "down", "", 30.0, wall + 3600)
    row, backoff = row.begin(KEY, -1, 15.0, wall, True)
    assert isinstance(backoff, world.parts.store.Backoff)
    assert backoff.seconds == 30.0
    row, again = row.begin(KEY, -1, 15.0, wall + 30.0, True)
    assert isinstance(again, world.parts.store.Claim)
    assert row.claim == again.token
    assert row.claim != claim.token
    assert row.renew(claim, 15.0, wall) is None
    assert row.fail(claim, "late", "", 30.0, wall) is None


@holds
async def generations_rise_and_ages_end_whatever_the_clocks_say(world: World) -> None:
    row, wall, last = world.parts.store.Row(), world.clock.wall(), -1
    for _ in range(20):
        at = wall + world.chance.uniform(-3600, 3600)
        row, claim = row.begin(KEY, row.gen + world.chance.randint(0, 2), 15.0, at, False)
        made = replace(session_of(world.site, sid="s", hard=60.0), born=at)
        row, committed = row.commit(claim, made, at)
        assert committed.gen > last
        last = committed.gen
        assert row.begin(KEY, -1, 15.0, at + 59, True)[1] == world.parts.store.Newer(committed)
        assert isinstance(row.begin(KEY, -1, 15.0, at + 61, True)[1], world.parts.store.Claim)


@holds
async def generations_rise_in_the_fleet_whatever_happens(world: World) -> None:
    nodes, gens, end = world.nodes(3), [], world.clock.now() + 300

    async def use(node: Node) -> None:
        last = -1
        while world.clock.now() < end:
            await world.pause(20)
            try:
                session = await node.get(newer_than=last if world.chance.random() < 0.3 else -1)
            except DoorkeyError:
                continue
            assert session.gen >= last, "no older session after a newer one"
            last = session.gen
            gens.append(session.gen)
            if world.chance.random() < 0.6:
                node.keeper.accept(session)
            if world.chance.random() < 0.4:
                node.keeper.refuse(session, named=world.chance.random() < 0.6)
            world.site.failure = SiteDown("down", arrived=True) if world.chance.random() < 0.15 else None

    async def watch() -> None:
        last = -1
        while world.clock.now() < end:
            row = await world.shared.row(KEY)
            assert row.gen >= last, "the store goes back"
            assert row.session is None or row.session.gen == row.gen
            last = row.gen
            await world.pause(1)

    await gather(*(use(node) for node in nodes for _ in range(3)), watch())
    assert world.site.most_at_once == 1
    for node in nodes:
        node.keeper.states[KEY].check()
        await node.keeper.close()


@holds
async def a_short_pause_is_waited_out_and_a_long_one_is_told(world: World) -> None:
    node = world.node()
    session = await node.get()
    waited = 0
    for _ in range(6):
        began = world.clock.now()
        node.keeper.refuse(session, named=True)
        pause = node.keeper.states[KEY].pause.until - began
        if pause <= 2.0:
            session = await node.get()
            waited += 1
            assert world.clock.now() - began >= pause
        else:
            error = await told(node.get())
            assert error.retry_after is not None
            assert abs(error.retry_after - pause) < 0.5
            assert world.clock.now() - began < 0.5
            await world.clock.sleep(pause)
            session = await node.get()
    assert waited >= 2


@holds
async def a_session_that_was_doubted_is_not_taken_from_the_store_again(world: World) -> None:
    node = world.node(patience=0.0)
    doubted = await node.get()
    node.keeper.refuse(doubted, named=False)
    error = await told(node.get(newer_than=doubted.gen))
    assert error.retry_after is not None
    assert world.site.made == 1
