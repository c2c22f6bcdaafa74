"""A visitor who enters a twin as its page's script does, for tests that need no browser to say what they say."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from yarl import URL

from doorkey_providers.twins.aichat import AichatTwin
from doorkey_providers.twins.aichats import AiChatsTwin
from doorkey_providers.twins.passes import mix
from doorkey_providers.twins.twin import Twin
from doorkey_providers.twins.wordpress import ChatgptFreeTwin, ChatGpttTwin

TWINS = (AichatTwin, AiChatsTwin, ChatGpttTwin, ChatgptFreeTwin)


class Visitor:
    """Loads the page, makes the script's cookies, and asks as the page's script would."""

    def __init__(self, twin: Twin, session: aiohttp.ClientSession) -> None:
        self.twin = twin
        self.session = session
        self.tokens: dict[str, str] = {}

    async def load(self, query: str = "") -> str:
        """Load the page, keep its tokens and the server's cookies; answers the page's text."""
        async with self.session.get(self.twin.url + query) as response:
            text = await response.text()
        self.tokens = dict(re.findall(r'data-([\w-]+)="([^"]*)"', text))
        if newer := re.search(r"&quot;nonce&quot;: &quot;(\w+)&quot;", text):
            self.tokens["nonce"] = newer[1]
        return text

    async def enter(self) -> Visitor:
        gate = json.loads(re.search(r"const gate = (.*);", await self.load())[1])  # type: ignore[index]
        async with self.session.get(self.twin.origin + gate["from"], params={"seed": gate["seed"]}) as response:
            ticket = await response.text()
        cookies = {gate["name"]: f"{ticket}.{mix(gate['key'] + ':' + ticket)}"}
        self.session.cookie_jar.update_cookies(
            {**cookies, **({gate["hits"]: "1"} if "hits" in gate else {})}, URL(self.twin.origin)
        )
        return self

    def request(self, message: str = "hello", **changes: str) -> dict[str, Any]:
        """The arguments of a request to the API: JSON for two of the twins, a form for the others."""
        if self.twin.name == "aichat":
            return {"json": {"message": message, **changes}}
        if self.twin.name == "aichats":
            history = [{"from": "you", "content": message}]
            return {"json": {"type": "chat", "messagesHistory": history, **changes}}
        nonce = self.tokens.get("nonce", "")
        form = {"_wpnonce": nonce, "_ajax_nonce": nonce, "post_id": self.tokens.get("post-id", ""), "bot_id": "0"}
        return {"data": {**form, "action": "wpaicg_chat_shortcode_message", "message": message, **changes}}

    def post(self, message: str = "hello", **changes: str) -> Any:
        return self.session.post(self.twin.origin + self.twin.api_path, **self.request(message, **changes))

    async def ask(self, message: str = "hello", **changes: str) -> tuple[int, str, bytes]:
        """Status, content type and body of an answer."""
        async with self.post(message, **changes) as response:
            return response.status, response.content_type, await response.read()


Visit = Callable[[Twin], Awaitable[Visitor]]


@pytest.fixture(params=TWINS, ids=lambda kind: kind.name)
async def twin(request: pytest.FixtureRequest) -> AsyncIterator[Twin]:
    async with request.param() as twin:
        yield twin


@pytest.fixture
async def stranger() -> AsyncIterator[Callable[[Twin], Visitor]]:
    """Makes visitors that have not entered, each with a jar of its own."""
    sessions: list[aiohttp.ClientSession] = []

    def arrive(twin: Twin) -> Visitor:
        sessions.append(aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)))
        return Visitor(twin, sessions[-1])

    yield arrive
    for session in sessions:
        await session.close()


@pytest.fixture
def visit(stranger: Callable[[Twin], Visitor]) -> Visit:
    """Makes visitors that are in."""

    async def enter(twin: Twin) -> Visitor:
        return await stranger(twin).enter()

    return enter


class SetClock:
    """A clock that stands where the test put it."""

    def __init__(self, wall: float) -> None:
        self.at = wall
        self.slept: list[float] = []

    def now(self) -> float:
        return self.at

    def wall(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.fixture
def clock() -> SetClock:
    return SetClock(1_700_000_000.0)
