"""Get into a site once; then every program calls it with plain HTTP, and a dead session is renewed once, for all.

    async with doorkey.Runtime(doorkey.Settings.load()) as runtime:
        async for delta in runtime.ask("aichats/gpt-4", [{"role": "user", "content": "Hello"}]):
            print(delta, end="")

Everything a program or a provider needs is a name of this module; errors are in `doorkey.errors`, the rest of a
chat's vocabulary in `doorkey.chat`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from doorkey.chat import Chat, Delta
    from doorkey.page import Page
    from doorkey.provider import ChatProvider, Flow, Provider
    from doorkey.request import Head, Reply, Request
    from doorkey.runtime import Runtime
    from doorkey.session import Session, Tokens
    from doorkey.sessions.own import Own
    from doorkey.settings import Settings
    from doorkey.site_client import client
    from doorkey.site_client_sync import sync_client
    from doorkey.transport.decoders import EventStream, JsonDocument
    from doorkey.verdict import Kind, Verdict

_HOMES = {
    "Chat": "chat",
    "ChatProvider": "provider",
    "Delta": "chat",
    "EventStream": "transport.decoders",
    "Flow": "provider",
    "Head": "request",
    "JsonDocument": "transport.decoders",
    "Kind": "verdict",
    "client": "site_client",
    "Own": "sessions.own",
    "Page": "page",
    "Provider": "provider",
    "Reply": "request",
    "Request": "request",
    "Runtime": "runtime",
    "Session": "session",
    "Settings": "settings",
    "sync_client": "site_client_sync",
    "Tokens": "session",
    "Verdict": "verdict",
}

__all__ = [
    "Chat",
    "ChatProvider",
    "Delta",
    "EventStream",
    "Flow",
    "Head",
    "JsonDocument",
    "Kind",
    "Own",
    "Page",
    "Provider",
    "Reply",
    "Request",
    "Runtime",
    "Session",
    "Settings",
    "Tokens",
    "Verdict",
    "client",
    "sync_client",
]


def __getattr__(name: str) -> Any:
    # Loaded when first named: a provider's author needs no aiohttp, and importing doorkey costs nothing.
    if name not in _HOMES:
        raise AttributeError(f"module 'doorkey' has no attribute {name!r}")
    value = getattr(import_module(f"doorkey.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
