"""Turns a recording into a draft of the site's settings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urldefrag, urlsplit

from doorkey.errors import ConfigurationError
from doorkey.learning.bodies import read_json
from doorkey.learning.calls import find_check
from doorkey.learning.carried import list_carried, template, trace
from doorkey.learning.differences import compare_scripts, find_differences
from doorkey.learning.draft import Call, Doubt, Draft, Evidence, LoginDraft, TokenDraft
from doorkey.learning.login import Found, asks_user, draft_login, find_login, find_renewal, list_left_out
from doorkey.learning.ready import find_ready
from doorkey.learning.recording import Exchange, Recording, Snapshot
from doorkey.learning.refusals import find_refusals
from doorkey.learning.tokens import TokenTable, find_bearer
from doorkey.learning.values import SECRET_NAME
from doorkey.model.page import Page
from doorkey.protections.judge import LOGIN
from doorkey.recognition.login_form import find_login_form
from doorkey.recognition.proposal import OUT, name_variables

GONE = re.compile(r"^[^=]*=(?:deleted)?;|max-age=0|=$|1970", re.IGNORECASE)
"""A Set-Cookie that deletes its cookie."""


class NotEnough(ConfigurationError):
    """A recording that shows neither a login nor anything that a session carries."""


def learn(recording: Recording, site: str = "site") -> Draft:
    """Return the settings that *recording* shows, for a site of this name. Raises NotEnough."""
    return _Learning(recording, site).draft()


def read_credentials(recording: Recording, site: str) -> dict[str, str]:
    """Return what was typed to log in, by the environment variables that the settings of *site* refer to."""
    found = _find_login(recording)
    if found is None:
        return {}
    user = found.user.value if found.user is not None else _find_typed_before(recording)
    with_user = asks_user(recording, found)
    values = (user, found.password.value) if with_user else (found.password.value,)
    return {name: value for name, value in zip(name_variables(site, with_user=with_user), values, strict=True) if value}


def _find_typed_before(recording: Recording) -> str:
    """Return what was typed last before the password, on a page that asks for the user's name alone."""
    typed = ""
    for event in recording.events:
        if event.secret:
            return typed
        typed = event.value if event.action == "fill" else typed
    return ""


