"""What is learned of a site's answers and of its session check, kept beyond the process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from doorkey.clock import Clock
from doorkey.engine.call import JudgedReply
from doorkey.engine.check.calibration import Knowledge, read_knowledge
from doorkey.engine.check.facts import LoginForm, login_form_of
from doorkey.engine.check.page_check import PageChecks, PageLoad, as_stranger
from doorkey.engine.check.shapes import Shape, Template, shape_of, template_of
from doorkey.engine.check.suspicion import Known, set_cookies
from doorkey.engine.decision_tables import CheckOutcome
from doorkey.errors import DoorkeyError
from doorkey.model.session import Key, Session
from doorkey.model.verdict import Kind
from doorkey.rate.limits import RateLimiters
from doorkey.sessions.store import Store
from doorkey.sessions.target import SiteTarget
from doorkey.transport.conversation import Conversation
from doorkey.transport.selector import TransportSelector

T = TypeVar("T")
log = logging.getLogger("doorkey.check")
RETRY = 60.0
LONGEST_RETRY = 3600.0
"""Seconds between two attempts to calibrate a check: twice as many after each that failed."""
EAGER = 3
"""Attempts that failed, up to which a new session is tried at once."""


@dataclass(slots=True)
class CheckState:
    """What is known of one key. `sent` is when the last check was sent; `outcome` is what it found out about `gen`.

    `remade` is the generation that the last check made of it, where its page had other tokens or cookies.
    `anonymous` are the shapes of answers whose new cookies the site does not know, by generation.
    `dead` is the highest generation that was found dead, and `led` says which places show a login to it. `alive`
    counts the checks that found the session alive, by template and status of the suspect answer. `later`: a check that
    nobody waits for is under way. `tries` counts the attempts to calibrate, `tried` is the last one's generation.
    """

    knowledge: Knowledge
    form: LoginForm
    gen: int = -1
    sent: float = float("-inf")
    outcome: CheckOutcome = CheckOutcome.OPEN
    remade: int = -1
    task: asyncio.Task[CheckOutcome] | None = None
    later: bool = False
    calibrating: asyncio.Task[None] | None = None
    tries: int = 0
    tried: int = -1
    next_try: float = 0.0
    dead: int = -1
    alive: dict[tuple[Template, int], int] = field(default_factory=dict)
    led: dict[str, bool] = field(default_factory=dict)
    anonymous: set[tuple[int, Shape]] = field(default_factory=set)
    looking: asyncio.Lock = field(default_factory=asyncio.Lock)
    checks: int = 0

    @property
    def settled(self) -> bool:
        """Whether nothing is left to find out about the check."""
        calibration = self.knowledge.calibration
        return calibration.tells_dead or calibration.useless

    def is_met(self, session: Session, reply: JudgedReply[Any]) -> bool:
        """Whether *reply* was suspect only for a form that was accepted meanwhile, while nothing spoke against the
        session."""
        if not reply.novel or self.dead >= session.gen:
            return False
        accepted = self.knowledge.shapes.of(template_of(reply.request, reply.head.url))
        return shape_of(reply.head, reply.request) in accepted.shapes

    def known(self, session: Session) -> Known:
        """What an answer to a request of *session* is held against."""
        calibration, shapes = self.knowledge.calibration, self.knowledge.shapes
        cookies, refusals = frozenset(shapes.cookies), self.knowledge.strangers
        return Known(self.form, calibration.stranger, calibration.home, session.cookies, cookies, refusals)


class Learning:
    """Learns how a site's accepted answers look, and what the check's page shows to a stranger and to a session.

    `limit`: seconds that one load of the page may take. `take_over` gives the session what the page has changed.
    """

    def __init__(
        self,
        limiters: RateLimiters,
        selector: TransportSelector,
        store: Store,
        clock: Clock,
        *,
        limit: float,
        take_over: Callable[[SiteTarget, Session, Conversation, Knowledge, PageLoad], Awaitable[object]],
    ) -> None:
        self._take_over = take_over
        self._limiters = limiters
        self._selector = selector
        self._store = store
        self._clock = clock
        self._limit = limit
        self._pages = PageChecks(clock)
        self._states: dict[Key, CheckState] = {}
        self.tasks: set[asyncio.Task[Any]] = set()

    def get(self, key: Key) -> CheckState | None:
        """The state of *key*, where it is known already."""
        return self._states.get(key)

    async def know(self, target: SiteTarget) -> CheckState:
        """The state of the target's key, with what the store remembers."""
        state = self._states.get(target.key)
        if state is not None:
            return state
        text = await self._store.learned(target.key._replace(caller=""))
        knowledge = read_knowledge(text, target.provider.check_rule)
        # Another call may have read it meanwhile.
        form = login_form_of(target.provider.steps, target.provider.check_url)
        return self._states.setdefault(target.key, CheckState(knowledge, form))

    def learn(
        self,
        target: SiteTarget,
        session: Session,
        state: CheckState,
        reply: JudgedReply[Any],
        template: Template,
        shape: Shape,
    ) -> None:
        """Remember the form of an accepted answer; the first one has the check calibrated."""
        if reply.verdict.kind is not Kind.OK or reply.head.status >= 400:
            return
        knowledge = state.knowledge
        knowledge.shapes.add(template, shape, set_cookies(reply.head))
        if self.begin_calibration(target, session, state) is None and knowledge.shapes.changed:
            knowledge.shapes.changed = False
            self.spawn(self.save(target, knowledge))

    def begin_calibration(self, target: SiteTarget, session: Session, state: CheckState) -> asyncio.Task[None] | None:
        """Have the check calibrated with *session* where that is due; the calibration under way, if any."""
        if state.settled or state.calibrating is not None:
            return state.calibrating
        eager, now = session.gen > state.tried and state.tries < EAGER, self._clock.now()
        if not eager and now < state.next_try:
            return None
        state.next_try = now + min(LONGEST_RETRY, RETRY * 2.0**state.tries)
        state.tries, state.tried = min(state.tries + 1, 30), session.gen
        state.calibrating = self.spawn(self._calibrate_behind(target, session, state))
        return state.calibrating

    async def _calibrate_behind(self, target: SiteTarget, session: Session, state: CheckState) -> None:
        try:
            await self.calibrate(target, session, state)
        finally:
            state.calibrating = None

    async def calibrate(self, target: SiteTarget, session: Session, state: CheckState) -> None:
        """See what the check's page shows to the session and to a stranger, and keep it."""
        home, _ = await asyncio.gather(
            self._see_home(target, session, state), self.see_stranger(target, session, state)
        )
        calibration = state.knowledge.calibration
        if home is not None and home.shows:
            varying = {name for name, value in (home.tokens or {}).items() if session.tokens.get(name) != value}
            calibration = replace(
                calibration, home=replace(home.facts, query=""), varying=calibration.varying | varying
            )
        state.knowledge.calibration = calibration
        log.info("%s: %s", target.site.name, calibration.describe())
        await self.save(target, state.knowledge)

    async def _see_home(self, target: SiteTarget, session: Session, state: CheckState) -> PageLoad | None:
        """See what the page shows to the session, which gets the cookies that it sets, before anything else is done."""
        conversation = Conversation(self._clock)
        home = await self.load(target, session, state, conversation=conversation)
        if home is not None and home.shows and conversation.changes:
            await self._take_over(target, session, conversation, state.knowledge, home)
        return home

    async def see_stranger(self, target: SiteTarget, session: Session, state: CheckState) -> None:
        """See what the check's page shows to somebody whom the site does not know."""
        stranger = await self.load(target, as_stranger(session), state)
        if stranger is not None:
            state.knowledge.calibration = replace(
                state.knowledge.calibration, shown_to_strangers=stranger.shows, stranger=stranger.facts
            )

    async def load(
        self,
        target: SiteTarget,
        session: Session,
        state: CheckState,
        *,
        conversation: Conversation | None = None,
        url: str | None = None,
    ) -> PageLoad | None:
        """The page of the check, or the one at *url*, as *session* gets it; None where that says nothing."""
        limiter, deadline = self._limiters.of(target.key), self._clock.now() + self._limit
        state.checks += 1
        try:
            if limiter is not None:
                await limiter.take_token(deadline)
            transport = self._selector.for_page(target.site, session.key)
            total = max(0.0, deadline - self._clock.now())
            load = await self._pages.load(target, session, transport, conversation=conversation, url=url, total=total)
        except DoorkeyError as error:
            log.info("%s: the page of the session check can't be had: %s", target.site.name, error)
            return None
        return load if load.tells else None

    async def save(self, target: SiteTarget, knowledge: Knowledge, *, probed: bool = False) -> None:
        """Keep what was learned, together with what other processes have learned, and take that over. Of strangers,
        only who has *probed* them learns anything.
        """
        ours = knowledge.to_text()  # as it is now: the store merges it in a thread of its own

        def merge(theirs: str) -> str:
            merged = read_knowledge(ours, knowledge.rule)
            if theirs:
                merged.merge(read_knowledge(theirs, knowledge.rule), probed=probed)
            return merged.to_text()

        try:
            text = await self._store.learn(target.key._replace(caller=""), merge)
            knowledge.merge(read_knowledge(text, knowledge.rule), probed=probed)
        except DoorkeyError as error:
            log.warning("%s: what was learned of its answers can't be kept: %s", target.site.name, error)

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Have *work* done behind the calls. It ends with `close` at the latest."""
        # In a context of its own: what several calls wait for is nobody's in particular.
        task = asyncio.create_task(work, name="session check", context=Context())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    async def close(self) -> None:
        """End what is under way and wait for it."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
