"""Which models make images, by every name that they have."""

from __future__ import annotations

import pytest

from doorkey.config.settings import Settings, SiteSettings
from doorkey.runtime import Runtime

SITES = {
    "aichats": SiteSettings(url="http://127.0.0.1:1/"),
    "wiki": SiteSettings(provider="web", url="http://127.0.0.1:1/"),
}


@pytest.mark.parametrize(
    ("model", "draws"),
    [
        ("aichats/dalle", True), ("painter", True), ("aichats/gpt-4", False), ("aichats", False), ("wiki/dalle", False),
        ("nobody/dalle", False), ("", False),
    ],
)  # fmt: skip
async def test_a_model_that_makes_images_is_known_before_it_is_asked(model: str, draws: bool) -> None:
    settings = Settings(sites=SITES, models={"painter": ("aichats/gpt-4", "aichats/dalle")})
    async with Runtime(settings) as runtime:
        assert runtime.draws(model) is draws
