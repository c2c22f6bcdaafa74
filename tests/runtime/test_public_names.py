"""What a program meets first: the names of the package, and clear errors for common slips."""

from __future__ import annotations

from pathlib import Path

import pytest

import doorkey


def test_errors_and_version_are_attributes_of_the_package() -> None:
    assert issubclass(doorkey.errors.UnknownSite, doorkey.errors.DoorkeyError)
    assert doorkey.__version__.count(".") == 2


def test_settings_are_loaded_from_a_path_given_as_text(tmp_path: Path) -> None:
    file = tmp_path / "other.toml"
    file.write_text("[service]\nport = 9000\n")
    settings = doorkey.Settings.load(str(file))
    assert (settings.service.port, settings.source) == (9000, file)


def test_a_runtime_of_anything_but_settings_says_what_was_expected() -> None:
    with pytest.raises(TypeError, match=r"expected Settings, such as doorkey\.Settings\.load"):
        doorkey.Runtime("doorkey.toml")  # type: ignore[arg-type]  # the slip itself


@pytest.mark.parametrize("timeout", ["5", True, float("nan"), {"total": 5}])
def test_a_timeout_that_is_no_number_says_what_was_expected(timeout: object) -> None:
    with pytest.raises(TypeError, match="timeout: expected a number of seconds"):
        doorkey.client("wiki", timeout=timeout)  # type: ignore[arg-type]  # the slip itself


@pytest.mark.parametrize("timeout", [-1, -0.5, float("-inf")])
def test_a_timeout_below_0_says_what_was_expected(timeout: float) -> None:
    with pytest.raises(ValueError, match="timeout: expected 0 seconds or more, or None; came -"):
        doorkey.client("wiki").get("/", timeout=timeout)


def test_a_request_without_a_url_says_what_was_expected() -> None:
    with pytest.raises(TypeError, match="url: expected a path of the site, such as '/api/items'"):
        doorkey.client("wiki").get(None)  # type: ignore[arg-type]  # the slip itself


@pytest.mark.parametrize("name", [None, 5, Path("wiki")])
def test_a_site_that_is_no_name_says_what_was_expected(name: object) -> None:
    with pytest.raises(TypeError, match="site: expected the name of a configured site, such as 'wiki'; came a"):
        doorkey.Runtime(doorkey.Settings.model_validate({"store": {"url": "memory://"}})).provider(name)  # type: ignore[arg-type]  # the slip


@pytest.mark.parametrize(("headers", "came"), [(["accept"], "list"), ({"x-page": 7}, "int for 'x-page'")])
def test_headers_that_are_no_texts_say_what_was_expected(headers: object, came: str) -> None:
    with pytest.raises(TypeError, match=f"headers: expected texts by names.*; came {came}"):
        doorkey.client("wiki").get("/", headers=headers)  # type: ignore[arg-type]  # the slip itself
