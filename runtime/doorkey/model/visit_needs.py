"""What a provider asks of a visit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from doorkey.model.login_steps import Step, is_login
from doorkey.model.page import Page
from doorkey.model.request import Head, Request
from doorkey.model.session import Tokens
from doorkey.model.verdict import OK, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitNeeds:
    """What a visit must find and bring. The fields have the names and the meaning of the attributes of `Provider`.

    `read` parses the page: a visit calls it in a thread.
    """

    read: Callable[[Page], Tokens]
    ready: str | None = None
    sought: Mapping[str, str] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    pages: tuple[str, ...] = ()
    script_values: tuple[str, ...] = ()
    indexed_values: tuple[str, ...] = ()
    sees_requests: bool = False
    sees_answers: bool = False
    cookies_needed: tuple[str, ...] = ()
    cookies_required: bool = False
    settle: float = 0.25
    recognizes: bool = False
    recognize: Callable[[Request, Head], Verdict] = lambda request, head: OK

    @classmethod
    def of(cls, provider: object, **more: Any) -> Self:
        """Return the needs that *provider* declares, with *more* fields of a subclass."""
        return cls(**{one.name: getattr(provider, one.name) for one in fields(VisitNeeds)} | more)

    @property
    def logs_in(self) -> bool:
        """Whether the steps log in. Others only clear the way, such as through a consent wall."""
        return is_login(self.steps)

    def is_ready(self, page: Page) -> bool:
        """Tell whether *page* shows `ready`, where that is asked for. Parses the page: not for the event loop."""
        return self.ready is None or page.find(self.ready) is not None
