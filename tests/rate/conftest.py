"""A clock for the tests of rate limits."""

from __future__ import annotations

import pytest

from stepped_clock import SteppedClock


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()
