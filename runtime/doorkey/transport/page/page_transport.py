"""Sends requests from inside a live page of the browser, so that the site sees the browser's own connection."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar, Unpack

from doorkey.clock import Clock
from doorkey.errors import BrowserFailed, Changed, DoorkeyError
from doorkey.model.cookie_jar import CookieJar
from doorkey.model.cookies import Change, Cookie, Deletion
from doorkey.model.request import Head, Request
from doorkey.model.session import Key, Session
from doorkey.model.site import Site
from doorkey.model.upload import Upload
from doorkey.model.urls import origin_of
from doorkey.network.url_policy import request_url
from doorkey.transport.conversation import Conversation, OpenOptions
from doorkey.transport.direct import Limits
from doorkey.transport.headers import SessionHeaders
from doorkey.transport.page.page_cookies import cookies_at, goes_to, put_change, replace_cookies, set_names
from doorkey.transport.page.page_exchange import Exchange, begin_fetch, begin_socket
from doorkey.transport.page.page_request import gather_body, make_page_request
from doorkey.transport.page.page_websocket import PageWebSocket, make_socket_request
from doorkey.transport.page.send_slots import SendSlot, SendSlots
from doorkey.transport.redirects import allowed_redirect, redirected
from doorkey.transport.stream import Stream
from doorkey.transport.timeouts import Timeout, Timeouts
from doorkey.transport.websocket import NoBody

if TYPE_CHECKING:
    from doorkey.browser import LivePage, LivePages
    from doorkey.browser.live.page_fetch import PageFetch
    from doorkey.browser.live.page_socket import PageSocket


class PageTransport:
    """The `page` transport. It needs a live page for the session (see `live`). `headers` is told of sliding cookies."""

    def __init__(
        self, live_pages: LivePages, *, clock: Clock, headers: SessionHeaders, limits: Limits | None = None
    ) -> None:
        self._live_pages = live_pages
        self._clock = clock
        self._headers = headers
        self._limits = limits or Limits()
        self._waits = Timeouts()
        self._slots: dict[Key, SendSlots] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def live(self, session: Session) -> bool:
        """Whether the live page that *session* came from is open, or a later one."""
        return self._live_pages.find(session) is not None

    def keep(self, session: Session, live_page: LivePage, exits: AsyncExitStack) -> None:
        """From now on *live_page* carries the requests of *session*. *exits* is closed when it ends."""
        self._live_pages.keep(session, live_page, exits)

    async def open(
        self,
        request: Request,
        session: Session,
        site: Site,
        *,
        conversation: Conversation | None = None,
        sliding: tuple[str, ...] = (),
        total: float = float("inf"),
        alone: bool = False,
    ) -> Stream:
        """Send *request*, as `Direct.open` does.

        Also raises BrowserFailed if the live page is gone, TooLarge for a body over 64 MiB, and RequestError for what
        a page can't send (a GET with a body, TRACE).

        *alone*: no other request starts until the answer's head has come, so that none sends the cookies of this one.
        """
        url = request_url(request, site)
        conversation = conversation or Conversation(self._clock)
        deadline = asyncio.get_running_loop().time() + total
        upload = request.body if isinstance(request.body, Upload) else None
        follow = request.follow
        try:
            # Before it takes a slot: a caller who sends a body slowly must not hold up others.
            with Timeout(self._waits, "first byte", self._limits.first_byte, deadline, upload):
                request = await gather_body(request)
            refused: int | None = None
            if request.websocket is not None:
                stream = await self._connect(request, url, session, site, conversation, sliding, deadline)
                if stream.websocket is not None:
                    return stream
                # A page can't read how a WebSocket is refused: as an ordinary request it can.
                request, refused, follow = replace(request, websocket=None), stream.head.status, 0
            for _ in range(follow + 1):
                page_request = await make_page_request(request, url, session, site)
                with Timeout(self._waits, "total", float("inf"), deadline):
                    slots = self._slots.setdefault(session.key, SendSlots())
                    turn = await (slots.take_alone() if alone else slots.take())
                one: _One[PageFetch] = _One(self, turn, session, site, conversation, sliding)
                with Timeout(self._waits, "first byte", self._limits.first_byte, deadline):
                    head, fetching = await one.begun(partial(begin_fetch, page_request), url)
                onward = redirected(request, head, site) if follow else None
                if refused is not None and head.status != refused:
                    fetching.close()
                    return stream
                if onward is None:
                    return Stream(fetching, head, b"", self._waits, self._limits.idle, deadline, transport="page")
                fetching.close()
                request, url = allowed_redirect(request, onward, site)
        except DoorkeyError as error:
            error.site = site.name
            raise
        raise Changed(f"{site.name}: {request.what} was redirected more than {follow} times", site=site.name)

    async def _connect(
        self,
        request: Request,
        url: str,
        session: Session,
        site: Site,
        conversation: Conversation,
        sliding: tuple[str, ...],
        deadline: float,
    ) -> Stream:
        """The answer to the opening of a WebSocket: without one if the site refused it."""
        with Timeout(self._waits, "total", float("inf"), deadline):
            turn = await self._slots.setdefault(session.key, SendSlots()).take()
        one: _One[PageSocket] = _One(self, turn, session, site, conversation, sliding)
        with Timeout(self._waits, "first byte", self._limits.first_byte, deadline):
            head, socket = await one.begun(partial(begin_socket, make_socket_request(request, url)), url)
        opened = PageWebSocket(socket) if head.status == 101 else None
        return Stream(NoBody(), head, b"", self._waits, self._limits.idle, deadline, transport="page", websocket=opened)

    def live_page(self, session: Session) -> tuple[LivePage, Session]:
        """The live page for *session*, and the session whose cookies it holds. Raises BrowserFailed."""
        found = self._live_pages.find(session)
        if found is None:
            raise BrowserFailed("the browser's live page is gone; the next request has it opened again")
        return found

    async def give_cookies(self, live_page: LivePage, whose: Session, session: Session) -> None:
        """Put the cookies of *session* into the jar in place of those of *whose*, which it was made from by a check."""
        await replace_cookies(live_page, whose.cookies, session.cookies)
        self._live_pages.update(session)

    @property
    def headers(self) -> SessionHeaders:
        return self._headers

    def wall(self) -> float:
        return self._clock.wall()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End the requests under way, and close the live pages."""
        await self._live_pages.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._waits.close()


