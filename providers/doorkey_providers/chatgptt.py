"""The provider of chatgptt.me: AI Power 1.x, with history."""

from __future__ import annotations

from typing import ClassVar

from doorkey_providers.facade import AsyncGeneratorProvider, ProviderModelMixin
from doorkey_providers.shared import HOMES
from doorkey_providers.wpaicg.site import AIPowerSite


class ChatGpttSite(AIPowerSite):
    """A site that chooses its model by itself: the name is checked here and not sent."""

    default_model = "gpt-4o"
    known_models = ("gpt-4", "gpt-4o", "gpt-4o-mini")
    first_bot_only = True
    accept = "application/json"


class ChatGptt(AsyncGeneratorProvider, ProviderModelMixin):
    """chatgptt.me, as its seed calls it."""

    site = "chatgptt"
    url = home = HOMES["chatgptt"]
    api_path = "/wp-admin/admin-ajax.php"
    supports_stream: ClassVar[bool] = True
    supports_system_message: ClassVar[bool] = True
    supports_message_history: ClassVar[bool] = True
    default_model = "gpt-4o"
    models: ClassVar[list[str]] = ["gpt-4", "gpt-4o", "gpt-4o-mini"]
