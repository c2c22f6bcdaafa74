"""Logging in and out: by steps, by a person in their own browser, with what was brought along from another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from doorkey.accounts.imports import Imported, read_login
from doorkey.browser.manual.login import ManualLogin
from doorkey.browser.manual.user_data_dir import UserDataDir
from doorkey.clock import Clock
from doorkey.errors import RequestError
from doorkey.model.session import Key, Session
from doorkey.sessions.keeper import Keeper
from doorkey.sessions.renewal import SiteTarget
from doorkey.sessions.store import Store

LARGEST = 256 * 1024 * 1024
"""Bytes of a file that is read: a HAR holds every answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Logins:
    """The logins of one runtime. `person` makes the browser of a person for an entrance and its home."""

    root: Path
    keeper: Keeper
    store: Store
    clock: Clock
    person: Callable[[SiteTarget, UserDataDir], ManualLogin]

    def home(self, key: Key) -> UserDataDir | None:
        """Where a person's login is remembered; None for what a caller brought along with a request."""
        return None if key.caller else UserDataDir(self.root, key.site, str(key))

    async def by_hand(self, target: SiteTarget, done: asyncio.Event) -> Session:
        """The session of a person who logs in now, in a browser of their own; it becomes everybody's.

        Waits until the page shows that they are in, or *done* says so. Raises NeedsPerson when they close the window.
        """
        home = self.home(target.key)
        assert home is not None
        session = await target.opened(self.person(target, home), (await self.store.row(target.key)).session, done)
        await asyncio.to_thread(home.remember)
        return await self.keeper.adopt(target, session)

    async def brought(self, target: SiteTarget, file: Path) -> tuple[Session, Imported]:
        """The session of the login that *file* holds, held against the site; and what was taken of it.

        Raises RequestError for a file that is none or holds nothing for the site, SessionRefused when the site does
        not know the login.
        """
        home = self.home(target.key)
        assert home is not None
        text = await asyncio.to_thread(_read, file)
        found = await asyncio.to_thread(read_login, text, target.site.url, self.clock.wall())
        session = await target.imported(found.cookies, found.headers, found.local)
        await asyncio.to_thread(home.remember)
        return await self.keeper.adopt(target, session), found

    async def out(self, target: SiteTarget) -> bool:
        """Forget the session and the person's browser there; the site is not asked. Whether there was anything."""
        home = self.home(target.key)
        held = (await self.store.row(target.key)).session
        known = home is not None and home.path.exists()
        if home is not None:
            await asyncio.to_thread(home.forget)
        if held is None or held.rung == "logged out":
            return known
        # A session that nobody may use takes its place: from the next visit on, other processes begin with that.
        empty = replace(held, hard=0.0, cookies=(), headers={}, tokens={}, local={}, visitor="", rung="logged out")
        await self.keeper.adopt(target, empty)
        return True


def _read(file: Path) -> str:
    try:
        if file.stat().st_size > LARGEST:
            raise RequestError(f"{file} is larger than {LARGEST // 2**20} MiB: no login takes that much", param="from")
        return file.read_text(encoding="utf-8")
    except OSError as exc:
        raise RequestError(f"{file} can't be read: {exc.strerror}", param="from") from exc
    except UnicodeDecodeError:
        # Not chained: it holds the bytes.
        raise RequestError(f"{file} is no UTF-8 text: a login is JSON, or a cookies.txt", param="from") from None
