"""The twin of Aichat: both answer shapes, and how it refuses."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from doorkey_providers.twins.aichat import AichatTwin

if TYPE_CHECKING:
    from .conftest import Visit


@pytest.fixture
async def twin() -> AsyncIterator[AichatTwin]:
    async with AichatTwin() as twin:
        yield twin


async def test_either_shape_of_answer(twin: AichatTwin, visit: Visit) -> None:
    visitor = await visit(twin)
    assert json.loads((await visitor.ask("a\nb"))[2]) == {"response": True, "message": "aichat heard: a\nb"}
    twin.switch(bare_message=True)
    assert json.loads((await visitor.ask("ä"))[2]) == {"message": "aichat heard: ä"}


async def test_a_failing_backend_is_a_false_response(twin: AichatTwin, visit: Visit) -> None:
    twin.switch(backend_failure=True)
    status, _, body = await (await visit(twin)).ask()
    assert status == 200
    assert json.loads(body)["response"] is False


async def test_a_used_up_quota_says_when_to_come_again(twin: AichatTwin, visit: Visit) -> None:
    twin.switch(quota=True)
    async with (await visit(twin)).post() as response:
        assert (response.status, response.headers["Retry-After"]) == (429, "3600")


async def test_a_request_without_a_message_is_refused(twin: AichatTwin, visit: Visit) -> None:
    visitor = await visit(twin)
    assert (await visitor.ask(""))[0] == 400
    for body in (b"{", b"[1]", b""):
        headers = {"Content-Type": "application/json"}
        async with visitor.session.post(twin.origin + "/api/text", data=body, headers=headers) as response:
            assert response.status == 400
    async with visitor.session.get(twin.origin + "/api/text") as response:
        assert response.status == 405
