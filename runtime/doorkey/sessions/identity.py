"""Who visits: nobody in particular, whoever the login steps make it, or a person who logged in by themselves."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from doorkey.errors import Blocked, Changed, DoorkeyError, MissingToken, NeedsPerson, SiteDown
from doorkey.model.cookies import Cookie
from doorkey.model.login_steps import is_login
from doorkey.model.page import Page
from doorkey.model.session import Session
from doorkey.model.site import Site
from doorkey.provider import Provider
from doorkey.sessions.source import RenewalReason

if TYPE_CHECKING:
    from doorkey.browser import Profile
    from doorkey.browser.manual.user_data_dir import UserDataDir

log = logging.getLogger("doorkey.visit")

LONGEST = 3600.0
"""Seconds that the pause after failed logins grows to, doubled each time: sites lock accounts that try too often."""


class Identity:
    """The identity of one key's sessions. `home`: where a person's login is remembered, None where nobody logs in by
    hand. `passed`: the cookies that a caller passed, which are a login, too.
    """

    def __init__(
        self, site: Site, provider: Provider, home: UserDataDir | None, passed: tuple[Cookie, ...] = ()
    ) -> None:
        self._site, self._provider, self._home, self._passed = site, provider, home, passed
        self._failures = 0
        self._denied = False  # here too, as what a caller brought along has no home

    @property
    def by_hand(self) -> bool:
        """Whether a person logged in, or imported a login."""
        return self._home is not None and self._home.login_mark.exists()

    @property
    def logs_in_itself(self) -> bool:
        """Whether a visit that begins with nothing ends as the same visitor: a stranger, or one whom steps log in."""
        return not self._passed and (bool(self._provider.steps) or not (self.by_hand or self._provider.has_login))

    @property
    def needs_person(self) -> bool:
        """Whether a login that has ended needs a person, who has logged in before."""
        return self.by_hand and not self.logs_in_itself and not self._provider.has_login

    @property
    def lasts(self) -> bool:
        """Whether a session's cookies are kept for the next visit: they are somebody's login."""
        provider = self._provider
        configured = bool(provider.steps) or provider.has_login or provider.renews_login
        return configured or self.by_hand or bool(self._passed)

    def cookies(self, need: RenewalReason, previous: Session | None) -> tuple[Cookie, ...]:
        """What the site may know the visitor by. A session that never worked is not tried again, where steps help."""
        if previous is None:
            return self._passed
        if not self.lasts or (need.fresh and self._provider.steps and not self._passed):
            return ()
        return previous.cookies or self._passed

    @property
    def windowed(self) -> bool:
        """Whether the site refused a browser without a window."""
        return self._denied or (self._home is not None and self._home.windowed)

    async def denied(self, error: Blocked, why_not: str) -> None:
        """From now on the site is visited with a window. Raises *error* where *why_not* says that none can be had."""
        name = self._site.name
        if why_not:
            error.message = f"{error.message}. With a window it might let doorkey in, but {why_not}"
            error.args = (error.message,)
            raise self.failed(error)
        self._denied = True
        if self._home is not None:
            await asyncio.to_thread(self._home.remember_window)
        log.info("%s: %s refuses browsers without a window: visited with one from now on", name, error.by)

    def profile(self, profile: Profile) -> Profile:
        """*profile*, with a window where the site asks for one, or a person's login was won in one: headless, a browser
        is another.
        """
        won_with_window = self.by_hand and self._home is not None and not self._home.windowless
        if (won_with_window or self.windowed) and profile.display in (None, "headless"):
            return replace(profile, display="virtual")
        return profile

    def check(self, page: Page) -> None:
        """Raises MissingToken for a page that greets nobody, where one should be known."""
        ready = self._provider.ready
        if self.lasts and ready is not None and page.find(ready) is None:
            raise MissingToken("sign of being logged in", ready, site=self._site.name)

    def succeeded(self) -> None:
        self._failures = 0

    def failed(self, error: DoorkeyError) -> DoorkeyError:
        """*error* of a visit as it is to be raised: with a pause that grows after each login, or calling the person."""
        name = self._site.name
        logs_in = is_login(self._provider.steps) or self._provider.has_login
        if error.retry_after and logs_in and not isinstance(error, SiteDown):
            error.retry_after = min(LONGEST, error.retry_after * 2.0 ** min(self._failures, 30))
            self._failures += 1
        error.args = (error.message.replace("SITE", name), *error.args[1:])
        error.message = error.args[0]
        unnamed = isinstance(error, Changed) or (isinstance(error, Blocked) and not error.by)
        if self.by_hand and unnamed and not logs_in:
            return NeedsPerson(f"the login has ended ({error.message}). Log in again: doorkey login {name}", site=name)
        return error
