"""Guesses from the evidence of a failed visit what broke, where, and what to change."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from doorkey.model.evidence import Element, Trouble, VisitEvidence
from doorkey.model.page import place_of
from doorkey.reports.clues import BROKEN, FOLLOWING, LIKELY, SURE, Clues, Failure, Guess
from doorkey.reports.holdings import WHERE, compare_names, list_words
from doorkey.reports.page_words import ACCEPT, CONSENT, MAINTENANCE, PASSWORD, REFUSED_SCRIPT
from doorkey.reports.report import Cause
from doorkey.reports.rules import READY, CheckedRule


def find_causes(
    failure: Failure, evidence: VisitEvidence, rules: list[CheckedRule], *, spoke: str = "", speaks: str = ""
) -> tuple[Cause, ...]:
    """Return the guesses, the likeliest first: at least one if the visit failed. *spoke* and *speaks* as in `Clues`."""
    clues = Clues(failure, evidence, rules, spoke, speaks)
    found = [guess for finder in FINDERS for guess in finder(clues)]
    causes = [cause for _, cause in sorted(found, key=lambda guess: guess[0])]
    if not causes and failure.message:
        causes = [Cause("unknown", failure.message, place_of(evidence.url) if evidence.url else "")]
    return tuple(dict.fromkeys(causes))


def _asks_code(clues: Clues) -> Iterator[Guess]:
    if clues.evidence.asks == "a one-time code":
        field_ = next((one for one in clues.evidence.fields if "one-time-code" in one.text), None)
        place = _where(clues.evidence, field_)
        step = field_.selector if field_ is not None else "…"
        yield (
            SURE,
            Cause(
                "one-time code",
                "The site asks for a one-time code, and no step gives one.",
                place,
                f'Add {{ fill = {_basic(step)}, totp = "env:NAME" }} to the steps (or code = "command:…"), or log in '
                f"by hand: doorkey login {clues.failure.site} --by-hand",
            ),
        )


def _is_challenged(clues: Clues) -> Iterator[Guess]:
    by, asks = clues.failure.by, clues.evidence.asks
    if by or asks == "a CAPTCHA":
        yield (
            SURE,
            Cause(
                "challenge",
                f"Something stands before the site: {by or 'a CAPTCHA'}.",
                _where(clues.evidence),
                f"Pass it yourself once: doorkey login {clues.failure.site} (docs/challenges.md)",
            ),
        )


def _is_covered(clues: Clues) -> Iterator[Guess]:
    overlay = clues.evidence.overlay
    if overlay is None or not (clues.step_failed or clues.missing):
        return
    if CONSENT.search(f"{overlay.selector} {overlay.text}"):
        yield SURE, _consent(clues, f"A consent dialog ({overlay.selector}) covers the page", overlay)
        return
    button = clues.evidence.buttons[0].selector if clues.evidence.buttons else "…"
    what = f"{overlay.selector} covers {clues.evidence.selector or 'the page'} and takes the clicks."
    yield (
        SURE if clues.step_failed else FOLLOWING,
        Cause(
            "overlay",
            what[0].upper() + what[1:],
            _where(clues.evidence, overlay),
            f"Close it by a step before: {{ click = {_basic(button)}, optional = true }}",
        ),
    )


def _wants_consent(clues: Clues) -> Iterator[Guess]:
    """A consent page in place of the site's own."""
    if clues.evidence.overlay is not None or not (clues.missing or clues.step_failed):
        return
    if clues.evidence.asks == "a password" or not clues.says_little:
        return
    if CONSENT.search(clues.text) and _accepting(clues) is not None:
        yield LIKELY, _consent(clues, "The page asks for consent before it shows anything else", None)


def _consent(clues: Clues, what: str, overlay: Element | None) -> Cause:
    button = _accepting(clues)
    selector = button.selector if button is not None else "…"
    change = f"Answer it by a step: visit.steps = [{{ click = {_basic(selector)}, optional = true }}, …]"
    return Cause("consent", f"{what}.", _where(clues.evidence, overlay or button), change)


def _accepting(clues: Clues) -> Element | None:
    return next((one for one in clues.evidence.buttons if ACCEPT.search(f"{one.text} {one.selector}")), None)


