"""Sites of ours behind gates of others', run by Node: they count who came how far, and a test switches them."""

from __future__ import annotations

import json
import shutil
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from software.packages import Packages, Unavailable
from software.process import free_port, server

OURS = Path(__file__).parents[1] / "gates"
PACKAGES = {
    "altcha": ("altcha@3", "altcha-lib@2"),
    "cap": ("@cap.js/server@4", "@cap.js/widget@0.1"),
    "express": ("express@5", "express-rate-limit@8"),
}
"""What is fetched for a gate; one that is not here needs nothing but Node."""


@dataclass(slots=True)
class Gated:
    """`command` runs it; `port` stays the same from start to start."""

    command: list[str]
    port: int
    folder: Path
    environment: dict[str, str]
    _running: ExitStack = field(default_factory=ExitStack)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def start(self) -> None:
        self._running.enter_context(server(self.command, self.port, self.folder, self.environment))

    def end(self) -> None:
        self._running.close()

    def restart(self) -> None:
        """End it wherever it is, and begin anew: with another secret, so that no pass is good any more."""
        self.end()
        self.start()

    def switch(self, **changes: Any) -> dict[str, int]:
        """Behave so from now on (`kill`: no pass is good any more; `closed`: none ever is). What was counted."""
        asked = urllib.request.Request(f"{self.url}/control", json.dumps(changes).encode(), method="POST")
        with urllib.request.urlopen(asked, timeout=5) as answer:
            return dict(json.load(answer))

    def counts(self) -> dict[str, int]:
        """See gates/site.js: pages, gated, passes, calls, worthless, …, since it was started."""
        return self.switch()


@contextmanager
def gated(packages: Packages, folder: Path, gate: str, **switches: Any) -> Iterator[Gated]:
    """A site behind *gate*: altcha, cap, own, open, or the one that is express. Raises Unavailable."""
    node = shutil.which("node")
    if node is None:
        raise Unavailable("node is not there: these sites run on it")
    environment = {}
    if gate in PACKAGES:
        environment["NODE_PATH"] = str(packages.javascript(gate, PACKAGES[gate]) / "node_modules")
    script = OURS / ("express.js" if gate == "express" else "site.js")
    port = free_port()
    folder.mkdir(exist_ok=True)
    site = Gated([node, str(script), str(port), gate, json.dumps(switches)], port, folder, environment)
    site.start()
    try:
        yield site
    finally:
        site.end()
