"""Get into a site once; then every program calls it with plain HTTP, and a dead session is renewed once, for all.

    async with doorkey.Runtime(doorkey.Settings.load()) as runtime:
        async for delta in runtime.ask("aichats/gpt-4", [{"role": "user", "content": "Hello"}]):
            print(delta, end="")

Everything a program or a provider needs is a name of this module; errors are in `doorkey.errors`, the rest of a
chat's vocabulary in `doorkey.model.chat`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from doorkey import errors as errors
    from doorkey.clients.aio import client
    from doorkey.clients.live_session import storage_state
    from doorkey.clients.sync import sync_client
    from doorkey.config.settings import Settings
    from doorkey.learning.learn import learn
    from doorkey.learning.recording import Recording
    from doorkey.model.chat import Chat, Delta
    from doorkey.model.decoders import EventStream, JsonDocument
    from doorkey.model.overrides import CallerOverrides
    from doorkey.model.page import Page
    from doorkey.model.request import Head, Reply, Request
    from doorkey.model.session import Session, Tokens
    from doorkey.model.verdict import Kind, Verdict
    from doorkey.provider import ChatProvider, Flow, Provider
    from doorkey.runtime import Runtime

    __version__: str

_HOMES = {
    "Chat": "model.chat",
    "ChatProvider": "provider",
    "Delta": "model.chat",
    "EventStream": "model.decoders",
    "Flow": "provider",
    "Head": "model.request",
    "JsonDocument": "model.decoders",
    "Kind": "model.verdict",
    "client": "clients.aio",
    "learn": "learning.learn",
    "CallerOverrides": "model.overrides",
    "Page": "model.page",
    "Provider": "provider",
    "Recording": "learning.recording",
    "Reply": "model.request",
    "Request": "model.request",
    "Runtime": "runtime",
    "Session": "model.session",
    "Settings": "config.settings",
    "sync_client": "clients.sync",
    "storage_state": "clients.live_session",
    "Tokens": "model.session",
    "Verdict": "model.verdict",
}

__all__ = [
    "CallerOverrides",
    "Chat",
    "ChatProvider",
    "Delta",
    "EventStream",
    "Flow",
    "Head",
    "JsonDocument",
    "Kind",
    "Page",
    "Provider",
    "Recording",
    "Reply",
    "Request",
    "Runtime",
    "Session",
    "Settings",
    "Tokens",
    "Verdict",
    "client",
    "learn",
    "storage_state",
    "sync_client",
]


def __getattr__(name: str) -> Any:
    # Loaded when first named: a provider's author needs no aiohttp, and importing doorkey costs nothing.
    if name == "errors":
        return import_module("doorkey.errors")
    if name == "__version__":
        from importlib.metadata import version

        value = version("doorkey")
    elif name in _HOMES:
        value = getattr(import_module(f"doorkey.{_HOMES[name]}"), name)
    else:
        raise AttributeError(f"module 'doorkey' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__", "errors"})
