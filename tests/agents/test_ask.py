"""A chat asked by an agent, at a copy of a site that only a browser gets into."""

from __future__ import annotations

from pathlib import Path

import pytest

from doorkey import Runtime, Settings
from doorkey.accounts.confirmations import Confirmations
from doorkey.agents.tools import AgentTools
from doorkey.errors import UnknownSite
from doorkey_providers.twins.wordpress import ChatgptFreeTwin

pytestmark = [pytest.mark.browser, pytest.mark.slow]


async def test_a_chat_s_answer_is_marked_cut_and_shows_no_token(tmp_path: Path) -> None:
    async with ChatgptFreeTwin() as twin:
        site = {"url": twin.url, "agents": {"answer": 30}}
        settings = Settings.model_validate({"sites": {twin.name: site}, "store": {"url": "memory://"}})
        async with Runtime(settings) as runtime:
            tools = AgentTools(runtime, Confirmations(tmp_path, runtime.clock))
            model = runtime.models()[0]
            assert model in await tools.list_sites()
            text = await tools.ask(model, "Hello there, how are you today?")
            assert f"The answer of {model}:" in text
            assert "Between the marks is content of the site" in text
            shown = text.partition(">\n")[2].partition("\n</untrusted")[0]
            assert shown
            assert len(shown) <= 30
            session = await runtime.session(twin.name)
            nonce = max(map(str, session.tokens.values()), key=len)
            assert nonce not in await tools.ask(model, f"Say {nonce}")
            with pytest.raises(UnknownSite, match="agents can't use"):
                await tools.ask("other/model", "Hello")
