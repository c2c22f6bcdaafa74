"""Visits a page that is not yet a configured site."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from doorkey.errors import Changed, DoorkeyError, HeadlessDenied, NeedsPerson

if TYPE_CHECKING:
    from doorkey.browser import Profile, VisitResult, VisitSpec
    from doorkey.model.events import SiteEvents
    from doorkey.model.page import Page
    from doorkey.runtime import Runtime

SETTLE = 1.0
"""Seconds without changes that a page must have before it is read, so that late scripts are seen."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Opens pages by the runtime's browser. `headed`: on the screen; `settle`: see SETTLE."""

    runtime: Runtime
    headed: bool
    settle: float = SETTLE

    async def snapshot(self, url: str) -> Page:
        """Open *url* as a stranger and return its page. Raises as `explore` does."""
        return await self.explore(url, ())

    async def explore(
        self, url: str, steps: tuple[Mapping[str, str], ...], pages: tuple[str, ...] = (), *, sees_login: bool = False
    ) -> Page:
        """Take the login *steps*, and return the page at *url*, or where the login led if *url* asks for a login still.

        *pages* are further paths to open. *sees_login*: the page's requests include those of the login. Raises what a
        visit raises, and Changed for an error page (HTTP 404). Each message says that nothing was written.
        """
        from doorkey.recognition.login_form import find_login_form

        try:
            result = await self._visit(url, steps, pages, sees_login)
            if result.status >= 400 and find_login_form(result.page) is None:
                raise Changed(
                    f"{url} answered HTTP {result.status}: open the site in your own browser, and add the address of a "
                    "page that it shows you"
                )
        except DoorkeyError as error:
            by_hand = isinstance(error, NeedsPerson) and not steps
            error.message += ". Nothing was written" + (
                ": docs/web.md tells how to add a site by hand" if by_hand else ""
            )
            raise
        return result.page

    async def _visit(
        self, url: str, steps: tuple[Mapping[str, str], ...], pages: tuple[str, ...], sees_login: bool
    ) -> VisitResult:
        from doorkey.browser import VisitSpec, load_profile
        from doorkey.config.settings import config_dirs
        from doorkey.model.login_steps import steps_of
        from doorkey.recognition.recognize import SCRIPT_VALUES

        limits = self.runtime.settings.limits
        spec = VisitSpec(
            url=url,
            read=find_proof,
            steps=steps_of(steps),
            explores=True,
            pages=pages,
            sees_requests=True,
            sees_answers=True,
            sees_login=sees_login,
            script_values=SCRIPT_VALUES,
            settle=self.settle,
            limit=limits.visit,
            challenge=limits.challenge,
        )
        profile = load_profile("desktop", config_dirs()[-1] / "profiles")
        try:
            return await self._enter(spec, profile)
        except HeadlessDenied as denied:
            if self.runtime.pool.explain_no_window(profile, headed=self._window):
                raise
            self._events.report(
                "renewal",
                f"{denied.by} refuses browsers without a window: visiting again with a window on a virtual display",
            )
            return await self._enter(spec, replace(profile, display="virtual"))

    async def _enter(self, spec: VisitSpec, profile: Profile) -> VisitResult:
        pool = self.runtime.pool
        async with pool.lease(profile, site_url=spec.url, headed=self._window, events=self._events) as lease:
            return await lease.enter(spec)

    @property
    def _events(self) -> SiteEvents:
        return self.runtime.events.of("")

    @property
    def _window(self) -> bool | None:
        return True if self.headed else None


def find_proof(page: Page) -> dict[str, Any]:
    """Tell a visit whether *page* is the site's own: it has known software or a login form.

    Otherwise the visit takes a CAPTCHA on the page for a challenge in front of the site.
    """
    from doorkey.recognition.frameworks import NOTHING_KNOWN
    from doorkey.recognition.login_form import find_login_form
    from doorkey.recognition.recognize import recognize

    known = recognize(page)[0].name != NOTHING_KNOWN or find_login_form(page) is not None
    return {"page": "<html"} if known else {}
