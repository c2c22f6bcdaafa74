"""What a visit is told to bring, and what it brings."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from doorkey.config.secrets import resolve
from doorkey.model.login_steps import Step
from doorkey.model.page import Page
from doorkey.model.session import Cookie, Tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitSpec:
    """What a visit has to bring. `settle`, `longer`, `limit` and `challenge` are seconds.

    `read` is called off the event loop. `longer` is added to `settle` after a fresh session was refused. `cookies` and
    `local` are put into the empty context before the page opens. `user_agent` only when a caller brought one along.
    `steps` are run where `ready` is not there, each value resolved by `value_of` when it is needed. `challenge` is
    added to `limit` where something stands before the site that a browser passes.
    """

    url: str
    read: Callable[[Page], Tokens]
    ready: str | None = None
    steps: tuple[Step, ...] = ()
    value_of: Callable[[str], Awaitable[str]] = resolve
    pages: tuple[str, ...] = ()
    script_values: tuple[str, ...] = ()
    sees_requests: bool = False
    cookies_needed: tuple[str, ...] = ()
    cookies_required: bool = False
    settle: float = 0.25
    longer: float = 0.0
    cookies: tuple[Cookie, ...] = field(default=(), repr=False)
    local: Mapping[str, str] = field(default_factory=dict, repr=False)
    limit: float = 30.0
    challenge: float = 45.0
    user_agent: str | None = None

    def is_ready(self, page: Page) -> bool:
        """Whether *page* shows `ready`, where that is wanted. Parses it: not for the event loop."""
        return self.ready is None or page.find(self.ready) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitResult:
    """What a visit brought. `headers` are those of the page's own request, lower-case; `url` is where it ended."""

    page: Page
    tokens: Tokens = field(repr=False)
    cookies: tuple[Cookie, ...] = field(repr=False)
    headers: Mapping[str, str]
    local: Mapping[str, str] = field(repr=False)
    url: str
    status: int
