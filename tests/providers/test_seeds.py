"""The examples of the seeds, word by word; only their imports, and what stood for a proxy and for cookies, are ours."""

from __future__ import annotations

import ast
import asyncio
import doctest
import inspect
from collections.abc import AsyncIterator
from typing import Any

import pytest

import doorkey_providers
from doorkey_providers import Aichat, AiChats, ChatgptFree, ChatGptt, get_cookies
from doorkey_providers import aichat as module
from doorkey_providers.twins.aichat import AichatTwin
from doorkey_providers.twins.aichats import AiChatsTwin
from doorkey_providers.twins.twin import Twin
from doorkey_providers.twins.wordpress import ChatgptFreeTwin, ChatGpttTwin

pytestmark = pytest.mark.browser
KINDS: dict[str, type[Twin]] = {kind.name: kind for kind in (AichatTwin, AiChatsTwin, ChatGpttTwin, ChatgptFreeTwin)}


@pytest.fixture
async def twin(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Twin]:
    """A site, moved by configuration: the classes keep the URLs that their seeds name."""
    async with KINDS[request.param]() as twin:
        monkeypatch.setenv(f"DOORKEY_SITES__{request.param.upper()}__URL", twin.url)
        yield twin


async def run(source: str, **names: Any) -> None:
    """Run *source*, which may await at its top level, as the program of a thread of its own."""
    scope = {"__name__": "__main__", **names}
    code = compile(source, "seed", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)

    def program() -> None:
        asyncio.run(eval(code, scope)) if code.co_flags & inspect.CO_COROUTINE else exec(code, scope)

    await asyncio.to_thread(program)


async def check(source: str, **names: Any) -> None:
    """Run *source*, an interactive session, and hold it to what it shows."""
    test = doctest.DocTestParser().get_doctest(source, names, "seed", None, 0)
    told: list[str] = []
    result = await asyncio.to_thread(lambda: doctest.DocTestRunner(verbose=False).run(test, out=told.append))
    assert (result.failed, "".join(told)) == (0, "")
    assert result.attempted


def wire(twin: Twin) -> tuple[str, str, dict[str, str]]:
    """Method, path and the headers that the seeds name of the last question; the site's origin is left out of them."""
    last = twin.log[-1]
    names = ("accept", "origin", "referer", "content-type")
    headers = {name: (last.header(name) or "").replace(twin.origin, "") for name in names}
    fetch = [last.header(f"sec-fetch-{name}") for name in ("dest", "mode", "site")]
    assert fetch == ["empty", "cors", "same-origin"]
    assert "Chrome/" in last.user_agent
    assert last.header("origin") == twin.origin
    return last.method, last.path, headers


FORM = "application/x-www-form-urlencoded"


GENERATOR = r"""
>>> messages = [
...     {'role': 'user', 'content': 'Привет, как дела?'},
... ]
>>> generator = _create_completion(model='gpt-3.5-turbo', messages=messages, stream=False)
>>> next(generator)
'aichat heard: user: Привет, как дела?\nassistant:'
"""
ATTRIBUTES = """
>>> from doorkey_providers import Aichat
>>> provider = Aichat()
>>> provider.url
'https://chat-gpt.org/chat'
>>> provider.model
['gpt-3.5-turbo']
>>> provider.supports_stream
False
>>> provider.needs_auth
False
"""
METHOD = r"""
>>> from doorkey_providers import Aichat
>>> provider = Aichat()
>>> messages = [
...     {'role': 'user', 'content': 'Привет, как дела?'},
... ]
>>> generator = provider._create_completion(model='gpt-3.5-turbo', messages=messages, stream=False)
>>> next(generator)
'aichat heard: user: Привет, как дела?\nassistant:'
"""


@pytest.mark.parametrize("twin", ["aichat"], indirect=True)
async def test_the_examples_of_aichat_sync(twin: Twin) -> None:
    await check(GENERATOR, _create_completion=module._create_completion)
    await check(ATTRIBUTES)
    await check(METHOD)
    assert wire(twin) == (
        "POST",
        "/api/text",
        {"accept": "*/*", "origin": "", "referer": "/chat", "content-type": "application/json"},
    )
    assert twin.log[-1].fields == {
        "message": "user: Привет, как дела?\nassistant:",
        "temperature": 1,
        "presence_penalty": 0,
        "top_p": 1,
        "frequency_penalty": 0,
    }
    assert (module.url, module.model, module.supports_stream, module.needs_auth) == (
        "https://chat-gpt.org/chat",
        ["gpt-3.5-turbo"],
        False,
        False,
    )
    assert twin.counts.page_loads == 1


