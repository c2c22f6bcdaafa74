"""The provider of chatgptfree.ai: AI Power 1.x with six fields, streamed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any, ClassVar

from doorkey import Tokens
from doorkey_providers.facade import AsyncGeneratorProvider, Messages, Piece, ProviderModelMixin
from doorkey_providers.shared import HOMES
from doorkey_providers.wpaicg.site import AIPowerSite


class ChatgptFreeSite(AIPowerSite):
    """A site that gets the whole conversation in `message`. The model's name is not sent."""

    default_model = "gpt-4o-mini-2024-07-18"
    known_models = ("gpt-4o-mini-2024-07-18",)
    model_aliases = {"gpt-4o-mini": "gpt-4o-mini-2024-07-18"}  # noqa: RUF012
    sends_history = False
    first_bot_only = True
    accept = "*/*"


class ChatgptFree(AsyncGeneratorProvider, ProviderModelMixin):
    """chatgptfree.ai, as its seed calls it. `_nonce` and `_post_id` are those of the last answer's session."""

    site = "chatgptfree"
    url = home = HOMES["chatgptfree"]
    api_path = "/wp-admin/admin-ajax.php"
    _post_id: ClassVar[str | None] = None
    _nonce: ClassVar[str | None] = None
    default_model = "gpt-4o-mini-2024-07-18"
    models: ClassVar[list[str]] = [default_model]
    model_aliases: ClassVar[dict[str, str]] = {"gpt-4o-mini": "gpt-4o-mini-2024-07-18"}

    @classmethod
    def create_async_generator(
        cls,
        model: str,
        messages: Messages,
        proxy: str | None = None,
        timeout: float | None = 120,
        cookies: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> AsyncGenerator[Piece, None]:
        return cls.pieces(model, messages, proxy, timeout=timeout, cookies=cookies, **kwargs)

    @classmethod
    def note_tokens(cls, tokens: Tokens) -> None:
        cls._post_id, cls._nonce = str(tokens["post_id"]), str(tokens["nonce"])
