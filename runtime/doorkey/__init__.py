"""Get into a site once; then every program calls it with plain HTTP, and a dead session is renewed once, for all.

    async with doorkey.Runtime(doorkey.Settings.load()) as runtime:
        async for delta in runtime.ask("aichats/gpt-4", [{"role": "user", "content": "Hello"}]):
            print(delta, end="")

Everything a program or a provider needs is a name of this module; errors are in `doorkey.errors`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from doorkey.chat import Chat, Delta, Image, Message
    from doorkey.provider import (
        ChatProvider,
        Flow,
        Head,
        Kind,
        Page,
        Provider,
        Reply,
        Request,
        Site,
        Verdict,
    )
    from doorkey.runtime import Runtime
    from doorkey.session import Session
    from doorkey.sessions.visit import Own
    from doorkey.settings import Settings
    from doorkey.transport.decoders import EventStream, JsonDocument

_HOMES = {
    "Chat": "chat",
    "ChatProvider": "provider",
    "Delta": "chat",
    "EventStream": "transport.decoders",
    "Flow": "provider",
    "Head": "provider",
    "Image": "chat",
    "JsonDocument": "transport.decoders",
    "Kind": "provider",
    "Message": "chat",
    "Own": "sessions.visit",
    "Page": "provider",
    "Provider": "provider",
    "Reply": "provider",
    "Request": "provider",
    "Runtime": "runtime",
    "Session": "session",
    "Settings": "settings",
    "Site": "provider",
    "Verdict": "provider",
}

__all__ = [
    "Chat",
    "ChatProvider",
    "Delta",
    "EventStream",
    "Flow",
    "Head",
    "Image",
    "JsonDocument",
    "Kind",
    "Message",
    "Own",
    "Page",
    "Provider",
    "Reply",
    "Request",
    "Runtime",
    "Session",
    "Settings",
    "Site",
    "Verdict",
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