@dataclass(slots=True)
class _Learning:
    recording: Recording
    site: str

    def draft(self) -> Draft:
        recording = self.recording
        found = _find_login(recording)
        home = self._choose_home(found)
        inside = [one.page for one in recording.snapshots if one.who in ("first", "second") and _same_page(one, home)]
        strangers = list(recording.pages("stranger"))
        sources = [
            Page(url=one.url, html=one.answer_body)
            for one in recording.exchanges[found.at + 1 if found else 0 :]
            if one.is_html and one.answer_body and urldefrag(one.url).url == urldefrag(home).url
        ]
        login = draft_login(recording, found, home, self.site) if found is not None else None
        ready = find_ready(inside, strangers, sources) if strangers and inside else ""
        table = self._find_tokens(found, login, inside, home)
        if login is not None and found is not None:
            login = self._add_renewal(found, login, table)
        calls = tuple(self._list_calls(found, table))
        cookies = self._list_cookies(found)
        if login is None and not calls and not table.tokens and not (inside and strangers):
            raise NotEnough(self._explain_missing())
        in_source = bool(ready and sources) and all(page.find(ready) is not None for page in sources)
        check = find_check(recording, found) if not in_source else None
        tells = ready or cookies or any(_is_in_answer(one) for one in table.tokens)
        if login is not None and not tells:
            login = replace(login, request=None, renew=None)  # nothing would tell a login from a refusal
        doubts = (*self._list_doubts(found, login, ready, check), *table.doubts)
        seen = "on the logged-in page, and not on a stranger's" if ready else "a guess: compare it with your page"
        if login is not None and login.steps and not ready:
            ready = ", ".join(OUT)
        return Draft(
            url=home,
            ready=ready,
            ready_evidence=Evidence(seen),
            login=login,
            tokens=table.tokens,
            sends=table.sends,
            cookies=cookies,
            check=check,
            stale=find_refusals(recording.exchanges, sure=check is not None or in_source, sends=table.sends),
            calls=calls,
            doubts=doubts,
        )

    def _choose_home(self, found: Found | None) -> str:
        """Return the URL to open: the page that was asked for if it shows something, else where the login led."""
        recording = self.recording
        asked = recording.url
        inside = [one for one in recording.snapshots if one.who == "first"]
        for one in inside:
            same = asked and urldefrag(one.asked or one.page.url).url == urldefrag(asked).url
            if same and not _is_login(asked) and find_login_form(one.page) is None:
                return asked
        origin = urlsplit(asked)[:2] if asked else found.exchange.origin if found else None
        for one in inside:
            url = one.page.url
            here = origin is None or urlsplit(url)[:2] == origin
            if here and not _is_login(url) and find_login_form(one.page) is None:
                return url
        if inside:
            return inside[0].page.url
        parts = urlsplit(asked or (found.exchange.url if found else ""))
        opened = next((one for one in recording.exchanges if one.navigates and one.origin == parts[:2]), None)
        if opened is not None and not _is_login(opened.url):
            return opened.url
        return f"{parts.scheme}://{parts.netloc}/"

    def _find_tokens(self, found: Found | None, login: LoginDraft | None, inside: list[Page], home: str) -> TokenTable:
        recording = replace(self.recording, url=self.recording.url or home)
        secrets = {event.value for event in recording.events if event.value}
        table = TokenTable(inside[0] if inside else None, _place(home))
        skipped = self._list_skipped(found)
        if found is not None:
            secrets |= {leaf.value for leaf in (found.password, found.user) if leaf is not None}
        traced, doubts = trace(recording, list(list_carried(recording, skipped, secrets)))
        answers = self._sort_answers(found)
        if found is not None and login is not None and login.request is not None:
            answers[found.at] = "login"
            answers |= dict.fromkeys(self._list_renewals(found), "renewal")
        table.add_traced(traced, answers)
        table.doubts += doubts
        if found is not None and login is not None and login.request is not None and not table.tokens:
            table.guess_bearer(found.exchange, sure=not (found.exchange.set_cookies or recording.lacks_cookies))
        ours = [one.page for one in recording.snapshots if one.who == "first" and one.page in inside]
        theirs = [one.page for one in recording.snapshots if one.who == "second" and one.page in inside]
        if ours and theirs:
            values = [*find_differences(ours[-1], theirs[-1]), *compare_scripts(recording.scripts)]
            table.add_differences(values, compared=True, scripts=list(_list_scripts(recording, ours[-1])))
        if inside and not table.tokens:
            self._add_other_pages(table, inside)
        return table

    def _sort_answers(self, found: Found | None) -> dict[int, str]:
        """Tell of each answer to a GET whether settings can "read" it: not where the call carried a bearer token."""
        recording = self.recording
        bearer = found is not None and recording.lacks_cookies and find_bearer(found.exchange) is not None
        first = found.at if bearer and found is not None else len(recording.exchanges)
        behind = {one.path for one in recording.exchanges if "authorization" in one.headers}
        return {
            at: "behind a token" if one.path in behind or (at > first and one.is_json) else "read"
            for at, one in enumerate(recording.exchanges)
            if not one.writes
        }

    def _add_other_pages(self, table: TokenTable, inside: list[Page]) -> None:
        """Add what stands in the forms of further pages, where the page of `url` has no token."""
        for one in self.recording.snapshots:
            if one.who != "second" or one.page in inside or find_login_form(one.page) is not None:
                continue
            found = [value for value in find_differences(one.page, None) if value.kind == "field"]
            table.add_differences([replace(value, page=_place(one.asked)) for value in found], compared=False)

    def _list_skipped(self, found: Found | None) -> set[int]:
        """Return the exchanges of the login and before it, and those that renew tokens."""
        if found is None:
            return set()
        return {*range(found.at + 1), *self._list_renewals(found)}

    def _list_renewals(self, found: Found) -> Iterator[int]:
        """List the exchanges that renew tokens. The refresh token of one may come with the answer to the one before."""
        told = _read_refresh(found.exchange)
        for at, one in enumerate(self.recording.exchanges[found.at + 1 :], found.at + 1):
            if one.writes and any(leaf.value in told for leaf in one.fields):
                told |= _read_refresh(one)
                yield at

    def _add_renewal(self, found: Found, login: LoginDraft, table: TokenTable) -> LoginDraft:
        renewal = find_renewal(self.recording, found)
        if renewal is None:
            told = any("refresh" in leaf.path.lower() for leaf in read_json(found.exchange.answer_body))
            if told and login.request is not None:
                table.doubts.append(
                    Doubt(
                        "the login's answer holds a refresh token, and its use was not recorded",
                        "without `renew.request`, doorkey logs in again when the session ends",
                    )
                )
            return login
        if login.request is None:
            return login
        table.add_refresh(renewal.path)
        answer = table.find_in_renewal(self.recording.exchanges[renewal.at].answer_body)
        return replace(login, renew={**renewal.request, **({"answer": answer} if answer else {})})

    def _list_calls(self, found: Found | None, table: TokenTable) -> Iterator[Call]:
        """List the writes of the recording, one of each kind, without the fields that hold tokens."""
        seen: set[tuple[str, str]] = set()
        skipped, sent = self._list_skipped(found), table.keys
        host = urlsplit(self.recording.url)[:2]
        for at, one in enumerate(self.recording.exchanges):
            key = one.method, template(one.path)
            if at in skipped or not one.writes or one.origin != host or key in seen:
                continue
            seen.add(key)
            names = (leaf.path for leaf in one.fields if leaf.path not in sent and not SECRET_NAME.search(leaf.path))
            kind = one.fields[0].kind if one.fields else ""
            yield Call(one.method, one.path, kind, tuple(dict.fromkeys(names)))

    def _list_cookies(self, found: Found | None) -> tuple[str, ...]:
        """Return the names of the cookies that came with the login."""
        if found is None:
            return ()
        kept = [text for text in found.exchange.set_cookies if not GONE.search(text)]
        return tuple(dict.fromkeys(text.partition("=")[0].strip() for text in kept))

    def _list_doubts(
        self, found: Found | None, login: LoginDraft | None, ready: str, check: Mapping[str, Any] | None
    ) -> Iterator[Doubt]:
        recording = self.recording
        for fault in recording.faults:
            yield Doubt(fault)
        if recording.lacks_cookies:
            said = "the recording lacks cookies and Authorization headers: a browser left them out of it"
            yield Doubt(said, "tokens in cookies are not found; export the HAR with sensitive data to find them")
        if found is None and not recording.snapshots:
            yield Doubt("no login was recorded", "record from before the login, or log in by hand: doorkey login")
        if login is not None and found is not None and not login.steps and login.request is None:
            yield Doubt("the login's form was not recorded", "record from before the login page is opened")
        if login is not None and login.request is not None and found is not None:
            for name in list_left_out(found, recording.typed):
                said = f"the login's field {name} is left out, as its value may be a secret"
                yield Doubt(said, f'add it to login.request as "env:…" or "secret:…" if the site needs {name}')
        if login is not None and not ready and check is None:
            what = "nothing was found that only a logged-in page shows"
            yield Doubt(what, "set `ready` or `check`, so that a dead session is noticed (docs/web.md)")

    def _explain_missing(self) -> str:
        recording = self.recording
        came = f"{len(recording.exchanges)} requests, {len(recording.snapshots)} pages"
        faults = "".join(f"; {fault}" for fault in recording.faults)
        return (
            f"this recording is not enough: a login or a write was expected, it has {came} and neither{faults}. "
            "Record from before the login page is opened until after one write"
        )


