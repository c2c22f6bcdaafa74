"""How often a session may be used: as its provider declares, or as this process has learned."""

from __future__ import annotations

from dataclasses import dataclass

from doorkey.model.session import Session

ALIKE = 3
"""Generations that have to end after the same number of uses before a use budget is learned."""
AHEAD = 0.8
"""Share of a use budget after which the next session is fetched."""


@dataclass(slots=True)
class UseBudget:
    """`used` counts how often the current session was handed out, `successes` how often the site accepted it.

    `learned` is the number of uses after which this site refuses a session, None where it does not count.
    `lifetimes` are the successes of the generations that were refused last.
    """

    used: int = 0
    successes: int = 0
    learned: int | None = None
    lifetimes: tuple[int, ...] = ()

    def most(self, session: Session | None) -> int | None:
        """How many uses *session* has; None without a limit."""
        declared = session.max_uses if session else None
        return declared if declared is not None else self.learned

    def is_spent(self, session: Session | None) -> bool:
        """Whether the current session has no use left."""
        most = self.most(session)
        return most is not None and self.used >= most

    def runs_out(self, session: Session | None) -> bool:
        """Whether most uses of the current session are spent."""
        most = self.most(session)
        return most is not None and self.used >= AHEAD * most

    def learn(self) -> None:
        """The current session was refused: believe in a budget after three generations with the same number of uses.

        Two would be common chance: sessions that die at fixed times, under a steady load.
        """
        counts = self.lifetimes = (*self.lifetimes, self.successes)[-ALIKE:]
        if self.learned is not None and self.successes < self.learned:
            self.learned = None
        elif len(counts) == ALIKE and len(set(counts)) == 1 and self.successes:
            self.learned = self.successes
