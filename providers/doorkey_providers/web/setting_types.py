"""The types of the settings of a site with `provider = "web"`: how their values are read."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from doorkey_providers.web.rules import Rule, parse_rule
from doorkey_providers.web.sources import check_css
from doorkey_providers.web.when import When, parse_when

UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def to_tuple(value: object) -> object:
    return value if isinstance(value, list | tuple) else [value]


def _parse_css(value: object) -> object:
    return check_css(value) if isinstance(value, str) else value


def _parse_whens(value: object) -> object:
    return tuple(parse_when(one) if isinstance(one, str) else one for one in _to_list(value))


def _parse_rules(value: object) -> object:
    """Read statuses and signs. A table `{ is = …, when = … }` limits its rules to some requests."""
    found: list[Rule] = []
    for one in _to_list(value):
        if isinstance(one, dict):
            if set(one) - {"is", "when"} or "is" not in one:
                raise ValueError("expected a table with `is` (one rule or several) and `when`")
            whens = tuple(parse_when(str(when)) for when in _to_list(one.get("when", [])))
            found += [parse_rule(rule, whens) for rule in _to_list(one["is"])]
        elif isinstance(one, str | int) and not isinstance(one, bool):
            found.append(parse_rule(one))
        else:
            raise ValueError("expected statuses and rules, like [401, 'redirect:/login']")  # noqa: TRY004  pydantic's
    return tuple(found)


def _parse_obstacles(value: object) -> object:
    """Read rules on what stands before the site. It also comes with statuses of failing sites."""
    rules = _parse_rules(value)
    return tuple(replace(rule, failing=True) for rule in rules) if isinstance(rules, tuple) else rules


def _to_list(value: object) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _parse_rule(value: object) -> object:
    return parse_rule(value) if isinstance(value, str | int) and not isinstance(value, bool) else value


def _parse_seconds(value: object) -> object:
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhd]?)\s*", value)
    if found is None:
        raise ValueError("expected a time like 90s, 30m, 12h or 7d")
    return float(found[1]) * UNITS[found[2]]


Names = Annotated[tuple[str, ...], BeforeValidator(to_tuple)]
Css = Annotated[str, Field(min_length=1), BeforeValidator(_parse_css)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False), BeforeValidator(_parse_seconds)]
Rules = Annotated[tuple[Rule, ...], BeforeValidator(_parse_rules)]
Obstacles = Annotated[tuple[Rule, ...], BeforeValidator(_parse_obstacles)]
Whens = Annotated[tuple[When, ...], BeforeValidator(_parse_whens)]
OneRule = Annotated[Rule, BeforeValidator(_parse_rule)]
