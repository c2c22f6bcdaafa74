"""Logs in to sites and out of them: by a person's own browser, or with a login imported from another browser."""

from __future__ import annotations

import asyncio
import codecs
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from doorkey.accounts.imports import Imported, read_login
from doorkey.browser.manual.user_data_dir import UserDataDir
from doorkey.clock import Clock
from doorkey.errors import Changed, DoorkeyError, NeedsPerson, RequestError, SessionRefused
from doorkey.model.session import Key, Session
from doorkey.network.egress import egress_for
from doorkey.sessions.held import HeldSession
from doorkey.sessions.keeper import Keeper
from doorkey.sessions.store import Store
from doorkey.sessions.target import SiteTarget

if TYPE_CHECKING:
    from doorkey.browser import VisitSpec
    from doorkey.browser.live_view.handovers import Handovers
    from doorkey.browser.manual.login import ManualLogin

LARGEST = 256 * 1024 * 1024
"""Bytes of a file that is read: a HAR holds every answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Logins:
    """The logins of one runtime. `root` is the folder of the people's browsers; `start_browser` makes the browser in
    which a person logs in to a target, with the folder where its state lies.
    """

    root: Path
    keeper: Keeper
    store: Store
    clock: Clock
    start_browser: Callable[[SiteTarget, UserDataDir], ManualLogin]

    def home(self, key: Key) -> UserDataDir | None:
        """Where a person's login is remembered; None for what a caller passed with a request."""
        return None if key.caller else UserDataDir(self.root, key.site, str(key))

    async def log_in_by_hand(self, target: SiteTarget, done: asyncio.Event) -> Session:
        """The session of a person who logs in now, in a browser of their own; it becomes the current one for all.

        Waits until the page shows that they are in, or *done* says so. Raises NeedsPerson when they close the window.
        """
        home, spec, held = await self._prepare(target)
        try:
            result = await self.start_browser(target, home).log_in(spec, target.site.url, done)
        except DoorkeyError as error:
            error.site = target.site.name
            raise
        await asyncio.to_thread(home.remember)
        return await self._adopt(target, target.source.browser.build("a person", result, held))

    def has_window(self, target: SiteTarget) -> bool:
        """Whether a person can log in in a window: there is a screen, or the settings name a virtual one."""
        home = self.home(target.key)
        assert home is not None
        browser = self.start_browser(target, home)
        return bool(browser.screen) or browser.display == "virtual"

    async def log_in_by_link(self, target: SiteTarget, handovers: Handovers) -> Session:
        """The session of a person who logs in now, in doorkey's browser, which they see in the live view.

        Waits as long as *handovers* says. Raises NeedsPerson when they do not get in.
        """
        home, spec, held = await self._prepare(target)
        browser = target.source.browser
        try:
            with home.lock():
                result, windowless = await browser.visit_by_person(spec, handovers, f"Log in to {target.site.name}.")
        except DoorkeyError as error:
            error.site = target.site.name
            raise
        await asyncio.to_thread(home.remember, windowless=windowless)
        return await self._adopt(target, browser.build("a person", result, held))

    async def _prepare(self, target: SiteTarget) -> tuple[UserDataDir, VisitSpec, Session | None]:
        """Where a person's login is remembered, what the visit after it has to bring, and the session held now."""
        home = self.home(target.key)
        assert home is not None
        held, browser = (await self.store.row(target.key)).session, target.source.browser
        spec = browser.spec(target.site.url, local=held.local if held else {})
        return home, replace(spec, steps=(), limit=browser.limit, handovers=None), held

    async def import_login(self, target: SiteTarget, file: Path) -> tuple[Session, Imported]:
        """`import_text` of what *file* holds. Raises RequestError for a file that can't be read, too."""
        return await self.import_text(target, await asyncio.to_thread(_read, file))

    async def import_text(self, target: SiteTarget, text: str) -> tuple[Session, Imported]:
        """The session of the login that *text* holds, tried at the site; and what was taken from the text.

        Raises RequestError for a text that is none or holds nothing for the site, SessionRefused when the site does
        not know the login.
        """
        home = self.home(target.key)
        assert home is not None
        found = await asyncio.to_thread(read_login, text, target.site.url, self.clock.wall())
        session = await self._try_at_site(target, found)
        await asyncio.to_thread(home.remember)
        session = await self._adopt(target, session)
        return session, replace(found, changed=_find_changed(found, session))

    async def open_window(
        self, target: SiteTarget, *, keep: bool, handovers: Handovers | None = None
    ) -> Session | None:
        """Show the site's page to a person until they close it; with *handovers*, in the live view.

        With *keep*, what the window held becomes the current session for all, and is returned. Raises
        ConfigurationError without a screen, MissingToken when the page that was left holds no token.
        """
        from doorkey.browser import WindowState, open_window

        held, browser = (await self.store.row(target.key)).session, target.source.browser
        profile = browser.profile() if handovers is None else browser.person_profile()
        user_agent = await browser.pool.read_user_agent(profile, headed=browser.headed)
        try:
            left = await open_window(
                browser.pool,
                profile,
                target.site.url,
                egress=egress_for(target.provider),
                headed=browser.headed,
                kept=WindowState(held.cookies, None, held.local) if held else None,
                events=target.events,
                prepare=browser.record,
                handovers=handovers,
                spec=browser.spec(target.site.url, local={}),
            )
        finally:
            if target.recorder is not None:
                await target.recorder.close_window()
        if not keep:
            return None
        page = left.get_page(target.site.url)
        session = target.source.builder.build(
            "a person",
            page.url,
            cookies=left.cookies,
            headers={"user-agent": user_agent},
            tokens=target.provider.read(page),
            local=left.local,
            previous=held,
        )
        return await self._adopt(target, session)

    async def _adopt(self, target: SiteTarget, session: Session) -> Session:
        """Make *session* the current one, with the tokens that only the site's token endpoint gives."""
        session = await target.source.http.fill(session, HeldSession(session, None))
        return await self.keeper.adopt(target, session)

    async def _try_at_site(self, target: SiteTarget, found: Imported) -> Session:
        """The session that the site gives to the login that was *found*. Raises SessionRefused where it gives none."""
        source, headers = target.source, dict(found.headers)
        if "user-agent" not in headers:
            headers["user-agent"] = await source.browser.read_user_agent()
        held = source.builder.build(
            "imported",
            target.site.url,
            cookies=found.cookies,
            headers=headers,
            tokens={},
            local=found.local,
            previous=None,
        )
        held = replace(held, seeds=found.seeds)
        if not target.provider.needs_page and target.provider.ready is None:
            return held
        try:
            session = await source.try_http(source.http.page, HeldSession(held, None))
            if session is None and target.provider.renews_login:
                session = await source.try_http(source.http.refresh, HeldSession(held, None))
            session = session or await source.browser.visit(
                "browser", target.site.url, previous=held, cookies=held.cookies, local=held.local
            )
        except (Changed, NeedsPerson) as error:
            raise SessionRefused(
                f"the site does not know the login that was imported: it has ended, or belongs to another browser "
                f"({error.message})",
                site=target.site.name,
            ) from error
        return replace(session, rung="imported")

    async def break_session(self, target: SiteTarget, *, spent: bool = False) -> bool:
        """Put a session that the site does not know in the place of the current one, as a death at the site leaves it.

        Cookies that no machine made up, such as a language, stay as they are. *spent*: tokens that serve a limited
        number of requests have done so, and are read anew before the next. Returns whether there was a session.
        """
        from doorkey.learning.values import is_random  # with all that learns settings; services do not need it

        held = (await self.store.row(target.key)).session
        if held is None or held.rung == "logged out":
            return False
        cookies = tuple(
            replace(cookie, value="0" * len(cookie.value)) if is_random(cookie.value) else cookie
            for cookie in held.cookies
        )
        tokens = {
            name: value[:-6] + "AAAAAA" if isinstance(value, str) else value for name, value in held.tokens.items()
        }
        hard = 0.0 if spent and held.max_uses is not None else held.hard
        broken = replace(held, cookies=cookies, tokens=tokens, local={}, hard=hard, rung="broken")
        await self.keeper.adopt(target, broken)
        return True

    async def log_out(self, target: SiteTarget) -> bool:
        """Forget the session and the person's browser there; the site is not asked. Whether there was anything."""
        home = self.home(target.key)
        held = (await self.store.row(target.key)).session
        known = home is not None and home.path.exists()
        if home is not None:
            await asyncio.to_thread(home.forget)
        if held is None or held.rung == "logged out":
            return known
        # A session that nobody may use takes its place: from the next visit on, other processes begin with that.
        empty = replace(
            held, hard=0.0, cookies=(), headers={}, tokens={}, local={}, seeds={}, visitor="", rung="logged out"
        )
        await self.keeper.adopt(target, empty)
        return True


def _find_changed(found: Imported, session: Session) -> tuple[str, ...]:
    """The names of imported cookies that the site has already changed."""
    now = {cookie.identity: cookie.value for cookie in session.cookies}
    return tuple(cookie.name for cookie in found.cookies if now.get(cookie.identity, cookie.value) != cookie.value)


def _read(file: Path) -> str:
    try:
        if file.stat().st_size > LARGEST:
            raise RequestError(f"{file} is larger than {LARGEST // 2**20} MiB: no login takes that much", param="from")
        data = file.read_bytes()
        # PowerShell writes UTF-16 where a program's output goes to a file.
        return data.decode("utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8")
    except OSError as exc:
        raise RequestError(f"{file} can't be read: {exc.strerror}", param="from") from exc
    except UnicodeDecodeError:
        # Not chained: it holds the bytes.
        raise RequestError(f"{file} is no UTF-8 text: a login is JSON, or a cookies.txt", param="from") from None
