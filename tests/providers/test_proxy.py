"""A proxy holds for the page and for the requests: the site's name is known to nobody but the proxy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from doorkey.errors import ConfigurationError, SiteDown
from doorkey_providers import Aichat, AiChats, ChatgptFree, ChatGptt
from doorkey_providers.shared import shared_runtime
from doorkey_providers.twins.aichats import AiChatsTwin
from doorkey_providers.twins.twin import Twin
from doorkey_providers.twins.wordpress import ChatGpttTwin

from .socks_proxy import SocksProxy

pytestmark = pytest.mark.browser
HELLO = [{"role": "user", "content": "Hello"}]
SITE = "site.invalid"


@pytest.fixture
def impatient(own_state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A visit that failed is told at once: a second one goes the same way."""
    monkeypatch.setenv("DOORKEY_LIMITS__PATIENCE", "0")


def through(proxy: Any, twin: Twin) -> None:
    proxy.hosts[SITE] = int(twin.origin.rpartition(":")[2])


def came_by_the_proxy(twin: Twin) -> bool:
    return all(record.header("via") == "1.1 counting" for record in (*twin.pages, *twin.log, *twin.fetches))


@pytest.mark.parametrize("login", ["", "user:p%40ss"])
async def test_page_requests_and_image_all_pass_the_proxy(proxy: Any, login: str, shared: Any) -> None:
    proxy.login = login and "user:p@ss"
    async with AiChatsTwin() as twin:
        through(proxy, twin)
        AiChats.url = f"http://{SITE}/chat/"
        way = f"http://{login + '@' if login else ''}127.0.0.1:{proxy.port}"
        async with shared():
            assert await AiChats.create_async("gpt-4", HELLO, way) == "aichats heard: Hello"
            assert (await AiChats.create_async("dalle", HELLO, proxy=way)).startswith(f"http://{SITE}/images/")
        assert (twin.counts.page_loads, len(twin.log), len(twin.fetches)) == (1, 2, 1)
        assert came_by_the_proxy(twin)
        assert {f"GET http://{SITE}/chat/", f"POST http://{SITE}/chat/send2/"} <= set(proxy.seen)


async def test_a_renewal_passes_the_proxy_too(proxy: Any, shared: Any) -> None:
    async with ChatGpttTwin() as twin, shared():
        through(proxy, twin)
        ChatGptt.url = f"http://{SITE}/"
        await ChatGptt.create_async("", HELLO, proxy.url)
        twin.switch(rotate=True)
        await ChatGptt.create_async("", HELLO, proxy.url)
        twin.switch(expire_cookies=True)
        await ChatGptt.create_async("", HELLO, proxy.url)
        assert twin.counts.page_loads == 3
        assert came_by_the_proxy(twin)


@pytest.mark.usefixtures("impatient")
async def test_a_site_with_tls_is_asked_for_by_connect_page_and_request_alike(proxy: Any, shared: Any) -> None:
    ChatgptFree.url = Aichat.url = f"https://{SITE}/chat"
    async with shared():
        with pytest.raises(SiteDown):
            await ChatgptFree.create_async("", HELLO, proxy.url, timeout=30)
        assert set(proxy.seen) == {f"CONNECT {SITE}:443"}
        proxy.seen.clear()
        with pytest.raises(SiteDown, match="proxy"):
            await Aichat.create_async("", HELLO, proxy.url, cookies={"a": "b"}, user_agent="Mine/1.0")
    assert set(proxy.seen) == {f"CONNECT {SITE}:443"}


async def test_a_session_made_by_a_proxy_is_not_used_without_it(proxy: Any, shared: Any) -> None:
    async with ChatGpttTwin() as twin, shared():
        proxy.hosts["127.0.0.1"] = int(twin.origin.rpartition(":")[2])
        ChatGptt.url = twin.url
        await ChatGptt.create_async("", HELLO, proxy.url)
        await ChatGptt.create_async("", HELLO)
        assert [record.header("via") for record in twin.pages] == ["1.1 counting", None]
        assert [record.header("via") for record in twin.log] == ["1.1 counting", None]


@pytest.mark.parametrize("login", ["", "user:p@ss"])
async def test_page_requests_and_image_all_pass_a_socks_proxy(socks: SocksProxy, login: str, shared: Any) -> None:
    socks.login = login
    async with AiChatsTwin() as twin:
        socks.hosts[SITE] = int(twin.origin.rpartition(":")[2])
        AiChats.url = f"http://{SITE}/chat/"
        async with shared():
            assert await AiChats.create_async("gpt-4", HELLO, socks.url) == "aichats heard: Hello"
            assert (await AiChats.create_async("dalle", HELLO, proxy=socks.url)).startswith(f"http://{SITE}/images/")
        assert (twin.counts.page_loads, len(twin.log), len(twin.fetches)) == (1, 2, 1)
    assert set(socks.seen) == {f"{SITE}:80"}
    assert socks.denied == 0


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("cookies", [None, {"a": "b"}])
async def test_a_socks_proxy_that_refuses_is_told_and_its_password_is_not(
    socks: SocksProxy, cookies: dict[str, str] | None, shared: Any
) -> None:
    socks.login = "user:right"
    Aichat.url = f"https://{SITE}/chat"
    way = f"socks5://user:wrong@127.0.0.1:{socks.port}"
    async with shared():
        with pytest.raises(SiteDown, match="the proxy refused the way") as refused:
            await Aichat.create_async("", HELLO, way, cookies=cookies, user_agent="Mine/1.0")
    assert "wrong" not in str(refused.value)
    assert (socks.seen, socks.denied > 0) == ([], True)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("cookies", [None, {"a": "b"}])
async def test_a_proxy_that_is_not_there_is_told(proxy: Any, cookies: dict[str, str] | None, shared: Any) -> None:
    Aichat.url = f"https://{SITE}/chat"
    for way in ("socks5://127.0.0.1:1", "http://127.0.0.1:1"):
        async with shared():
            with pytest.raises(SiteDown, match="the proxy can't be reached"):
                await Aichat.create_async("", HELLO, way, cookies=cookies, user_agent="Mine/1.0")


@pytest.mark.parametrize("cookies", [None, {"a": "b"}])
async def test_a_proxy_of_a_kind_we_have_not_is_refused_before_anything_starts(cookies: dict[str, str] | None) -> None:
    async with shared_runtime() as runtime:
        with pytest.raises(ConfigurationError, match="socks4 is not supported") as refused:
            await Aichat.create_async("", HELLO, "socks4://user:secret@127.0.0.1:1080", cookies=cookies)
        assert "secret" not in str(refused.value)
        assert runtime.pool.launches == 0


@pytest.mark.usefixtures("impatient")
async def test_a_wrong_password_is_told_and_not_repeated(proxy: Any, shared: Any) -> None:
    proxy.login = "user:right"
    async with ChatGpttTwin() as twin, shared():
        through(proxy, twin)
        ChatGptt.url = f"http://{SITE}/"
        with pytest.raises(SiteDown) as refused:
            await ChatGptt.create_async("", HELLO, f"http://user:wrong@127.0.0.1:{proxy.port}", timeout=30)
        assert "wrong" not in str(refused.value)
        assert (proxy.seen, twin.counts.page_loads) == ([], 0)
