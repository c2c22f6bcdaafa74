"""The contract between doorkey and the code that knows one kind of site.

A provider is declarative and synchronous: no browser, no network, no clock, no randomness of its own. It says what a
visit must find (`read`), where tokens go in a request (`dress`), what an answer means (`judge`), and, for a chat,
which requests a question takes (`answer`, a generator that yields requests and is sent whole replies).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias, TypeVar
from urllib.parse import urljoin, urlsplit

from doorkey.chat import Chat, Delta, format_prompt
from doorkey.errors import (
    Blocked,
    Changed,
    Cut,
    DoorkeyError,
    MissingToken,
    NeedsPerson,
    QuotaReached,
    RateLimited,
    RequestError,
    SessionRefused,
    SiteDown,
    UnknownModel,
)
from doorkey.session import JSON, Session, Tokens

if TYPE_CHECKING:
    from bs4 import BeautifulSoup, Tag

MiB = 1024 * 1024
HEAD_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One configured site: its name, the page a visit opens, and how the browser appears there."""

    name: str
    url: str
    models: tuple[str, ...] = ()
    profile: str = "desktop"
    proxy: str | None = field(default=None, repr=False)

    @property
    def origin(self) -> str:
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"


@dataclass(frozen=True, kw_only=True)
class Page:
    """A loaded page as a provider reads it: the document, and what the page's scripts left in the browser."""

    url: str
    html: str = field(repr=False)
    cookies: Mapping[str, str] = field(default_factory=dict, repr=False)
    local: Mapping[str, str] = field(default_factory=dict, repr=False)

    def soup(self, only: str | None = None) -> BeautifulSoup:
        """The parsed page; *only* a tag's name keeps just those tags, which takes a third of the time."""
        from bs4 import BeautifulSoup, SoupStrainer

        return BeautifulSoup(self.html, "lxml", parse_only=SoupStrainer(only) if only else None)

    @cached_property
    def document(self) -> BeautifulSoup:
        return self.soup()

    def find(self, css: str) -> Tag | None:
        """The first element that *css* selects."""
        return self.document.select_one(css)

    def attribute(self, css: str, name: str, token: str) -> str:
        """Attribute *name* of the first element *css* selects. Raises MissingToken(token) with what was sought."""
        tag = self.find(css)
        value = tag.get(name) if tag is not None else None
        if not isinstance(value, str) or not value.strip():
            raise MissingToken(token, f"{css}@{name} at {self.url}")
        return value.strip()


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

    `url` is absolute, or a path at the site's origin. At most one body: `form`, `json`, `parts` or `body`.
    `expects` lists the media types that are an answer (empty: any). `decode` makes a fresh decoder for each attempt
    from the answer's head; without one the reply is read whole, up to `limit` bytes.
    `repeatable`: sending it twice does no harm, even when the first arrived. `own_host`: False for another host than
    the site's (an image): then cookies go along only if their domain says so. `follow`: how many redirects to follow,
    each of them checked.
    User agent, cookies, origin and Sec-* are the transport's to set; `headers` holding one raises ValueError.
    """

    url: str
    method: str = "GET"
    what: str = "the request"
    query: Mapping[str, str] | Sequence[tuple[str, str]] | None = field(default=None, repr=False)
    form: Mapping[str, str] | None = field(default=None, repr=False)
    json: JSON = field(default=None, repr=False)
    parts: tuple[Part, ...] | None = field(default=None, repr=False)
    body: bytes | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    accept: str = "*/*"
    expects: tuple[str, ...] = ()
    referer: str | None = None
    decode: Callable[[Head], Decoder[Any]] | None = field(default=None, repr=False)
    repeatable: bool = False
    limit: int = 8 * MiB
    own_host: bool = True
    follow: int = 0

    def __post_init__(self) -> None:
        reserved = [name for name in self.headers if is_reserved(name)]
        if reserved:
            raise ValueError(f"{', '.join(reserved)}: set by the transport from the session, not by a request")
        for name, value in self.headers.items():
            if any(char in name + value for char in "\r\n\0"):
                raise ValueError(f"header {name!r} holds a line break")

    def with_form(self, **fields: str) -> Request:
        return replace(self, form={**(self.form or {}), **fields})

    def with_headers(self, **headers: str) -> Request:
        return replace(self, headers={**self.headers, **headers})


def is_reserved(name: str) -> bool:
    lower = name.lower()
    return lower.startswith("sec-") or lower in {"user-agent", "cookie", "origin", "host", "accept-encoding"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The beginning of an answer: what can be judged before its body is read.

    `headers` are looked up by lower-case names; `start` is at most 4 KiB of the (decompressed) body.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    url: str = ""
    start: bytes = field(default=b"", repr=False)

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def is_html(self) -> bool:
        if self.media_type:
            return self.media_type in ("text/html", "application/xhtml+xml")
        return (
            self.start.lstrip()[:9].lower() in (b"<!doctype", b"<html>") or self.start.lstrip()[:5].lower() == b"<html"
        )

    @property
    def retry_after(self) -> float | None:
        """Retry-After in seconds. A date is taken relative to the answer's own Date: no clock of ours is asked."""
        value = self.headers.get("retry-after", "").strip()
        if not value:
            return None
        try:
            if value.isdigit():
                return float(value)
            return max(0.0, (_date(value) - _date(self.headers.get("date", ""))).total_seconds())
        except (ValueError, TypeError):
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply(Head):
    """A whole answer."""

    body: bytes = field(default=b"", repr=False)

    def text(self) -> str:
        charset = "utf-8"
        for part in self.headers.get("content-type", "").split(";")[1:]:
            name, _, value = part.partition("=")
            if name.strip().lower() == "charset":
                charset = value.strip(" \"'") or charset
        try:
            return self.body.decode(charset, errors="replace")
        except LookupError:
            return self.body.decode("utf-8", errors="replace")

    def data(self) -> Any:
        """The body as JSON. Raises Changed when it is none."""
        return parse_json(self.body)


