"""Where a page may send requests, in literals."""

from __future__ import annotations

import pytest

from doorkey.errors import ConfigurationError
from doorkey.network.addresses import as_address
from doorkey.network.egress import parse_proxy
from doorkey.network.policy import refusal

PUBLIC = "https://shop.example/"
LOCAL = "http://127.0.0.1:8090/chat/"


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "FILE:///etc/passwd",
        "ftp://shop.example/",
        "chrome://version",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "view-source:https://shop.example/",
        "data:text/html,x",
        "about:blank",
        " https://shop.example/",
        "java\nscript:alert(1)",
        "https:\\\\shop.example",
        "https://",
        "https://[::1",
        "http://shop.example:99999/",
        "//shop.example/",
    ],
)
def test_what_is_not_plain_http_is_refused_however_it_is_spelled(url: str) -> None:
    assert refusal(url, PUBLIC) is not None


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "0",
        "0.0.0.0",
        "127.0.0.1.",
        "%31%32%37.0.0.1",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:a00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[fe80::1]",
        "[fd00::1]",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "localhost",
        "localhost.",
        "LOCALHOST",
        "a.localhost",
        "printer.local",
        "user:pass@127.0.0.1",
        "shop.example@127.0.0.1",
        "4294967296",
    ],
)
def test_a_public_site_may_not_reach_into_the_network_we_stand_in(host: str) -> None:
    assert refusal(f"http://{host}/", PUBLIC) is not None
    assert refusal(f"ws://{host}/", PUBLIC) is not None


@pytest.mark.parametrize("url", ["https://cdn.example/x.js", "wss://93.184.216.34/", "http://[2606:4700::1111]/"])
def test_the_public_internet_may_be_reached(url: str) -> None:
    assert refusal(url, PUBLIC, ["93.184.216.34"]) is None


def test_one_private_address_among_a_names_addresses_is_enough() -> None:
    why = refusal("https://cdn.example/", PUBLIC, ["93.184.216.34", "10.0.0.1"])
    assert why is not None
    assert "10.0.0.1" in why


@pytest.mark.parametrize("url", ["http://127.0.0.1:8090/x", "ws://127.1:8090/", "https://127.0.0.1.:8090/"])
def test_a_site_on_this_machine_may_use_its_own_host_and_port(url: str) -> None:
    assert refusal(url, LOCAL) is None


def test_http_and_https_of_one_private_host_are_one_place() -> None:
    assert refusal("https://10.0.0.5/", "http://10.0.0.5/") is None
    assert refusal("http://10.0.0.5:8080/", "http://10.0.0.5/") is not None


def test_a_public_site_may_use_its_own_host_on_any_port() -> None:
    assert refusal("https://shop.example:8443/", PUBLIC, ["93.184.216.34"]) is None
    assert refusal("https://shop.example:8443/", PUBLIC, ["10.0.0.1"]) is not None


@pytest.mark.parametrize(
    ("url", "reach"),
    [
        ("http://127.0.0.1:9000/", ("*", "127.0.0.1:9000")),
        ("http://127.0.0.1:9000/", ("127.0.0.1",)),
        ("http://[::1]:9000/", ("*", "[::1]")),
        ("http://auth.internal/", ("AUTH.internal",)),
        ("https://cdn.example/", ("cdn.example",)),
        ("https://a.b.cdn.example/", ("*.cdn.example",)),
        ("wss://a.cdn.example:8443/", ("*.cdn.example:8443",)),
        ("https://shop.example:8443/", ()),
    ],
)
def test_hosts_that_the_settings_name_may_be_reached(url: str, reach: tuple[str, ...]) -> None:
    assert refusal(url, PUBLIC, reach=reach) is None


@pytest.mark.parametrize(
    ("url", "reach"),
    [
        ("https://cdn.example/", ()),
        ("https://cdn.example/", ("*.cdn.example",)),
        ("https://cdn.example.evil/", ("*.cdn.example", "cdn.example")),
        ("https://xcdn.example/", ("*.cdn.example",)),
        ("https://cdn.example:8443/", ("cdn.example:443",)),
        ("https://93.184.216.34/", ("cdn.example",)),
        ("http://127.0.0.1:9001/", ("*", "127.0.0.1:9000")),
        ("http://a.internal/", ("*.internal",)),
    ],
)
def test_hosts_that_a_strict_list_does_not_name_are_refused(url: str, reach: tuple[str, ...]) -> None:
    assert refusal(url, PUBLIC, reach=reach) is not None


def test_a_name_below_a_named_one_may_not_lead_to_a_private_address() -> None:
    assert refusal("https://a.cdn.example/", PUBLIC, ["10.0.0.1"], ("*.cdn.example",)) is not None


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9999/", "http://127.0.0.2/", "http://localhost/", "http://[::1]/", "http://10.0.0.1/"]
)
def test_a_site_on_this_machine_may_not_use_other_private_hosts(url: str) -> None:
    assert refusal(url, LOCAL) is not None


def test_the_site_in_the_place_of_the_user_does_not_open_another_host() -> None:
    assert refusal("http://127.0.0.1@10.0.0.1/", LOCAL) is not None


def test_a_name_is_no_address() -> None:
    assert as_address("shop.example") is None
    assert as_address("face.b00c") is None


def test_a_proxy_is_taken_apart_and_its_password_is_not_shown() -> None:
    proxy = parse_proxy("http://me:s%40fe@proxy.example:3128")
    assert (proxy.server, proxy.username, proxy.password) == ("http://proxy.example:3128", "me", "s@fe")
    assert "s@fe" not in repr(proxy)
    assert proxy.place == ("proxy.example", 3128)


@pytest.mark.parametrize("url", ["socks5://me@[::1]:1", "SOCKS5H://me@[::1]:1"])
def test_a_socks_proxy_resolves_names_itself_in_either_spelling(url: str) -> None:
    assert parse_proxy(url).server == "socks5://[::1]:1"
    assert parse_proxy("socks5://proxy.example").place == ("proxy.example", 1080)


@pytest.mark.parametrize(
    "url", ["socks4://me:secret@h:1", "proxy.example:3128", "http://", "http://h:secret", "ftp://h"]
)
def test_a_proxy_of_another_kind_is_a_clear_error_without_its_password(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_proxy(url)
    assert "secret" not in str(caught.value)
