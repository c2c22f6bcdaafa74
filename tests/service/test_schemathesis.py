"""The service keeps what its OpenAPI document says: requests made from it by schemathesis, right and wrong ones."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from double import DoubleAnswer, DoubleRuntime

from doorkey import Runtime, Settings
from doorkey.accounts.confirmations import Confirmations
from doorkey.clock import SystemClock
from doorkey.model.chat import Image
from doorkey.service.app import build_app, serve

sys.path.insert(0, str(Path(__file__).parents[1]))
from entered import TokenSite

pytestmark = pytest.mark.slow

KEY = "the-key"
SEED = 20261128
EXAMPLES = 5
"""Of each operation and phase: about 1,000 requests together, in less than a minute on a machine of its own."""
LIMIT = 600
LEFT_OUT = "^/site/|/renew$|/session$"
"""The door answers what a site does. Visits take long and are limited, and no login that chance makes is one."""
PICTURE = Image(url="http://127.0.0.1:1/cat.png", data=b"\x89PNG", media_type="image/png")


class ChattingRuntime(Runtime):
    """The real one, but for its chats, which the double answers."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._double = DoubleRuntime()

    def models(self) -> tuple[str, ...]:
        return self._double.models()

    def sites_of(self, model: str) -> tuple[str, ...]:
        return self._double.sites_of(model)

    def draws(self, model: str) -> bool:
        return self._double.draws(model)

    async def answer(
        self,
        model: str,
        messages: Iterable[object],
        *,
        kind: str | None = None,
        options: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        overrides: object = None,
    ) -> Any:
        answer: DoubleAnswer = await self._double.answer(model, messages, kind=kind, options=options)
        return DoubleAnswer([[PICTURE]]) if model == "aichats/dalle" else answer


async def test_requests_made_from_the_document_find_no_fault(site: TokenSite, tmp_path: Path) -> None:
    settings = Settings.model_validate(
        {"sites": {"wiki": {"provider": "web", "url": site.url}}, "store": {"url": "memory://"}}
    )
    async with ChattingRuntime(settings) as runtime:
        queue = Confirmations(tmp_path / "queue", SystemClock())
        app = build_app(runtime, service=settings.service, key=KEY, confirmations=queue)
        async with serve(app, "127.0.0.1", 0, shutdown=1.0) as base, asyncio.timeout(LIMIT):
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "schemathesis.cli", "run", f"{base}/openapi.json",
                "--header", f"Authorization: Bearer {KEY}", "--seed", str(SEED), "--max-examples", str(EXAMPLES),
                "--phases", "examples,coverage,fuzzing", "--mode", "all", "--request-timeout", "60",
                "--exclude-path-regex", LEFT_OUT, "--generation-database", "none", "--no-color",
                cwd=tmp_path,
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parent), "SCHEMATHESIS_HOOKS": "schema_hooks"},
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )  # fmt: skip
            told = (await process.communicate())[0].decode()
    assert process.returncode == 0, told
    assert "generated" in told, told
