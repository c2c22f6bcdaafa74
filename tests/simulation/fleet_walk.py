"""A fleet at whose keepers anything may happen in any order: what holds then of every session that is handed out."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from doorkey.errors import DoorkeyError, SiteDown

from .fleet_world import Node, World, gather

SPAN = 600.0
"""Seconds for which things happen."""
PATIENCE = 90.0
"""Seconds after which a caller gives up."""
LONGEST_PAUSE = 300.0


class FleetWalk:
    """Callers get sessions, use them, are refused, doubt them, or leave. Meanwhile sessions die, the site is down,
    nodes crash and are replaced, the store forgets all, and nodes are cut off from it. `met` counts what has happened.
    """

    def __init__(self, world: World) -> None:
        self.world, self.chance, self.clock, self.site = world, world.chance, world.clock, world.site
        self.end = self.clock.now() + SPAN
        self.alone = self.chance.random() < 0.5  # a login ends the one before
        self.sound = self.chance.random() < 0.4  # the store loses nothing and is never away
        self.dead = 0  # the logins up to this one have ended
        self.met: Counter[str] = Counter()
        self.callers: dict[int, list[asyncio.Task[None]]] = {}
        self.nodes = [self.start() for _ in range(self.chance.randint(1, 3))]

    async def run(self) -> None:
        await self.happen()
        await gather(*(caller for callers in self.callers.values() for caller in callers))
        await self.clock.sleep(LONGEST_PAUSE)
        for node in self.nodes:
            await self.check_recovered(node)
        most = len(self.nodes) if self.met["forgets"] + self.met["is cut off"] else 1
        assert self.site.most_at_once <= most, "visits at the same time"
        # One for a death or a doubt, and one for each visit that was cut short or process that lost a session.
        troubles = 2 * self.met["crashes"] + len(self.nodes) * self.met["forgets"] + 2 * self.met["is cut off"]
        assert self.site.made <= 1 + self.met["dies"] + self.met["is doubted"] + troubles, self.met

    def start(self) -> Node:
        node = self.world.node()
        self.callers[id(node)] = [asyncio.create_task(self.call(node)) for _ in range(self.chance.randint(1, 3))]
        return node

    def lives(self, session: Any) -> bool:
        number = int(session.cookie("sid").removeprefix("s"))
        return number > self.dead and (number == self.site.made or not self.alone)

    async def call(self, node: Node) -> None:
        last = -1
        while self.clock.now() < self.end:
            await self.world.pause(8)
            began, getting = self.clock.now(), asyncio.create_task(node.get(seconds=PATIENCE))
            try:
                if self.chance.random() < 0.1:
                    await self.world.pause(3)
                    getting.cancel()
                    continue
                last = await self.use(node, await getting, last)
            except DoorkeyError:
                assert self.clock.now() - began <= 3 * PATIENCE + 1, "nobody waits beyond its limit"
            finally:
                getting.cancel()
                await asyncio.gather(getting, return_exceptions=True)

    async def use(self, node: Node, session: Any, last: int) -> int:
        """Send requests until one is accepted; returns the last generation that was used."""
        for _ in range(2):
            state = node.keeper.states[session.key]
            assert session.gen >= last, "no older session after a newer one"
            assert session.gen > state.refused, "no session that was refused here"
            last = session.gen
            await self.world.pause(0.5)
            if self.lives(session):
                node.keeper.accept(session)
                if self.chance.random() < 0.02:
                    self.met["is doubted"] += 1
                    await node.renew(session, named=False, seconds=PATIENCE)
                return last
            session = await node.renew(session, named=self.chance.random() < 0.8, seconds=PATIENCE)
            assert session.gen > last, "not the refused one again"
        return last

    async def happen(self) -> None:
        blows: list[Callable[[], Awaitable[None]]] = [self.die, self.die, self.go_down, self.crash]
        if not self.sound:
            blows += [self.forget, self.cut_off]
        while self.clock.now() < self.end:
            await self.world.pause(60)
            await self.chance.choice(blows)()
            for node in self.nodes:
                node.keeper.states[node.key].check()

    async def die(self) -> None:
        self.met["dies"] += 1
        self.dead = self.site.made

    async def go_down(self) -> None:
        self.site.failure = SiteDown("down", arrived=True)
        await self.world.pause(20)
        self.site.failure = None

    async def crash(self) -> None:
        """The process is gone: its visit ends in the middle, and it tells the store nothing."""
        self.met["crashes"] += 1
        node = self.nodes.pop(self.chance.randrange(len(self.nodes)))
        node.store.away = True
        flight = node.keeper.states[node.key].flight
        gone = [*self.callers.pop(id(node)), *([flight] if flight is not None else [])]
        for task in gone:
            task.cancel()
        await asyncio.gather(*gone, return_exceptions=True)
        self.nodes.append(self.start())

    async def forget(self) -> None:
        self.met["forgets"] += 1
        await self.world.shared.close()

    async def cut_off(self) -> None:
        self.met["is cut off"] += 1
        node = self.chance.choice(self.nodes)
        node.store.away = True
        await self.world.pause(30)
        node.store.away = False

    async def check_recovered(self, node: Node) -> None:
        session, renewals = await node.get(seconds=PATIENCE), 0
        while not self.lives(session) and renewals < 2:  # what another process stored may have ended, too
            session, renewals = await node.renew(session, seconds=PATIENCE), renewals + 1
        assert self.lives(session), "it has recovered by itself"
        node.keeper.accept(session)
        state = node.keeper.states[node.key]
        assert (state.callers, state.flight) == (0, None)


async def whatever_happens_to_a_fleet(world: World) -> None:
    await FleetWalk(world).run()
