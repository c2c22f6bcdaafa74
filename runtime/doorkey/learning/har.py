"""Reads a HAR file (HTTP Archive 1.2) as a recording, entry by entry, so that a large or cut-off one can be read."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urldefrag, urlencode, urlsplit

from doorkey.learning.learn import NotEnough
from doorkey.learning.login import find_login
from doorkey.learning.origins import list_cookies
from doorkey.learning.ready import LEAVES
from doorkey.learning.recording import Exchange, Recording, Snapshot
from doorkey.learning.values import PASSWORD_NAME
from doorkey.model.page import Page
from doorkey.recognition.login_form import find_login_form

LONGEST_BODY = 2 * 1024 * 1024
"""Characters of one body that are kept."""
TEXTS = ("json", "text/", "javascript", "xml", "x-www-form-urlencoded", "html")
ENTRIES = re.compile(r'"entries"\s*:\s*\[')
FIELD = re.compile(r"""type\s*=\s*["']?password|username""", re.IGNORECASE)
"""What stands in every page with a login form."""
HEADED = re.compile(r"\A(?:Content-[A-Za-z-]+:[^\r\n]*\r?\n)+\r?\n", re.IGNORECASE)
"""Headers of a form, which Firefox puts in front of its text."""
BLANK = re.compile(r"[\s,]*")


@dataclass(frozen=True, slots=True)
class HarFile:
    """What a HAR file holds. `holds_password`: a request in it carries what was typed into a password field."""

    recording: Recording
    holds_password: bool


def read_har(data: bytes, url: str = "") -> HarFile:
    """Read the HAR file *data*. *url* is the site's page; without it, the site is the one that was logged in to.

    Raises NotEnough for what is no HAR, or holds no entry that can be read.
    """
    faults: list[str] = []
    dated = [one for entry in _list_entries(data, faults) if (one := _read_entry(entry)) is not None]
    if not dated:
        raise NotEnough(
            "this is no HAR file that can be read: JSON with log.entries was expected"
            + "".join(f"; {fault}" for fault in faults)
        )
    dated.sort(key=lambda pair: pair[0])
    return _make_recording([exchange for _, exchange in dated], url, faults)


def _list_entries(data: bytes, faults: list[str]) -> Iterator[Mapping[str, Any]]:
    """List the entries, and note in *faults* where the file is damaged."""
    text = data.decode("utf-8-sig", "replace")
    begin = ENTRIES.search(text)
    if begin is None:
        faults.append("it has no log.entries")
        return
    decoder, at = json.JSONDecoder(), begin.end()
    while True:
        blank = BLANK.match(text, at)
        at = blank.end() if blank else at
        if text[at : at + 1] == "]":
            return
        try:
            entry, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            faults.append("the file is cut off or damaged: what comes after that place was not read")
            return
        if isinstance(entry, dict):
            yield entry


def _read_entry(entry: Mapping[str, Any]) -> tuple[str, Exchange] | None:
    request, response = entry.get("request"), entry.get("response")
    if not isinstance(request, dict) or not isinstance(request.get("url"), str):
        return None
    response = response if isinstance(response, dict) else {}
    url = urldefrag(request["url"]).url
    if urlsplit(url).scheme not in ("http", "https"):
        return None
    headers, answers = _read_headers(request), _read_headers(response)
    content = response.get("content")
    content = content if isinstance(content, dict) else {}
    kind = str(content.get("mimeType") or answers.get("content-type") or "").partition(";")[0].strip().lower()
    mode = headers.get("sec-fetch-mode", "")
    resource = str(entry.get("_resourceType") or "")
    exchange = Exchange(
        method=str(request.get("method") or "GET").upper(),
        url=url,
        headers=headers,
        body=_read_post(request),
        status=response["status"] if isinstance(response.get("status"), int) else 0,
        answer_headers=answers,
        set_cookies=_read_cookies(response),
        answer_type=kind,
        answer_body=_read_content(content, kind),
        navigates=resource == "document" or mode == "navigate" or (not resource and not mode and "html" in kind),
    )
    return str(entry.get("startedDateTime") or ""), exchange


