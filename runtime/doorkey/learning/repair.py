"""Compares a site's settings with the site of today, and proposes other lines for what no longer holds. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from doorkey.learning.differences import find_differences
from doorkey.learning.draft import Draft, Source, TokenDraft
from doorkey.learning.tokens import TokenTable, as_table
from doorkey.model.page import Page
from doorkey.recognition.login_form import LoginForm
from doorkey.recognition.proposal import Line, make_steps

PLACES = ("header", "query", "form", "json")
WHERE = (
    "css",
    "attribute",
    "cookie",
    "local",
    "session",
    "html",
    "script",
    "response",
    "json",
    "header",
    "page",
    "inside",
)
"""Keys of a token's table that say where it is read. Others say how it is used, and stay."""
ON_PAGE = ("fill", "select", "check", "click")


@dataclass(frozen=True, slots=True)
class Change:
    """A setting with its new lines, and why it can't stay. Without lines, nothing was found to take its place."""

    setting: str
    lines: tuple[Line, ...]
    why: str


def repair_steps(
    steps: Sequence[Mapping[str, Any]], form: LoginForm, page: Page, opens: str, values: Sequence[str]
) -> Change | None:
    """Return login steps for the *form* on *page* as it is today; None where the old *steps* still fit it.

    *opens* is the path of the page, empty if the site's own `url` leads there. *values* are what the steps fill in.
    """
    missing = [css for step in steps if (css := _get_selector(step)) and page.find(css) is None]
    if form.two_pages:  # the second page is not known yet
        missing = [css for css in missing if css in [_get_selector(step) for step in steps[: _find_fill(steps)]]]
    opened = next((str(step["open"]) for step in steps if "open" in step), "")
    if steps and not missing and opened == opens:
        return None
    made, said = make_steps(form, ("USER", "PASSWORD") if form.user else ("PASSWORD",), opens)
    names = ("env:USER", "env:PASSWORD") if form.user else ("env:PASSWORD",)
    known = dict(zip(names, values[-len(names) :], strict=False))
    new = tuple(_fill_in(step, known) for step in made)
    if not steps:
        return Change("visit.steps", (Line("visit.steps", new, "", said),), "there are no steps")
    why = f"the login page has no {', '.join(missing)}" if missing else "the login page is another one"
    return Change(
        "visit.steps", (Line("visit.steps", new, "how the browser logs in when `ready` is missing", said),), why
    )


def repair_request(old: Mapping[str, Any], new: Mapping[str, Any] | None) -> Change | None:
    """Return a login by request as the page sends it today; None where the *old* one still names what it sends.

    *new* is the login that was seen; None if no login was recognised. Values that the old one has stay.
    """
    if new is None or (old.get("method", "POST"), _path(old)) != (new.get("method", "POST"), _path(new)):
        why = "the page sends no login that is recognised" if new is None else f"the page logs in at {_path(new)}"
        return Change("login", () if new is None else (_write_login(_keep_values(old, new)),), why)
    gone = [name for name in _list_names(old) if name not in _list_names(new)]
    if not gone:
        return None
    why = f"the page's login sends no {', '.join(gone)}"
    return Change("login", (_write_login(_keep_values(old, new)),), why)


def _write_login(request: Mapping[str, Any]) -> Line:
    return Line("login.request", request, "logs in without a browser")


def _path(request: Mapping[str, Any]) -> str:
    return str(request.get("path", "")).partition("?")[0]


def _list_names(request: Mapping[str, Any]) -> list[str]:
    """List the names of the fields, and the paths in JSON, that a login by request sends."""
    return [name for kind in ("form", "json") for name in _list_paths(request.get(kind) or {}, kind)]


def _list_paths(values: Mapping[str, Any], outer: str) -> Iterator[str]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _list_paths(value, f"{outer}.{name}")
        else:
            yield f"{outer}.{name}"


