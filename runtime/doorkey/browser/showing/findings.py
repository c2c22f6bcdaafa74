"""The bar in a headed window that shows what the provider finds in its page, and how the visit stands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from doorkey.browser.showing.frame import FRAME, HOST
from doorkey.browser.visit.inspector import PageInspector
from doorkey.browser.visit.snapshot import take_snapshot
from doorkey.browser.visit.spec import VisitSpec
from doorkey.clock import Clock
from doorkey.errors import BrowserFailed, Changed, DoorkeyError, MissingToken
from doorkey.model.events import Event, SiteEvents, VisitEvent
from doorkey.model.evidence import VisitEvidence
from doorkey.model.page import Page
from doorkey.reports.rules import check_rules, kind_of, split_selector

if TYPE_CHECKING:
    from playwright.async_api import Page as BrowserPage

LOOK = 0.5
"""Seconds between two readings of the page."""
LONGEST = 160
"""Characters of a text in the bar."""

DRAW = (
    "(told, name) => { const frame = "
    + FRAME
    + r""";
  let bar = globalThis.doorkeyFindings;
  if (!bar) {
    bar = globalThis.doorkeyFindings = frame(name);
    bar.list = document.createElement("div");
    bar.marks = document.createElement("div");
    bar.box.append(bar.list);
    bar.root.append(bar.marks);
    // What a step clicks must never be the bar.
    bar.set(bar.host, { "pointer-events": "none" });
    bar.set(bar.box, { display: "block", "font-size": "13px", opacity: ".94" });
  }
  const { set } = bar;
  const line = (text, styles) => {
    const one = document.createElement("div");
    one.textContent = text;
    set(one, { "overflow-wrap": "anywhere", ...styles });
    return one;
  };
  const lines = [line(`doorkey: ${told.site}`, { "font-weight": "600" }),
    line(told.verdict, { color: told.failed ? "#ff9a90" : "#cfd8e3", "margin-bottom": "4px" })];
  const marks = [];
  for (const rule of told.rules) {
    const color = rule.found ? "#7bd69a" : "#ff9a90";
    lines.push(line(`${rule.found ? "✓" : "✗"} ${rule.name}: ${rule.sought}`, { color }));
    if (rule.instead) lines.push(line(rule.instead, { "padding-left": "16px", color: "#ffc266" }));
    let one = null;
    try { one = rule.selector ? Document.prototype.querySelector.call(document, rule.selector) : null; } catch {}
    const place = one && one.checkVisibility() ? one.getBoundingClientRect() : null;
    if (!place || !place.width || !place.height) continue;
    const mark = line(rule.name, { position: "fixed", left: `${place.x - 3}px`, top: `${place.y - 3}px`,
      width: `${place.width + 6}px`, height: `${place.height + 6}px`, "box-sizing": "border-box",
      border: `2px solid ${rule.found ? "#1b8f4b" : "#e07b00"}`, "border-radius": "4px", color: "transparent" });
    marks.push(mark);
  }
  bar.list.replaceChildren(...lines);
  bar.marks.replaceChildren(...marks);
  bar.attach();
}"""
)
HIDE = "() => { globalThis.doorkeyFindings?.host.remove(); }"


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule of the provider held against the page. `selector` is what the page's element can be found by, or empty."""

    name: str
    sought: str
    found: bool
    instead: str
    selector: str

    def to_json(self) -> dict[str, str | bool]:
        return {
            "name": self.name,
            "sought": shorten(self.sought),
            "found": self.found,
            "instead": shorten(self.instead),
            "selector": self.selector,
        }


def find(page: Page, spec: VisitSpec) -> list[Finding]:
    """Return what the provider finds in *page*. Parses it: not for the event loop."""
    missing = ""
    try:
        spec.read(page)
    except MissingToken as error:
        missing = error.name
    except Changed:
        pass  # another page than the provider knows: each rule says by itself what it finds there
    rules = check_rules(spec.sought, spec.ready, VisitEvidence(url=page.url, page=page), [], missing)
    return [
        Finding(
            rule.name,
            rule.sought,
            rule.found,
            rule.describe_instead(),
            split_selector(rule.sought)[0] if kind_of(rule.sought) == "css" else "",
        )
        for rule in rules
    ]


def summarize(found: list[Finding]) -> str:
    missing = sum(not finding.found for finding in found)
    if not found:
        return "nothing is sought in this page"
    return f"{missing} of {len(found)} are missing" if missing else "all that is sought is there"


def shorten(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


class FindingsBar:
    """Shows the findings in *page* from `start` to `end`, or until it is closed."""

    def __init__(self, page: BrowserPage, spec: VisitSpec, clock: Clock, events: SiteEvents) -> None:
        self._inspector, self._spec, self._clock = PageInspector(page), spec, clock
        self._site = events.site
        self._verdict, self._failed, self._hidden = "", False, False
        self._unsubscribe = events.events.subscribe(self._hear)
        self._work: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._work = asyncio.create_task(self._run())

    async def end(self) -> None:
        self._unsubscribe()
        if self._work is not None:
            self._work.cancel()
            await asyncio.gather(self._work, return_exceptions=True)

    def fail(self, error: DoorkeyError) -> None:
        """Show that the visit has ended with *error*."""
        self._verdict, self._failed = f"the visit failed ({error.code}): {error.message}", True

    @asynccontextmanager
    async def hidden(self) -> AsyncIterator[None]:
        """Take the bar out of the page meanwhile, for a picture of it. Raises BrowserFailed."""
        self._hidden = True
        try:
            await self._inspector.evaluate(HIDE)
            yield
        finally:
            self._hidden = False

    def _hear(self, event: Event) -> None:
        if isinstance(event, VisitEvent) and event.site == self._site and not self._failed:
            self._verdict = event.detail

    async def _run(self) -> None:
        while not self._inspector.page.is_closed():
            if not self._hidden:
                # A page that navigates or was closed can't be read: the next look tells.
                with suppress(BrowserFailed):
                    await self.draw()
            await self._clock.sleep(LOOK)

    async def draw(self) -> None:
        """Read the page, and show what is found. Raises BrowserFailed."""
        snapshot = await take_snapshot(self._inspector, self._clock, self._spec.script_values)
        found = await asyncio.to_thread(find, snapshot.page, self._spec)
        told = {
            "site": self._site,
            "verdict": shorten(self._verdict or summarize(found)),
            "failed": self._failed,
            "rules": [finding.to_json() for finding in found],
        }
        if not self._hidden:
            await self._inspector.evaluate(DRAW, told, HOST)
