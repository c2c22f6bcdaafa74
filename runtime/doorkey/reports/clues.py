"""What a guess about a failed visit may build on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias
from urllib.parse import urlsplit

from doorkey.model.evidence import VisitEvidence
from doorkey.reports.report import Cause
from doorkey.reports.rules import READY, CheckedRule

FEW_LINES = 15
"""Lines that a page in place of the site's own shows at most. In a longer one, those words may stand in any text."""
SURE, LIKELY, BROKEN, FOLLOWING = 0, 1, 2, 3
"""How much a guess explains: it goes before those that may follow from it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What failed, as far as settings and the error tell. `by` names the protection that the error names."""

    site: str
    code: str = ""
    message: str = ""
    token: str = ""
    by: str = ""
    sought: Mapping[str, str] = field(default_factory=dict)
    ready: str | None = None

    @property
    def missing(self) -> str:
        """The name of the rule that the visit failed by."""
        return self.token if self.token in self.sought or not self.token else READY


@dataclass(frozen=True, slots=True)
class Clues:
    """All that a guess may build on."""

    failure: Failure
    evidence: VisitEvidence
    rules: list[CheckedRule]
    spoke: str = ""
    speaks: str = ""
    """The page's languages at the last visit that worked and now, where they differ."""

    @property
    def missing(self) -> list[CheckedRule]:
        return [rule for rule in self.rules if not rule.found]

    @property
    def text(self) -> str:
        return "\n".join((self.evidence.title, *self.evidence.lines, urlsplit(self.evidence.url).path))

    @property
    def says_little(self) -> bool:
        return len(self.evidence.lines) <= FEW_LINES

    @property
    def step_failed(self) -> bool:
        return bool(self.evidence.step)


Guess: TypeAlias = tuple[int, Cause]
