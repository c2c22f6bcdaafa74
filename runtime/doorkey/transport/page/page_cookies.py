"""The cookies that a live page's jar holds for a request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from doorkey.model.cookies import Change, Cookie, Identity, on_path, path_of

if TYPE_CHECKING:
    from multidict import CIMultiDict

    from doorkey.browser import LivePage


def cookies_at(cookies: Iterable[Cookie], url: str, names: set[str]) -> dict[Identity, Cookie]:
    return {cookie.identity: cookie for cookie in cookies if cookie.name in names and cookie.goes_to_host(url)}


def goes_to(identity: Identity, url: str) -> bool:
    return identity.reaches(url) and on_path(identity.path, path_of(url))


async def put_change(live_page: LivePage, change: Change) -> None:
    if isinstance(change, Cookie):
        await live_page.set_cookie(change)
    else:
        await live_page.delete_cookie(change.identity)


async def replace_cookies(live_page: LivePage, old: Iterable[Cookie], new: Iterable[Cookie]) -> None:
    before = {cookie.identity: cookie.value for cookie in old}
    for cookie in new:
        if before.pop(cookie.identity, None) != cookie.value:
            await live_page.set_cookie(cookie)
    for identity in before:
        await live_page.delete_cookie(identity)


def set_names(headers: CIMultiDict[str]) -> set[str]:
    lines = (line.partition(";")[0] for line in headers.getall("set-cookie", ()))
    return {line.partition("=")[0].strip() if "=" in line else "" for line in lines}
