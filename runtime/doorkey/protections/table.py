"""The table of what stands before sites: one row a protection, in the order in which they are looked for.

A vendor's explicit header comes first, then its marker in body or page, then the forms of frameworks, 429 and 503 last.
What only says that a CDN is there (`cf-ray`, `server: cloudflare`, `X-Sucuri-ID`, a vendor's sensor script in a site's
own page) is no row: it means nothing.
"""

from __future__ import annotations

from doorkey.protections.blocks import BLOCKS
from doorkey.protections.challenges import CHALLENGES
from doorkey.protections.explicit import EXPLICIT
from doorkey.protections.forms import FORMS
from doorkey.protections.limits import LIMITS
from doorkey.protections.signs import Obstacle
from doorkey.protections.widgets import WIDGETS

PROTECTIONS = (*EXPLICIT, *CHALLENGES, *BLOCKS, *WIDGETS, *FORMS, *LIMITS)
STANDING = (Obstacle.WAIT, Obstacle.PERSON, Obstacle.HEADLESS, Obstacle.BLOCK, Obstacle.RATE)
"""What can stand before a page that a browser opens."""
