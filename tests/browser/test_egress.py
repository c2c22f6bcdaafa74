"""Where a page may send requests, in literals."""

from __future__ import annotations

import pytest

from doorkey.browser.egress import as_address, parse_proxy, refusal
from doorkey.errors import ConfigurationError

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


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8090/x", "http://127.0.0.1:9999/", "ws://127.1/", "https://127.0.0.1./"]
)
def test_a_site_on_this_machine_may_use_its_own_host_on_any_port(url: str) -> None:
    assert refusal(url, LOCAL) is None


@pytest.mark.parametrize("url", ["http://127.0.0.2/", "http://localhost/", "http://[::1]/", "http://10.0.0.1/"])
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


@pytest.mark.parametrize(
    "url", ["socks5://me:secret@h:1", "proxy.example:3128", "http://", "http://h:secret", "ftp://h"]
)
def test_a_proxy_of_another_kind_is_a_clear_error_without_its_password(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_proxy(url)
    assert "secret" not in str(caught.value)
