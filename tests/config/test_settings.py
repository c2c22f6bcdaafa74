"""Settings: flag over environment over file over default, and every fault told with its place."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from doorkey.config.settings import Settings, SiteSettings, StoreSettings, config_dirs, describe, state_dir
from doorkey.config.settings_errors import find_lines
from doorkey.errors import ConfigurationError

Write = Callable[[str], Path]


@pytest.fixture(autouse=True)
def _empty_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.upper().startswith("DOORKEY_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str) -> Path:
        path = tmp_path / "settings.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def fault(path: Path | None = None) -> str:
    with pytest.raises(ConfigurationError) as caught:
        Settings.load(path)
    return caught.value.message


def test_without_anything_the_defaults_hold() -> None:
    settings = Settings.load()
    assert (settings, settings.source) == (Settings(), None)


def test_a_flag_wins_over_the_environment_and_that_over_the_file(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write('[service]\nhost = "127.0.0.2"\nport = 1\nhosts = ["file"]\n')
    monkeypatch.setenv("DOORKEY_SERVICE__PORT", "2")
    monkeypatch.setenv("DOORKEY_SERVICE__HOST", "127.0.0.3")
    service = Settings.load(path, service={"port": 3}).service
    assert (service.port, service.host, service.hosts) == (3, "127.0.0.3", ("file",))


def test_the_file_here_comes_before_the_users(tmp_path: Path) -> None:
    users = config_dirs()[1] / "doorkey.toml"
    users.parent.mkdir(parents=True)
    users.write_text("[service]\nport = 1\n")
    assert Settings.load().source == users
    Path("doorkey.toml").write_text("[service]\nport = 2\n")
    assert Settings.load().service.port == 2


def test_the_environment_alone_can_configure_a_site(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("doorkey_sites__AiChats__URL", "http://127.0.0.1:8090/chat/")
    assert Settings.load().sites == {"aichats": SiteSettings(url="http://127.0.0.1:8090/chat/")}


@pytest.mark.parametrize("models", ['["a", "b"]', "a,b", " a , b "])
def test_the_environment_writes_lists_as_json_or_with_commas(monkeypatch: pytest.MonkeyPatch, models: str) -> None:
    monkeypatch.setenv("DOORKEY_SITES__X__MODELS", models)
    assert Settings.load().sites["x"].models == ("a", "b")


def test_the_environment_writes_tables_as_json_beside_single_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOORKEY_SITES", '{"x": {"provider": "aichat", "url": "http://x/"}}')
    monkeypatch.setenv("DOORKEY_SITES__X__URL", "http://y/")
    monkeypatch.setenv("DOORKEY_MODELS", '{"gpt-4o-mini": ["x/gpt"]}')
    settings = Settings.load()
    assert settings.sites["x"] == SiteSettings(provider="aichat", url="http://y/")
    assert settings.models == {"gpt-4o-mini": ("x/gpt",)}


def test_an_empty_variable_counts_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOORKEY_SERVICE__KEY", "")
    assert Settings.load().service.key is None


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("[service]\n\nprot = 1\n", 3, "unknown key service.prot (did you mean 'port'?)"),
        ("[servise]\nport = 1\n", 1, "unknown key servise (did you mean 'service'?)"),
        ("[service]\nport = 70000\n", 2, "less than or equal to 65535; came an integer, '70000'"),
        ('service.port = "abc"\n', 1, "service.port: should be a valid integer"),
        ("[service]\nport = [1]\n", 2, "came a list"),
        ('[browser]\ndisplay = "hidden"\n', 2, "'headless', 'virtual' or 'screen'; came text, 'hidden'"),
        ('[browser]\nsandbox = "maybe"\n', 2, "browser.sandbox"),
        ("[limits]\nvisit = 0\n", 2, "limits.visit: should be greater than 0"),
        ("[limits]\nidle = inf\n", 2, "limits.idle: should be a finite number"),
        ('[store]\nurl = "postgres://x"\n', 2, "expected memory://, sqlite, sqlite:///absolute/path"),
        ('[sites.x]\nurl = "example.com"\n', 2, "expected an http(s) URL with a host"),
        ('[sites.x]\nurl = "ftp://example.com/"\n', 2, "expected an http(s) URL with a host"),
        ('[sites.x]\nproxy = "socks4://127.0.0.1:1"\n', 2, "expected an http(s) or socks5 proxy"),
        ('[sites.x]\nreach = ["https://cdn.example/"]\n', 2, 'expected hosts like "cdn.example"'),
        ('[sites.x]\nreach = ["cdn.example", "*.*"]\n', 2, 'expected hosts like "cdn.example"'),
        ('[sites.x]\nproxy = "127.0.0.1:3128"\n', 2, "expected an http(s) or socks5 proxy"),
        ('[sites."My Blog"]\nurl = "http://x/"\n', 1, "expected a name of a-z, 0-9, _ and - only"),
        ('[sites.blog]\n[models]\n"fast.one" = ["blgo/x"]\n', 3, "no site is called 'blgo' (did you mean 'blog'?)"),
        ('[models]\nfast = ["gpt"]\n', 2, "expected \"site/model\", got 'gpt'"),
        ("[service]\nkey = 12345\n", 2, "service.key: should be a valid string; came an integer"),
    ],
)
def test_a_fault_in_the_file_is_told_with_its_line(write: Write, text: str, line: int, said: str) -> None:
    path = write(text)
    message = fault(path)
    assert said in message
    assert f"{path}, line {line}: " in message


def test_every_fault_is_told_not_only_the_first(write: Write) -> None:
    message = fault(write('[service]\nport = -1\nhots = []\n[store]\nurl = "x"\n'))
    assert all(key in message for key in ("service.port", "service.hots", "store.url"))


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("DOORKEY_SERVICE__PROT", "DOORKEY_SERVICE__PORT"),
        ("DOORKEY_PORT", ""),
        ("DOORKEY_BROWSR__IDLE", "DOORKEY_BROWSER__IDLE"),
        ("DOORKEY_SITES__X__ULR", "DOORKEY_SITES__X__URL"),
    ],
)
def test_an_unknown_variable_is_an_error_with_the_nearest_name(
    monkeypatch: pytest.MonkeyPatch, name: str, meant: str
) -> None:
    monkeypatch.setenv(name, "1")
    message = fault()
    assert message.count(name) == message.count(f"{name}: no setting has this variable") == 1
    assert meant in message


def test_a_fault_in_the_environment_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOORKEY_SERVICE__PORT", "abc")
    assert "DOORKEY_SERVICE__PORT: service.port: should be a valid integer" in fault()


def test_a_table_that_is_no_json_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOORKEY_SITES", "{s3cret")
    message = fault()
    assert "DOORKEY_SITES: expected a table as JSON" in message
    assert "s3cret" not in message


def test_the_variables_of_tests_are_let_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOORKEY_REQUIRE", "litellm")
    monkeypatch.setenv("DOORKEY_TEST_TIMES", "2")
    assert Settings.load() == Settings()


@pytest.mark.parametrize(
    "text",
    [
        '[service]\nkey = ["s3cret"]\n',
        '[sites.x]\nproxy = "socks4://me:s3cret@h:1"\n',
        '[sites.x]\nproxy = "http://me:s3cret@h:bad"\n',
        '[sites.x]\nurl = "http://me:s3cret@h/"\n',
        '[service]\nkey = " "\nport = "x"\n[sites.x]\nproxy = "me:s3cret@h"\n',
        "s3cret-that-is-no-toml",
    ],
)
def test_no_error_repeats_a_secret(write: Write, text: str) -> None:
    import traceback

    with pytest.raises(ConfigurationError) as caught:
        Settings.load(write(text))
    assert "s3cret" not in "".join(traceback.format_exception(caught.value)).replace("test_no_error", "")


def test_no_repr_or_dump_shows_a_secret() -> None:
    settings = Settings.model_validate(
        {"service": {"key": "s3cret"}, "sites": {"x": {"proxy": "http://me:s3cret@127.0.0.1:1"}}}
    )
    assert "s3cret" not in repr(settings) + settings.model_dump_json()


def test_broken_toml_is_told_with_line_and_column(write: Write) -> None:
    path = write("[service]\nport = \n")
    assert f"{path} is no valid TOML: Invalid value (at line 2, column 8)" in fault(path)


def test_a_file_that_cannot_be_read_is_a_clear_error(tmp_path: Path) -> None:
    assert "there is no settings file" in fault(tmp_path / "none.toml")
    assert "can't be read" in fault(tmp_path)
    (tmp_path / "latin.toml").write_bytes(b"# \xe4\n")
    assert "UTF-8 text was expected" in fault(tmp_path / "latin.toml")


def test_settings_made_directly_read_nothing_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOORKEY_SERVICE__PORT", "2")
    Path("doorkey.toml").write_text("[service]\nport = 3\n")
    assert Settings().service.port == 8787


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        Settings().service = None  # type: ignore[assignment,misc]


@pytest.mark.parametrize("url", ["memory://", "sqlite", "sqlite:///var/lib/doorkey.db"])
def test_the_known_stores_are_taken(url: str) -> None:
    assert StoreSettings(url=url).url == url


@pytest.mark.parametrize("url", ["redis://localhost", "redis://10.0.0.1:6380/3", "rediss://[::1]:6380/0"])
def test_a_redis_store_needs_a_key(url: str) -> None:
    assert StoreSettings(url=url, key="env:KEY").url == url  # type: ignore[arg-type]  # pydantic makes a secret of it
    with pytest.raises(ValidationError, match="openssl rand"):
        StoreSettings(url=url)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("redis://user:hunter2@host", "store.password"),
        ("redis://", "expected"),
        ("redis://host:70000", "port"),
        ("redis://host/name", "expected"),
        ("rediss://host/0?ssl_cert_reqs=none", "expected"),
    ],
)
def test_a_wrong_redis_url_is_a_clear_error(url: str, told: str) -> None:
    with pytest.raises(ValidationError, match=told) as caught:
        StoreSettings(url=url, key="env:KEY")  # type: ignore[arg-type]  # pydantic makes a secret of it
    assert "hunter2" not in str(caught.value)


def test_the_state_folder_is_the_owners_alone(tmp_path: Path) -> None:
    (tmp_path / "data" / "doorkey").mkdir(parents=True, mode=0o755)
    assert stat.S_IMODE(state_dir().stat().st_mode) == 0o700
    assert state_dir().is_relative_to(tmp_path / "data")


def test_a_state_folder_that_cannot_be_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(ConfigurationError, match="XDG_DATA_HOME"):
        state_dir()


def test_every_setting_says_what_it_does() -> None:
    described = {key: (default, text) for key, default, text in describe()}
    assert described["service.port"][0] == 8787
    assert {"sites.NAME.url", "models", "limits.visit", "store.url"} <= set(described)
    assert [key for key, (_, text) in described.items() if not text.endswith(".")] == []


def test_lines_are_found_by_every_way_of_writing_a_key() -> None:
    text = 'a.b = 1\n[t]\nk = 1\n["x y".z]\n"q.r" = 1\n[[list]]\nn = 1\n'
    assert find_lines(text) == {
        ("a",): 1, ("a", "b"): 1, ("t",): 2, ("t", "k"): 3, ("x y", "z"): 4, ("x y", "z", "q.r"): 5,
        ("list",): 6, ("list", "n"): 7,
    }  # fmt: skip


def test_an_origin_is_written_as_browsers_send_it(write: Write) -> None:
    path = write('[service]\norigins = ["https://App.example:443", "http://localhost:3000", "app://obsidian.md"]\n')
    assert Settings.load(path).service.origins == (
        "https://app.example",
        "http://localhost:3000",
        "app://obsidian.md",
    )


@pytest.mark.parametrize("host", ["doorkey:8787", "http://doorkey", "*", "*.example", "a b", "[::1]:80"])
def test_a_host_that_no_call_could_have_is_refused(write: Write, host: str) -> None:
    assert "service.hosts: expected names without scheme or port" in fault(write(f'[service]\nhosts = ["{host}"]\n'))


@pytest.mark.parametrize("host", ["doorkey", "My_Box.local", "10.0.0.5", "[fd00::1]", "fd00::1"])
def test_a_host_may_be_a_name_or_an_address(write: Write, host: str) -> None:
    assert Settings.load(write(f'[service]\nhosts = ["{host}"]\n')).service.hosts == (host,)


def test_one_site_may_have_more_time_for_its_challenge(tmp_path: Path) -> None:
    path = tmp_path / "doorkey.toml"
    site = '[sites.{}]\nprovider = "web"\nurl = "https://{}.example/"\n'
    path.write_text(f"{site.format('slow', 'slow')}limits.challenge = 90\n{site.format('fast', 'fast')}")
    settings = Settings.load(path)
    assert [settings.challenge_of(name) for name in ("slow", "fast")] == [90.0, 45.0]
    assert settings.entering == settings.limits.visit + 90.0


def test_a_limit_that_no_site_may_have_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "doorkey.toml"
    path.write_text('[sites.a]\nprovider = "web"\nurl = "https://a.example/"\nlimits.chalenge = 90\nlimits.idle = 3\n')
    with pytest.raises(ConfigurationError) as caught:
        Settings.load(path)
    assert "line 4: unknown key sites.a.limits.chalenge (did you mean 'challenge'?)" in caught.value.message
    assert "line 5: unknown key sites.a.limits.idle" in caught.value.message
