"""What goes to a site and what comes back: requests, replies, and the decoders of streamed answers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from multidict import MultiDict

from doorkey.errors import Changed
from doorkey.model.cookie_jar import CookieJar
from doorkey.model.cookies import Change
from doorkey.model.session import JSON
from doorkey.model.text import begins_page, read_text
from doorkey.model.upload import Upload
from doorkey.model.urls import join_location

if TYPE_CHECKING:
    from doorkey.model.chat import FinishReason
    from doorkey.model.verdict import Verdict

MiB = 1024 * 1024
HEAD_BYTES = 4096
LARGE = 64 * 1024
"""Bytes of a body past which it is changed in a thread."""
PAGES = ("text/html", "application/xhtml+xml")
"""The media types of pages."""
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
"""Methods whose request may be sent again even if the first one arrived (RFC 9110, 9.2.1)."""
YEAR = 365 * 86400.0
BREAK = re.compile(r"[\r\n\0]")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a multipart body. `filename` makes it a file."""

    name: str
    data: bytes = field(repr=False)
    filename: str | None = None
    media_type: str = "application/octet-stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request to a site.

    `url` is absolute, or a path at the site's origin. At most one body: `form`, `json`, `parts` or `body` (an Upload is
    sent as it is read).
    `expects` lists the media types that are an answer (empty: any). `decode` makes a fresh decoder for each attempt
    from the answer's head; without one the reply is read whole, up to `limit` bytes.
    `repeatable`: sending it twice does no harm, even if the first one arrived. `own_host`: False for another host than
    the site's (an image): then cookies go along only if their domain says so. `anonymous`: no cookies of the session
    go along at all. `follow`: how many redirects to follow, each of them checked. `encodings`: the compressions that
    the caller undoes itself (an Accept-Encoding); the body is then passed as the site sends it. `websocket`: the
    subprotocols of a WebSocket that the request opens; None for an ordinary request. `cookies`: what the answers set
    that redirected here; they go along. `dressed`: it is complete, so that `Provider.dress` and `Provider.judge` are
    not asked.
    User agent, cookies, origin and Sec-* are the transport's to set; `headers` holding one raises ValueError.
    """

    url: str
    method: str = "GET"
    what: str = "the request"
    query: Mapping[str, str] | Sequence[tuple[str, str]] | None = field(default=None, repr=False)
    form: Mapping[str, str] | None = field(default=None, repr=False)
    json: JSON = field(default=None, repr=False)
    parts: tuple[Part, ...] | None = field(default=None, repr=False)
    body: bytes | Upload | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    accept: str = "*/*"
    expects: tuple[str, ...] = ()
    referer: str | None = None
    decode: Callable[[Head], Decoder[Any]] | None = field(default=None, repr=False)
    repeatable: bool = False
    limit: int = 8 * MiB
    own_host: bool = True
    anonymous: bool = False
    follow: int = 0
    encodings: str | None = None
    websocket: tuple[str, ...] | None = None
    cookies: tuple[Change, ...] = field(default=(), repr=False)
    dressed: bool = False

    @property
    def media_type(self) -> str:
        """The body's type as `headers` name it."""
        given = (value for name, value in self.headers.items() if name.lower() == "content-type")
        return next(given, "").partition(";")[0].strip().lower()

    @property
    def is_json(self) -> bool:
        return is_json(self.media_type)

    @property
    def again(self) -> bool:
        """Whether its body can be sent (again)."""
        return not isinstance(self.body, Upload) or self.body.repeatable

    def __post_init__(self) -> None:
        if not self.headers:
            return
        if any(map(is_reserved, self.headers)):
            reserved = ", ".join(filter(is_reserved, self.headers))
            raise ValueError(f"{reserved}: set by the transport from the session, not by a request")
        if BREAK.search(" ".join((*self.headers, *self.headers.values()))):
            broken = next(name for name, value in self.headers.items() if BREAK.search(name) or BREAK.search(value))
            raise ValueError(f"header {broken!r} holds a line break")

    def with_form(self, **fields: str) -> Request:
        if not isinstance(self.form, MultiDict):
            return replace(self, form={**(self.form or {}), **fields})
        form = MultiDict(self.form)
        form.update(fields)
        return replace(self, form=form)

    def with_headers(self, **headers: str) -> Request:
        return replace(self, headers={**self.headers, **headers})


def kind_of(request: Request) -> tuple[str, str]:
    """What *request* asks for: its method and path, without the query."""
    return request.method, request.url.partition("?")[0]


def is_large(request: Request) -> bool:
    """Whether work on the body may take longer than others should wait. A compressed body counts as large."""
    coded = any(name.lower() == "content-encoding" for name in request.headers)
    return isinstance(request.body, bytes) and (len(request.body) > LARGE or coded)


@lru_cache(1024)
def is_reserved(name: str) -> bool:
    lower = name.lower()
    return lower.startswith("sec-") or lower in {"user-agent", "cookie", "origin", "host", "accept-encoding"}


