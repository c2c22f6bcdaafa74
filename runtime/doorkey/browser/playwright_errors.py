"""Translates Playwright's exceptions into doorkey's."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from doorkey.errors import BrowserFailed, Changed, DoorkeyError, SiteDown, TimeLimit

if TYPE_CHECKING:
    from playwright.async_api import Error, Page

TRANSIENT = re.compile(
    r"net::ERR_(CONNECTION_(REFUSED|RESET|CLOSED|FAILED|ABORTED|TIMED_OUT)|EMPTY_RESPONSE|NETWORK_CHANGED|TIMED_OUT"
    r"|NAME_NOT_RESOLVED|INTERNET_DISCONNECTED|ADDRESS_UNREACHABLE|HTTP2_PROTOCOL_ERROR|QUIC_PROTOCOL_ERROR|SOCKET_NOT_CONNECTED)\b"
)
"""Failures of a page load that may not happen again."""
ENDED = ("ERR_SOCKET_NOT_CONNECTED", "ERR_EMPTY_RESPONSE", "ERR_CONNECTION_RESET", "ERR_CONNECTION_CLOSED")
"""Connections that were there and that the server has ended."""
ANSWERS = 2.0
"""Seconds within which a page whose load was aborted answers, where it has not crashed."""


class DriverGone(BrowserFailed):
    """Playwright's driver has ended. Everything that it held is lost, and it has to be started again."""


def translate(error: BaseException, what: str, limit: float = 0.0) -> DoorkeyError:
    """Return doorkey's error for *error*, which Playwright raised while doing *what*.

    The error repeats no text of a page. *limit* is the number of seconds that *what* was allowed to take.
    """
    from playwright.async_api import Error
    from playwright.async_api import TimeoutError as PlaywrightTimeout

    if isinstance(error, PlaywrightTimeout):
        return TimeLimit(what, limit, setting="limits.visit")
    if not isinstance(error, Error):
        return DriverGone(f"{what}: Playwright's driver has ended ({type(error).__name__}); doorkey starts it again")
    found = re.search(r"net::(ERR_[A-Z0-9_]+)", error.message)
    if found is None:
        return BrowserFailed(f"{what}: the browser failed ({_first_line(error.message)})")
    if found[1] == "ERR_ABORTED":
        return Changed(f"{what}: the site sent no page (a download, or an answer without a body)")
    if "PROXY" in found[1] or "TUNNEL" in found[1]:
        return SiteDown(f"{what}: the proxy refused the connection ({found[1]}); see the site's proxy setting")
    away = found[1].startswith(("ERR_CONNECTION", "ERR_ADDRESS", "ERR_EMPTY_RESPONSE", "ERR_SOCKET"))
    hint = _explain_tls(found[1]) if "https:" in error.message else ""
    return SiteDown(f"{what}: the site can't be reached ({found[1]}){hint}", arrived=False, away=away)


async def explain_load(error: Error, page: Page, what: str, limit: float = 0.0) -> DoorkeyError:
    """As `translate`, for a *page* that was not loaded. One that crashes while it loads is aborted before it tells so:
    that is the browser's failure, not the site's."""
    told = translate(error, what, limit)
    if isinstance(told, Changed) and not await _answers(page):
        return BrowserFailed(f"{what}: the page crashed")
    return told


async def _answers(page: Page) -> bool:
    from playwright.async_api import Error

    try:
        async with asyncio.timeout(ANSWERS):
            await page.evaluate("0")
    except (Error, TimeoutError):
        return False
    return True


def _explain_tls(code: str) -> str:
    """What may be behind a failure of an HTTPS connection with this *code*, as the end of a message."""
    if code.startswith("ERR_CERT_AUTHORITY"):
        return ". Its certificate is of an authority that is not trusted here: sites.SITE.ca_file names that authority"
    if "SSL_CLIENT_AUTH" in code or code in ENDED:
        return (
            ". A server that wants a client certificate ends connections without one like this: "
            "sites.SITE.client_certificate names it"
        )
    return ""


@asynccontextmanager
async def limited(what: str, limit: float) -> AsyncIterator[None]:
    """Limit Playwright calls to *limit* seconds, and translate what they raise. A hanging call raises BrowserFailed."""
    from playwright.async_api import Error

    try:
        async with asyncio.timeout(limit):
            yield
    except Error as error:
        raise translate(error, what, limit) from error
    except TimeoutError as error:
        if isinstance(error, DoorkeyError):
            raise
        raise BrowserFailed(f"{what}: the browser did not answer within {limit:g} s") from error


def _first_line(message: str) -> str:
    # Messages of a page's own scripts may contain anything: only the first line of Playwright's text is kept.
    line = message.strip().splitlines()[0] if message.strip() else "no reason given"
    return re.sub(r"(https?|data|blob):\S*", "...", line)[:120]
