"""Node-RED, from npm: an editor drawn by scripts, and a bearer token in local storage."""

from __future__ import annotations

import json
import shutil
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from software.application import PASSWORD, USER, Application, Write, counted
from software.packages import Packages, Unavailable
from software.process import free_port, server

SCRIPT = Path(__file__).with_name("nodered.js")
HASH = "$2b$04$IoZaxrFGaRhuIrNOw6H.LeeBsJ6/4FF7gZIFsw4e9dzt/guyEg3qe"
"""The hash of PASSWORD."""


@contextmanager
def nodered(packages: Packages, folder: Path) -> Iterator[Application]:
    if shutil.which("node") is None:
        raise Unavailable("node is not there")
    modules, port = packages.javascript("nodered", ["node-red@4"]) / "node_modules", free_port()
    environment = {"APP_USER": USER, "APP_HASH": HASH, "NODE_PATH": str(modules)}
    with server(["node", str(SCRIPT), str(folder), str(port)], port, folder, environment):
        yield Application(
            name="nodered",
            url=f"http://127.0.0.1:{port}/",
            write=lambda mark: Write("POST", "/flow", json={"label": mark, "nodes": []}),
            writes=lambda mark: _flows(folder / "flows.json", mark),
            kill_sessions=lambda: _end(port),
            refusals={},
            environment={"FLOWS_USER": USER, "FLOWS_PASSWORD": PASSWORD},
            enter=(
                ("#node-dialog-login-username", USER),
                ("#node-dialog-login-password", PASSWORD),
                ("#node-dialog-login-submit", ""),
            ),
            use=((".red-ui-tab-button.red-ui-tabs-add a", ""), ("#red-ui-header-button-deploy", "")),
        )


def _flows(file: Path, mark: str) -> dict[str, int]:
    flows = json.loads(file.read_text()) if file.exists() else []
    return counted(flow["label"] for flow in flows if flow["type"] == "tab" and flow["label"].startswith(mark))


def _end(port: int) -> None:
    asked = urllib.request.Request(f"http://127.0.0.1:{port}/-/kill", method="POST")
    with urllib.request.urlopen(asked, timeout=20) as answer:
        assert json.load(answer)["ended"], "there was no session to end"
