"""Secrets that the user has named are kept, and only the user can read them."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from doorkey.config.secret_store import FILE, SecretStore
from doorkey.config.secrets import resolve
from doorkey.config.settings import state_dir
from doorkey.errors import ConfigurationError


class DictKeyring:
    """Keeps the contract of the package `keyring`, in memory."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service_name: str, username: str) -> str | None:
        return self.kept.get((service_name, username))

    def set_password(self, service_name: str, username: str, password: str) -> None:
        self.kept[service_name, username] = password

    def delete_password(self, service_name: str, username: str) -> None:
        del self.kept[service_name, username]


class LockedKeyring(DictKeyring):
    def get_password(self, service_name: str, username: str) -> str | None:
        raise OSError(f"locked {username}")

    def set_password(self, service_name: str, username: str, password: str) -> None:
        raise OSError(f"locked {password}")


@pytest.fixture(params=[False, True], ids=["file", "keyring"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> SecretStore:
    return SecretStore(tmp_path, DictKeyring() if request.param else None)


def test_a_secret_is_kept_replaced_listed_and_forgotten(store: SecretStore) -> None:
    store.set("wiki", "one")
    store.set("wiki", "two")
    store.set("a.b-c_d", "x")
    assert (store.get("wiki"), store.names()) == ("two", ("a.b-c_d", "wiki"))
    assert (store.forget("wiki"), store.forget("wiki"), store.names()) == (True, False, ("a.b-c_d",))
    with pytest.raises(ConfigurationError, match="there is no secret wiki"):
        store.get("wiki")


def test_the_file_is_the_users_alone_and_holds_no_value_of_the_keyring(store: SecretStore) -> None:
    store.set("wiki", "s3cr3t")
    file = store.folder / FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert ("s3cr3t" in file.read_text()) is (store.keyring is None)


@pytest.mark.parametrize("name", ["", "../x", "a b", "-a", "a/b", "x" * 65, "a\n"])
def test_a_strange_name_is_refused(store: SecretStore, name: str) -> None:
    with pytest.raises(ConfigurationError, match="name was expected"):
        store.set(name, "x")


def test_no_value_stands_in_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        SecretStore(tmp_path, LockedKeyring()).set("wiki", "s3cr3t")
    assert "s3cr3t" not in caught.value.message
    assert caught.value.__cause__ is None
    (tmp_path / FILE).write_text('{"wiki": "s3cr3t')
    with pytest.raises(ConfigurationError) as caught:
        SecretStore(tmp_path).get("wiki")
    assert "s3cr3t" not in caught.value.message


async def test_settings_name_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    SecretStore(state_dir()).set("wiki", "s3cr3t")
    assert await resolve("secret:wiki") == "s3cr3t"
    with pytest.raises(ConfigurationError, match="there is no secret other"):
        await resolve("secret:other")