def _form_changed(clues: Clues) -> Iterator[Guess]:
    evidence = clues.evidence
    if not clues.step_failed or not evidence.selector or evidence.element is not None:
        return
    shown = ", ".join(one.selector for one in evidence.fields[:6]) or "no field"
    change = _replace_in_step(evidence)
    yield (
        SURE,
        Cause(
            "login form changed",
            f"{evidence.step}: {evidence.selector} is not in the page, which shows {shown}.",
            _where(evidence),
            change,
        ),
    )


def _replace_in_step(evidence: VisitEvidence) -> str:
    """Return what to change in a step whose element is not in the page."""
    if evidence.status in (404, 410):
        return f"The page itself is not there (HTTP {evidence.status}): correct the address that is opened before"
    secret = PASSWORD.search(evidence.selector) is not None
    if "(click " in evidence.step:
        candidates = list(evidence.buttons)
    elif "(fill " in evidence.step:
        candidates = [one for one in evidence.fields if ("password" in one.text.split()[:2]) is secret]
    else:
        candidates = list(evidence.fields)
    if candidates:
        words = list_words("", evidence.selector) - {""}
        best = max(candidates, key=lambda one: max(compare_names(part, words) for part in _names_of(one)))
        return f"In this step, write {_basic(best.selector)} in place of {_basic(evidence.selector)}"
    if secret and evidence.fields and evidence.buttons:
        step = f"{{ click = {_basic(evidence.buttons[0].selector)} }}"
        return f"The page has no field for a password, which may come on the next page: put {step} before this step"
    return "Open the page and compare its form with visit.steps"


def _is_down(clues: Clues) -> Iterator[Guess]:
    evidence = clues.evidence
    said = MAINTENANCE.search(clues.text)
    if said and (evidence.status >= 500 or (clues.says_little and (clues.missing or clues.step_failed))):
        line = next((one for one in (evidence.title, *evidence.lines) if MAINTENANCE.search(one)), evidence.title)
        what = f'The site shows a maintenance page (HTTP {evidence.status}): "{line[:120]}".'
        yield SURE, Cause("maintenance", what, _where(evidence), "Wait: nothing in the settings is wrong")
    elif evidence.status >= 500:
        what = f"The site failed: its page came with HTTP {evidence.status}."
        yield SURE, Cause("site down", what, _where(evidence), "Wait, or tell whoever runs the site")


def _speaks_otherwise(clues: Clues) -> Iterator[Guess]:
    if clues.speaks and (clues.missing or clues.step_failed):
        what = (
            f"The page is in another language than at the last visit that worked: {clues.speaks}, then {clues.spoke}."
        )
        change = (
            "Name ids, names or attributes in rules and steps in place of texts, or set the language in the account"
        )
        yield LIKELY, Cause("other language", what, f"html[lang={clues.speaks}]", change)


def _rules_broken(clues: Clues) -> Iterator[Guess]:
    # The page at which a step failed need not be the one that the rules are for.
    for rule in () if clues.step_failed else clues.missing:
        setting = f"sites.{clues.failure.site}.{'ready' if rule.name == READY else f'tokens.{rule.name}'}"
        holding = rule.holding
        if holding is not None and (holding.where != "page" or rule.kind != "css"):
            what = f"{rule.name} is no longer where {rule.sought} looks: it is now {WHERE[holding.where]}."
            yield LIKELY, Cause("moved", what, holding.source, f"Set {setting} = {_toml(holding.source)}")
        elif holding is not None:
            what = f"{rule.sought} is gone; the page has {holding.source} in its place."
            yield LIKELY, Cause("renamed", what, holding.source, f"Set {setting} = {_toml(holding.source)}")
        elif rule.empty:
            what = f"The element of {rule.sought} is there, but without a value."
            change = "See whether a script fills it in later, or whether it is filled in for visitors who are logged in"
            yield FOLLOWING, Cause("emptied", what, rule.sought, change)
        elif rule.near:
            what = f"{rule.sought} is not in the page; {rule.near[0]} is the nearest."
            change = f"If that is it, set {setting} = {_toml(rule.near[0])}"
            yield FOLLOWING, Cause("renamed", what, rule.near[0], change)


