"""A site that allows one session, and another program that logs in again and again: logins stop, and it is said why."""

from __future__ import annotations

import pytest

from doorkey.clock import SystemClock
from doorkey.errors import NeedsPerson
from doorkey.sessions.login_war import MOST, REST, YOUNG

from .login_engine import engaged


class Ahead(SystemClock):
    """Runs ahead of the machine's by `by` seconds."""

    by = 0.0

    def now(self) -> float:
        return super().now() + self.by


async def test_logins_stop_for_a_while_and_go_on_then() -> None:
    clock = Ahead()
    async with engaged(clock=clock) as engine:
        for number in range(MOST):
            for part in range(number + 1):  # sessions that die after as many uses each have a budget of uses
                assert (await engine.write(f"n{number}.{part}"))[0] == 302
            engine.site.kill()  # the other program has logged in
        for _ in range(20):
            with pytest.raises(NeedsPerson, match="another program or person logs in") as told:
                await engine.write("refused")
            assert told.value.retry_after
        assert engine.target.visits == MOST
        clock.by = REST + 1
        assert (await engine.write("after"))[0] == 302
        assert engine.site.notes[-1] == "after"
        assert "refused" not in engine.site.notes


async def test_sessions_that_live_for_long_are_renewed_as_often_as_they_die() -> None:
    clock = Ahead()
    async with engaged(clock=clock) as engine:
        for number in range(3 * MOST):
            for part in range(1 + number % 3):
                assert (await engine.write(f"n{number}.{part}"))[0] == 302
            clock.by += YOUNG + 1
            engine.site.kill()
        assert len(engine.site.notes) == 6 * MOST
