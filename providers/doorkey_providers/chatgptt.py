"""The provider of chatgptt.me: AI Power 1.x, with history."""

from __future__ import annotations

from doorkey_providers.wpaicg import AIPowerSite


class ChatGpttSite(AIPowerSite):
    """The model's name is checked here and not sent: the site has its own."""

    default_model = "gpt-4o"
    known_models = ("gpt-4", "gpt-4o", "gpt-4o-mini")
    accept = "application/json"
