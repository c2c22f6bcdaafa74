"""doorkey's providers, and the classes by which the seeds call them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from doorkey.model.chat import format_prompt
    from doorkey_providers.aichat import Aichat
    from doorkey_providers.aichats import AiChats
    from doorkey_providers.chatgptfree import ChatgptFree
    from doorkey_providers.chatgptt import ChatGptt
    from doorkey_providers.facade import (
        AsyncGeneratorProvider,
        AsyncProvider,
        ImageResponse,
        ProviderModelMixin,
        get_cookies,
    )

_HOMES = {
    "AiChats": "doorkey_providers.aichats",
    "Aichat": "doorkey_providers.aichat",
    "AsyncGeneratorProvider": "doorkey_providers.facade",
    "AsyncProvider": "doorkey_providers.facade",
    "ChatGptt": "doorkey_providers.chatgptt",
    "ChatgptFree": "doorkey_providers.chatgptfree",
    "ImageResponse": "doorkey_providers.facade",
    "ProviderModelMixin": "doorkey_providers.facade",
    "format_prompt": "doorkey.model.chat",
    "get_cookies": "doorkey_providers.facade",
}

__all__ = [
    "AiChats",
    "Aichat",
    "AsyncGeneratorProvider",
    "AsyncProvider",
    "ChatGptt",
    "ChatgptFree",
    "ImageResponse",
    "ProviderModelMixin",
    "format_prompt",
    "get_cookies",
]


def __getattr__(name: str) -> Any:
    # Loaded at first use, so that importing the package costs nothing.
    if name not in _HOMES:
        raise AttributeError(f"module 'doorkey_providers' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
