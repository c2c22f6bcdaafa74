"""The seeds' classes against the twins, with a real Chromium."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web

from doorkey.errors import (
    DoorkeyError,
    MissingCookies,
    MissingToken,
    QuotaReached,
    RateLimited,
    SiteDown,
    TimeLimit,
    UnknownModel,
    UnknownSite,
)
from doorkey_providers import Aichat, AiChats, ChatgptFree, ChatGptt, ImageResponse, format_prompt, get_cookies
from doorkey_providers.shared import shared_runtime
from doorkey_providers.twins.aichat import AichatTwin
from doorkey_providers.twins.aichats import AiChatsTwin
from doorkey_providers.twins.twin import Fields, Refusal, Twin
from doorkey_providers.twins.wordpress import ChatgptFreeTwin, ChatGpttTwin

pytestmark = pytest.mark.browser
HELLO = [{"role": "user", "content": "Hello"}]
CLASSES: list[tuple[Any, type[Twin]]] = [
    (Aichat, AichatTwin),
    (AiChats, AiChatsTwin),
    (ChatGptt, ChatGpttTwin),
    (ChatgptFree, ChatgptFreeTwin),
]


async def told(cls: Any, *args: Any, **kwargs: Any) -> tuple[list[object], type[BaseException] | None]:
    """What came before the end, and the error that it ended with."""
    pieces: list[object] = []
    try:
        async for piece in cls.pieces(*args, **kwargs):
            pieces.append(piece)  # noqa: PERF401 - what came before an error is wanted too
    except DoorkeyError as error:
        return pieces, type(error)
    return pieces, None


async def test_fifty_calls_are_one_browser_and_one_page_load_and_leave_a_session_behind() -> None:
    async with ChatgptFreeTwin() as twin:
        ChatgptFree.url = twin.url
        async with shared_runtime() as runtime:
            answers = await asyncio.gather(*(ChatgptFree.create_async("gpt-4o-mini", HELLO) for _ in range(50)))
            assert set(answers) == {"chatgptfree heard: Hello"}
            assert (runtime.pool.launches, twin.counts.page_loads) == (1, 1)
            assert (ChatgptFree._post_id, ChatgptFree._nonce) == ("106", twin.nonce)
        assert runtime.pool.list_pids() == ()
        async with shared_runtime() as later:
            await asyncio.gather(*(ChatgptFree.create_async("", HELLO) for _ in range(50)))
            assert later is not runtime
            assert (later.pool.launches, twin.counts.page_loads) == (0, 1)


async def test_the_last_of_fifty_calls_closes_the_runtime_that_the_first_made() -> None:
    async with ChatgptFreeTwin() as twin:
        ChatgptFree.url = twin.url
        twin.switch(hold_page=True)
        calls = [asyncio.create_task(ChatgptFree.create_async("", HELLO)) for _ in range(50)]
        await twin.counts.until(lambda counts: counts.held == 1)
        async with shared_runtime() as runtime:
            assert runtime.pool.launches == 1
        assert runtime.pool.list_pids()
        twin.release()
        await asyncio.gather(*calls)
        assert runtime.pool.list_pids() == ()


async def test_an_image_comes_with_url_bytes_and_alt(shared: Any) -> None:
    async with AiChatsTwin() as twin, shared():
        AiChats.url = twin.url
        (image,) = [piece async for piece in AiChats.create_async_generator("dalle", HELLO)]
        assert isinstance(image, ImageResponse)
        assert image.url.startswith(twin.origin)
        assert image.data_uri.startswith("data:image/png;base64,iVBOR")
        assert image.alt == "Hello"
        assert await AiChats.create_async("dalle", HELLO) == image.url
        twin.switch(image_elsewhere=True)
        assert not (await AiChats.create_async("dalle", HELLO)).startswith(twin.origin)
        assert twin.fetches[-1].cookies == {}


async def test_a_page_without_tokens_is_a_runtime_error(monkeypatch: pytest.MonkeyPatch, shared: Any) -> None:
    monkeypatch.setenv("DOORKEY_LIMITS__VISIT", "6")
    async with ChatGpttTwin() as twin, shared() as runtime:
        ChatGptt.url = twin.url
        await runtime.user_agent()  # starts the browser, which on a busy machine may take most of the limit
        twin.switch(html_instead_of_page_tokens=True)
        with pytest.raises(RuntimeError, match="nonce") as failed:
            await ChatGptt.create_async("gpt-4o", HELLO)
        assert isinstance(failed.value, MissingToken)
        assert twin.counts.page_loads == 1


async def test_a_site_that_gives_no_cookies_is_a_runtime_error(monkeypatch: pytest.MonkeyPatch, shared: Any) -> None:
    monkeypatch.setenv("DOORKEY_LIMITS__VISIT", "6")
    async with AichatTwin() as twin, shared() as runtime:
        Aichat.url = twin.url
        await runtime.user_agent()  # starts the browser, which on a busy machine may take most of the limit
        twin.switch(html_instead_of_page_tokens=True)
        with pytest.raises(RuntimeError, match="cookie") as failed:
            await Aichat.create_async("gpt-3.5-turbo", HELLO, cookies={})
        assert isinstance(failed.value, MissingCookies)


@pytest.mark.parametrize(("cls", "kind"), CLASSES)
async def test_errors_are_raised_and_never_yielded_as_text(cls: Any, kind: type[Twin], shared: Any) -> None:
    async with kind() as twin, shared():
        cls.url = twin.url
        pieces, error = await told(cls, "", HELLO)
        assert ("".join(map(str, pieces)), error) == (f"{twin.name} heard: Hello", None)
        twin.switch(quota=True)
        enough = RateLimited if kind in (AichatTwin, AiChatsTwin) else QuotaReached
        assert await told(cls, "", HELLO) == ([], enough)
        twin.switch(reset=True, backend_failure=True)
        assert await told(cls, "", HELLO) == ([], SiteDown)
        twin.switch(reset=True, down=True)
        with pytest.raises(OSError, match="503"):
            await cls.create_async("", HELLO)
        assert twin.counts.page_loads == 1


@pytest.mark.parametrize("cls", [AiChats, ChatGptt, ChatgptFree])
async def test_an_unknown_model_is_told_at_the_first_piece(cls: Any) -> None:
    pieces = cls.create_async_generator("gpt-5", HELLO)
    with pytest.raises(UnknownModel, match=cls.default_model):
        await anext(pieces)
    with pytest.raises(UnknownModel):
        cls.get_model("gpt-5")


async def test_no_seconds_are_not_no_limit(shared: Any) -> None:
    async with ChatgptFreeTwin() as twin, shared():
        ChatgptFree.url = twin.url
        await ChatgptFree.create_async("", HELLO)
        for model in ("", "gpt-4o-mini"):
            with pytest.raises(TimeLimit, match="total"):
                await ChatgptFree.create_async(model, HELLO, timeout=0)


async def test_each_call_goes_to_the_url_that_the_class_had_when_it_was_made() -> None:
    async with ChatGpttTwin() as one, ChatGpttTwin() as other, shared_runtime() as runtime:
        ChatGptt.url = one.url
        first = ChatGptt.create_async("", [{"role": "user", "content": "to the first"}])
        ChatGptt.url = other.url
        second = ChatGptt.create_async_generator("", [{"role": "user", "content": "to the second"}])
        await asyncio.gather(first, anext(second))
        assert [record.fields["message"] for record in (*one.log, *other.log)] == ["to the first", "to the second"]
        assert runtime.pool.launches == 1
        await second.aclose()


async def test_the_configuration_moves_a_site_and_a_url_on_the_class_wins(
    monkeypatch: pytest.MonkeyPatch, shared: Any
) -> None:
    async with ChatGpttTwin() as configured, ChatGpttTwin() as assigned:
        monkeypatch.setenv("DOORKEY_SITES__CHATGPTT__URL", configured.origin)
        async with shared():
            await ChatGptt.create_async("", HELLO)
            ChatGptt.url = assigned.url
            await ChatGptt.create_async("", HELLO)
        assert (configured.counts.accepted, assigned.counts.accepted) == (1, 1)
        assert ChatGptt().api_endpoint == f"{assigned.origin}/wp-admin/admin-ajax.php"


class WidgetTwin(ChatGpttTwin):
    """Its only chat is the floating widget, with the broken post id that the plugin renders there."""

    def render(self, request: web.Request) -> str:
        text = super().render(request).replace('data-type="shortcode"', 'data-type="widget"')
        text = text.replace('<div class="wpaicg-chat-shortcode"', '<div class="wpaicg-chatbox"')
        return text.replace(f'data-post-id="{self.post_id}"', f'data-post-id="<{self.post_id}"')

    def refusal(self, request: web.Request, fields: Fields) -> Refusal | None:
        if fields.get("action") == "wpaicg_chatbox_message" and fields.get("chatbot_identity") == "widget":
            fields = {**fields, "action": "wpaicg_chat_shortcode_message"}
        return super().refusal(request, fields)


async def test_a_page_with_nothing_but_the_floating_widget_is_entered_by_it(shared: Any) -> None:
    async with WidgetTwin() as twin, shared():
        ChatGptt.url = twin.url
        assert await ChatGptt.create_async("gpt-4o", HELLO) == "chatgptt heard: Hello"
        assert twin.log[-1].fields["post_id"] == "4"


async def test_leaving_a_generator_early_ends_the_request_at_the_site(shared: Any) -> None:
    async with ChatgptFreeTwin() as twin, shared():
        ChatgptFree.url = twin.url
        twin.stream_gate = asyncio.Event()
        pieces = ChatgptFree.create_async_generator("", HELLO)
        assert await anext(pieces)
        await pieces.aclose()
        await asyncio.wait_for(twin.counts.until(lambda counts: counts.left == 1), 10)


def test_a_generator_that_is_forgotten_as_the_loop_ends_makes_no_noise(
    elsewhere: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def first_piece_only() -> None:
        async for piece in ChatgptFree.create_async_generator("", HELLO):
            assert piece
            break

    with elsewhere(ChatgptFreeTwin()) as twin:
        ChatgptFree.url = twin.url
        asyncio.run(ChatgptFree.create_async("", HELLO))
        asyncio.run(first_piece_only())
        assert [record.message for record in caplog.records if record.name == "asyncio"] == []
        assert twin.counts.page_loads == 1


async def test_the_cookies_of_a_host_are_those_of_its_session(shared: Any) -> None:
    async with AiChatsTwin() as twin, shared():
        AiChats.url = twin.url
        cookies = await get_cookies("ai-chats.org")
        assert {"ai-chat-front", "_csrf-front", "muVyak", "muVyak_hits"} <= set(cookies)
        assert await get_cookies(twin.origin.removeprefix("http://")) == cookies
        assert twin.counts.page_loads == 1
    with pytest.raises(UnknownSite):
        await get_cookies("nowhere.example")


def test_the_prompt_is_told_as_the_seeds_told_it() -> None:
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": " "}, *HELLO]
    assert format_prompt(HELLO) == "Hello"
    assert format_prompt(turns) == "System: Be brief.\nUser: Hello\nAssistant:"