def _date(value: str) -> datetime:
    return parsedate_to_datetime(value)


def parse_json(body: bytes | str) -> Any:
    """*body* as JSON. Raises Changed when it is none, is not UTF-8 or is nested too deeply."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        start = body[:1] if isinstance(body, str) else body[:1].decode("latin-1")
        came = "nothing" if not body else "a page" if start == "<" else f"{len(body)} characters of something else"
        raise Changed(f"the site was expected to send JSON; {came} came") from error


class Kind(Enum):
    """What an answer means, and so what happens next."""

    OK = "ok"
    STALE = "stale"  # renew, send again
    CHALLENGED = "challenged"  # the browser must pass it; then as stale
    REFUSED = "refused"  # a refusal nobody has named: renewed for once, then blocked
    RATE_LIMITED = "rate limited"  # told; never renewed for, never evaded
    QUOTA = "quota"  # the same
    BLOCKED = "blocked"  # told
    SITE_DOWN = "site down"  # sent again where that is harmless
    CHANGED = "changed"  # told: the provider no longer knows this site
    CUT = "cut"  # told: the answer ended before its end


@dataclass(frozen=True, slots=True)
class Verdict:
    """`detail` goes into errors and logs: never a cookie, a token or a prompt. `retry_after` is in seconds."""

    kind: Kind
    detail: str = ""
    retry_after: float | None = None

    def __bool__(self) -> bool:
        return self.kind is Kind.OK

    def error(self, site: str, status: int | None = None) -> DoorkeyError:
        """The error a caller gets when this verdict is final."""
        message = f"{site}: {self.detail or self.kind.value}"
        match self.kind:
            case Kind.STALE | Kind.REFUSED:
                return SessionRefused(message, site=site, answer_status=status)
            case Kind.CHALLENGED:
                return NeedsPerson(message, site=site)
            case Kind.RATE_LIMITED:
                return RateLimited(message, site=site, retry_after=self.retry_after)
            case Kind.QUOTA:
                return QuotaReached(message, site=site, retry_after=self.retry_after)
            case Kind.BLOCKED:
                return Blocked(message, site=site, answer_status=status)
            case Kind.SITE_DOWN:
                return SiteDown(message, site=site, retry_after=self.retry_after)
            case Kind.CUT:
                return Cut(message, site=site, answer_status=status)
            case _:
                return Changed(message, site=site, answer_status=status)


OK = Verdict(Kind.OK)

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Decoder(Protocol[T_co]):
    """Turns the bytes of one answer into items, as they come.

    `verdict` is None while the answer goes on, OK once its end mark was seen, anything else when the body said that
    it failed; after that no more is fed. `close` is called at the end of the body: without an end mark, where the
    format has one, it leaves CUT. Items returned beside a failing verdict came before the failure.
    """

    verdict: Verdict | None

    def feed(self, data: bytes) -> Sequence[T_co]: ...

    def close(self) -> Sequence[T_co]: ...


Flow: TypeAlias = Generator[Request, Reply, T]
"""Yields requests, is sent whole replies; a request with a decoder is the last. Else its value is the answer."""


class Provider:
    """Knows one kind of site. One instance serves one configured site."""

    page_path: ClassVar[str] = "/"
    """Added to a configured URL that has no path."""
    ready: ClassVar[str | None] = None
    """A CSS selector that is there once the page can be read."""
    cookies_needed: ClassVar[tuple[str, ...]] = ()
    """Cookies without which a visit is not done; they also tell a renewed session from the refused one."""
    cookies_required: ClassVar[bool] = False
    """Whether a visit that ends without any cookie has failed."""
    cookies_sliding: ClassVar[tuple[str, ...]] = ()
    """Cookies whose new values in answers belong to the session."""
    needs_scripts: ClassVar[bool] = True
    """Whether only a browser can enter: the page's scripts set what requests need."""
    needs_page: ClassVar[bool] = True
    """Whether requests need something only the page holds (a token). False: cookies alone are a session."""
    settle: ClassVar[float] = 0.25
    """Seconds that cookies and storage must stay unchanged before a visit is done."""
    soft: ClassVar[float] = 6 * 3600
    """Age in seconds past which a new session is fetched behind the requests."""
    hard: ClassVar[float] = 12 * 3600
    """Age in seconds past which a session is not used."""
    max_uses: ClassVar[int | None] = None
    """How many requests a session carries, where the site counts."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def read(self, page: Page) -> Tokens:
        """The tokens on the page. Raises MissingToken(name, where it was sought). Called off the event loop."""
        return {}

    def dress(self, request: Request, session: Session) -> Request:
        """*request* with the session's tokens where they belong. Called anew for each attempt."""
        return request

    def judge(self, request: Request, head: Head, session: Session) -> Verdict:
        """What the answer means, as far as its head tells. A form with a name decides before `default_verdict`."""
        return default_verdict(request, head)

    def refresh(self, session: Session) -> Flow[Tokens] | None:
        """The site's own way to new tokens, where it has one."""
        return None


