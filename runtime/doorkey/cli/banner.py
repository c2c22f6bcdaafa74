"""What `doorkey serve` prints at its start: the address, the key's place, and commands to try."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

WILDCARDS = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - compared, not listened on
"""Addresses that mean "all interfaces", each with one that a client on this machine can call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Banner:
    """What a caller needs to know.

    `key` is a sentence about the key, and `file` is where it is stored. `pages` are the paths of the sites' pages.
    `without_sites` is printed if there is no site. `dashboard` is the path of the dashboard, or of a link to it.
    """

    base: str
    key: str = field(repr=False)
    asks_key: bool
    file: Path | None
    models: tuple[str, ...]
    pages: Mapping[str, str]
    without_sites: str
    dashboard: str = field(repr=False)

    @property
    def socket(self) -> str:
        """The Unix socket that the service listens on, or empty."""
        return self.base.removeprefix("unix:") if self.base.startswith("unix:") else ""

    @property
    def url(self) -> str:
        """The base URL for clients on this machine."""
        base = "http://localhost" if self.socket else self.base
        for wildcard, address in WILDCARDS.items():
            base = base.replace(f"//{wildcard}:", f"//{address}:")
        return base

    def as_json(self) -> str:
        """One line of JSON, without the key itself. `key_file` is null if the key was given by the user."""
        return json.dumps(
            {
                "base_url": f"{self.url}/v1",
                **({"socket": self.socket} if self.socket else {}),
                "key": self.asks_key,
                "key_file": str(self.file) if self.file else None,
                "models": self.models,
            }
        )

    def as_text(self) -> str:
        lines = [f"doorkey serves at  {self.base}", f"key                {self.key}"]
        if not self.socket:
            once = "  (opens once, for 10 minutes; `doorkey dashboard` makes another)" if self.asks_key else ""
            lines.append(f"dashboard          {self.url}{self.dashboard}{once}")
        if not self.pages:
            return "\n".join([*lines, self.without_sites])
        lines.append(f"sites              {', '.join(self.pages)}")
        if self.models:
            lines.append(f"models             {', '.join(self.models)}  (OpenAI's API at {self.url}/v1)")
        return "\n".join([*lines, "", "try it:", *(f"  {sample}" for sample in self.samples()), "", "Ctrl-C ends it."])

    def samples(self) -> Iterator[str]:
        """Commands to paste into a shell. They read a key of the user's own from $KEY."""
        options = f" --unix-socket {shlex.quote(self.socket)}" if self.socket else ""
        if self.asks_key:
            key = f"$(cat {shlex.quote(str(self.file))})" if self.file else "$KEY"
            options += f' -H "Authorization: Bearer {key}"'
        name, path = next(iter(self.pages.items()))
        yield f"curl{options} {shlex.quote(f'{self.url}/site/{name}{path}')}"
        if self.models:
            yield curl(self.url, options, self.models[0])


def curl(base: str, options: str, model: str) -> str:
    """A command that asks *model* for a streamed answer. *options* are curl's, for the key and the socket."""
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "Hello"}], "stream": True})
    return f"curl -N {base}/v1/chat/completions{options} -H 'Content-Type: application/json' -d {shlex.quote(body)}"
