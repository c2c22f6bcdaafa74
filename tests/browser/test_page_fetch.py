"""What DevTools tells of a request becomes a head and a body, in whatever order, and however little of it comes."""

from __future__ import annotations

import pytest

from doorkey.browser.live.page_fetch import PageFetch
from doorkey.errors import BrowserFailed, Cut, DoorkeyError


@pytest.fixture
def aborted() -> list[PageFetch]:
    return []


@pytest.fixture
async def fetching(aborted: list[PageFetch]) -> PageFetch:
    return PageFetch("dk1", aborted.append, lambda one, more: None)


async def test_a_page_that_dies_before_the_answer_fails_it(fetching: PageFetch) -> None:
    fetching.fail(BrowserFailed("the live page crashed"))
    with pytest.raises(BrowserFailed, match="crashed"):
        await fetching.wait_for_head()
    assert (fetching.over.is_set(), fetching.settled.is_set(), fetching.complete) == (True, True, True)


@pytest.mark.parametrize("ended", ["not", "finished", "failed", "redirected"])
async def test_a_page_that_dies_before_the_answers_headers_are_told_cuts_it(fetching: PageFetch, ended: str) -> None:
    fetching.on_response(200)
    fetching.start_stream(b"")
    match ended:
        case "finished":
            fetching.on_finished()
        case "failed":
            fetching.on_failed("net::ERR_FAILED")
        case "redirected":
            fetching.on_redirect()
    fetching.fail(BrowserFailed("the live page crashed"))
    assert (fetching.over.is_set(), fetching.settled.is_set(), fetching.complete) == (True, True, True)
    with pytest.raises(Cut, match="broke off: the live page crashed"):
        await fetching.wait_for_head()


async def test_headers_may_be_told_after_the_end(fetching: PageFetch) -> None:
    fetching.on_response(200)
    fetching.on_data(b"all")
    fetching.start_stream(b"")
    fetching.on_finished()
    assert (fetching.settled.is_set(), fetching.complete) == (False, False)
    fetching.on_headers(200, {"Content-Type": "text/plain", "Set-Cookie": "a=1\nb=2"})
    status, headers = await fetching.wait_for_head()
    assert (status, headers.getall("set-cookie"), fetching.complete) == (200, ["a=1", "b=2"], True)
    assert fetching.settled.is_set()
    assert await fetching.content.readany() == b"all"
    assert fetching.content.at_eof()


async def test_who_leaves_before_the_headers_are_told_ends_it_and_nobody_after_that(
    fetching: PageFetch, aborted: list[PageFetch]
) -> None:
    fetching.on_response(200)
    fetching.start_stream(b"")
    fetching.on_finished()
    fetching.close()
    assert aborted == [fetching]
    fetching.on_headers(200, {})
    fetching.close()
    assert aborted == [fetching]


async def test_a_page_that_dies_after_the_headers_leaves_them_as_they_are(fetching: PageFetch) -> None:
    fetching.on_headers(200, {})
    fetching.fail(BrowserFailed("the live page crashed"))
    assert (await fetching.wait_for_head())[0] == 200
    with pytest.raises(DoorkeyError, match="broke off"):
        await fetching.content.readany()
