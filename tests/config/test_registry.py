"""The registry: providers by entry points, sites by settings, each fault with what to do about it."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from doorkey import ChatProvider, Provider, Settings
from doorkey.config.registry import (
    build_sites,
    load,
    make_provider,
    page_url,
    provider_class,
    provider_names,
    twin_classes,
)
from doorkey.errors import ConfigurationError


class Blog(Provider):
    page_path = "/chat/"


def settings(**sites: dict[str, object]) -> Settings:
    return Settings.model_validate({"sites": sites})


def test_our_providers_come_in_by_the_common_door() -> None:
    assert {"aichat", "aichats", "chatgptfree", "chatgptt", "wpaicg"} <= set(provider_names())
    assert [name for name in provider_names() if not issubclass(provider_class(name), Provider)] == []


def test_each_twin_copies_a_site_that_has_a_provider() -> None:
    assert set(twin_classes()) <= set(provider_names())
    assert len(twin_classes()) >= 4


def test_an_unknown_provider_is_an_error_with_the_nearest_name() -> None:
    with pytest.raises(ConfigurationError, match=r"no provider is called 'wpaigc' \(did you mean 'wpaicg'"):
        provider_class("wpaigc")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("no_such_module:Site", "ModuleNotFoundError"),
        ("doorkey.errors:NoSuchName", "AttributeError"),
        ("doorkey.provider:default_verdict", "is no class"),
    ],
)
def test_a_broken_plugin_is_named_not_only_its_traceback(value: str, said: str) -> None:
    entry = EntryPoint("broken", value, "doorkey.providers")
    with pytest.raises(ConfigurationError, match=said) as caught:
        load(entry)
    assert "'broken'" in caught.value.message
    assert value in caught.value.message


def test_a_site_with_a_providers_name_needs_no_provider() -> None:
    sites = build_sites(settings(aichats={"url": "http://127.0.0.1:1/here/"}))
    assert sites["aichats"].url == "http://127.0.0.1:1/here/"


@pytest.mark.parametrize(
    ("url", "page"),
    [
        ("https://x.example", "https://x.example/chat/"),
        ("https://x.example/", "https://x.example/chat/"),
        ("https://x.example/other/", "https://x.example/other/"),
        ("https://x.example/?page_id=2", "https://x.example/?page_id=2"),
    ],
)
def test_an_empty_path_becomes_the_providers_own(url: str, page: str) -> None:
    assert page_url(url, Blog) == page


def test_a_site_keeps_what_is_configured() -> None:
    configured = {
        "provider": "wpaicg", "url": "http://127.0.0.1:1/b/", "models": ["m"], "profile": "headed",
        "proxy": "http://127.0.0.1:3128",
    }  # fmt: skip
    site = build_sites(settings(blog=configured))["blog"]
    assert (site.name, site.models, site.profile, site.proxy) == ("blog", ("m",), "headed", "http://127.0.0.1:3128")
    provider = make_provider(site, "wpaicg")
    assert isinstance(provider, ChatProvider)
    assert provider.models() == ("m",)


def test_every_site_that_cannot_be_used_is_told() -> None:
    with pytest.raises(ConfigurationError) as caught:
        build_sites(settings(aichat={}, blog={"url": "http://x/"}, other={"provider": "wpaigc", "url": "http://x/"}))
    message = caught.value.message
    assert "sites.aichat has no url: hosts are presumed dead: say where it is" in message
    assert "sites.blog: sites.blog.provider is not set, and no provider is called 'blog'" in message
    assert "sites.other: no provider is called 'wpaigc' (did you mean 'wpaicg'?)" in message


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ('[sites.aichat]\nulr = "http://x/"\n', 2, "unknown key sites.aichat.ulr (did you mean 'url'?)"),
        ('[sites.x]\nprovder = "wpaicg"\n', 2, "unknown key sites.x.provder (did you mean 'provider'?)"),
        ('[sites.x]\nprovider = "wpaicg"\nurl = "http://x/"\ntokens.a = "b"\n', 4, "unknown key sites.x.tokens"),
    ],
)
def test_a_key_that_neither_doorkey_nor_the_provider_knows_is_told_with_its_line(
    tmp_path: Path, text: str, line: int, said: str
) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        build_sites(Settings.load(path))
    assert f"{path}, line {line}: {said}" in caught.value.message


def test_a_providers_own_keys_are_neither_shown_nor_dumped() -> None:
    made = settings(x={"url": "http://x/", "send": {"header": {"authorization": "s3cret"}}})
    assert "s3cret" not in repr(made) + made.model_dump_json()


def test_models_of_a_site_that_is_no_chat_are_told() -> None:
    with pytest.raises(ConfigurationError) as caught:
        build_sites(settings(wiki={"provider": "web", "url": "http://x/", "models": ["a"]}))
    assert (
        "sites.wiki.models: the provider web is no chat and has no models: remove this setting" in caught.value.message
    )