CREATE_ASYNC = """
# Пример вызова функции create_async
import asyncio
from typing import List, Dict

async def main():
    model = "gpt-3.5-turbo"
    messages: List[Dict[str, str]] = [{"role": "user", "content": "Hello, how are you?"}]
    proxy = None
    kwargs = {"temperature": 0.7, "top_p": 0.9}

    try:
        response = await Aichat.create_async(model, messages, proxy, **kwargs)
        print(f"Response: {response}")
    except Exception as ex:
        print(f"Error: {ex}")

if __name__ == "__main__":
    asyncio.run(main())
"""
WITH_PROXY_AND_COOKIES = """
# Пример вызова функции create_async с прокси и куки
import asyncio
from typing import List, Dict

async def main():
    model = "gpt-3.5-turbo"
    messages: List[Dict[str, str]] = [{"role": "user", "content": "Translate to french: Hello, how are you?"}]
    proxy = "http://your_proxy:8080"
    cookies = {"cookie_name": "cookie_value"}
    kwargs = {"temperature": 0.7, "top_p": 0.9, "cookies": cookies}

    try:
        response = await Aichat.create_async(model, messages, proxy, **kwargs)
        print(f"Response: {response}")
    except Exception as ex:
        print(f"Error: {ex}")

if __name__ == "__main__":
    asyncio.run(main())
"""


@pytest.mark.parametrize("twin", ["aichat"], indirect=True)
async def test_the_examples_of_aichat_async(twin: Twin, proxy: Any, capsys: pytest.CaptureFixture[str]) -> None:
    await run(CREATE_ASYNC, Aichat=Aichat)
    assert (twin.log[-1].fields["temperature"], twin.log[-1].fields["top_p"]) == (0.7, 0.9)
    proxy.hosts["127.0.0.1"] = int(twin.origin.rpartition(":")[2])
    moved = WITH_PROXY_AND_COOKIES.replace("http://your_proxy:8080", proxy.url)
    await run(moved, Aichat=Aichat)
    cookies = await get_cookies("chat-gpt.org")
    await run(moved.replace('{"cookie_name": "cookie_value"}', repr(cookies)), Aichat=Aichat)
    first, second, third = capsys.readouterr().out.splitlines()
    assert first == "Response: aichat heard: Hello, how are you?"
    assert second.startswith("Error: aichat: the site refuses the cookies that were passed.")
    assert third == "Response: aichat heard: Translate to french: Hello, how are you?"
    assert proxy.seen == [f"POST {twin.origin}/api/text"] * 2


CHAT = """
messages = [{"role": "user", "content": "Hello, how are you?"}]
async for response in AiChats.create_async_generator(model='gpt-4', messages=messages):
    print(response)
"""
PICTURE = """
messages = [{"role": "user", "content": "Generate a picture of a cat."}]
async for response in AiChats.create_async_generator(model='dalle', messages=messages):
    print(response)
"""
CHAT_WHOLE = """
messages = [{"role": "user", "content": "Hello, how are you?"}]
response = await AiChats.create_async(model='gpt-4', messages=messages)
print(response)
"""
PICTURE_WHOLE = """
messages = [{"role": "user", "content": "Generate a picture of a cat."}]
response = await AiChats.create_async(model='dalle', messages=messages)
print(response)
"""


@pytest.mark.parametrize("twin", ["aichats"], indirect=True)
async def test_the_examples_of_aichats(twin: Twin, capsys: pytest.CaptureFixture[str]) -> None:
    out, pages = [], []
    for source in (CHAT, PICTURE, CHAT_WHOLE, PICTURE_WHOLE):
        await run(source, AiChats=AiChats)
        out.append(capsys.readouterr().out)
        method, path, headers = wire(twin)
        pages.append(headers["referer"])
        assert (method, path, headers["accept"]) == ("POST", "/chat/send2/", "application/json, text/event-stream")
    assert out[0].replace("\n", "") == "aichats heard: Hello, how are you?"
    assert out[1].startswith(f"![Generate a picture of a cat.]({twin.origin}/images/")
    assert out[2] == "aichats heard: Hello, how are you?\n"
    assert out[3].startswith(f"{twin.origin}/images/")
    assert pages == ["/chat/", "/image/"] * 2
    assert twin.log[-1].fields == {
        "type": "image",
        "messagesHistory": [{"from": "you", "content": "Generate a picture of a cat."}],
    }
    assert twin.counts.page_loads == 1


RESPONSES = """
from doorkey_providers import ChatgptFree

# Создание генератора для получения ответов от модели 'gpt-4o-mini-2024-07-18'
async def get_response(messages):
    async for response in ChatgptFree.create_async_generator(
        model='gpt-4o-mini-2024-07-18',
        messages=messages,
        timeout=120
    ):
        print(response)


# Пример использования
if __name__ == '__main__':
    messages = [
        {'role': 'user', 'content': 'Привет, как дела?'}
    ]
    asyncio.run(get_response(messages))
"""