class LoneRequests:
    """Carries each request alone, for session checks: their cookies are nobody else's."""

    def __init__(self, page: PageTransport) -> None:
        self._page = page

    async def open(self, request: Request, session: Session, site: Site, **options: Unpack[OpenOptions]) -> Stream:
        """As `PageTransport.open`."""
        return await self._page.open(request, session, site, alone=True, **options)


T = TypeVar("T", bound=Exchange)


class _One(Generic[T]):
    """One request on its way. Its cookies are put into the page's jar and taken out again."""

    def __init__(
        self,
        page: PageTransport,
        turn: SendSlot,
        session: Session,
        site: Site,
        conversation: Conversation,
        sliding: tuple[str, ...],
    ) -> None:
        self._page, self._turn, self._session, self._site = page, turn, session, site
        self._conversation, self._sliding = conversation, sliding
        self._fetching: asyncio.Future[T] = asyncio.get_running_loop().create_future()

    async def begun(
        self, begin: Callable[[LivePage, Callable[[T], None]], Awaitable[None]], url: str
    ) -> tuple[Head, T]:
        """Send the request by *begin*. Return the answer's head, and what goes on after it."""
        try:
            live_page, whose = self._page.live_page(self._session)
            if self._session.rung == "check" and whose.born == self._session.born and whose.gen < self._session.gen:
                await self._page.give_cookies(live_page, whose, self._session)
                whose = self._session
        except BaseException:
            self._turn.over()
            raise
        # A task of its own: a caller who hangs up must not leave cookies behind, nor give back the slot too early.
        tidied = asyncio.Event()
        lent = [change for change in self._conversation.changes if goes_to(change.identity, url)]
        self._page.spawn(self._tidy(live_page, whose, url, lent, tidied))
        try:
            for change in lent:
                await put_change(live_page, change)
            await begin(live_page, self._on_sent)
            fetching = self._fetching.result()
            status, headers = await fetching.wait_for_head()
            await tidied.wait()
        except BaseException:
            if self._fetching.done():
                self._fetching.result().close()
            else:
                self._fetching.cancel()
            raise
        return Head(status=status, headers=headers, url=url, received=self._page.wall()), fetching

    def _on_sent(self, fetching: T) -> None:
        fetching.on_begun = self._turn.started
        self._fetching.set_result(fetching)

    async def _tidy(
        self, live_page: LivePage, whose: Session, url: str, lent: Sequence[Change], tidied: asyncio.Event
    ) -> None:
        """Take cookies out of the jar once the answer's head is there. Give the slot back when the answer has ended."""
        try:
            await asyncio.wait([self._fetching])
            fetching = None if self._fetching.cancelled() else self._fetching.result()
            if fetching is not None:
                await fetching.settled.wait()
            names = {change.name for change in lent}
            if fetching is not None and self._session.gen > 0:  # a stranger's answer sets nothing in the jar
                names |= set_names(fetching.headers)
            mixed = bool(names) and await self._take_back(live_page, whose, url, names, lent)
            if fetching is not None and fetching.headers:
                self._turn.answered(mixed=mixed)
            tidied.set()
            if fetching is not None:
                await fetching.over.wait()
        except DoorkeyError as error:
            # Nobody may use a jar that may hold another caller's cookies.
            live_page.end(f"its cookies could not be put in order: {error.message}")
        finally:
            tidied.set()
            self._turn.over()

    async def _take_back(
        self, live_page: LivePage, whose: Session, url: str, names: set[str], lent: Sequence[Change]
    ) -> bool:
        """Restore the session's cookies of these *names* for *url*'s host. The answer's go to the conversation.

        Return whether there were any that are not the session's.
        """
        headers, ours = self._page.headers, whose.born == self._session.born
        carried = headers.jar(self._session) if ours else CookieJar(whose.cookies)
        held, there = cookies_at(carried, url, names), cookies_at(await live_page.cookies(), url, names)
        new: list[Change] = [
            cookie
            for identity, cookie in there.items()
            if identity not in held or (held[identity].value, held[identity].expires) != (cookie.value, cookie.expires)
        ]
        had = held.keys() | {change.identity for change in lent if isinstance(change, Cookie)}
        new += [Deletion(identity) for identity in had if identity not in there]
        own = self._sliding if origin_of(url) == self._site.origin else ()
        slid = self._conversation.take(new, own)
        if slid and ours:
            headers.slide(self._session, slid, carried)
        strange = [change for change in new if change not in slid]
        for change in strange:
            await put_change(live_page, held.get(change.identity) or Deletion(change.identity))
        values = {identity: cookie.value for identity, cookie in held.items()}
        return any(values.get(c.identity) != (c.value if isinstance(c, Cookie) else None) for c in strange)
