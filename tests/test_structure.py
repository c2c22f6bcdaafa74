"""The architecture as facts: who imports whom, who opens sockets, who reads the environment, what is public."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

import doorkey

ROOT = Path(__file__).parents[1]
ORDER = (
    ("errors", "clock"),
    ("model",),
    ("protections",),
    ("provider", "shared_notes"),
    ("config",),
    ("network",),
    ("recognition",),
    ("learning",),
    ("reports",),
    ("browser",),
    ("transport",),
    ("rate",),
    ("sessions",),
    ("engine",),
    ("accounts",),
    ("status", "assembly"),
    ("runtime",),
    ("clients",),
    ("setup",),
    ("service",),
    ("agents",),
    ("cli", "__main__", "pytest_plugin"),
)
"""Each may import from its own line and the lines above."""
LONGEST = 300


@dataclass(frozen=True)
class Module:
    """One source file: its dotted name, and what it does as far as its syntax tells."""

    name: str
    source: str
    package: bool = False

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.source)

    def imports(self, *, at_import: bool = False) -> Iterator[str]:
        """Every imported module or name, absolute; *at_import*: without those in functions and for type checkers."""
        for node in _executed(self.tree) if at_import else ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                start = self._above(node.level) if node.level else ""
                module = ".".join(part for part in (start, node.module or "") if part)
                yield from (f"{module}.{alias.name}" for alias in node.names)
            elif isinstance(node, ast.Call) and _dotted(node.func).endswith(("import_module", "__import__")):
                yield from (arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant))

    def _above(self, level: int) -> str:
        parts = self.name.split(".")
        return ".".join(parts[: len(parts) - level + self.package])

    def uses(self) -> set[str]:
        """Every dotted name that stands in the code, and every imported one, by what it was imported from."""
        aliases: dict[str, str] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                aliases |= {alias.asname: alias.name for alias in node.names if alias.asname}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                aliases |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        names = {_dotted(node) for node in ast.walk(self.tree) if isinstance(node, ast.Attribute | ast.Name)}
        return {aliases.get(name.partition(".")[0], name.partition(".")[0]) + name[len(name.partition(".")[0]) :]
                for name in names if name} | set(self.imports())  # fmt: skip


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        inner = _dotted(node.value)
        return f"{inner}.{node.attr}" if inner else ""
    return ""


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and _dotted(node.test).endswith("TYPE_CHECKING"):
            continue
        yield node
        yield from _executed(node)


def _modules(*roots: str) -> list[Module]:
    found = []
    for root in roots:
        for path in sorted((ROOT / root).rglob("*.py")):
            parts = path.relative_to(ROOT / root).with_suffix("").parts
            package = parts[-1] == "__init__"
            name = ".".join(parts[:-1] if package else parts)
            found.append(Module(name, path.read_text(encoding="utf-8"), package))
    return found


RUNTIME = _modules("runtime")
PROVIDERS = _modules("providers")
PROFILES = _modules("browser_profiles")
OURS = [*RUNTIME, *PROVIDERS, *PROFILES]


def _within(name: str, *places: str) -> bool:
    return any(name == place or name.startswith(f"{place}.") for place in places)


def _line(name: str) -> int | None:
    """The line of ORDER on which a doorkey module stands; None for `doorkey` itself, -1 for one without a line."""
    inner = name.removeprefix("doorkey").removeprefix(".")
    if not inner:
        return None
    return next((at for at, line in enumerate(ORDER) if inner.partition(".")[0] in line), -1)


def upward_imports(module: Module) -> list[str]:
    overrides = _line(module.name)
    if overrides is None:
        return []
    if overrides < 0:
        return [f"{module.name} has no line in ORDER"]
    # What is imported for type checkers only makes no circle when the program runs, but it tells what one knows of.
    found = [name for name in module.imports() if _within(name, "doorkey")]
    return [f"{module.name} imports {name}" for name in found if (_line(name) or 0) > overrides or name == "doorkey"]


def foreign_importers(module: Module, library: str, *allowed: str) -> list[str]:
    if _within(module.name, *allowed):
        return []
    return [f"{module.name} imports {name}" for name in module.imports() if _within(name, library)]


SOCKETS = (
    "aiohttp.ClientSession", "aiohttp.request", "aiohttp.TCPConnector", "socket.socket", "socket.create_connection",
    "asyncio.open_connection", "asyncio.open_unix_connection", "urllib.request", "http.client", "requests", "httpx",
    "aiohttp_socks", "python_socks", "aiohappyeyeballs",
    "redis",
)  # fmt: skip


def socket_openers(module: Module, *allowed: str) -> list[str]:
    if _within(module.name, *allowed):
        return []
    used = module.uses()
    connects = [name for name in used if name.endswith((".create_connection", ".sock_connect"))]
    return [f"{module.name} uses {name}" for name in [*(n for n in used if _within(n, *SOCKETS)), *connects]]


def environment_readers(module: Module, *allowed: str) -> list[str]:
    if _within(module.name, *allowed):
        return []
    names = ("os.environ", "os.environb", "os.getenv", "os.getenvb", "os.putenv")
    return [f"{module.name} uses {name}" for name in module.uses() if _within(name, *names)]


def private_knowledge(module: Module) -> list[str]:
    """What a provider imports of doorkey besides its public names."""
    public = {"doorkey", *(f"doorkey.{name}" for name in doorkey.__all__)}
    words = ("doorkey.errors", "doorkey.model.chat")
    allowed = (*words, "doorkey.clock") if ".twins" in module.name else words
    found = [name for name in module.imports() if _within(name, "doorkey")]
    return [f"{module.name} imports {name}" for name in found if name not in public and not _within(name, *allowed)]


def test_modules_import_only_from_their_line_or_above() -> None:
    assert [fault for module in RUNTIME for fault in upward_imports(module)] == []


def test_the_runtime_never_imports_a_provider() -> None:
    assert [fault for module in RUNTIME for fault in foreign_importers(module, "doorkey_providers")] == []


def test_only_the_browser_package_imports_playwright() -> None:
    assert [fault for module in OURS for fault in foreign_importers(module, "playwright", "doorkey.browser")] == []


def test_only_the_transport_the_filter_and_the_store_open_outgoing_sockets() -> None:
    allowed = (
        "doorkey.transport.direct",
        "doorkey.transport.websocket",
        "doorkey.accounts.notifier",
        "doorkey.network.dial",
        "doorkey.network.socks",
        "doorkey.network.addresses",
        "doorkey.browser.filter_proxy",
        "doorkey.service.listening",  # listens
        "doorkey.service.workers",  # hands over what was accepted
        "doorkey.sessions.redis_server",
        "doorkey.sessions.redis_store",
        "doorkey_providers.twins",
    )
    assert [fault for module in OURS for fault in socket_openers(module, *allowed)] == []


def test_only_the_settings_read_the_environment() -> None:
    assert [fault for module in OURS for fault in environment_readers(module, "doorkey.config.settings")] == []


def test_providers_know_only_public_names() -> None:
    assert [fault for module in PROVIDERS for fault in private_knowledge(module)] == []


@pytest.mark.parametrize(
    ("check", "source"),
    [
        (upward_imports, "from doorkey.browser import pool"),
        (upward_imports, "import doorkey.cli.main"),
        (upward_imports, "def late():\n    from ..runtime import Runtime"),
        (upward_imports, "from importlib import import_module\nimport_module('doorkey.engine.engine')"),
        (lambda module: foreign_importers(module, "playwright"), "from playwright.async_api import Page"),
        (lambda module: foreign_importers(module, "playwright"), "def late():\n    import playwright"),
        (socket_openers, "import aiohttp\nasync def f():\n    aiohttp.ClientSession()"),
        (socket_openers, "from aiohttp import ClientSession as S\nS()"),
        (socket_openers, "import asyncio as a\na.open_connection('h', 1)"),
        (socket_openers, "from urllib import request"),
        (socket_openers, "import asyncio\nasyncio.get_running_loop().create_connection\nloop.create_connection(1)"),
        (socket_openers, "import requests"),
        (environment_readers, "import os\nos.environ['A']"),
        (environment_readers, "from os import getenv as g\ng('A')"),
        (private_knowledge, "from doorkey.engine.engine import Engine"),
        (private_knowledge, "from doorkey import _HOMES"),
    ],
)
def test_each_rule_finds_its_breach(check, source: str) -> None:
    assert check(Module("doorkey.config.settings", source))


@pytest.mark.parametrize(
    ("check", "source"),
    [
        (upward_imports, "from doorkey.errors import DoorkeyError"),
        (socket_openers, "from aiohttp import web\nimport socket\nsocket.AF_INET"),
        (environment_readers, "import os\nos.getpid()"),
        (private_knowledge, "from doorkey import Provider\nfrom doorkey.errors import Blocked"),
    ],
)
def test_no_rule_finds_what_is_allowed(check, source: str) -> None:
    assert check(Module("doorkey.config.settings", source)) == []


def test_every_provider_and_twin_has_its_entry_point() -> None:
    entries = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    named = {tuple(value.split(":")) for value in entries["doorkey.providers"].values()}
    named |= {tuple(value.split(":")) for value in entries["doorkey.twins"].values()}
    classes = [
        (module.name, node.name, {_dotted(base) for base in node.bases})
        for module in PROVIDERS
        for node in module.tree.body
        if isinstance(node, ast.ClassDef)
    ]
    kinds = {"Provider", "ChatProvider", "Twin"}
    for _ in classes:
        kinds |= {name for _, name, bases in classes if bases & kinds}
    # What another class builds on is no kind of site by itself, unless it says so.
    built_on = set().union(*(bases for _, _, bases in classes))
    unnamed = [
        f"{module}:{name}"
        for module, name, _ in classes
        if name in kinds - built_on and not name.startswith("_") and (module, name) not in named
    ]
    assert unnamed == []
    assert sorted(named - {(module, name) for module, name, _ in classes}) == []


def test_no_module_is_longer_than_can_be_read_at_once() -> None:
    assert [m.name for m in OURS if m.source.count("\n") > LONGEST] == []


def test_the_public_names_are_these() -> None:
    assert doorkey.__all__ == [
        "CallerOverrides", "Chat", "ChatProvider", "Delta", "EventStream", "Flow", "Head", "JsonDocument", "Kind",
        "Page", "Provider", "Recording", "Reply", "Request", "Runtime", "Session", "Settings", "Tokens", "Verdict",
        "client", "learn", "storage_state", "sync_client",
    ]  # fmt: skip
    assert len(doorkey.__all__) <= 24
    assert [name for name in doorkey.__all__ if getattr(doorkey, name, None) is None] == []


@pytest.mark.parametrize("command", ["import doorkey", "import doorkey.cli.main", "from doorkey import Provider"])
def test_importing_costs_no_heavy_library(command: str) -> None:
    heavy = ("playwright", "lxml", "bs4", "rich", "aiohttp")
    code = f"{command}; import sys; print([name for name in {heavy!r} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert (run.stdout.strip(), run.stderr) == ("[]", "")


def test_help_loads_no_heavy_library() -> None:
    code = (
        "import sys\nfrom doorkey.cli.main import cli\ncli(['--help'], standalone_mode=False)\n"
        "print([name for name in ('playwright', 'lxml', 'bs4', 'rich', 'aiohttp') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert run.stdout.splitlines()[-1:] == ["[]"], run.stderr
