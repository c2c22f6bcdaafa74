"""What is known of one site's session check: what strangers see, what sessions see, how accepted answers look."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from doorkey.engine.check.facts import PageFacts
from doorkey.engine.check.shapes import AcceptedShapes, Shape, Template

log = logging.getLogger("doorkey.check")


@dataclass(frozen=True, slots=True)
class Calibration:
    """Whether the check can tell a session from a stranger.

    `shown_to_strangers`: whether a request without cookies got what the check looks for; None until one was sent.
    `stranger` and `home` are what the page shows to a stranger, and to an accepted session for which the check passed.
    `varying` are the tokens that differ between two loads of the page by one session.
    """

    shown_to_strangers: bool | None = None
    stranger: PageFacts | None = None
    home: PageFacts | None = None
    varying: frozenset[str] = frozenset()

    @property
    def useless(self) -> bool:
        """Whether strangers see what the check looks for, so that it tells nothing."""
        return self.shown_to_strangers is True

    @property
    def tells_alive(self) -> bool:
        return self.shown_to_strangers is False

    @property
    def tells_dead(self) -> bool:
        return self.tells_alive and self.home is not None

    def describe(self) -> str:
        """How well a dead session would be noticed, in words."""
        if self.useless:
            return (
                "strangers see what the session check looks for, so it tells nothing: let `ready` name something that "
                "only a logged-in page has"
            )
        if self.tells_dead:
            return "a dead session is noticed: the session check tells sessions from strangers"
        if self.tells_alive:
            return "the session check was not seen to pass with an accepted session yet, so it can't call one dead"
        return "the session check was not tried yet: it is at the first accepted request"


@dataclass(slots=True)
class Knowledge:
    """All that is known of one site's check. `rule` tells the configuration that it holds for.

    `strangers` are the shapes of answers that strangers got to calls of a template (`doorkey check --probe`).
    """

    rule: str
    calibration: Calibration = Calibration()
    shapes: AcceptedShapes = field(default_factory=AcceptedShapes)
    strangers: dict[Template, Shape] = field(default_factory=dict)

    def merge(self, others: Knowledge, *, probed: bool = False) -> None:
        """Take over what *others* have found out, too. Of the check itself, where this does not know it by now; of
        strangers all, unless they were *probed* here.
        """
        self.shapes.merge(others.shapes)
        if not probed and others.rule == self.rule:
            self.strangers = dict(others.strangers)
        settled = self.calibration.useless or self.calibration.tells_dead
        if others.rule == self.rule and not settled and others.calibration.shown_to_strangers is not None:
            self.calibration = others.calibration

    def to_text(self) -> str:
        """For the store. It holds no bodies and no values."""
        calibration = self.calibration
        return json.dumps(
            {
                "rule": self.rule,
                "shown": calibration.shown_to_strangers,
                "stranger": asdict(calibration.stranger) if calibration.stranger else None,
                "home": asdict(calibration.home) if calibration.home else None,
                "varying": sorted(calibration.varying),
                "accepted": self.shapes.to_json(),
                "strangers": [[*template, asdict(shape)] for template, shape in self.strangers.items()],
            }
        )


def read_knowledge(text: str, rule: str) -> Knowledge:
    """The reverse of `to_text`. What was learned by another rule, or can't be read, is learned anew."""
    if not text:
        return Knowledge(rule)
    try:
        data: dict[str, Any] = json.loads(text)
        if data["rule"] != rule:
            return Knowledge(rule, shapes=AcceptedShapes.from_json(data["accepted"]))
        calibration = Calibration(
            shown_to_strangers=data["shown"],
            stranger=PageFacts(**data["stranger"]) if data["stranger"] else None,
            home=PageFacts(**data["home"]) if data["home"] else None,
            varying=frozenset(data["varying"]),
        )
        strangers = {(method, path, keys): _shape(plain) for method, path, keys, plain in data["strangers"]}
        return Knowledge(rule, calibration, AcceptedShapes.from_json(data["accepted"]), strangers)
    except (ValueError, TypeError, KeyError) as error:
        log.warning("what is known of a site's answers can't be read (%s): it is learned anew", type(error).__name__)
        return Knowledge(rule)


def _shape(plain: dict[str, Any]) -> Shape:
    shape = Shape(**plain)
    return replace(shape, leads=(shape.leads[0], shape.leads[1])) if shape.leads else shape
