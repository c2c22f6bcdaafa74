"""Shows a site's page in the live view, where a person shows how it is used, and returns the recording."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeAlias

from doorkey.browser.live_view.handovers import Handover
from doorkey.browser.live_view.live_view import LiveView
from doorkey.browser.pool import BrowserPool
from doorkey.browser.profile import Profile
from doorkey.browser.showing.recorder import Recorder
from doorkey.errors import NeedsPerson
from doorkey.learning.recording import Recording
from doorkey.learning.shown import assemble
from doorkey.model.events import SiteEvents

OnOpen: TypeAlias = Callable[[str], object]
LOGIN = ("1. Log in. What you type is used to try the result; it is kept only if you say so.", "I am logged in")
USE = ("2. Now do once what your programs shall do.", "Done")
LAST_WORDS = 0.2
"""Seconds that viewers are given to be told how it ended."""


async def show_in_view(
    pool: BrowserPool, profile: Profile, url: str, site: str, *, events: SiteEvents, on_open: OnOpen
) -> Recording:
    """Show *url* in a live view of *site* until the person says that they are done. *on_open* is told the view's id.

    Raises NeedsPerson if they give up, leave before the end of the login, or take longer than the handovers of *pool*
    allow, BrowserFailed if the page or the browser dies, and what opening a page raises.
    """
    recorder = Recorder(shows_bar=False)
    async with pool.lease(profile, site_url=url, events=events) as lease:
        page = await lease.open_for_person(url, recorder.watch_first)
        view = LiveView(page, site, *LOGIN)
        with pool.handovers.offer(view) as handover:
            on_open(handover.id)
            try:
                async with asyncio.timeout(pool.handovers.patience):
                    await lease.run_while_alive(_follow(recorder, handover))
            except TimeoutError:
                raise NeedsPerson(
                    f"nobody showed the site in the live view within {pool.handovers.patience:g} s, so nothing was "
                    "learned"
                ) from None
            await recorder.settle()
            view.say("done", "doorkey has seen it, and tries it now. Go back to the dashboard.")
            await asyncio.sleep(LAST_WORDS)
    return assemble(url, recorder.exchanges, recorder.shots, recorder.events)


async def _follow(recorder: Recorder, handover: Handover) -> None:
    """Go from step to step as the person says, until they are done. Raises NeedsPerson if they leave before that."""
    view = handover.view
    while not recorder.done.is_set():
        await _wait_for_one(view.done, view.given_up, recorder.done)
        if view.given_up.is_set():
            raise NeedsPerson("the person gave up, so nothing was learned")
        if view.done.is_set():
            view.done.clear()
            await recorder.go_on()
            view.say("open", *USE)
    if not recorder.said_done:
        raise NeedsPerson("the page was closed before “Done” was pressed, so nothing was learned")


async def _wait_for_one(*events: asyncio.Event) -> None:
    waits = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
