"""The contract between doorkey and the code that knows one kind of site.

A provider is declarative and synchronous: no browser, no network, no clock, no randomness of its own. It says what a
visit must find (`read`), where tokens go in a request (`dress`), what an answer means (`judge`), and, for a chat,
which requests a question takes (`answer`, a generator that yields requests and is sent whole replies).
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias, TypeVar

from doorkey.errors import RequestError, UnknownModel
from doorkey.model.chat import Chat, Delta, format_prompt
from doorkey.model.login_steps import Step, steps_of
from doorkey.model.page import Page
from doorkey.model.request import Head, Reply, Request
from doorkey.model.secret import Secret
from doorkey.model.session import Session, Tokens
from doorkey.model.site import Site
from doorkey.model.verdict import OK, Verdict
from doorkey.protections.judge import default_verdict

if TYPE_CHECKING:
    from pydantic import BaseModel

T = TypeVar("T")


Flow: TypeAlias = Generator[Request, Reply, T]
"""Yields requests, is sent whole replies; a request with a decoder is the last. Else its value is the answer."""


class Provider:
    """Knows one kind of site. One instance serves one configured site."""

    Options: ClassVar[type[BaseModel] | None] = None
    """The settings that a site of this kind takes beyond the common ones; None: no more."""
    page_path: ClassVar[str] = "/"
    """Added to a configured URL that has no path."""
    ready: str | None = None
    """A CSS selector that is there once the page can be read."""
    cookies_needed: tuple[str, ...] = ()
    """Cookies without which a visit is not done; they also tell a renewed session from the refused one."""
    cookies_read: tuple[str, ...] = ()
    """Cookies that tokens are read from: a session lasts no longer than they do."""
    cookies_required: bool = False
    """Whether a visit that ends without any cookie has failed."""
    cookies_sliding: tuple[str, ...] = ()
    """Cookies whose new values in answers belong to the session."""
    needs_scripts: bool = True
    """Whether only a browser can enter: the page's scripts set what requests need."""
    needs_page: bool = True
    """Whether requests need something only the page holds (a token). False: cookies alone are a session."""
    page_suffices: bool = True
    """Whether the page and its cookies hold all that a session needs. False: `login` or `refresh` give the rest."""
    has_login: bool = False
    """Whether `login` logs in."""
    renews_login: bool = False
    """Whether `refresh` renews all that the site knows a session by. It is then tried for unnamed refusals, too."""
    pages: tuple[str, ...] = ()
    """More pages of the site that a visit opens, by path; `read` finds them in `Page.others`."""
    script_values: tuple[str, ...] = ()
    """Values of the page's scripts to bring along, as paths from its global object ("app.token"); never evaluated."""
    indexed_values: tuple[str, ...] = ()
    """Values of the page's IndexedDB to bring along, as "DATABASE/STORE/KEY"; the key "*" means the first one."""
    sought: Mapping[str, str] = {}
    """Where `read` finds each token, as settings would say it, for reports of visits that fail."""
    sees_requests: bool = False
    """Whether `read` needs the requests that the page itself made."""
    sees_answers: bool = False
    """Whether `read` also needs the answers to those requests."""
    recognizes: bool = False
    """Whether `recognize` knows something that may stand before the site."""
    steps: tuple[Step, ...] = ()
    """How a browser logs in where `ready` is not there. Made by `steps_of` from what settings say."""
    settle: float = 0.25
    """Seconds that cookies and storage must stay unchanged before a visit is done."""
    soft: float = 6 * 3600
    """Age in seconds past which a new session is fetched behind the requests."""
    hard: float = 12 * 3600
    """Age in seconds past which a session is not used."""
    max_uses: int | None = None
    """How many requests a session carries, where the site counts."""
    passes_on: bool = False
    """Whether answers may carry tokens for the next request: then `next_tokens` is asked."""
    next_in_body: bool = False
    """Whether those are in the bodies of answers: then texts are read whole before the caller gets them."""
    single_use: tuple[str, ...] = ()
    """Tokens that serve once: requests that use one up go one after another."""

    check_url: str | None = None
    """The page that tells whether a session is still known (docs/sessions.md); None: no session check."""
    checks_page: bool = True
    """Whether that is a page; else it is data, such as JSON."""
    check_rule: str = ""
    """What the check looks for, so that what was learned by another configuration is not used."""
    check_shows_tokens: bool = False
    """Whether `read` finds the tokens on the check's page, as plain HTTP gets it."""
    examples: tuple[str, ...] = ()
    """Calls that `doorkey check --probe` sends as a stranger: "POST /notes title=probe"."""
    resend: Literal["certain", "dead", "never"] = "certain"
    """Which requests that must not be repeated are sent again when the session was dead (docs/sessions.md)."""

    def __init__(self, site: Site) -> None:
        self.site = site

    @staticmethod
    def secret(reference: str) -> str:
        """The secret that *reference* names ("env:NAME", "file:PATH" or "command:…"), as a value in a request of
        `login` or `refresh`: in its headers, form or JSON. doorkey reads it just before it sends the request.
        "totp:" before the name means the present one-time password of that secret (RFC 6238), "code:" a one-time code
        that the program answers.
        """
        return Secret(reference)

    @staticmethod
    def steps_of(tables: object) -> tuple[Step, ...]:
        """The login steps that a list of tables tells (docs/login.md). Raises ValueError, a line for each fault."""
        return steps_of(tables)

    def read(self, page: Page) -> Tokens:
        """The tokens on the page. Raises MissingToken(name, where it was sought). Called off the event loop."""
        return {}

    def fits(self, session: Session) -> bool:
        """Whether a session from the store holds all that requests need: settings may have changed since its visit."""
        return True

    def dress(self, request: Request, session: Session) -> Request:
        """*request* with the session's tokens where they belong. Called anew for each attempt.

        Called off the event loop where the body is large.
        """
        return request

    def uses_up(self, request: Request) -> bool:
        """Whether *request* takes a token of `single_use` with it."""
        return False

    def next_tokens(self, request: Request, answer: Head) -> Tokens:
        """The tokens that *answer* carries for the next request: a whole Reply where `next_in_body` says so."""
        return {}

    def looks_into(self, request: Request, head: Head) -> bool:
        """Whether `judge` reads the text of an answer with this *head*: then it is held back for a while.

        `Head.held` and `Head.complete` tell `judge` what came; `doorkey.transport.holding` says how much is waited for.
        """
        return self.check_url is not None and request.decode is None and (head.is_html or head.is_json)

    def shows_session(self, reply: Reply, page: Page) -> bool:
        """Whether the check's page shows that the site knows the session. Called off the event loop."""
        return self.ready is not None and page.find(self.ready) is not None

    def recognize(self, request: Request, head: Head) -> Verdict:
        """What stands before this site, if it shows in an answer or in a visit's page: CHALLENGED, BLOCKED or
        RATE_LIMITED with `by`, else OK. Of a page, `Head.held` has the document and its visible text."""
        return OK

    def judge(self, request: Request, head: Head, session: Session) -> Verdict:
        """What the answer means, as far as its head tells. A form with a name decides before `default_verdict`."""
        return default_verdict(request, head, self.recognize(request, head))

    def notes(self, session: Session) -> Sequence[str]:
        """What the session's page tells about the site, in plain words without secrets, for `doorkey check`."""
        return ()

    def refresh(self, session: Session) -> Flow[Tokens] | None:
        """The site's own way to new tokens, where it has one. Others of the session stay as they are."""
        return None

    def login(self, session: Session) -> Flow[Tokens] | None:
        """The requests that log in without a browser, where `has_login`; its value are the tokens in their answers.

        *session* holds no tokens. A reply is also sent where the site refused the login: the caller is told by doorkey.
        """
        return None

    def is_complete(self, given: Tokens, kept: Tokens) -> bool:
        """Whether *given*, the value of `login` or `refresh`, needs no page beside it; *kept* are tokens that stay."""
        return bool(given) or not self.needs_page

    def lasts(self, tokens: Tokens, born: float) -> float | None:
        """Seconds for which the site takes *tokens*, as far as they say so themselves; *born* is wall time."""
        return None


class ChatProvider(Provider):
    """A site that answers questions."""

    default_model: ClassVar[str] = ""
    known_models: ClassVar[tuple[str, ...]] = ()
    image_models: ClassVar[tuple[str, ...]] = ()
    model_aliases: ClassVar[Mapping[str, str]] = {}

    def models(self, tokens: Tokens | None = None) -> tuple[str, ...]:
        """The names of this site's models: configured ones before the provider's own.

        *tokens* are those of a session, once there is one: a page may show further models (several bots).
        """
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