def _scripts_missing(clues: Clues) -> Iterator[Guess]:
    for trouble in _select(clues, "request"):
        if trouble.type == "Script":
            how = f"HTTP {trouble.status}" if trouble.status else trouble.text or "no answer"
            what = f"A script of the page did not come ({how}): what it sets is missing."
            change = "If the site's owner did not break it, see whether `reach` or a blocker keeps it away"
            yield BROKEN, Cause("script missing", what, trouble.place, change)


def _scripts_broken(clues: Clues) -> Iterator[Guess]:
    if not (clues.missing or clues.step_failed):
        return
    for trouble in _select(clues, "script error")[:2]:
        what = f"A script of the page ended with an error: {trouble.text[:160]}"
        yield BROKEN, Cause("script error", what, trouble.place, "The site's own script is broken: tell its owner")


def _scripts_refused(clues: Clues) -> Iterator[Guess]:
    """What the console tells: a script that the browser did not run, or an error that the page caught."""
    if not (clues.missing or clues.step_failed):
        return
    for trouble in _select(clues, "console")[:2]:
        if REFUSED_SCRIPT.search(trouble.text):
            named = re.search(r"https?://[^\s'\"]+", trouble.text)
            what = f"The browser did not run a script of the page: {trouble.text[:160]}"
            change = "The site serves the script wrongly, or forbids it itself: tell its owner"
            yield BROKEN, Cause("script missing", what, named[0] if named else trouble.place, change)
        else:
            what = f"A script of the page reports an error: {trouble.text[:160]}"
            yield FOLLOWING, Cause("script error", what, trouble.place, "See whether the page needs what has failed")


def _kept_away(clues: Clues) -> Iterator[Guess]:
    for trouble in _select(clues, "egress")[:1]:
        host = urlsplit(trouble.place).netloc or trouble.place
        change = f'If the site needs it, add "{host}" to sites.{clues.failure.site}.reach'
        yield FOLLOWING, Cause("egress", f"doorkey did not let the page reach {host}: {trouble.text}", host, change)


def _is_stranger(clues: Clues) -> Iterator[Guess]:
    if clues.evidence.asks != "a password" or clues.step_failed:
        return
    if clues.evidence.filled:
        what = "The steps were done, and the site asks for the password again: it did not take the login."
        change = "Check the values that the steps refer to, and the lines below that the page shows"
        yield SURE, Cause("login not taken", what, _where(clues.evidence), change)
    else:
        what = "The page asks for a password: the site does not know this visitor."
        change = f"Log in: doorkey login {clues.failure.site}, or write steps (docs/login.md)"
        yield LIKELY, Cause("login needed", what, _where(clues.evidence), change)


def _hangs(clues: Clues) -> Iterator[Guess]:
    if clues.failure.code == "timeout" and clues.evidence.waiting:
        what = "The visit's time was over while the page still waited for an answer."
        change = "Raise limits.visit, or look at that address"
        yield FOLLOWING, Cause("unanswered", what, clues.evidence.waiting[0], change)


FINDERS: tuple[Callable[[Clues], Iterator[Guess]], ...] = (
    _asks_code,
    _is_covered,
    _form_changed,
    _is_down,
    _is_challenged,
    _scripts_missing,
    _scripts_broken,
    _scripts_refused,
    _wants_consent,
    _speaks_otherwise,
    _rules_broken,
    _is_stranger,
    _kept_away,
    _hangs,
)


def _select(clues: Clues, kind: str) -> list[Trouble]:
    return [trouble for trouble in clues.evidence.troubles if trouble.kind == kind]


def _names_of(element: Element) -> set[str]:
    return {re.sub(r"^[#\[]|(?:name|type)=|[\]\"']", "", element.selector), *element.text.split()}


def _where(evidence: VisitEvidence, element: Element | None = None) -> str:
    page = place_of(evidence.url) if evidence.url else "the page"
    return f"{element.selector} on {page}" if element is not None else page


def _toml(text: str) -> str:
    return f"'{text}'" if "'" not in text else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _basic(text: str) -> str:
    return f'"{text}"' if '"' not in text and "\\" not in text else _toml(text)
