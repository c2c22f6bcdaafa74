"""Cookies and user agent that a caller brings along."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from doorkey.errors import RequestError, SessionRefused
from doorkey_providers import Aichat, AiChats, ChatgptFree, ChatGptt, get_cookies
from doorkey_providers.shared import shared_runtime
from doorkey_providers.twins.aichat import AichatTwin
from doorkey_providers.twins.aichats import AiChatsTwin
from doorkey_providers.twins.twin import Twin
from doorkey_providers.twins.wordpress import ChatgptFreeTwin, ChatGpttTwin

pytestmark = [pytest.mark.browser, pytest.mark.slow]
HELLO = [{"role": "user", "content": "Hello"}]
ALONE: list[tuple[Any, type[Twin]]] = [(Aichat, AichatTwin), (AiChats, AiChatsTwin)]
WITH_TOKENS: list[tuple[Any, type[Twin]]] = [(ChatGptt, ChatGpttTwin), (ChatgptFree, ChatgptFreeTwin)]


async def cookies_of(twin: Twin) -> dict[str, str]:
    return await get_cookies(twin.origin.removeprefix("http://"))


@pytest.mark.parametrize(("cls", "kind"), ALONE)
async def test_passed_cookies_replace_a_visit_where_no_token_is_needed(cls: Any, kind: type[Twin], shared: Any) -> None:
    async with kind() as twin:
        twin.switch(bind_user_agent=True)
        cls.url = twin.url
        async with shared():
            cookies = await cookies_of(twin)
        heard = f"{twin.name} heard: Hello"
        async with shared_runtime() as runtime:
            visitor = twin.pages[0].user_agent
            assert await cls.create_async("", HELLO, cookies=cookies, user_agent=visitor) == heard
            assert runtime.pool.launches == 0
            assert await cls.create_async("", HELLO, cookies=cookies) == heard
        assert (twin.counts.page_loads, twin.log[-1].user_agent) == (1, visitor)


@pytest.mark.parametrize(("cls", "kind"), ALONE)
async def test_passed_cookies_that_the_site_refuses_are_an_error_that_says_so(
    cls: Any, kind: type[Twin], shared: Any
) -> None:
    async with kind() as twin:
        cls.url = twin.url
        async with shared_runtime() as runtime:
            for _ in range(2):
                with pytest.raises(SessionRefused, match="cookies that were passed") as refused:
                    await cls.create_async("", HELLO, cookies={"dead": "s3cret-value"}, user_agent="Mine/1.0")
                assert "s3cret" not in str(refused.value)
            assert (twin.counts.page_loads, runtime.pool.launches) == (0, 0)
        async with shared():
            assert await cls.create_async("", HELLO) == f"{twin.name} heard: Hello"


@pytest.mark.parametrize(("cls", "kind"), WITH_TOKENS)
async def test_passed_cookies_are_there_before_the_page_opens_where_tokens_are_needed(
    cls: Any, kind: type[Twin], shared: Any
) -> None:
    async with kind() as twin, shared():
        cls.url = twin.url
        await cls.create_async("", HELLO, cookies={"consent": "given"}, user_agent="Mine/1.0")
        twin.switch(rotate=True)
        await cls.create_async("", HELLO, cookies={"consent": "given"}, user_agent="Mine/1.0")
        await cls.create_async("", HELLO)
        visits = [(page.cookies.get("consent"), page.user_agent == "Mine/1.0") for page in twin.pages]
        accepted = [(question.cookies.get("consent"), question.user_agent == "Mine/1.0") for question in twin.log]
        assert visits == [("given", True), ("given", True), (None, False)]
        assert accepted == [("given", True), ("given", True), ("given", True), (None, False)]


async def test_sessions_of_passed_cookies_never_reach_the_disk(own_state: Path, shared: Any) -> None:
    async with ChatGpttTwin() as twin, shared():
        ChatGptt.url = twin.url
        await ChatGptt.create_async("", HELLO, cookies={"consent": "s3cret-value"})
        await ChatGptt.create_async("", HELLO)
    written = [path.read_bytes() for path in own_state.rglob("*") if path.is_file()]
    assert any(twin.script_cookie.encode() in data for data in written)
    assert not any(b"s3cret-value" in data for data in written)


@pytest.mark.parametrize(
    "brought",
    [
        {"cookies": "a=s3cret"},
        {"cookies": {"a": 5}},
        {"cookies": {"a": "s3cret\r\nx: y"}},
        {"cookies": {"a": "1; b=s3cret"}},
        {"cookies": {"a=b": "s3cret"}},
        {"user_agent": "s3cret\nx: y"},
    ],
)
async def test_what_no_request_could_carry_is_refused_and_not_repeated(brought: dict[str, Any]) -> None:
    with pytest.raises(RequestError) as refused:
        await Aichat.create_async("", HELLO, **brought)
    assert "s3cret" not in str(refused.value)
    assert refused.value.param in brought