class ChatProvider(Provider):
    """A site that answers questions."""

    default_model: ClassVar[str] = ""
    known_models: ClassVar[tuple[str, ...]] = ()
    image_models: ClassVar[tuple[str, ...]] = ()
    model_aliases: ClassVar[Mapping[str, str]] = {}

    def models(self) -> tuple[str, ...]:
        """The names of this site's models: configured ones before the provider's own."""
        return self.site.models or self.known_models

    def model(self, name: str) -> str:
        """The provider's own name for *name*: empty gives the default. Raises UnknownModel listing the known ones."""
        known = self.models()
        if not name:
            return self.default_model if self.default_model in known else known[0]
        name = self.model_aliases.get(name, name)
        if name not in known:
            raise UnknownModel(
                f"{self.site.name} has no model {name[:80]!r}; it has: {', '.join(known)}",
                param="model",
                site=self.site.name,
            )
        return name

    def answer(self, chat: Chat, session: Session) -> Flow[Sequence[Delta] | None]:
        """The requests that one question takes. Tokens belong in `dress`, which runs anew when a session is renewed."""
        raise NotImplementedError

    def prompt(self, chat: Chat) -> str:
        """All messages as one text. Raises RequestError when they hold nothing to say."""
        text = format_prompt(chat.messages)
        if not text.strip():
            raise RequestError("the messages are empty: a question needs some text", param="messages")
        return text


LOGIN_WORDS = ("login", "log-in", "signin", "sign-in", "sign_in", "wp-login", "/auth", "sso")
"""What paths of login pages hold, by common usage (weak: a redirect there only makes a refusal likely)."""


def default_verdict(request: Request, head: Head) -> Verdict:
    """What an answer means that no provider has named.

    401, 403, 419, 440, a redirect to a login page, and HTML where something else was asked, are refusals that a renewed
    session may cure. 429 and 5xx are not, whatever their body.
    """
    status = head.status
    if status == 429:
        return Verdict(Kind.RATE_LIMITED, f"{request.what} met HTTP 429: the site limits its rate", head.retry_after)
    if status >= 500:
        return Verdict(Kind.SITE_DOWN, f"{request.what} met HTTP {status}", head.retry_after)
    if status in (401, 403, 419, 440):
        return Verdict(Kind.REFUSED, f"{request.what} was refused with HTTP {status} ({head.media_type or 'no type'})")
    if 300 <= status < 400 and status != 304:
        path = urlsplit(urljoin(head.url, head.headers.get("location", ""))).path.lower()
        if any(word in path for word in LOGIN_WORDS):
            return Verdict(Kind.REFUSED, f"{request.what} was redirected to a login page (HTTP {status})")
    if request.expects and head.is_html and not any("html" in kind for kind in request.expects):
        return Verdict(Kind.REFUSED, f"{request.what} got a page where {' or '.join(request.expects)} was expected")
    if status >= 400 and request.expects:
        return Verdict(Kind.CHANGED, f"{request.what} met HTTP {status} ({head.media_type or 'no type'})")
    return OK
