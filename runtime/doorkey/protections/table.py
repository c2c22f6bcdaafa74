"""The table of protections: one row each, in the order in which they are tried.

Explicit headers of vendors come first, then their markers in body or page, then the forms of frameworks, then 429 and
503, and last what only speaks like a challenge. Signs of a mere CDN (`cf-ray`, `server: cloudflare`, `X-Sucuri-ID`, a
sensor script in a site's own page) have no row, as they do not mean that anything was refused.
"""

from __future__ import annotations

from doorkey.protections.blocks import BLOCKS
from doorkey.protections.challenges import CHALLENGES
from doorkey.protections.explicit import EXPLICIT
from doorkey.protections.forms import FORMS
from doorkey.protections.limits import LIMITS
from doorkey.protections.signs import Obstacle
from doorkey.protections.unnamed import UNNAMED
from doorkey.protections.widgets import WIDGETS

PROTECTIONS = (*EXPLICIT, *CHALLENGES, *BLOCKS, *WIDGETS, *FORMS, *LIMITS, *UNNAMED)
STANDING = (Obstacle.WAIT, Obstacle.PERSON, Obstacle.HEADLESS, Obstacle.BLOCK, Obstacle.RATE)
"""Kinds of protection that can keep a browser from a page."""
