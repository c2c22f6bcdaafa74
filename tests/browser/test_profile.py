"""Profiles as they lie on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from doorkey.browser.profile import list_profiles, load_profile
from doorkey.errors import ConfigurationError


def test_every_shipped_profile_loads_and_says_what_it_is_for() -> None:
    assert list_profiles() == ("desktop", "headed", "small")
    assert all(load_profile(name).description for name in list_profiles())


def test_a_users_own_profile_takes_the_place_of_a_shipped_one(tmp_path: Path) -> None:
    (tmp_path / "desktop.toml").write_text('language = "de-DE"\nviewport = [1000, 700]')
    assert load_profile("desktop", tmp_path).language == "de-DE"
    assert load_profile("desktop", tmp_path).viewport == (1000, 700)


def test_an_unknown_list_profiles_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'desktop'"):
        load_profile("desctop")


@pytest.mark.parametrize("name", ["../desktop", "/etc/passwd", ""])
def test_a_profiles_name_is_no_path(name: str) -> None:
    with pytest.raises(ConfigurationError, match="there is no profile"):
        load_profile(name)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("viewprot = [1, 2]", "did you mean 'viewport'"),
        ("user_agent = 'x'", "unknown key"),
        ("viewport = [1, 2]", "200 to 8000"),
        ("viewport = [true, 800]", "200 to 8000"),
        ("display = 'window'", "headless, virtual, screen"),
        ("language = 5", "language to be a text"),
        ("language = ", "can't be read"),
    ],
)
def test_a_faulty_profile_says_what_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(ConfigurationError, match=said):
        load_profile("mine", tmp_path)
