"""Asks whether sessions are alive: one check at a time for a key, shared by all who suspect the same generation."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import Any

from doorkey.clock import Clock
from doorkey.engine.call import Call, JudgedReply, is_logout
from doorkey.engine.check.calibration import Calibration, Knowledge
from doorkey.engine.check.evidence import look_closer
from doorkey.engine.check.facts import read_facts
from doorkey.engine.check.learning import CheckState, Learning
from doorkey.engine.check.page_check import PageLoad
from doorkey.engine.check.shapes import shape_of, template_of
from doorkey.engine.check.suspicion import FOUND_DEAD, NONE, changed_cookies, find_ground, needs_parsing
from doorkey.engine.decision_tables import CheckOutcome, Suspicion
from doorkey.engine.refusal_memory import RefusalMemory
from doorkey.errors import TimeLimit
from doorkey.model.cookie_jar import CookieJar
from doorkey.model.session import Key, Session
from doorkey.sessions.builder import with_cookies
from doorkey.sessions.keeper import Keeper
from doorkey.sessions.store import Store
from doorkey.sessions.target import SiteTarget
from doorkey.transport.conversation import Conversation
from doorkey.transport.selector import TransportSelector

log = logging.getLogger("doorkey.check")

GATHER = 0.02
"""Seconds between a suspicion and its check: answers that come in the meantime are covered by the same check."""
EVERY = 5.0
"""Seconds between two checks of one generation that was found alive, or that a check has made."""
LOOK = 0.25
"""Seconds after which a call that waits for the next check looks whether others were accepted meanwhile."""
PATIENT = 3
"""Checks that found the session alive after answers of one form, past which such answers no longer wait for one."""
LIVING = (CheckOutcome.ALIVE, CheckOutcome.RENEWED)
WAITS = (CheckOutcome.ALIVE, CheckOutcome.UNKNOWN)
"""Outcomes after which the next check of the same generation waits."""


class SessionChecks:
    """`limit`: seconds that a check may take, and that new calls wait for it."""

    def __init__(
        self,
        keeper: Keeper,
        selector: TransportSelector,
        refusals: RefusalMemory,
        store: Store,
        clock: Clock,
        *,
        limit: float = 10.0,
    ) -> None:
        self._keeper = keeper
        self._refusals = refusals
        self._clock = clock
        self._limit = limit
        self.learning = Learning(keeper.limiters, selector, store, clock, limit=limit, take_over=self._take_over)

    async def settle(self, key: Key, deadline: float) -> None:
        """Wait while a check of *key*'s session, or a renewal after one, is under way.

        Nobody takes a place at the site for a session that may be dead. Raises TimeLimit for a check that takes longer
        than `limit` seconds.
        """
        state, held = self.learning.get(key), self._keeper.states[key]
        left = min(self._limit, deadline - self._clock.now())
        if held.flight is not None and held.current is not None and held.refused >= held.generation:
            await asyncio.wait([held.flight], timeout=max(0.0, left))
        if state is None or state.task is None:
            return
        await asyncio.wait([state.task], timeout=max(0.0, left))
        if state.task is not None:
            raise TimeLimit("session check", round(left, 3), site=key.site, setting="limits.check")

    async def prepare(self, call: Call[Any], session: Session) -> bool:
        """Have the check calibrated before *session* is used, where that was not done yet.

        Else a session that dies early would leave nobody who can tell that it did. Waits at most `limit` seconds.
        Return whether *session* is still the newest: the check's page may have changed its cookies.
        """
        state = self.learning.get(session.key) or await self.learning.know(call.target)
        calibrating = self.learning.begin_calibration(call.target, session, state)
        if calibrating is not None:
            left = min(self._limit, call.deadline - self._clock.now())
            await asyncio.wait([calibrating], timeout=max(0.0, left))
        return calibrating is None or self._keeper.states[session.key].generation <= session.gen

    async def inspect(self, call: Call[Any], session: Session, reply: JudgedReply[Any]) -> None:
        """Say in *reply* whether it is suspect. An answer that is not teaches how accepted answers look."""
        state = self.learning.get(session.key) or await self.learning.know(call.target)
        if state.knowledge.calibration.useless or is_logout(reply.request, call.target.provider.ready or ""):
            return
        head, request, known = reply.head, reply.request, state.known(session)
        facts = None
        if needs_parsing(head, known):
            facts = await asyncio.to_thread(read_facts, head.status, head.url, head.text(), state.form)
        template, shape = template_of(request, head.url), shape_of(head, request)
        accepted = state.knowledge.shapes.of(template)
        ground = find_ground(request, head, reply.verdict, accepted, shape, facts, known)
        if ground is NONE and state.dead >= session.gen and shape not in accepted.shapes and reply.verdict:
            ground = FOUND_DEAD
        if ground is NONE:
            if state.alive and reply.verdict:
                # Such requests are accepted again: the next refusal of one is another matter.
                state.alive = {form: count for form, count in state.alive.items() if form[0] != template}
            self.learning.learn(call.target, session, state, reply, template, shape)
            return
        reply.suspicion, reply.ground, reply.novel = ground.suspicion, ground.why, ground.novel
        reply.check = CheckOutcome.OPEN
        if serves_once(call, reply):
            reply.suspicion = Suspicion.VAGUE
        call.target.events.report("check", f"{template[0]} {template[1]}: suspect, {ground.why}")

    async def ask(self, call: Call[Any], session: Session, reply: JudgedReply[Any]) -> CheckOutcome:
        """Whether *session* is alive, as far as it says something about *reply*."""
        state = await self.learning.know(call.target)
        again = state.remade == session.gen  # refused again, after a check has renewed the session
        outcome = await self._find_out(call, session, reply, state)
        form = template_of(reply.request, reply.head.url), reply.head.status
        if outcome is CheckOutcome.DEAD:
            state.alive.pop(form, None)
            if reply.suspicion is Suspicion.VAGUE and not serves_once(call, reply):
                await look_closer(self.learning, call.target, session, reply, state)
        elif outcome is CheckOutcome.ALIVE or (outcome is CheckOutcome.RENEWED and again):
            state.alive[form] = state.alive.get(form, 0) + 1
            self.learning.learn(call.target, session, state, reply, form[0], shape_of(reply.head, reply.request))
        log.info(
            "%s: %s %s was suspect (%s); the session check says: %s",
            call.target.site.name, form[0][0], form[0][1], reply.ground, outcome.name.lower(),
        )  # fmt: skip
        return outcome

    def status(self, key: Key) -> tuple[int, str]:
        """How many checks were made for *key*, and how well a dead session would be noticed, in words."""
        state = self.learning.get(key)
        return (0, "") if state is None else (state.checks, state.knowledge.calibration.describe())

    async def calibrate(self, target: SiteTarget, session: Session) -> Calibration:
        """Load the check's page as *session* and as a stranger, now, and remember what was seen."""
        state = await self.learning.know(target)
        await self.learning.calibrate(target, session, state)
        return state.knowledge.calibration

    async def close(self) -> None:
        """End the checks under way and wait for them."""
        await self.learning.close()

    async def _find_out(
        self, call: Call[Any], session: Session, reply: JudgedReply[Any], state: CheckState
    ) -> CheckOutcome:
        """The outcome of a check that covers *reply*: made for it, shared with others, or known already."""
        form = session.gen, shape_of(reply.head, reply.request)
        renames = bool(changed_cookies(reply.head, session.cookies))
        end = min(call.deadline, self._clock.now() + self._limit)
        while (left := end - self._clock.now()) > 0:
            if state.knowledge.calibration.useless:
                return CheckOutcome.IMPOSSIBLE
            if self._keeper.states[session.key].generation <= session.gen and state.is_met(session, reply):
                return CheckOutcome.ALIVE
            busy = state.task or state.calibrating
            if busy is not None:
                await asyncio.wait([busy], timeout=left)
                continue
            if renames and form not in state.anonymous:
                # The answer has set the session's cookies anew: only a check with these tells whether they are known.
                state.task = task = self.learning.spawn(self._check(call.target, session, state, with_cookies_of(call)))
                await asyncio.wait([task], timeout=left)
                if task.done() and not task.cancelled() and task.result() in LIVING:
                    return task.result()
                state.anonymous.add(form)
                continue
            if state.dead >= session.gen:
                return CheckOutcome.DEAD
            if state.gen == session.gen and reply.came <= state.sent:
                return state.outcome
            if self._refusals.was_accepted_later(session, reply.request, reply.came):
                return CheckOutcome.ALIVE
            pause = state.sent + EVERY - self._clock.now()
            checked = (state.gen == session.gen and state.outcome in WAITS) or state.remade == session.gen
            if checked and pause > 0:
                asked = template_of(reply.request, reply.head.url), reply.head.status
                if state.alive.get(asked, 0) >= PATIENT and reply.head.status >= 400:
                    self._check_later(call.target, session, state, pause)
                    return CheckOutcome.POSTPONED
                await self._clock.sleep(min(pause, left, LOOK))
                continue
            state.task = self.learning.spawn(self._check(call.target, session, state))
        return CheckOutcome.UNKNOWN

    def _check_later(self, target: SiteTarget, session: Session, state: CheckState, pause: float) -> None:
        """Have a check made that nobody waits for, as soon as it may be."""

        async def check() -> CheckOutcome:
            await self._clock.sleep(pause)
            state.later = False
            if state.task is None and state.dead < session.gen:
                state.task = self.learning.spawn(self._check(target, session, state))
            return CheckOutcome.POSTPONED

        if not state.later:
            state.later = True
            self.learning.spawn(check())

    async def _check(
        self, target: SiteTarget, session: Session, state: CheckState, cookies: Conversation | None = None
    ) -> CheckOutcome:
        """Ask once, with the session's cookies or those that one answer has made of them.

        What it says of the session's own cookies is remembered for everybody who has used them.
        """
        outcome, sent = CheckOutcome.UNKNOWN, self._clock.now()
        conversation = cookies or Conversation(self._clock)
        try:
            await self._clock.sleep(GATHER)
            sent = self._clock.now()
            load = await self.learning.load(target, session, state, conversation=conversation)
            if load is not None and state.knowledge.calibration.shown_to_strangers is None:
                await self.learning.see_stranger(target, session, state)
            if load is not None:
                outcome = self._conclude(state, load)
            if load is not None and outcome is CheckOutcome.ALIVE:
                outcome = await self._take_over(target, session, conversation, state.knowledge, load)
                current = self._keeper.states[session.key].current
                if current is not None and current.gen != session.gen and current.rung == "check":
                    state.remade = current.gen
            if outcome is CheckOutcome.DEAD and cookies is None:
                state.dead = max(state.dead, session.gen)
                state.led.clear()
                state.anonymous.clear()
                self._keeper.refuse(session, named=True, login=bool(target.provider.steps))
        finally:
            state.task = None
            if cookies is None:
                state.gen, state.sent, state.outcome = session.gen, sent, outcome
            target.events.report("check", f"the session check says: {outcome.name.lower()}")
        return outcome

    def _conclude(self, state: CheckState, load: PageLoad) -> CheckOutcome:
        """What the loaded page says about the cookies that it was loaded with."""
        calibration = state.knowledge.calibration
        if load.shows and calibration.tells_alive:
            return CheckOutcome.ALIVE
        if load.shows:
            return CheckOutcome.IMPOSSIBLE if calibration.useless else CheckOutcome.UNKNOWN
        if calibration.tells_dead and calibration.stranger is not None and load.facts.resembles(calibration.stranger):
            return CheckOutcome.DEAD
        return CheckOutcome.UNKNOWN

    async def _take_over(
        self,
        target: SiteTarget,
        session: Session,
        conversation: Conversation,
        knowledge: Knowledge,
        load: PageLoad,
    ) -> CheckOutcome:
        """The session is alive. Cookies and tokens that the page has changed make a new generation."""
        current = self._keeper.states[session.key].current
        if current is None or current.gen != session.gen:
            return CheckOutcome.ALIVE
        calibration = knowledge.calibration
        tokens = {
            name: value
            for name, value in (load.tokens or {}).items()
            if calibration.home is not None and name not in calibration.varying and current.tokens.get(name) != value
        }
        sliding, free = target.provider.cookies_sliding, knowledge.shapes.cookies
        jar = conversation.over(CookieJar(current.cookies)).alive(self._clock.wall())
        held = {cookie.identity: cookie.value for cookie in current.cookies if cookie.name not in free}
        fresh = {cookie.identity: cookie.value for cookie in jar.cookies if cookie.identity in held}
        if slid := [change for change in conversation.changes if change.name in sliding]:
            await self._keeper.renew_cookies(session, lambda kept: with_cookies(kept, slid, target.provider))
        if not tokens and held == fresh:
            return CheckOutcome.ALIVE
        made = replace(current, tokens={**current.tokens, **tokens}, cookies=jar.cookies, rung="check")
        await self._keeper.adopt(target, made)
        return CheckOutcome.RENEWED if tokens else CheckOutcome.ALIVE


def with_cookies_of(call: Call[Any]) -> Conversation:
    """A conversation of the check alone, which begins with the cookies that the suspect answer has set."""
    return Conversation.beginning_with(call.conversation.changes, call.clock)


def serves_once(call: Call[Any], reply: JudgedReply[Any]) -> bool:
    """Whether the request may have done its work although its answer is a stranger's: it has spent a token."""
    return call.target.provider.uses_up(reply.request)
