"""AI Power 1.7, 1.8 and 1.9 live, in both of their modes, with everything that can go wrong there."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from doorkey import Runtime, Settings
from doorkey.errors import Blocked, Changed, Cut, DoorkeyError, QuotaReached, SiteDown
from doorkey_providers.twins import failures
from doorkey_providers.twins.twin import Fields, Refusal
from doorkey_providers.twins.wordpress import ChatGpttTwin, damaged

pytestmark = pytest.mark.browser


class PowerTwin(ChatGpttTwin):
    """Fails in ways of the test's own: `fault` always, `dead_nonce` for a dead nonce. 1.7 and 1.8 strip messages."""

    fault: failures.Failure | None = None
    dead_nonce: failures.Failure | None = None

    def message(self, fields: Fields) -> str:
        said = super().message(fields)
        return said if self.switches.generation == "1.9" else damaged(said)

    def refusal(self, request: web.Request, fields: Fields) -> Refusal | None:
        usual = super().refusal(request, fields)
        if usual is not None and usual.reason == "nonce" and self.dead_nonce is not None:
            return refused("nonce", self.dead_nonce)
        return usual if self.fault is None else refused("fault", self.fault)


def refused(reason: str, fault: failures.Failure) -> Refusal:
    return Refusal(reason, web.Response(status=fault.status, text=fault.body, content_type=fault.media_type))


GONE = failures.unknown_action()
FORBIDS = failures.Failure(403, failures.HTML_TYPE, "-1")
LATE = failures.Failure(
    403, failures.HTML_TYPE, failures.died(failures.EXPIRED).replace("</title>", f"</title><style>{'x' * 8000}</style>")
)
ROWS: dict[str, tuple[dict[str, Any], failures.Failure | None, type[DoorkeyError]]] = {
    "backend": ({"backend_failure": True}, None, SiteDown),
    "quota": ({"quota": True}, None, QuotaReached),
    "quota, with [LIMITED]": ({"quota": True, "limited_mark": True}, None, QuotaReached),
    "banned": ({"banned": True}, None, Blocked),
    "cut": ({"cut": "break"}, None, Cut),
    "plugin gone": ({}, GONE, Changed),
    "another plugin": ({}, FORBIDS, Blocked),
    "binary": ({"garbage": "binary"}, None, Changed),
    "down": ({"down": True}, None, SiteDown),
}


def settings(twin: PowerTwin) -> Settings:
    blog = {"url": twin.url, "provider": "wpaicg"}
    return Settings.model_validate({"sites": {"blog": blog}, "store": {"url": "memory://"}})


async def asked(runtime: Runtime, text: str = "Hello there") -> tuple[str, str]:
    """The answer and the rung of the session that it came by."""
    async with await runtime.answer("blog", [{"role": "user", "content": text}]) as answer:
        return "".join([str(delta) async for delta in answer]), answer.session.rung


async def failure(runtime: Runtime, text: str = "a secret prompt") -> type[DoorkeyError] | str:
    try:
        return (await asked(runtime, text))[0]
    except DoorkeyError as error:
        return f"{type(error).__name__} repeats the prompt" if "secret" in str(error) else type(error)


@pytest.mark.parametrize(
    ("generation", "stream"), [("1.7", False), ("1.8", False), ("1.8", True), ("1.9", False), ("1.9", True)]
)
async def test_each_generation_answers_renews_its_nonce_and_fails_by_name(generation: str, stream: bool) -> None:
    async with PowerTwin() as twin, Runtime(settings(twin)) as runtime:
        usual = {"generation": generation, "stream": stream}
        twin.switch(**usual)
        assert await asked(runtime) == ("chatgptt heard: Hello there", "browser")
        twin.switch(rotate=True)
        assert await asked(runtime) == ("chatgptt heard: Hello there", "direct")
        failed = {}
        for name, (switches, twin.fault, _) in ROWS.items():
            twin.switch(reset=True, **usual)
            twin.switch(**switches)
            failed[name] = await failure(runtime)
        assert failed == {name: error for name, (_, _, error) in ROWS.items()}
        twin.switch(reset=True, **usual, cut="end")
        assert await failure(runtime) is (Cut if stream else Changed)
        twin.switch(reset=True, **usual)
        if generation != "1.9":
            assert await failure(runtime, "<b></b>") is Blocked
        assert await asked(runtime) == ("chatgptt heard: Hello there", "direct")
        assert (twin.counts.challenges, twin.counts.page_loads) == (1, 2)


async def test_an_answer_of_17_leaves_its_conversation_out_of_the_next_one() -> None:
    async with PowerTwin() as twin, Runtime(settings(twin)) as runtime:
        twin.switch(generation="1.7")
        for text in ("mine", "yours"):
            await asked(runtime, text)
        assert [record.cookies.get("wpaicg_chat_history_0") for record in twin.log] == [None, None]


async def test_a_nonce_is_renewed_by_the_page_alone_and_dead_cookies_by_one_visit() -> None:
    async with PowerTwin() as twin, Runtime(settings(twin)) as runtime:
        seen: list[tuple[str, int, int]] = []

        async def step(**switches: Any) -> None:
            twin.switch(**switches)
            _, rung = await asked(runtime)
            seen.append((rung, twin.counts.page_loads, twin.counts.challenges))

        await step()
        await step(rotate=True)
        await step(expire_cookies=True)
        await step(rotate=True, expire_cookies=True)
        assert seen == [("browser", 1, 1), ("direct", 2, 1), ("browser", 3, 2), ("browser", 4, 3)]
        # A fresh one per session would be a way around the site's quota for guests.
        assert len({record.fields.get("wpaicg_chat_client_id") for record in twin.log if record.accepted}) == 1


async def test_the_die_page_is_known_by_its_title_when_its_sentence_comes_late() -> None:
    async with PowerTwin() as twin, Runtime(settings(twin)) as runtime:
        await asked(runtime)
        twin.rotate()
        twin.dead_nonce = LATE
        assert await asked(runtime) == ("chatgptt heard: Hello there", "direct")
        assert twin.counts.refused_by == {"nonce": 1}