def _find_login(recording: Recording) -> Found | None:
    """Return the login. Its user is what was typed beside the password, where no field is named so."""
    found = find_login(recording.exchanges, recording.typed_secrets)
    if found is None or found.user is not None:
        return found
    others = [leaf for leaf in found.exchange.fields if leaf is not found.password and leaf.value in recording.typed]
    return replace(found, user=others[0]) if len(others) == 1 else found


def _list_scripts(recording: Recording, page: Page) -> Iterator[str]:
    """List the texts of the scripts on *page*, and of the site's script files."""
    yield from (script.get_text() for script in page.document.find_all("script"))
    yield from (one.text for one in recording.scripts if one.who == "first")


def _read_refresh(exchange: Exchange) -> set[str]:
    return {leaf.value for leaf in read_json(exchange.answer_body) if "refresh" in leaf.path.lower()}


def _is_in_answer(token: TokenDraft) -> bool:
    return isinstance(token.source, str) and token.source.startswith(("json:", "header:"))


def _same_page(snapshot: Snapshot, home: str) -> bool:
    wanted = urldefrag(home).url
    return wanted in (urldefrag(snapshot.asked).url, urldefrag(snapshot.page.url).url)


def _is_login(url: str) -> bool:
    return bool(LOGIN.search(urlsplit(url).path))


def _place(url: str) -> str:
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
