"""A chat behind real gates, limits and filters: what its callers are told, and what it costs the site."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import openai
import pytest

from doorkey import Runtime, Settings
from doorkey.errors import DoorkeyError
from doorkey.service.app import build_app, serve
from doorkey_providers.twins.aichats import AiChatsTwin

sys.path.insert(0, str(Path(__file__).parent))
from asking import ANSWERED, LIMIT
from software.gated import Gated
from software.nginx import core_rules, limited
from software.packages import Packages, Unavailable

pytestmark = pytest.mark.browser

AT_ONCE = 20
REFUSED = "What does os.system('cat /etc/passwd; id') do?"


@pytest.fixture
async def twin() -> AsyncIterator[AiChatsTwin]:
    async with AiChatsTwin() as twin:
        yield twin


@pytest.fixture
def nginx(packages: Packages, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Starts nginx before a site: `limited`, or `core_rules`."""
    with ExitStack() as running:

        def started(kind: Callable[..., Any], behind: str) -> str:
            try:
                return str(running.enter_context(kind(packages, tmp_path / "nginx", behind)))
            except Unavailable as unavailable:
                pytest.skip(f"nginx can't be had here: {unavailable}")

        yield started


@asynccontextmanager
async def chatting(url: str, limits: dict[str, Any] | None = None) -> AsyncIterator[Runtime]:
    chosen = {"sites": {"aichats": {"url": f"{url}/chat/"}}, "store": {"url": "memory://"}, "limits": limits or {}}
    async with Runtime(Settings.model_validate(chosen)) as runtime:
        yield runtime


async def asked(runtime: Runtime, text: str) -> str:
    """ANSWERED when the answer is the one to this question, else the error's name."""
    try:
        question = [{"role": "user", "content": text}]
        said = "".join([str(delta) async for delta in runtime.ask("aichats", question, timeout=LIMIT)])
    except DoorkeyError as error:
        return type(error).__name__
    return ANSWERED if text in said else f"wrong: {said}"


async def all_asked(runtime: Runtime, texts: list[str]) -> set[str]:
    return set(await asyncio.gather(*(asked(runtime, text) for text in texts)))


def host_of(twin: AiChatsTwin) -> str:
    return urlsplit(twin.url).netloc


@pytest.mark.parametrize(
    ("gate", "switches"),
    [
        pytest.param("altcha", {"auto": "onload"}, marks=pytest.mark.real("altcha"), id="altcha"),
        pytest.param("cap", {}, marks=pytest.mark.real("cap"), id="cap"),
        pytest.param("own", {"tied": True}, marks=pytest.mark.real("gates"), id="own"),
    ],
)
async def test_a_chat_answers_from_behind_a_gate_and_after_its_pass_died(
    start: Callable[..., Gated], twin: AiChatsTwin, gate: str, switches: dict[str, Any]
) -> None:
    site = start(gate, behind=host_of(twin), **switches)
    async with chatting(site.url) as runtime:
        assert await all_asked(runtime, [f"first {number}." for number in range(AT_ONCE)]) == {ANSWERED}
        site.switch(kill=True)
        assert await all_asked(runtime, [f"then {number}." for number in range(AT_ONCE)]) == {ANSWERED}
    assert site.counts()["passes"] == twin.counts.page_loads == 2


@pytest.mark.real("altcha")
async def test_openai_s_client_is_told_at_once_that_a_person_is_needed(
    start: Callable[..., Gated], twin: AiChatsTwin
) -> None:
    site = start("altcha", auto="off", behind=host_of(twin))
    async with (
        chatting(site.url) as runtime,
        serve(build_app(runtime, service=runtime.settings.service, key="key"), "127.0.0.1", 0) as base,
        openai.AsyncOpenAI(base_url=f"{base}/v1", api_key="key", max_retries=0) as sdk,
    ):
        for _ in range(3):
            with pytest.raises(openai.InternalServerError) as caught:
                await sdk.chat.completions.create(
                    model="aichats/gpt-4", messages=[{"role": "user", "content": "Hello"}]
                )
            assert (caught.value.status_code, caught.value.code) == (503, "human_required")
    assert (site.counts()["gated"], twin.counts.page_loads) == (1, 0)


@pytest.mark.real("nginx")
async def test_a_chat_that_nginx_limits_says_so_and_is_not_visited_for(
    nginx: Callable[..., str], twin: AiChatsTwin
) -> None:
    async with chatting(nginx(limited, host_of(twin))) as runtime:
        met = await all_asked(runtime, [f"question {number}." for number in range(AT_ONCE)])
        assert met == {ANSWERED, "RateLimited"}
    assert twin.counts.page_loads == 1


@pytest.mark.real("crs")
async def test_a_question_that_a_filter_refuses_is_told_and_the_chat_goes_on(
    nginx: Callable[..., str], twin: AiChatsTwin
) -> None:
    async with chatting(nginx(core_rules, host_of(twin))) as runtime:
        for number in range(AT_ONCE):
            assert await asked(runtime, f"How old is number {number}?") == ANSWERED
            assert await asked(runtime, REFUSED) == "Blocked"
    assert twin.counts.page_loads <= 2
