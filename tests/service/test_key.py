from __future__ import annotations

from pathlib import Path

import pytest
from double import DoubleRuntime
from pydantic import SecretStr

from doorkey.config.settings import ServiceSettings
from doorkey.errors import ConfigurationError
from doorkey.service.app import build_app, serve
from doorkey.service.key import matches, the_key


def test_the_first_start_makes_a_key_that_only_its_user_reads_and_shows_it_once(tmp_path: Path) -> None:
    first = the_key(ServiceSettings(), folder=tmp_path)
    second = the_key(ServiceSettings(), folder=tmp_path)
    assert first.value
    assert first.value == second.value
    assert first.value in first.shown
    assert first.value not in second.shown
    assert [(file.name, file.stat().st_mode & 0o777) for file in tmp_path.iterdir()] == [("service.key", 0o600)]


def test_a_key_of_the_settings_is_used_and_never_shown(tmp_path: Path) -> None:
    chosen = the_key(ServiceSettings(key=SecretStr("geheim")), folder=tmp_path)
    assert chosen.value == "geheim"
    assert "geheim" not in chosen.shown + repr(chosen)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("key", ["", " ", "a\nb"])
def test_a_key_that_no_header_can_carry_is_refused(key: str, tmp_path: Path) -> None:
    (tmp_path / "service.key").write_text(key)
    with pytest.raises(ConfigurationError):
        the_key(ServiceSettings(), folder=tmp_path)


def test_no_key_is_for_loopback_only(tmp_path: Path) -> None:
    assert the_key(ServiceSettings(host="::1"), no_key=True, folder=tmp_path).value is None
    with pytest.raises(ConfigurationError, match=r"service\.host is 0\.0\.0\.0"):
        the_key(ServiceSettings(host="0.0.0.0"), no_key=True, folder=tmp_path)
    with pytest.raises(ConfigurationError, match="needs a key"):
        build_app(DoubleRuntime(), service=ServiceSettings(host="0.0.0.0"), key=None)


@pytest.mark.parametrize("shown", ["", "x", "ключ", "\udcff", "a\ud800"])
def test_any_text_can_be_compared(shown: str) -> None:
    assert not matches(shown, "ключ2")
    assert matches("ключ2", "ключ2")


async def test_a_port_that_is_taken_is_told(base: str) -> None:
    port = int(base.rpartition(":")[2])
    app = build_app(DoubleRuntime(), service=ServiceSettings(), key="k")
    with pytest.raises(ConfigurationError, match=f"port {port} on 127.0.0.1 is taken"):
        async with serve(app, "127.0.0.1", port):
            pass
