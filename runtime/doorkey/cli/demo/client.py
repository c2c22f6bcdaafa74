"""A plain HTTP client of the local service, as any program could be."""

from __future__ import annotations

import json
from collections.abc import Iterable

from doorkey.clock import Clock
from doorkey.errors import SiteError


class DemoClient:
    """Asks questions of the service at *base* with *key*, by OpenAI's API."""

    def __init__(self, base: str, key: str, clock: Clock) -> None:
        from doorkey.model.site import Site
        from doorkey.transport.direct import Direct

        self._clock = clock
        self._site = Site(name="service", url=base + "/")
        self._http = Direct(clock=clock)
        self._key = key

    async def ask(self, model: str, question: str) -> tuple[str, float]:
        """Return the answer and the seconds it took. Raises SiteError with the service's error message."""
        from doorkey.model.request import Request
        from doorkey.model.session import Key, Session

        nobody = Session(key=Key("service", self._site.url), gen=0, url=self._site.url, born=0, soft=0, hard=0)
        request = Request(
            url="/v1/chat/completions",
            method="POST",
            json={"model": model, "stream": True, "messages": [{"role": "user", "content": question}]},
            headers={"authorization": f"Bearer {self._key}"},
        )
        began = self._clock.now()
        stream = await self._http.open(request, nobody, self._site)
        body = bytearray()
        async for piece in stream.chunks():
            body += piece
        text = body.decode(errors="replace")
        answer = "".join(_read_deltas(text.splitlines())) if stream.head.status == 200 else ""
        if not answer:
            raise SiteError(f"the service answered HTTP {stream.head.status}: {_read_message(text)}")
        return answer.strip(), self._clock.now() - began

    async def close(self) -> None:
        await self._http.close()


def _read_deltas(lines: Iterable[str]) -> Iterable[str]:
    for line in lines:
        if line.startswith("data: {"):
            event = json.loads(line.removeprefix("data: "))
            if "error" in event:
                raise SiteError(f"the service says: {event['error'].get('message')}")
            for choice in event.get("choices", ()):
                yield choice["delta"].get("content") or ""


def _read_message(text: str) -> str:
    try:
        return str(json.loads(text)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return text[:200]
