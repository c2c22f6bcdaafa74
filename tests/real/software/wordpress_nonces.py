"""Records what a real WordPress makes of nonces: `.venv/bin/python tests/real/software/wordpress_nonces.py`."""

from __future__ import annotations

import itertools
import json
import sys
import tempfile
from pathlib import Path

ACTIONS = ("wpaicg-chatbox", "aipkit_frontend_chat_nonce", "wpaicg-imagelog", "log-out", "Größe | 0|")
VISITORS = ((0, ""), (1, "u5Rr0q5cVZg0GmLrLxJmMZzK1n2xkYb7Qe3Tt9Ss4Wd"), (1, "another session of theirs"))
LIVES = (86_400, 3_600, 8, 7)
"""Seconds; an odd one halves into no whole number."""
WANTED = [
    {"action": action, "uid": uid, "session_token": token, "nonce_life": life}
    for action, (uid, token), life in itertools.product(ACTIONS, VISITORS, LIVES)
]
FILE = Path(__file__).parents[2] / "providers" / "nonce_vectors.json"


def record() -> None:
    import platformdirs

    from software.packages import Packages
    from software.wordpress import wordpress

    packages = Packages(platformdirs.user_cache_path("doorkey") / "test-real", print)
    with tempfile.TemporaryDirectory() as folder, wordpress(packages, Path(folder)) as site:
        rows = [json.dumps(vector, ensure_ascii=False) for vector in site.nonces(WANTED)]
    FILE.write_text("[\n  " + ",\n  ".join(rows) + "\n]\n", encoding="utf-8")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    record()
