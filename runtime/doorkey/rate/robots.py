"""What a site's robots.txt says about the page that a visit opens: read once a day, shown, not enforced."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
from contextlib import aclosing
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from doorkey.clock import Clock
from doorkey.errors import DoorkeyError, SiteDown
from doorkey.model.request import Reply, Request
from doorkey.model.session import Session
from doorkey.model.site import Site
from doorkey.transport.direct import Direct
from doorkey.transport.stream import Stream

log = logging.getLogger("doorkey.robots")

DAY = 86400.0
"""Seconds after which it is read anew (RFC 9309, section 2.4)."""
LIMIT = 500 * 1024
"""Bytes of it that are read and heeded (RFC 9309, section 2.5, asks for at least that)."""
WAIT = 10.0
"""Seconds that reading it may take."""
NAME = "doorkey"


@dataclass(frozen=True, slots=True)
class Advice:
    """What robots.txt says of one path. `rule` is the line that decides, empty without one; `delay` is in seconds."""

    allowed: bool
    rule: str = ""
    delay: float | None = None


def advise(text: str, path: str) -> Advice:
    """What *text* says of *path* to robots called doorkey, else to all: the longest rule that fits decides.

    RFC 9309, sections 2.2.1 to 2.2.3; `Crawl-delay` by common usage. The standard library's reader takes the first rule
    that fits, and knows no wildcards.
    """
    groups: dict[str, list[tuple[str, str]]] = {}
    agents: list[str] = []
    naming = False
    for line in text.splitlines():
        key, colon, value = line.partition("#")[0].partition(":")
        key, value = key.strip().lower(), value.strip()
        if not colon:
            continue
        if key == "user-agent":
            agents = [*agents, value.lower()] if naming else [value.lower()]
        elif key in ("allow", "disallow", "crawl-delay"):
            for agent in agents:
                groups.setdefault(agent, []).append((key, value))
        naming = key == "user-agent"
    rules = groups.get(NAME, groups.get("*", []))
    fitting = [
        (len(value), key == "allow", key, value)
        for key, value in rules
        if value and key != "crawl-delay" and _matches(value, path)
    ]
    delays = [float(value) for key, value in rules if key == "crawl-delay" and re.fullmatch(r"\d+(\.\d+)?", value)]
    delay = delays[-1] if delays else None
    if not fitting:
        return Advice(True, delay=delay)
    _, allowed, key, value = max(fitting)
    return Advice(allowed, f"{key.capitalize()}: {value}", delay)


def _matches(pattern: str, path: str) -> bool:
    """Whether *path* begins as *pattern* says: `*` is any text, `$` at the end the end."""
    ends = pattern.endswith("$")
    first, *others = pattern.removesuffix("$").split("*")
    if not path.startswith(first):
        return False
    at = len(first)
    if not others:
        return not ends or at == len(path)
    for part in others[:-1] if ends else others:
        at = path.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return not ends or path.endswith(others[-1], at)


@dataclass(frozen=True, slots=True)
class Kept:
    """A robots.txt as it was read *at* a wall time; without a *text* the site has none."""

    at: float
    text: str | None


class Robots:
    """The robots.txt of the configured sites, kept in *folder* beyond this process."""

    def __init__(self, folder: Path, direct: Direct, clock: Clock) -> None:
        self._folder = folder
        self._direct = direct
        self._clock = clock
        self._kept: dict[str, Kept] = {}

    def describe(self, site: Site) -> str:
        """What it says, in words; empty before it was read."""
        if site.origin not in self._kept:
            return ""
        kept, path = self._kept[site.origin], urlsplit(site.url).path or "/"
        if kept.text is None:
            return "none"
        said = advise(kept.text, path)
        words = f"lets robots onto {path}" if said.allowed else f"asks robots to keep off {path} ({said.rule})"
        return words if said.delay is None else f"{words}, {said.delay:g} s between requests"

    async def remember(self, site: Site) -> None:
        """Load what an earlier process read."""
        if site.origin not in self._kept:
            kept = await asyncio.to_thread(_load, self._file(site))
            if kept is not None:
                self._kept[site.origin] = kept

    async def read(self, site: Site, session: Session) -> str:
        """What it says, read with *session* unless that was done within a day; or in words why it can't be read."""
        await self.remember(site)
        if site.origin not in self._kept or self._kept[site.origin].at + DAY < self._clock.wall():
            try:
                text = await self._fetch(site, session)
            except DoorkeyError as error:
                return f"can't be read: {error.message.removeprefix(f'{site.name}: ')}"
            self._kept[site.origin] = kept = Kept(self._clock.wall(), text)
            await asyncio.to_thread(_save, self._file(site), kept)
        return self.describe(site)

    async def _fetch(self, site: Site, session: Session) -> str | None:
        """Its text; None where there is none. Raises DoorkeyError."""
        asked = Request(url="/robots.txt", what="robots.txt", accept="text/plain,*/*;q=0.1", follow=5)
        stream = await self._direct.open(asked, session, site, total=WAIT)
        try:
            if stream.head.status != 200 or stream.head.is_html:
                if stream.head.status >= 500 or stream.head.status == 429:
                    raise SiteDown(f"HTTP {stream.head.status}", site=site.name)
                return None
            body = await _read_beginning(stream)
        finally:
            stream.close()
        return Reply(status=200, headers=stream.head.headers, body=body).text()

    def _file(self, site: Site) -> Path:
        return self._folder / f"{quote(site.origin, safe='')}.json"


async def _read_beginning(stream: Stream) -> bytes:
    """As much of the body as is heeded: up to LIMIT bytes, and no part of a line, which may be another rule."""
    body = bytearray()
    async with aclosing(stream.chunks()) as chunks:
        async for piece in chunks:
            body += piece
            if len(body) > LIMIT:
                return bytes(body[:LIMIT].rpartition(b"\n")[0])
    return bytes(body)


def _load(file: Path) -> Kept | None:
    try:
        return Kept(**json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):  # none yet, or one of another version: it is read anew
        return None


def _save(file: Path, kept: Kept) -> None:
    draft = file.with_suffix(f".{os.getpid()}")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft.write_text(json.dumps(asdict(kept)), encoding="utf-8")
        draft.replace(file)
    except OSError as error:
        log.info("%s can't be written (%s): robots.txt will be read again", file, error.strerror)