def _read_headers(message: Mapping[str, Any]) -> dict[str, str]:
    listed = message.get("headers")
    found = listed if isinstance(listed, list) else []
    pairs = [(one.get("name"), one.get("value")) for one in found if isinstance(one, dict)]
    return {name.lower(): value for name, value in pairs if isinstance(name, str) and isinstance(value, str)}


def _read_cookies(response: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the Set-Cookie headers. A recorder may join them by line breaks, or list the cookies only apart."""
    headers = response.get("headers")
    lines: list[str] = []
    for one in headers if isinstance(headers, list) else []:
        if isinstance(one, dict) and str(one.get("name")).lower() == "set-cookie":
            lines += str(one.get("value") or "").splitlines()
    cookies = response.get("cookies")
    if not lines and isinstance(cookies, list):
        lines = [f"{one.get('name')}={one.get('value')}" for one in cookies if isinstance(one, dict)]
    return tuple(lines)


def _read_post(request: Mapping[str, Any]) -> str:
    post = request.get("postData")
    if not isinstance(post, dict):
        return ""
    text = post.get("text")
    if isinstance(text, str) and text:
        return HEADED.sub("", text, count=1)[:LONGEST_BODY]
    params = post.get("params")
    named = [one for one in params if isinstance(one, dict)] if isinstance(params, list) else []
    return urlencode([(str(one.get("name") or ""), str(one.get("value") or "")) for one in named])


def _read_content(content: Mapping[str, Any], kind: str) -> str:
    text = content.get("text")
    if not isinstance(text, str) or not any(part in kind for part in TEXTS):
        return ""
    if content.get("encoding") == "base64":
        try:
            return base64.b64decode(text[: LONGEST_BODY * 2]).decode("utf-8", "replace")[:LONGEST_BODY]
        except (binascii.Error, ValueError):
            return ""
    return text[:LONGEST_BODY]


def _make_recording(exchanges: Sequence[Exchange], url: str, faults: list[str]) -> HarFile:
    found = find_login(exchanges)
    at = found.at if found is not None else -1
    origin = urlsplit(url)[:2] if url else _choose_origin(exchanges, at)
    snapshots = tuple(_list_snapshots(exchanges, at, origin))
    sends = any("cookie" in one.headers or "authorization" in one.headers for one in exchanges)
    lacks = not sends and not any(one.set_cookies for one in exchanges)
    holds = any(
        PASSWORD_NAME.search(leaf.path) and leaf.value for one in exchanges if one.writes for leaf in one.fields
    )
    recording = Recording(
        url=url or f"{origin[0]}://{origin[1]}/",
        exchanges=tuple(exchanges),
        snapshots=snapshots,
        lacks_cookies=lacks,
        faults=tuple(faults),
    )
    return HarFile(recording, holds)


def _choose_origin(exchanges: Sequence[Exchange], login: int) -> tuple[str, str]:
    """Return the site's origin: that of the page from which the login was sent, or which wrote most."""
    if login >= 0:
        opened = [one.origin for one in exchanges[:login] if one.navigates and one.is_html]
        return opened[-1] if opened else exchanges[login].origin
    writes = [one.origin for one in exchanges if one.writes] or [one.origin for one in exchanges if one.navigates]
    return max(set(writes), key=writes.count) if writes else exchanges[0].origin


def _list_snapshots(exchanges: Sequence[Exchange], login: int, origin: tuple[str, str]) -> Iterator[Snapshot]:
    """List the pages of the site as plain HTTP got them: before the login a stranger's, after it a session's."""
    asked, left = "", False
    for at, one in enumerate(exchanges):
        left = left or (at > login >= 0 and one.origin == origin and bool(LEAVES.search(one.path)))
        if one.origin != origin or not one.navigates:
            continue
        asked = asked or one.url
        if 300 <= one.status < 400:
            continue
        if one.is_html and one.answer_body and one.status < 400:
            cookies = dict(reversed(list(list_cookies(exchanges[: at + 1]))))
            page = Page(url=one.url, html=one.answer_body, cookies=cookies)
            outside = at < login or left or (login >= 0 and _asks(page))
            yield Snapshot(page, "stranger" if outside else "first", asked, at + 1)
        asked = ""


def _asks(page: Page) -> bool:
    """Whether *page* has a login form. Most pages are not parsed for this: a recording may hold hundreds."""
    return FIELD.search(page.html) is not None and find_login_form(page) is not None
