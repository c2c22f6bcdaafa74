"""The switches that make a twin misbehave, in Python and over HTTP."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Self

COMMANDS = ("rotate", "expire_cookies", "release", "reset")
GENERATIONS = ("1.7", "1.8", "1.9", "2.x")


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """How a twin behaves now. Durations are seconds.

    quota                          the visitor's quota is used up
    backend_failure                the site's own AI backend fails
    banned                         WordPress: this visitor is banned
    slow                           wait before each answer
    cut                            "break": the connection drops in the middle of an answer; "end": the answer stops in
                                   the middle and ends like a whole one. True is "break"
    garbage                        "html" or "binary" instead of an answer. True is "html"
    page_cache                     a page cache stands before the site: only a query string it has not seen gets past
    hold_page                      page loads wait until released
    release_after_refusals         releases them by itself once that many API requests were refused since
    filter_words                   a message holding one of them gets a bare 403
    html_instead_of_page_tokens    the page comes without chat, tokens and script
    cookie_life                    of cookies the site's script sets
    bind_user_agent                such cookies are only good with the user agent they were made with
    down                           503 everywhere
    awkward                        event streams come in pieces that split characters, fields and events
    bare_message                   Aichat: {"message"} instead of {"response", "message"}
    image_elsewhere                AiChats: images lie on another host, which asks for no cookies
    generation                     WordPress: of AI Power, "1.7", "1.8", "1.9" or "2.x"
    stream                         WordPress: event streams rather than JSON (1.7 can't)
    nonce_life                     WordPress: the filter of that name
    limited_mark                   WordPress: a quota answer ends with `data: [LIMITED]`
    row                            WordPress: the case of `wpaicg_literals` that answers each question
    bots                           WordPress: the names of further bots on the page
    """

    quota: bool = False
    backend_failure: bool = False
    banned: bool = False
    slow: float = 0.0
    cut: str = ""
    garbage: str = ""
    page_cache: bool = False
    hold_page: bool = False
    release_after_refusals: int = 0
    filter_words: tuple[str, ...] = ()
    html_instead_of_page_tokens: bool = False
    cookie_life: float = 86_400.0
    bind_user_agent: bool = False
    down: bool = False
    awkward: bool = True
    bare_message: bool = False
    image_elsewhere: bool = False
    generation: str = "1.9"
    stream: bool = False
    nonce_life: float = 86_400.0
    limited_mark: bool = False
    row: str = ""
    bots: tuple[str, ...] = ()

    def change(self, changes: Mapping[str, Any]) -> Self:
        """Return these switches with *changes*. Raises ValueError for an unknown name or a value of the wrong kind."""
        checked = {name: _check(name, value, getattr(type(self)(), name, None)) for name, value in changes.items()}
        if checked.get("generation", self.generation) not in GENERATIONS:
            raise ValueError(f"generation is one of {', '.join(GENERATIONS)}, not {checked['generation']!r}")
        return replace(self, **checked)


NAMES = tuple(field.name for field in fields(Switches))


def _check(name: str, value: Any, default: Any) -> Any:
    """Return *value* as the kind of *default*. Lists come from JSON; True means the first of several words."""
    if name not in NAMES:
        near = difflib.get_close_matches(name, NAMES + COMMANDS, n=1)
        raise ValueError(f"a twin has no switch {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    if name in ("cut", "garbage"):
        meanings = ("break", "end") if name == "cut" else ("html", "binary")
        value = {True: meanings[0], False: "", None: ""}.get(value, value)
        if value not in ("", *meanings):
            raise ValueError(f"{name} is one of {', '.join(meanings)}, not {value!r}")
        return value
    if isinstance(default, tuple) and isinstance(value, list | tuple):
        return tuple(str(word) for word in value)
    if isinstance(default, float) and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if type(value) is not type(default):
        raise ValueError(f"{name} takes {type(default).__name__}, not {value!r}")
    return value