@pytest.mark.parametrize("twin", ["chatgptfree"], indirect=True)
async def test_the_example_of_chatgptfree(twin: Twin, capsys: pytest.CaptureFixture[str]) -> None:
    await run(RESPONSES, asyncio=asyncio)
    assert capsys.readouterr().out.replace("\n", "") == "chatgptfree heard: Привет, как дела?"
    assert wire(twin) == (
        "POST",
        "/wp-admin/admin-ajax.php",
        {"accept": "*/*", "origin": "", "referer": "/", "content-type": FORM},
    )
    fields = ["_wpnonce", "post_id", "url", "action", "message", "bot_id"]
    assert list(twin.log[-1].fields) == fields


PLAIN = """
# Пример использования функции create_async_generator
messages = [{"role": "user", "content": "Hello, how are you?"}]
async for message in ChatGptt.create_async_generator(model="gpt-4", messages=messages):
    print(message)
"""
PROXIED = """
# Пример использования функции create_async_generator c прокси
messages = [{"role": "user", "content": "Hello, how are you?"}]
async for message in ChatGptt.create_async_generator(model="gpt-4", messages=messages, proxy="http://proxy.example.com"):
    print(message)
"""


@pytest.mark.parametrize("twin", ["chatgptt"], indirect=True)
async def test_the_examples_of_chatgptt(twin: Twin, proxy: Any, capsys: pytest.CaptureFixture[str]) -> None:
    proxy.hosts["127.0.0.1"] = int(twin.origin.rpartition(":")[2])
    await run(PLAIN, ChatGptt=ChatGptt)
    await run(PROXIED.replace("http://proxy.example.com", proxy.url), ChatGptt=ChatGptt)
    assert capsys.readouterr().out == "chatgptt heard: Hello, how are you?\n" * 2
    assert wire(twin) == (
        "POST",
        "/wp-admin/admin-ajax.php",
        {"accept": "application/json", "origin": "", "referer": "/", "content-type": FORM},
    )
    sent = twin.log[-1].fields
    six = ["_wpnonce", "post_id", "url", "action", "message", "bot_id"]
    assert set(sent) == {*six, "chatbot_identity", "wpaicg_chat_client_id", "wpaicg_chat_history"}
    assert (sent["chatbot_identity"], sent["wpaicg_chat_history"]) == ("shortcode", "[]")
    assert [record.header("via") for record in twin.pages] == [None, "1.1 counting"]


SURFACE = [
    (Aichat, "url", "https://chat-gpt.org/chat"),
    (Aichat, "working", False),
    (Aichat, "supports_gpt_35_turbo", True),
    (AiChats, "url", "https://ai-chats.org"),
    (AiChats, "api_endpoint", "https://ai-chats.org/chat/send2/"),
    (AiChats, "working", False),
    (AiChats, "supports_message_history", True),
    (AiChats, "default_model", "gpt-4"),
    (AiChats, "models", ["gpt-4", "dalle"]),
    (ChatGptt, "url", "https://chatgptt.me"),
    (ChatGptt, "api_endpoint", "https://chatgptt.me/wp-admin/admin-ajax.php"),
    (ChatGptt, "working", False),
    (ChatGptt, "supports_stream", True),
    (ChatGptt, "supports_system_message", True),
    (ChatGptt, "supports_message_history", True),
    (ChatGptt, "default_model", "gpt-4o"),
    (ChatGptt, "models", ["gpt-4", "gpt-4o", "gpt-4o-mini"]),
    (ChatgptFree, "url", "https://chatgptfree.ai"),
    (ChatgptFree, "working", False),
    (ChatgptFree, "_post_id", None),
    (ChatgptFree, "_nonce", None),
    (ChatgptFree, "default_model", "gpt-4o-mini-2024-07-18"),
    (ChatgptFree, "models", ["gpt-4o-mini-2024-07-18"]),
    (ChatgptFree, "model_aliases", {"gpt-4o-mini": "gpt-4o-mini-2024-07-18"}),
]


@pytest.mark.parametrize(("cls", "name", "value"), SURFACE)
def test_each_attribute_is_as_its_seed_says(cls: Any, name: str, value: object) -> None:
    assert (getattr(cls, name), getattr(cls(), name)) == (value, value)


def test_the_classes_inherit_and_are_called_as_their_seeds_say() -> None:
    streaming = (doorkey_providers.AsyncGeneratorProvider, doorkey_providers.ProviderModelMixin)
    assert Aichat.__bases__ == (doorkey_providers.AsyncProvider,)
    assert [cls.__bases__ for cls in (AiChats, ChatGptt, ChatgptFree)] == [streaming] * 3
    first = ["model", "messages", "proxy"]
    for call in (Aichat.create_async, AiChats.create_async_generator, ChatGptt.create_async_generator):
        assert list(inspect.signature(call).parameters)[:3] == first
    free = inspect.signature(ChatgptFree.create_async_generator).parameters
    assert list(free) == [*first, "timeout", "cookies", "kwargs"]
    assert (free["timeout"].default, free["cookies"].default) == (120, None)
    assert list(inspect.signature(module._create_completion).parameters) == ["model", "messages", "stream", "kwargs"]
