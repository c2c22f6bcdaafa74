"""A page that viewers see in a real browser: its pictures go on whatever happens, and its doors stay closed."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Page

from doorkey.browser import BrowserPool
from doorkey.browser.live_view.audience import Frame, Viewer
from doorkey.browser.live_view.handovers import Handovers
from doorkey.browser.live_view.live_view import CLOSED, LiveView
from doorkey.browser.live_view.screencast import Screencast
from doorkey.clock import SystemClock
from doorkey.errors import BrowserFailed

from .conftest import DESKTOP, LocalSite, crash_pages

pytestmark = [pytest.mark.browser, pytest.mark.slow]

MOVING = """<!doctype html><title>moving</title><style>body { margin: 0; height: 100vh }</style><script>
let at = 0;
const draw = () => {
  document.body.style.background = `hsl(${at = (at + 7) % 360} 80% 50%)`;
  requestAnimationFrame(draw);
};
onload = draw;
</script>"""


class Pictures:
    """A viewer who takes a picture only when a test says so."""

    def __init__(self) -> None:
        self.untaken: list[Frame] = []
        self._came = asyncio.Event()

    def show(self, frame: Frame) -> None:
        self.untaken.append(frame)
        self._came.set()

    async def until(self, count: int) -> None:
        """Wait until *count* pictures have come that were not taken."""
        async with asyncio.timeout(10):
            while len(self.untaken) < count:
                self._came.clear()
                await self._came.wait()

    def take_newest(self) -> None:
        self.untaken[-1].take()
        self.untaken.clear()


@asynccontextmanager
async def opened(browsers: BrowserPool, site: LocalSite) -> AsyncIterator[Page]:
    async def nothing(_: Page) -> None: ...

    async with browsers.lease(DESKTOP, site_url=site.url) as lease:
        yield await lease.open_for_person(site.url, nothing)


async def test_pictures_that_nobody_took_stop_nothing(browsers: BrowserPool, site: LocalSite) -> None:
    site.page(MOVING)
    pictures = Pictures()
    async with opened(browsers, site) as page:
        cast = Screencast(page, pictures.show)
        await cast.start()
        for _ in range(3):
            await pictures.until(2)  # the browser drops more, as long as none of them is acknowledged
            pictures.take_newest()
        await page.set_viewport_size({"width": 640, "height": 480})
        size = (0.0, 0.0)
        while size != (640, 480):
            await pictures.until(1)
            size = pictures.untaken[-1].size
            pictures.take_newest()
        await cast.stop()


COLOURS = """<!doctype html><title>colours</title><style>body { margin: 0; height: 100vh }</style><script>
const draw = (hue) => new Promise((done) => {
  document.body.style.background = `hsl(${hue} 80% 50%)`;
  requestAnimationFrame(() => setTimeout(done));
});
const reads = async (jpeg) => {  // the first pixel of a picture, to the nearest 16
  const picture = await createImageBitmap(await (await fetch(`data:image/jpeg;base64,${jpeg}`)).blob());
  const canvas = new OffscreenCanvas(1, 1).getContext("2d");
  canvas.drawImage(picture, 0, 0);
  return [...canvas.getImageData(0, 0, 1, 1).data].map((value) => Math.round(value / 16)).join(" ");
};
</script>"""
BLUE = "2 2 14 16"


async def colour(page: Page, frame: Frame) -> str:
    return str(await page.evaluate("(jpeg) => reads(jpeg)", base64.b64encode(frame.jpeg).decode()))


async def test_a_viewer_who_was_slow_sees_the_page_as_it_is_at_the_end(browsers: BrowserPool, site: LocalSite) -> None:
    site.page(COLOURS)
    pictures = Pictures()
    async with opened(browsers, site) as page:
        cast = Screencast(page, pictures.show)
        await cast.start()
        await pictures.until(1)
        for hue in (*range(0, 100, 10), 240):  # more than the browser makes before one is taken
            await page.evaluate("(hue) => draw(hue)", hue)
        assert await colour(page, pictures.untaken[-1]) != BLUE
        pictures.take_newest()
        await pictures.until(1)
        assert await colour(page, pictures.untaken[-1]) == BLUE
        await cast.stop()


STILL = """<!doctype html><title>still</title><style>
body { margin: 0 } a { position: fixed; left: 0; top: 0; width: 200px; height: 200px; background: green }
</style><a href="/popup" target="_blank">more</a><script>
onkeydown = () => document.body.append(document.createElement("hr"));
</script>"""


async def see(viewer: Viewer) -> None:
    """Wait for a picture."""
    async with asyncio.timeout(10):
        while not isinstance(await viewer.next(), bytes):
            pass


async def see_page(viewer: Viewer, page: Page) -> None:
    """Wait for a picture of *page*."""
    async with asyncio.timeout(10):
        while viewer.seen is None or viewer.seen.page is not page:
            await viewer.next()


async def do(view: LiveView, viewer: Viewer, **message: object) -> None:
    await view.receive(viewer, json.dumps(message))


async def press_key(view: LiveView, viewer: Viewer) -> None:
    await do(view, viewer, type="key", event="down", key="a")


async def test_a_still_page_is_seen_by_each_who_comes_also_after_one_left_without_looking(
    browsers: BrowserPool, site: LocalSite
) -> None:
    site.page(STILL)
    async with opened(browsers, site) as page:
        view = LiveView(page, "site", "a test")
        with view.open():
            for _ in range(3):
                async with view.watch("one") as one:
                    await see(one)
                    async with view.watch("another"):  # takes nothing
                        await press_key(view, one)
                        await see(one)
                    await do(view, one, type="ask", wish="reload")
                    await see(one)
                    await press_key(view, one)
                    await see(one)
                assert not view.streaming
        assert view.unwatched.is_set()


async def test_a_popup_is_shown_at_the_viewers_size_and_the_page_again_when_it_is_closed(
    browsers: BrowserPool, site: LocalSite
) -> None:
    site.page(STILL)
    site.page(STILL.replace("still", "popup"), "/popup")
    async with opened(browsers, site) as page:
        view = LiveView(page, "site", "a test")
        with view.open():
            async with view.watch("one") as viewer:
                await do(view, viewer, type="size", width=400, height=600)
                for _ in range(2):
                    await see_page(viewer, page)
                    async with page.expect_popup() as popping:
                        await click(view, viewer, 0.1)
                    popup = await popping.value
                    await popup.wait_for_function("innerWidth === 400 && innerHeight === 600")
                    await press_key(view, viewer)
                    await popup.wait_for_selector("hr", state="attached")
                    await popup.close()
                    await press_key(view, viewer)
                    await page.wait_for_selector("hr", state="attached")
                    await page.evaluate("document.querySelector('hr').remove()")
                assert view.streaming


async def see_size(viewer: Viewer, width: float, height: float) -> None:
    """Wait for a picture of a page of that size."""
    async with asyncio.timeout(10):
        while viewer.seen is None or viewer.seen.size != (width, height):
            await viewer.next()


PLACES = """<!doctype html><title>places</title><script>
onmousedown = (event) => { document.title = `${event.clientX} ${event.clientY}`; };
</script>"""


async def test_input_goes_where_it_is_on_the_picture_that_its_viewer_saw_last(
    browsers: BrowserPool, site: LocalSite
) -> None:
    site.page(PLACES)
    async with opened(browsers, site) as page:
        before = page.viewport_size
        assert before is not None
        view = LiveView(page, "site", "a test")
        with view.open():
            async with view.watch("one") as viewer, view.watch("another") as another:
                await see_page(viewer, page)
                await do(view, viewer, type="size", width=400, height=600)
                await see_size(another, 400, 600)  # on its way to the first, too
                at = {"x": 100 / before["width"], "y": 50 / before["height"]}
                await do(view, viewer, type="pointer", event="down", **at, button=0, buttons=1, clicks=1)
                await page.wait_for_function("document.title === '100 50'")
                await see_size(viewer, 400, 600)
                at = {"x": 200 / 400, "y": 300 / 600}
                await do(view, viewer, type="pointer", event="down", **at, button=0, buttons=1, clicks=1)
                await page.wait_for_function("document.title === '200 300'")


async def hear(viewer: Viewer, kind: str) -> str:
    """Return the text of the next news of that *kind*."""
    async with asyncio.timeout(10):
        while True:
            news = await viewer.next()
            if isinstance(news, str) and json.loads(news)["type"] == kind:
                return str(json.loads(news)["text"])


async def test_the_way_back_does_not_leave_the_site(browsers: BrowserPool, site: LocalSite) -> None:
    site.page(STILL)
    site.page(STILL, "/next")
    async with opened(browsers, site) as page:
        view = LiveView(page, "site", "a test")
        with view.open():
            async with view.watch("one") as viewer:
                await do(view, viewer, type="ask", wish="back")
                assert await hear(viewer, "refused") == "there is no page before this one"
                assert page.url == site.url
                await page.goto(f"{site.url}next")
                await do(view, viewer, type="ask", wish="back")
                assert page.url == site.url


async def test_who_looks_is_told_that_a_page_has_crashed(browsers: BrowserPool, site: LocalSite) -> None:
    site.page(STILL)
    handovers = Handovers(SystemClock())
    offered = asyncio.Event()
    handovers.on_change.append(offered.set)
    async with browsers.lease(DESKTOP, site_url=site.url) as lease:
        showing = asyncio.create_task(lease.show(site.spec(), handovers))
        await offered.wait()
        view = handovers.list()[0].view
        async with view.watch("one") as viewer:
            await see(viewer)
            crash_pages(browsers)
            said = ""
            async with asyncio.timeout(10):
                while (news := await viewer.next()) is not None:
                    said = json.loads(news).get("text", said) if isinstance(news, str) else said
        assert said == CLOSED
        with pytest.raises(BrowserFailed, match="the page crashed"):
            await showing


CLOSED_DOORS = """<!doctype html><title>doors</title><style>
body { margin: 0 } input, a { position: fixed; left: 0; width: 300px; height: 100px; display: block }
</style><input type="file" style="top: 0"><a href="/file" download style="top: 100px">get</a>
<a href="THERE" style="top: 200px">leave</a>"""


async def click(view: LiveView, viewer: Viewer, y: float) -> None:
    for event, buttons in (("down", 1), ("up", 0)):
        await do(view, viewer, type="pointer", event=event, x=0.1, y=y, button=0, buttons=buttons, clicks=1)


async def test_nothing_is_uploaded_downloaded_or_reached_that_the_rules_forbid(
    browsers: BrowserPool, site: LocalSite
) -> None:
    site.page(CLOSED_DOORS.replace("THERE", site.url.replace("127.0.0.1", "localhost") + "there"))
    site.page("a file", "/file")
    async with opened(browsers, site) as page:
        view = LiveView(page, "site", "a test")
        with view.open():
            async with view.watch("one") as viewer:
                await do(view, viewer, type="size", width=400, height=400)
                await see(viewer)
                await click(view, viewer, 0.1)
                async with asyncio.timeout(10):
                    while "files can't be uploaded" not in str(await viewer.next()):
                        pass
                async with page.expect_download() as downloading:
                    await click(view, viewer, 0.35)
                assert await (await downloading.value).failure() is not None
                async with page.expect_event("requestfailed"):
                    await click(view, viewer, 0.6)
    assert "/there" not in [path for path, _ in site.requests]
