"""Which answers are suspect: their form makes it likely that the session is dead. No configuration is needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from doorkey.engine.check.facts import LoginForm, PageFacts
from doorkey.engine.check.login_address import LoginAddress, login_address_of
from doorkey.engine.check.shapes import Accepted, Shape, Template, place_of, template_of
from doorkey.engine.decision_tables import Suspicion
from doorkey.model.cookies import Cookie
from doorkey.model.request import SAFE_METHODS, Head, Request
from doorkey.model.text import find_encoding
from doorkey.model.verdict import Kind, Verdict

REFUSING = (401, 403, 419, 440)
NEVER = (404, 405, 410, 413, 415, 429, 502, 503, 504)
"""Statuses that say nothing about a session."""
JUDGED = (Kind.OK, Kind.REFUSED, Kind.SITE_DOWN, Kind.CHANGED)
"""Verdicts that leave it open whether the session is alive."""


@dataclass(frozen=True, slots=True)
class Ground:
    """Why an answer is suspect, in words without secrets, and how much its form says.

    `novel`: only because no answer of this form was accepted yet.
    """

    suspicion: Suspicion
    why: str = ""
    novel: bool = False


NONE = Ground(Suspicion.NONE)
FOUND_DEAD = Ground(Suspicion.VAGUE, "the session was found dead meanwhile")


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a site when an answer of it is looked at.

    `form` is its login form, `stranger` and `home` are what the page of the check shows to strangers and to sessions
    (None where nobody has looked yet). `login_cookies` are the session's, `free_cookies` the names of those that
    accepted answers set. `refusals` are the answers that a probe got as a stranger.
    """

    form: LoginForm
    stranger: PageFacts | None
    home: PageFacts | None
    login_cookies: tuple[Cookie, ...]
    free_cookies: frozenset[str]
    refusals: Mapping[Template, Shape] = field(default_factory=dict)


def needs_parsing(head: Head, known: Known) -> bool:
    """Whether the page in *head* has to be parsed before it can be told whether it is suspect."""
    if not head.is_html or head.status in NEVER:
        return False
    body = head.held or head.start
    if _may_concern(body, known):
        return True
    encoding, _ = find_encoding(body, head.headers.get("content-type", ""))
    return encoding != "utf-8" and _may_concern(head.text().encode(), known)


def _may_concern(body: bytes, known: Known) -> bool:
    """Whether a page, in UTF-8, holds anything that a suspect one would hold."""
    title = known.stranger.title.encode() if known.stranger is not None else b""
    if known.form.may_be_in(body) or (bool(title) and title in body):
        return True
    return b"<script" in body and known.form.is_named_in(body)


def find_ground(
    request: Request,
    head: Head,
    verdict: Verdict,
    accepted: Accepted,
    shape: Shape,
    facts: PageFacts | None,
    known: Known,
) -> Ground:
    """Why the answer *head* is suspect. *facts* are those of its page, where it needed parsing."""
    if verdict.kind not in JUDGED or head.status in NEVER:
        return NONE
    ground = _by_form(head, verdict, facts, known)
    ground = ground or _by_difference(request, head, verdict, accepted, shape, known)
    return ground or NONE


def _by_form(head: Head, verdict: Verdict, facts: PageFacts | None, known: Known) -> Ground | None:
    """A form that only strangers get."""
    if head.status in REFUSING:
        return Ground(Suspicion.REFUSING, f"HTTP {head.status}")
    location = head.location if 300 <= head.status < 400 else None
    if location is not None:
        place = urlsplit(location).path or "/"
        found = [address for address in _list_logins(known) if address.fits(location)]
        if verdict.kind is Kind.REFUSED or not all(_is_home(address, known) for address in found):
            return Ground(Suspicion.REFUSING, f"a redirect to the login page ({place})")
        if found:
            return Ground(Suspicion.VAGUE, f"a redirect to {place}, which shows the login to strangers only")
    if facts is None:
        return None
    if facts.login and not (known.home is not None and known.home.login):
        return Ground(Suspicion.REFUSING, "a page with the login form")
    body = head.held or head.start
    if facts.script_only and known.form.is_named_in(body):
        return Ground(Suspicion.REFUSING, "a script that leads to the login page")
    if (
        known.stranger is not None
        and known.home is not None
        and facts.title == known.stranger.title != known.home.title
    ):
        return Ground(Suspicion.REFUSING, "a page with the title that strangers see")
    return None


def _list_logins(known: Known) -> Iterator[LoginAddress]:
    """The addresses of the login, by the steps and by where strangers are led."""
    stranger, home = known.stranger, known.home
    if stranger is None or home is None:
        yield from known.form.addresses
        return
    led = login_address_of(f"{stranger.place}?{stranger.query}", known.form.home)
    is_sight = (stranger.login or stranger.place != home.place) and not led.fits(known.form.home)
    for address in known.form.addresses:
        yield address.narrow(led, shared=home.place == address.path) if is_sight else address
    if home.place != led.path and all(address.path != led.path for address in known.form.addresses):
        yield led


def _is_home(login: LoginAddress, known: Known) -> bool:
    """Whether sessions see a page of their own at the address of the *login*."""
    here = known.home is not None and known.home.place == login.path and not login.parameters
    return here or (bool(known.form.home) and login.fits(known.form.home))


def _by_difference(
    request: Request, head: Head, verdict: Verdict, accepted: Accepted, shape: Shape, known: Known
) -> Ground | None:
    """A difference from accepted answers."""
    if verdict.kind is Kind.REFUSED:
        return Ground(Suspicion.VAGUE, verdict.detail)
    if 400 <= head.status < 500 or head.status == 500:
        return Ground(Suspicion.VAGUE, f"HTTP {head.status}")
    touched = changed_cookies(head, known.login_cookies) - known.free_cookies
    if touched:
        return Ground(Suspicion.VAGUE, f"it sets {len(touched)} of the session's cookies anew or deletes them")
    if shape.leads is not None and not accepted.count and request.method.upper() not in SAFE_METHODS:
        place = place_of(head.location or "")[0]
        if place == place_of(head.url)[0] or (known.stranger is not None and place == known.stranger.place):
            return Ground(Suspicion.VAGUE, f"a redirect to {place}, where no accepted answer is known yet", True)
    if shape not in accepted.shapes and known.refusals.get(template_of(request, head.url)) == shape:
        return Ground(Suspicion.VAGUE, "an answer that strangers get", True)
    difference = accepted.difference(shape)
    return Ground(Suspicion.VAGUE, difference, True) if difference else None


def changed_cookies(head: Head, held: Iterable[Cookie]) -> set[str]:
    """The names of the cookies *held* that an answer deletes or gives another value."""
    values: dict[str, set[str]] = {}
    for cookie in held:
        values.setdefault(cookie.name, set()).add(cookie.value)
    return {
        change.name
        for change in head.cookies
        if change.name in values and not (isinstance(change, Cookie) and change.value in values[change.name])
    }


def set_cookies(head: Head) -> set[str]:
    """The names of the cookies that an answer sets or deletes."""
    return {change.name for change in head.cookies}
