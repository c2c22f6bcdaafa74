"""The provider of chatgptfree.ai: AI Power 1.x, six fields, streaming."""

from __future__ import annotations

from doorkey_providers.wpaicg import AIPowerSite


class ChatgptFreeSite(AIPowerSite):
    """The whole conversation goes into `message`; the model's name is not sent."""

    default_model = "gpt-4o-mini-2024-07-18"
    known_models = ("gpt-4o-mini-2024-07-18",)
    model_aliases = {"gpt-4o-mini": "gpt-4o-mini-2024-07-18"}  # noqa: RUF012
    sends_history = False
    accept = "*/*"
