"""Django's CSRF check under load, while its token changes: token and cookie are renewed together, once for all."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from asking import ANSWERED, entered, outcomes
from software.django_csrf import Notes, notes
from software.packages import Packages, Unavailable

pytestmark = [pytest.mark.real("djangocsrf"), pytest.mark.browser]

WRITES = 100
AT_ONCE = 20
OFTEN = 10
"""After so many writes the token is another one: twice while so many are on their way."""
FORM: dict[str, Any] = {
    "tokens": {"csrf": "input[name=csrfmiddlewaretoken]"},
    "send": {"header": {"X-CSRFToken": "{csrf}"}},
}
COOKIE: dict[str, Any] = {
    "tokens": {"csrf": "cookie:csrftoken"},
    "send": {"header": {"X-CSRFToken": "{csrf}"}},
}


@pytest.fixture
def django(request: pytest.FixtureRequest, packages: Packages, tmp_path: Path) -> Iterator[Notes]:
    try:
        with notes(packages, tmp_path / "django", request.param, OFTEN) as running:
            yield running
    except Unavailable as unavailable:
        pytest.skip(f"django can't be had here: {unavailable}")


@pytest.mark.parametrize(
    ("django", "site"),
    [
        pytest.param("session", FORM, id="secret-in-the-session"),
        pytest.param("cookie", FORM, id="secret-in-a-cookie"),
        pytest.param("cookie", COOKIE, id="token-by-cookie"),
        pytest.param("cookie", COOKIE | {"cookies": {"sliding": ["csrftoken"]}}, id="token-by-sliding-cookie"),
        pytest.param("cookie", FORM | {"cookies": {"sliding": ["csrftoken"]}}, id="cookie-slides-away-from-token"),
    ],
    indirect=["django"],
)
async def test_a_hundred_writes_over_a_token_that_changes_are_each_taken_once(
    django: Notes, site: dict[str, Any]
) -> None:
    async with entered(django.url, **site) as runtime:
        for batch in range(WRITES // AT_ONCE):
            texts = [f"note {batch} {number}" for number in range(AT_ONCE)]
            assert await outcomes(runtime, texts, "/notes") == {ANSWERED: len(texts)}
    counts = django.counts()
    assert counts["calls"] == WRITES
    assert counts["turned"] == WRITES // OFTEN
    assert counts["pages"] <= 1 + counts["turned"]
