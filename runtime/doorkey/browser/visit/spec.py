"""What a visit is told to bring, and what it brings."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from doorkey.config.secrets import resolve, resolve_within
from doorkey.model.cookies import Cookie
from doorkey.model.inspection import NONE, Inspection
from doorkey.model.page import Page
from doorkey.model.session import JSON, Tokens
from doorkey.model.visit_needs import VisitNeeds

if TYPE_CHECKING:
    from doorkey.browser.live_view.handovers import Handovers


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitSpec(VisitNeeds):
    """One visit: a provider's needs, and what this visit adds to them. Durations are seconds.

    `value_of` resolves the value of a login step when it is needed, `code_of` a one-time code within a limit. `longer`
    is added to `settle` after a fresh session was refused. `cookies`, `local` and `seeds` (see `Session`) are put into
    the empty context before the page opens. `limit` is for the whole visit; `challenge` is added to it for a wait for
    what stands before the site, or for a one-time code. `user_agent` is set only where a caller passed one. `keep` gets
    the cookies and the site's local storage whenever the site has changed them, before the browser shows them in its
    next request. With `keep_once_in` that begins when the login steps have let the visitor in. `explores`: the site has
    no settings yet, so the visit begins with the login steps, and takes the page at `url` if that asks for no password
    any more, else the one where the login led. `sees_login`: the requests of the login are recorded, too, with what was
    filled in.
    `evidence` says when the page is examined for a report, at the end of the visit; `secrets` are values that its
    picture must not show. `handovers` is where a person is asked to finish what the visit can't; None: nobody is.
    `inspection` is how a person looks at the visit.
    """

    url: str
    value_of: Callable[[str], Awaitable[str]] = resolve
    code_of: Callable[[str, float], Awaitable[str]] = resolve_within
    longer: float = 0.0
    cookies: tuple[Cookie, ...] = field(default=(), repr=False)
    local: Mapping[str, str] = field(default_factory=dict, repr=False)
    seeds: Mapping[str, JSON] = field(default_factory=dict, repr=False)
    limit: float = 30.0
    challenge: float = 45.0
    user_agent: str | None = None
    keep: Callable[[tuple[Cookie, ...], Mapping[str, str]], Awaitable[None]] | None = field(default=None, repr=False)
    keep_once_in: bool = False
    explores: bool = False
    sees_login: bool = False
    evidence: Literal["never", "failed", "always"] = "never"
    secrets: tuple[str, ...] = field(default=(), repr=False)
    handovers: Handovers | None = None
    inspection: Inspection = NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitResult:
    """What a visit brought. `headers` are those of the page's own request, lower-case. `url` is where it ended.

    `device_bound`: the site asked the browser to bind the session to this device, so it may serve no other client.
    """

    page: Page
    tokens: Tokens = field(repr=False)
    cookies: tuple[Cookie, ...] = field(repr=False)
    headers: Mapping[str, str]
    local: Mapping[str, str] = field(repr=False)
    url: str
    status: int
    device_bound: bool = False
