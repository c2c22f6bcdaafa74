"""Advice to people about protections. SITE stands for the site's name."""

from __future__ import annotations

from doorkey.model.verdict import Kind

BY_HAND = "pass it in your own browser: doorkey login SITE --by-hand, or in doorkey's window: doorkey open SITE --keep"
OWNER = "the site's owner decides that: doorkey neither hides what it is nor tries from another address"
LATER = "try again later: the site limits how much it answers"
OTHERWISE = "put the question in other words"
ADVICE = {Kind.CHALLENGED: BY_HAND, Kind.BLOCKED: OWNER, Kind.RATE_LIMITED: LATER}
"""What helps against what a site's own rules describe."""
