"""Faults that somebody could put into the keeper, its states and its stores; the properties find each of them."""

from __future__ import annotations

from .patched_modules import Fault


def fault(name: str, module: str, right: str, wrong: str) -> Fault:
    return Fault(name, module, right, wrong)


FAULTS: list[Fault] = [
    # The store's rules
    fault("a newer session is not taken", "store", "session.gen > seen and", "session.gen > seen + 10**15 and"),
    fault("the refused session is taken again", "store", "session.gen > seen and", "session.gen >= seen and"),
    fault("the hard age is not looked at", "store", " and wall < session.born + session.hard:", ":"),
    fault("a pause of others is not heeded", "store", "if patient and wall < row.failed_until:", "if False:"),
    fault("a visit by name heeds pauses", "store", "if patient and wall < row", "if wall < row"),
    fault("a claim of others is not heeded", "store", "if row.claim and wall < row.claimed_until:", "if False:"),
    fault("a claim never ends", "store", "if row.claim and wall < row.claimed_until:", "if row.claim:"),
    fault("a lost claim commits", "store", "        if self.claim != claim.token:\n            return None\n        session = ", "        session = "),  # noqa: E501
    fault("a lost claim is renewed", "store", " if self.claim == claim.token else None", ""),
    fault("a lost claim tells failures", "store", "        if self.claim != claim.token:\n            return None\n        return replace(\n            self, claim", "        return replace(\n            self, claim"),  # noqa: E501
    fault("a failure keeps the claim", "store", 'self, claim="", claimed_until=0.0, failed_until', "self, failed_until"),  # noqa: E501
    fault("a failure is not remembered", "store", "failed_until=wall + after, failed_for", "failed_until=0.0, failed_for"),  # noqa: E501
    fault("the failure's code is lost", "store", "why=why, code=code\n", "why=why\n"),
    fault("times of wrong clocks are believed", "store", "self.claimed_until <= wall + ttl and", "True or"),
    fault("a claim of a wrong clock is believed", "store", "claimed_until=min(self.claimed_until, wall + ttl)", "claimed_until=self.claimed_until"),  # noqa: E501
    fault("a failure of a wrong clock is believed", "store", "failed_until=min(self.failed_until, wall + self.failed_for)", "failed_until=self.failed_until"),  # noqa: E501
    fault("generations do not rise", "store", "max(self.gen, claim.floor, int(wall * 1000)) + 1", "int(wall)"),
    fault("sessions with a budget are shared", "store", "replace(session, tokens={})", "session"),
    fault("a session with a budget is handed to others", "store", "whole=session.max_uses is None, gen", "whole=True, gen"),  # noqa: E501
    fault("cookies of an old generation are kept", "store", "held is None or held.gen != session.gen or", "held is None or"),  # noqa: E501
    fault("what a visit was given is handed out", "store", "session=replace(session, gen=gen), whole=False", "session=replace(session, gen=gen + 10**13), whole=True"),  # noqa: E501
    fault("what a visit was given is lost", "store", "return replace(self, session=replace(session, gen=gen), whole=False)", "return self"),  # noqa: E501
    fault("the heart does not beat", "store", "heart = asyncio.create_task(beat())", "heart = asyncio.create_task(asyncio.sleep(0))"),  # noqa: E501
    fault("the heart beats too seldom", "store", "await clock.sleep(ttl / 3)", "await clock.sleep(ttl * 1.2)"),
    fault("the heart stops while the store is away", "store", '                log.info("%s: the claim was not renewed: %s", claim.key.site, error.message)\n', "                return\n"),  # noqa: E501
    fault("generations do not rise above what an asker knows", "store", "max(self.gen, claim.floor, int", "max(self.gen, int"),  # noqa: E501
    # The keeper
    fault("a second flight", "keeper", "            if state.flight is None:\n", "            if True:\n"),
    fault("the pause is not heeded", "keeper", "if now < state.pause.until:\n                    await self._wait_out", "if False:\n                    await self._wait_out"),  # noqa: E501
    fault("the first caller owns the visit", "keeper", "await asyncio.wait([flight], timeout=left)", "await asyncio.wait_for(flight, timeout=left)"),  # noqa: E501
    fault("a caller waits without limit", "keeper", "await asyncio.wait([flight], timeout=left)", "await asyncio.wait([flight])"),  # noqa: E501
    fault("waiters are not counted off", "keeper", "            state.end_wait()\n", "            pass\n"),
    fault("no renewal behind", "keeper", "        if state.needs_successor(now):\n", "        if False:\n"),
    fault("a long pause is waited out", "keeper", "and pause <= min(patience, deadline - now):", ":"),
    fault("a short pause is told", "keeper", "if not is_lasting(state.pause.why) and pause", "if False and pause"),
    fault("a login elsewhere is not seen", "keeper", "if await self._take_stored(source, state):", "if False:"),
    fault("a refusal is forgotten", "keeper", "        self.refuse(refused, named=named)\n", ""),
    fault("a visit by name is not newer than others'", "keeper", "            state.publish(row.session, birth(self._clock, row.session))\n", "            pass\n"),  # noqa: E501
    fault("a visit by name takes what is held", "keeper", "        state.hurry()\n", ""),
    fault("closing leaves visits under way", "keeper", "            flight.cancel()\n", "            pass\n"),
    fault("renewed cookies are not stored", "keeper", "and not session.key.caller:\n            await", "and False:\n            await"),  # noqa: E501
    fault("a store that is away hides why there is a pause", "keeper", "        except Unavailable:  # the pause", "        except ZeroDivisionError:  # the pause"),  # noqa: E501
    fault("a refused session is taken from the store in a pause", "keeper", "newest = birth(self._clock, stored), max(state.refused, state.generation)", "newest = birth(self._clock, stored), -1"),  # noqa: E501
    fault("a renewal does not ask for a newer session", "keeper", "return await self.get(target, newer_than=refused.gen, deadline=deadline)", "return await self.get(target, deadline=deadline)"),  # noqa: E501
    fault("a visit runs in its caller's context", "keeper", ", context=Context()))", "))"),
    fault("a keeper visits after its end", "keeper", '        if self._closed:\n            raise VisitFailed(f"{state.key.site}: doorkey is shutting down", site=state.key.site)\n        # In', "        # In"),  # noqa: E501
    fault("closing does not wait for the visits", "keeper", "        await asyncio.gather(*flights, return_exceptions=True)\n", ""),  # noqa: E501
    fault("a visit's fault reaches nobody", "keeper", "            if not flight.cancelled() and (error := flight.exception()) is not None:\n                raise error\n", ""),  # noqa: E501
    fault("a login does not wait for a visit", "keeper", "                    await store.changed(target.key, seconds)\n", "                    return session\n"),  # noqa: E501
    fault("a store that is away is waited for again and again", "keeper", " or type(why) is Unavailable", ""),
    fault("a failure that lasts is waited out", "keeper", "if not is_lasting(state.pause.why) and pause", "if pause"),
    # The flights
    fault("the visit's limit is not applied", "flights", "async with asyncio.timeout(self._limit + self._longer()):", "async with asyncio.timeout(None):"),  # noqa: E501
    fault("an outgrown session is taken", "flights", "if not source.fits(session):", "if False:"),
    fault("a visit's failure is not told to others", "flights", "            await asyncio.shield(_tell(store, claim, error.message, error.code, after))\n", ""),  # noqa: E501
    fault("the claim is not given back at the end", "flights", '            await asyncio.shield(_tell(store, claim, "the visiting process ended", "", 0.0))\n', ""),  # noqa: E501
    fault("the flight stays", "flights", "            state.end_flight()\n", "            pass\n"),
    fault("the pause of others is not kept", "flights", "                        state.back_off(", "                        (lambda *_: None)("),  # noqa: E501
    fault("a session's age begins anew elsewhere", "flights", "return clock.now() - max(0.0, clock.wall() - session.born)", "return clock.now()"),  # noqa: E501
    fault("the store's own failure is not remembered", "flights", "            self._remember(state, error, known=False)\n        except Exception:", "            pass\n        except Exception:"),  # noqa: E501
    fault("a store that is away is asked once", "flights", "                if self._clock.now() >= end:\n", "                if True:\n"),  # noqa: E501
    fault("a failure is told without a shield", "flights", "await asyncio.shield(_tell(store, claim, error.message, error.code, after))", "await _tell(store, claim, error.message, error.code, after)"),  # noqa: E501
    fault("a claim is given back without a shield", "flights", 'await asyncio.shield(_tell(store, claim, "the visiting process ended", "", 0.0))', 'await _tell(store, claim, "the visiting process ended", "", 0.0)'),  # noqa: E501
    fault("another's visit is waited for without measure", "flights", "self._uniform(1.0, 1.1)", "self._uniform(10.0, 11.0)"),  # noqa: E501
    fault("a visit by name waits for others' pauses", "flights", "patient=not state.hurried", "patient=True"),
    # The state of a key
    fault("late news is believed", "key_state", "if gen <= self.refused or gen < self.generation or (", "if ("),
    fault("late success counts for the current session", "key_state", "        if gen > self.accepted:\n", "        if True:\n"),  # noqa: E501
    fault("an older session takes the newer one's place", "key_state", "        if session.gen <= self.generation:\n            return\n", ""),  # noqa: E501
    fault("a refused session is usable", "key_state", "session.gen > max(newer_than, self.refused) and", "session.gen > newer_than and"),  # noqa: E501
    fault("a session is usable for ever", "key_state", " and now < born + session.hard", ""),
    fault("a doubt refuses the session for all", "key_state", "        if named:\n            self.refused = gen\n", "        if True:\n            self.refused = gen\n"),  # noqa: E501
    fault("a fresh session's refusal begins no pause", "key_state", "            self.pause.grow(now)\n", "            pass\n"),  # noqa: E501
    fault("any refusal begins a pause", "key_state", "        if self.accepted < gen <= self.made:\n            self.unproven", "        if True:\n            self.unproven"),  # noqa: E501
    fault("a budget is learned while shared", "key_state", "if not self.shared:", "if True:"),
    fault("no budget is learned", "key_state", "                self.budget.learn()\n", "                pass\n"),
    fault("uses are not counted", "key_state", "        self.budget.used += 1\n", ""),
    fault("the site never closes", "key_state", "self.accepted, self.unproven = gen, 0", "self.accepted = gen"),
    fault("the site never opens", "key_state", "            self.unproven += 1\n", ""),
    fault("old cookies take the place of new ones", "key_state", "if self.current is not None and self.current.gen == gen:\n            self.current = renewed", "if self.current is not None:\n            self.current = renewed"),  # noqa: E501
    fault("a login does not end the pause", "key_state", "        self.unproven = 0\n        self.pause.end()\n", "        self.unproven = 0\n"),  # noqa: E501
    fault("another's session does not end the pause", "key_state", "        self.shared = True\n        self.pause.end()\n", "        self.shared = True\n"),  # noqa: E501
    fault("the soft age is never met", "key_state", "return now >= self.soft_at or", "return"),
    fault("a visit behind at every request", "key_state", "self.waiting_session is not None or now < self.pause.until", "False"),  # noqa: E501
    fault("a visit by name is heeded for ever", "key_state", "self.flight, self.hurried, self.visit_began, self.waits = None, False, None", "self.flight, self.visit_began, self.waits = None, None"),  # noqa: E501
    fault("all fetch their successors at once", "key_state", "self.pause.rule.uniform(EARLIEST, 1.0)", "1.0"),
    fault("uses are thrown away", "key_state", "if usable and self.budget.most(self.current) is not None and not self.spent:", "if False:"),  # noqa: E501
    fault("what was fetched ahead is never used", "key_state", "        if waiting is None or not self.is_usable(waiting, self.waiting_born, newer_than, now):\n", "        if True:\n"),  # noqa: E501
    fault("each doubt of one session begins a pause", "key_state", " or (not named and gen <= self.doubted)", ""),
    fault("an old generation's token in a new one", "key_state", "if self.current is None or self.current.gen != gen:", "if self.current is None:"),  # noqa: E501
    fault("a visit begins with an older session", "key_state", "if current is None or (stored is not None and stored.gen > current.gen):", "if current is None:"),  # noqa: E501
    fault("no session counts as fresh", "key_state", "fresh = self.accepted < current.gen <= self.made", "fresh = False"),  # noqa: E501
    fault("who takes a session does not share it", "key_state", "        self.shared = True\n        self.pause.end()", "        self.pause.end()"),  # noqa: E501
    # The pause and the budget
    fault("pauses have no cap", "pause", "min(self.longest, self.first * 2.0 ** min(failures - 1, 30))", "self.first * 2.0 ** min(failures - 1, 30)"),  # noqa: E501
    fault("pauses do not grow", "pause", "        self.failures += 1\n", ""),
    fault("pauses have no jitter", "pause", "length * self.rule.uniform(0.5, 1.0))", "length)"),
    fault("pauses are never reset", "pause", "self.failures, self.until, self.why, self.away_until = 0, 0.0, None, 0.0", "self.why = None"),  # noqa: E501
    fault("a pause is reset by a visit", "key_state", "        self.made = session.gen\n", "        self.made = session.gen\n        self.pause.forget()\n"),  # noqa: E501
    fault("a budget is overdrawn", "use_budget", "return most is not None and self.used >= most", "return most is not None and self.used > most"),  # noqa: E501
    fault("a budget never ends", "use_budget", "return most is not None and self.used >= most", "return False"),
    fault("a new session inherits the uses", "key_state", "self.budget.used = self.budget.successes = 0", "self.budget.successes = 0"),  # noqa: E501
    fault("what a site asks for is forgotten", "pause", "            self.until = max(self.until, now + error.retry_after)\n", "            pass\n"),  # noqa: E501
    fault("a budget is learned from two", "use_budget", "ALIKE = 3", "ALIKE = 2"),
    fault("a budget is never given up", "use_budget", "self.learned is not None and self.successes < self.learned", "False"),  # noqa: E501
    fault("nothing is fetched ahead of a budget's end", "use_budget", "self.used >= AHEAD * most", "self.used >= most"),
    # What visits and answers give
    fault("rotated cookies are stored later", "renewed_cookies", "if same and now", "if now"),
    fault("what a visit was given is not stored", "held", "            await self.store.keep(self.claim, session)\n", "            pass\n"),  # noqa: E501
    fault("what a visit was given serves no request", "held", "            session.gen, lambda current: replace(", "            -5, lambda current: replace("),  # noqa: E501
    # The store in memory, which the others are held to
    fault("nobody is told of a new session", "memory", "        self._put(claim.key, done[0])\n        self._ring(claim.key)\n", "        self._put(claim.key, done[0])\n"),  # noqa: E501
    fault("nobody is told of a failure", "memory", "            self._put(claim.key, row)\n            self._ring(claim.key)\n", "            self._put(claim.key, row)\n"),  # noqa: E501
    fault("a notice is heard again and again", "memory", "self._notices.pop(key, None)", "self._notices.get(key)"),
    fault("a beat is not written", "memory", "        row = self._row(claim.key).renew(claim, ttl, self._clock.wall())\n        if row is not None:\n            self._put(claim.key, row)\n", "        row = self._row(claim.key).renew(claim, ttl, self._clock.wall())\n"),  # noqa: E501
]  # fmt: skip
