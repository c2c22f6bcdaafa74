"""Nonces that a real WordPress made (recorded by tests/real/software/wordpress_nonces.py) come out of the twins."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from doorkey_providers.twins.nonce import Nonces

VECTORS: list[dict[str, Any]] = json.loads(Path(__file__).with_name("nonce_vectors.json").read_text(encoding="utf-8"))


def test_the_twins_make_the_nonces_of_a_real_wordpress() -> None:
    made = [
        Nonces(v["salt"], v["nonce_life"]).make(v["action"], v["time"], v["uid"], v["session_token"]) for v in VECTORS
    ]
    assert made == [vector["nonce"] for vector in VECTORS]


def test_what_was_recorded_covers_guests_members_and_lives() -> None:
    assert len({vector["nonce"] for vector in VECTORS}) >= 20
    assert {vector["uid"] for vector in VECTORS} == {0, 1}
    assert {vector["nonce_life"] for vector in VECTORS} >= {86_400, 7}
