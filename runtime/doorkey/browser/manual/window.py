"""A window for a person: a site's page in a headed browser, until it is closed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from doorkey.browser.pool import BrowserPool
from doorkey.browser.profile import Profile
from doorkey.browser.visit.spec import VisitSpec
from doorkey.errors import NeedsPerson
from doorkey.model.cookies import Cookie
from doorkey.model.events import SiteEvents
from doorkey.model.page import Page
from doorkey.network.egress import Egress

if TYPE_CHECKING:
    from doorkey.browser.lease import Lease
    from doorkey.browser.live_view.handovers import Handovers


@dataclass(frozen=True, slots=True)
class WindowState:
    """What a window held shortly before it was closed. `stood` names what stood before the site then."""

    cookies: tuple[Cookie, ...] = field(default=(), repr=False)
    page: Page | None = field(default=None, repr=False)
    local: Mapping[str, str] = field(default_factory=dict, repr=False)
    stood: str = ""

    def get_page(self, url: str) -> Page:
        """Return the page, or an empty one at *url*. Raises NeedsPerson if it was not the site's own page."""
        if self.stood:
            raise NeedsPerson(
                f"the window was closed while a protection stood before the site ({self.stood}): nothing was kept. "
                "Leave it open until the page behind it is there"
            )
        return self.page or Page(url=url, html="")


async def _prepare_nothing(_: Lease) -> None:
    return


async def open_window(
    pool: BrowserPool,
    profile: Profile,
    url: str,
    *,
    site_url: str | None = None,
    egress: Egress | None = None,
    headed: bool | None = True,
    kept: WindowState | None = None,
    events: SiteEvents | None = None,
    prepare: Callable[[Lease], Awaitable[None]] = _prepare_nothing,
    spec: VisitSpec | None = None,
    handovers: Handovers | None = None,
) -> WindowState:
    """Show *url* with *profile* until the person closes the window. There is no time limit.

    *kept* is put into the empty context first. If *headed* is None, the profile chooses the display (a virtual
    one is for screen recorders). *prepare* is called before anything is opened.
    *spec* is what a visit there would look for. With *handovers*, they see it in
    the live view. Raises ConfigurationError without a
    screen, BrowserFailed, SiteDown or TimeLimit.
    """
    kept = kept or WindowState()
    async with pool.lease(profile, site_url=site_url or url, egress=egress, headed=headed, events=events) as lease:
        await prepare(lease)
        spec = spec or VisitSpec(url=url, read=lambda _: {}, inspection=pool.inspection)
        snapshot = await lease.show(replace(spec, url=url, steps=(), cookies=kept.cookies, local=kept.local), handovers)
    return WindowState(snapshot.cookies, snapshot.page, snapshot.page.local, snapshot.stood)
