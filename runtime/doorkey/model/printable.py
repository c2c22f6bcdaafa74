"""Makes the text of a site printable."""

from __future__ import annotations

CONTROLS = {code: "\N{REPLACEMENT CHARACTER}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}


def harmless(text: str) -> str:
    """Replace the control characters in a site's *text*, which could change the terminal."""
    return text.translate(CONTROLS)
