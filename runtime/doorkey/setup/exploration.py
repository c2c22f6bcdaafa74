"""Looks at a site as a stranger and in two sessions, and keeps what it saw as a recording."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urldefrag, urljoin, urlsplit

if TYPE_CHECKING:
    from doorkey.learning.draft import Draft
    from doorkey.learning.recording import Exchange, Script, Snapshot, Who
    from doorkey.model.page import Page, Seen
    from doorkey.setup.probe import Probe

Steps = tuple[Mapping[str, str], ...]


@dataclass(slots=True)
class Exploration:
    """What was seen of one site. *url* is the page that was asked for."""

    probe: Probe
    url: str
    snapshots: list[Snapshot] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)
    scripts: list[Script] = field(default_factory=list)

    async def see(self, url: str) -> Page:
        """Return the page at *url* as a stranger sees it."""
        from doorkey.learning.recording import Snapshot

        page = await self.probe.snapshot(url)
        self.snapshots.append(Snapshot(page, "stranger", url))
        return page

    async def learn(
        self, steps: Steps, site: str, pages: tuple[str, ...] = (), *, sees_login: bool = False
    ) -> tuple[Draft, Page]:
        """Log in twice by *steps*. Return what was learned, and the page inside.

        *pages* are further paths to open. *sees_login*: the login itself is learned as a request, too.
        """
        from doorkey.learning import learn
        from doorkey.learning.links import list_form_links
        from doorkey.learning.recording import Recording, Snapshot

        first = await self.probe.explore(self.url, steps, sees_login=sees_login)
        self.exchanges += map(_as_exchange, first.sent)
        self.scripts += _list_scripts(first, "first")
        self.snapshots.append(Snapshot(first, "first", self._find_asked(first)))
        links = [path for path in await asyncio.to_thread(list_form_links, first) if path not in pages]
        second = await self.probe.explore(self.url, steps, (*pages, *links))
        self.snapshots.append(Snapshot(second, "second", self._find_asked(second)))
        self.scripts += _list_scripts(second, "second")
        for path, page in second.others.items():
            self.snapshots.append(Snapshot(page, "second", urljoin(second.url, path)))
        await self._see_stranger(first)
        recording = Recording(
            url=self.url,
            exchanges=tuple(self.exchanges),
            snapshots=tuple(self.snapshots),
            scripts=tuple(self.scripts),
        )
        # In a thread: pages are parsed and compared, and a service answers others meanwhile.
        return await asyncio.to_thread(learn, recording, site), first

    async def _see_stranger(self, inside: Page) -> None:
        """Look at the page inside as a stranger, if nobody has yet: what it shows to all is no sign of a login."""
        from doorkey.errors import DoorkeyError

        seen = {urldefrag(one.asked).url for one in self.snapshots if one.who == "stranger"}
        if urldefrag(inside.url).url in seen:
            return
        try:
            await self.see(inside.url)
        except DoorkeyError:
            return  # it is refused to strangers, so they see nothing there

    def _find_asked(self, page: Page) -> str:
        """Return the URL by which *page* was opened: the one that was asked for, or the one where the login led."""
        asked = urldefrag(self.url).url
        return self.url if any(urldefrag(one.url).url == asked for one in page.sent) else page.url


def _list_scripts(page: Page, who: Who) -> Iterator[Script]:
    """List the script files of the site that *page* loaded."""
    from doorkey.learning.recording import Script

    for seen in page.sent:
        parts = urlsplit(seen.url)
        if "javascript" in seen.answer_headers.get("content-type", "") and parts[:2] == urlsplit(page.url)[:2]:
            yield Script(parts.path + (f"?{parts.query}" if parts.query else ""), seen.answer_body, who)


def _as_exchange(seen: Seen) -> Exchange:
    from doorkey.learning.recording import Exchange

    kind = seen.answer_headers.get("content-type", "").partition(";")[0].strip().lower()
    return Exchange(
        method=seen.method,
        url=seen.url,
        headers=seen.headers,
        body=seen.body,
        status=seen.status,
        answer_headers=seen.answer_headers,
        set_cookies=tuple(seen.answer_headers.get("set-cookie", "").splitlines()),
        answer_type=kind,
        answer_body=seen.answer_body,
        navigates=seen.headers.get("sec-fetch-mode") == "navigate" or "html" in kind,
    )
