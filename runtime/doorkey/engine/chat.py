"""A question to a model: which site answers it, and what happens when that site can't."""

from __future__ import annotations

import difflib
import uuid
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Literal

from doorkey.clock import Clock
from doorkey.engine.answer import Answer
from doorkey.engine.engine import Engine
from doorkey.errors import (
    Changed,
    DoorkeyError,
    MayHaveArrived,
    RequestError,
    TimeLimit,
    Unavailable,
    UnknownModel,
)
from doorkey.model.chat import Chat, Delta, Message, parse_messages
from doorkey.model.overrides import NO_OVERRIDES, CallerOverrides
from doorkey.model.session import Tokens
from doorkey.provider import ChatProvider, Provider
from doorkey.sessions.target import SiteTarget

ChatKind = Literal["chat", "image"]
ELSEWHERE = (Unavailable, Changed, MayHaveArrived)
"""Failures after which the next model of an alias is tried: a site that is down, changed or needs a person.

Never when a site says "enough": that would evade its limit.
"""


class ChatRouter:
    """`target` finds the target of a configured site; `aliases` are chains of "site/model" by name; `tokens` are those
    of a site's current session, None without one.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        target: Callable[[str, CallerOverrides], SiteTarget],
        providers: Mapping[str, Provider],
        aliases: Mapping[str, tuple[str, ...]],
        tokens: Callable[[str], Tokens | None],
        clock: Clock,
    ) -> None:
        self._engine = engine
        self._target = target
        self._providers = providers
        self._aliases = aliases
        self._tokens = tokens
        self._clock = clock

    def models(self) -> tuple[str, ...]:
        """All model names: "site/model" of each site that chats, then the aliases."""
        chats = {name: provider for name, provider in self._providers.items() if isinstance(provider, ChatProvider)}
        return (
            *(f"{name}/{model}" for name, chat in chats.items() for model in chat.models(self._tokens(name))),
            *self._aliases,
        )

    def draws(self, model: str) -> bool:
        """Whether *model* makes images, or an alias may lead to one that does."""
        providers = self._providers
        for name in self._aliases.get(model, (model,)):
            site, _, inner = name.partition("/")
            provider = providers.get(site)
            if isinstance(provider, ChatProvider) and provider.model_aliases.get(inner, inner) in provider.image_models:
                return True
        return False

    async def answer(
        self,
        model: str,
        messages: Iterable[object],
        *,
        kind: ChatKind | None,
        options: Mapping[str, Any],
        deadline: float,
        overrides: CallerOverrides = NO_OVERRIDES,
    ) -> Answer[Delta]:
        """The answer, begun; *deadline* is the clock's `now`. Raises DoorkeyError, of an alias the last one's."""
        parsed = parse_messages(messages)
        chain = self._aliases.get(model, (model,))
        for name in chain:
            try:
                return await self._one(name, parsed, kind, options, deadline, overrides)
            except DoorkeyError as error:
                elsewhere = isinstance(error, (TimeLimit, *ELSEWHERE)) and self._clock.now() < deadline
                if name == chain[-1] or not elsewhere:
                    raise
        raise UnknownModel(f"the alias {model[:80]!r} names no model; see [models] in doorkey.toml", param="model")

    async def _one(
        self,
        name: str,
        messages: tuple[Message, ...],
        kind: ChatKind | None,
        options: Mapping[str, Any],
        deadline: float,
        overrides: CallerOverrides,
    ) -> Answer[Delta]:
        target, provider, model = self._chosen(name, kind, overrides)
        chat = Chat(
            id=uuid.uuid4().hex,
            at=self._clock.wall(),
            model=model,
            messages=messages,
            kind="image" if model in provider.image_models else "chat",
            options=options,
        )
        return await self._engine.run(target, partial(provider.answer, chat), deadline=deadline)

    def _chosen(
        self, name: str, kind: ChatKind | None, overrides: CallerOverrides
    ) -> tuple[SiteTarget, ChatProvider, str]:
        site, _, model = name.partition("/")
        known = self._providers
        if site not in known:
            raise UnknownModel(self._unknown(name, known), param="model")
        target = self._target(site, overrides)
        provider = target.provider
        if not isinstance(provider, ChatProvider):
            raise RequestError(f"{site} is no site that chats: send it requests instead", param="model", site=site)
        if kind == "image" and not model and provider.image_models:
            model = provider.image_models[0]
        model = provider.model(model)
        if kind is not None and (model in provider.image_models) != (kind == "image"):
            does = "makes images only" if kind == "chat" else "makes no images"
            raise RequestError(f"{site}/{model} {does}", param="model", site=site)
        return target, provider, model

    def _unknown(self, name: str, known: Mapping[str, Provider]) -> str:
        models = self.models()
        nearest = difflib.get_close_matches(name, [*models, *known], 1)
        if not models:
            return "no site is configured: name one in doorkey.toml, or try the local copies with `doorkey demo`"
        hint = f"did you mean {nearest[0]!r}?" if nearest else f"there are: {', '.join(models)}"
        return f"no model is called {name[:80]!r}; {hint}"