def _keep_values(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return *new* with the values that *old* has for the same fields: a person may have chosen them."""
    return {
        key: _keep_values(old[key], value) if isinstance(value, Mapping) and isinstance(old.get(key), Mapping)
        else old[key] if key in old and key not in ("path", "method", "page", "header") and isinstance(value, str)
        else value
        for key, value in new.items()
    }  # fmt: skip


def _find_fill(steps: Sequence[Mapping[str, Any]]) -> int:
    return next((at for at, step in enumerate(steps, 1) if "fill" in step), 0)


def _get_selector(step: Mapping[str, Any]) -> str:
    if "frame" in step or step.get("optional"):
        return ""  # frames are not part of the page; what is optional may be missing
    return next((str(step[name]) for name in ON_PAGE if name in step), "")


def _fill_in(step: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    return {name: known.get(text, text) for name, text in step.items()}


def compare(
    table: Mapping[str, Any], draft: Draft, inside: Page, strangers: Sequence[Page], reads: Callable[[str], bool]
) -> Iterator[Change]:
    """List what of a site's *table* no longer holds. *draft* was learned of the site today, on the page *inside*.

    *strangers* are pages as nobody sees them who is logged in; none for a site without a login. *reads* tells whether
    the token of this name is still found.
    """
    ready = str(table.get("ready") or "")
    if ready and (inside.find(ready) is None or any(page.find(ready) is not None for page in strangers)):
        gone = inside.find(ready) is None
        why = f"the logged-in page has no {ready}" if gone else f"strangers see {ready}, too"
        found = Line("ready", draft.ready, draft.ready_evidence.text)
        yield Change("ready", (found,) if draft.ready and inside.find(draft.ready) else (), why)
    tokens = table.get("tokens") or {}
    broken = [name for name in tokens if not reads(name)]
    sound = {repr(_normalize(tokens[name])) for name in tokens if name not in broken}
    free = [one for one in _list_candidates(draft, inside) if repr(_normalize(one.source)) not in sound]
    send, moved = table.get("send") or {}, False
    for name in broken:
        found_token = _choose(name, send, free, draft)
        why = f"tokens.{name} is not found on the page"
        if found_token is None:
            yield Change(f"tokens.{name}", (), why)
            continue
        free.remove(found_token)
        source = _keep_options(tokens[name], found_token.source)
        yield Change(f"tokens.{name}", (Line(f"tokens.{name}", source, found_token.evidence.text),), why)
        slot = _find_slot(draft, found_token.name)
        if slot is not None and not _is_guess(draft, found_token):
            after = _move(send, name, *slot)
            moved, send = moved or after != send, after
    if moved:
        yield Change("send", tuple(_write_send(send)), "the page sends the token under another name")


def _list_candidates(draft: Draft, inside: Page) -> list[TokenDraft]:
    """List the draft's tokens, and then what only looks like one: a token that is the same in each session."""
    table = TokenTable(inside, "")
    table.add_differences(find_differences(inside, None), compared=False)
    known = {repr(_normalize(one.source)) for one in draft.tokens}
    return [*draft.tokens, *(one for one in table.tokens if repr(_normalize(one.source)) not in known)]


def _choose(name: str, send: Any, free: Sequence[TokenDraft], draft: Draft) -> TokenDraft | None:
    """Return what takes the place of the token *name*: what is called so, is sent as it was, or is left alone."""
    slots = [(place, key) for place, key, text in _list_sent(send) if f"{{{name}}}" in text]
    for one in free:
        slot = _find_slot(draft, one.name)
        if one.name == name or (slot is not None and slot[:2] in slots):
            return one
    learned = [one for one in free if one in draft.tokens]
    rest = learned or free
    return rest[0] if len(rest) == 1 else None


def _list_sent(send: Any) -> Iterator[tuple[str, str, str]]:
    for rule in send if isinstance(send, list | tuple) else [send]:
        for place in PLACES:
            for key, text in (rule.get(place) or {}).items():
                yield place, key, str(text)


def _find_slot(draft: Draft, name: str) -> tuple[str, str, str] | None:
    """Return the place, the key and the text by which *draft* sends the token *name*."""
    for one in draft.sends:
        for place, key, text in _list_sent(one.table):
            if f"{{{name}}}" in text:
                return place, key, text.replace(f"{{{name}}}", "{}")
    return None


def _is_guess(draft: Draft, token: TokenDraft) -> bool:
    return any(
        doubt.what.startswith("no request was seen") and str(token.source) in doubt.what for doubt in draft.doubts
    )


def _move(send: Any, name: str, place: str, key: str, text: str) -> Any:
    """Return *send* with the token *name* in this place under this *key*, in each rule that sends it."""
    if isinstance(send, list | tuple):
        return [_move(rule, name, place, key, text) for rule in send]
    held = [(where, old) for where, old, said in _list_sent(send) if f"{{{name}}}" in said]
    if not held or (place, key) in held or place == "json":
        return send
    rule = {where: dict(inner) if where in PLACES else inner for where, inner in send.items()}
    for where, old in held:
        del rule[where][old]
    rule.setdefault(place, {})[key] = text.replace("{}", f"{{{name}}}")
    return {where: inner for where, inner in rule.items() if inner}


def _write_send(send: Any) -> Iterator[Line]:
    if isinstance(send, list | tuple):
        yield Line("send", tuple(send), "where tokens go", ("",) * len(send))
        return
    for place, inner in send.items():
        if place not in PLACES or any("." in key for key in inner):
            yield Line(f"send.{place}", inner, "only in these requests" if place == "when" else "where tokens go")
            continue
        for key, text in inner.items():
            yield Line(f"send.{place}.{key}", text, f"goes into the {place} of a request")


def _normalize(source: Source) -> dict[str, str]:
    """Return *source* as a table, so that both ways to write it are the same."""
    if isinstance(source, str):
        return as_table(source)
    return {name: str(value) for name, value in source.items() if name in WHERE}


def _keep_options(old: Any, source: Source) -> Source:
    """Return *source* with what the *old* table says beside the place."""
    kept = {name: value for name, value in old.items() if name not in WHERE} if isinstance(old, Mapping) else {}
    return {**_normalize(source), **kept} if kept else source
