"""Opens a window in which a person shows how a site is used, and returns the recording."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from doorkey.browser.pool import BrowserPool
from doorkey.browser.profile import Profile
from doorkey.browser.showing.recorder import Recorder
from doorkey.errors import NeedsPerson
from doorkey.learning.recording import Recording
from doorkey.learning.shown import assemble
from doorkey.model.events import SiteEvents

if TYPE_CHECKING:
    from playwright.async_api import Page


async def record_use(
    pool: BrowserPool,
    profile: Profile,
    url: str,
    *,
    headed: bool | None = True,
    events: SiteEvents | None = None,
    person: Callable[[Page], object] = lambda _: None,
) -> Recording:
    """Show *url* until the person says that they are done. There is no time limit.

    *person* is told the page when it is open. If *headed* is None, the profile chooses the display. Raises
    ConfigurationError without a screen, NeedsPerson if the window was closed before the end of the login, and what
    opening a page raises.
    """
    recorder = Recorder()
    async with pool.lease(profile, site_url=url, headed=headed, events=events) as lease:
        person(await lease.open_for_person(url, recorder.watch_first))
        await recorder.done.wait()
        await recorder.settle()
    if not recorder.said_done and recorder.stage == "login":
        raise NeedsPerson(
            "the window was closed before the login was shown, so nothing was learned: log in, press "
            "“I am logged in”, do once what your programs shall do, and press “Done”"
        )
    return assemble(url, recorder.exchanges, recorder.shots, recorder.events)