@lru_cache(256)
def insists_on(accept: str) -> tuple[str, ...]:
    """The media types that an Accept header insists on: a page in place of JSON is a refusal."""
    kinds = tuple(kind.partition(";")[0].strip().lower() for kind in accept.split(","))
    return kinds if all(is_json(kind) for kind in kinds) else ()


@lru_cache(256)
def media_type_of(content_type: str) -> str:
    """The media type of a Content-Type header, in lower case and without parameters; empty without one."""
    return content_type.partition(";")[0].strip().lower()


def is_json(media_type: str) -> bool:
    """Whether *media_type*, in lower case and without parameters, means JSON (RFC 6839: also "…+json")."""
    return media_type in ("application/json", "text/json") or media_type.endswith("+json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The beginning of an answer: what can be judged before its body is read.

    `headers` are looked up by lower-case names; `start` is at most 4 KiB of the (decompressed) body. `held` is more of
    the body, where the provider wanted to look further into it; `complete` says that it is all of the body.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    url: str = ""
    start: bytes = field(default=b"", repr=False)
    held: bytes = field(default=b"", repr=False)
    complete: bool = False
    received: float | None = None
    """The wall time at which the head came, in seconds."""

    @property
    def media_type(self) -> str:
        return media_type_of(self.headers.get("content-type", ""))

    @property
    def is_json(self) -> bool:
        return is_json(media_type_of(self.headers.get("content-type", "")))

    @property
    def is_data(self) -> bool:
        """Whether the head says that this is an event stream, or an answer of another media type than a page's."""
        kind = media_type_of(self.headers.get("content-type", ""))
        return kind == "text/event-stream" or (self.status < 400 and kind != "" and kind not in PAGES)

    def text(self) -> str:
        """The body's text, as far as it is there."""
        return read_text(self.held or self.start, self.headers.get("content-type", ""), cut=not self.complete)

    @property
    def is_html(self) -> bool:
        if kind := self.media_type:
            return kind in PAGES
        return begins_page(self.start)

    @property
    def location(self) -> str | None:
        """The absolute URL that Location names, as a browser reads it; None without one, or if it is no URL."""
        told = self.headers.get("location")
        try:
            return None if told is None else join_location(self.url, told)
        except ValueError:
            return None

    @property
    def cookies(self) -> tuple[Change, ...]:
        """The cookies that the answer sets or deletes."""
        lines = [line for header, line in self.headers.items() if header.lower() == "set-cookie"]
        return CookieJar().answered(lines, self.url or "http://localhost/", self.received or 0.0)

    def cookie(self, name: str) -> str | None:
        """The value that the answer sets for a cookie; None where it sets none of that name, or deletes it."""
        jar = CookieJar().changed(self.cookies)
        return next((cookie.value for cookie in reversed(jar.cookies) if cookie.name == name), None)

    @property
    def retry_after(self) -> float | None:
        """Retry-After in seconds, at most a year. A date counts from the answer's own Date, else from its arrival."""
        value = self.headers.get("retry-after", "").strip()
        if value.isascii() and value.isdigit():
            return min(float(value), YEAR)
        until, since = _seconds(value), self.clock_time
        return None if until is None or since is None else min(max(0.0, until - since), YEAR)

    @property
    def clock_time(self) -> float | None:
        """The wall time that times in the answer count from: its own Date, else its arrival."""
        date = _seconds(self.headers.get("date", ""))
        return self.received if date is None else date


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply(Head):
    """A whole answer. `jar`: the cookies that the session's next request to its URL carries, where a renewal asked."""

    body: bytes = field(default=b"", repr=False)
    jar: Mapping[str, str] = field(default_factory=dict, repr=False)

    def text(self) -> str:
        return read_text(self.body, self.headers.get("content-type", ""))

    def data(self) -> Any:
        """The body as JSON. Raises Changed when it is none."""
        return parse_json(self.text())


def _seconds(date: str) -> float | None:
    """An HTTP date as wall time. One that names no zone is in UTC (RFC 9110, section 5.6.7)."""
    try:
        found = parsedate_to_datetime(date)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def parse_json(body: bytes | str) -> Any:
    """*body* as JSON. Raises Changed when it is none, is not UTF-8 or is nested too deeply."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        start = body[:1] if isinstance(body, str) else body[:1].decode("latin-1")
        came = "nothing" if not body else "a page" if start == "<" else f"{len(body)} characters of something else"
        raise Changed(f"the site was expected to send JSON; {came} came") from error


class Decoder(Protocol[T_co]):
    """Turns the bytes of one answer into items, as they come.

    `verdict` is None while the answer goes on, OK once its end mark was seen, anything else when the body said that
    it failed; after that no more is fed. `close` is called at the end of the body: without an end mark, where the
    format has one, it leaves CUT. Items returned beside a failing verdict came before the failure.
    `finish_reason` is the site's own word for the end of a chat's answer; None where it says none.
    """

    verdict: Verdict | None
    finish_reason: FinishReason | None

    def feed(self, data: bytes) -> Sequence[T_co]: ...

    def close(self) -> Sequence[T_co]: ...
