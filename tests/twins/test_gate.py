"""Only a browser gets in: what the page's script makes is asked for by every request."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from yarl import URL

from doorkey_providers.twins.aichat import AichatTwin
from doorkey_providers.twins.passes import Passes, mix
from doorkey_providers.twins.twin import Twin

if TYPE_CHECKING:
    from .conftest import SetClock, Visit, Visitor

REFUSED = {"aichat": 403, "aichats": 400, "chatgptt": 403, "chatgptfree": 403}


async def test_a_bare_client_is_refused(twin: Twin, stranger: Callable[[Twin], Visitor]) -> None:
    status, _, body = await stranger(twin).ask()
    assert status == REFUSED[twin.name]
    assert b"heard" not in body
    assert twin.counts.refused_by["cookie"] == 1


async def test_a_client_that_parses_the_page_is_refused(twin: Twin, stranger: Callable[[Twin], Visitor]) -> None:
    visitor = stranger(twin)
    page = await visitor.load()
    # Whatever stands in the page is tried as the cookie, beside the server's own cookies, which the jar keeps.
    name = re.search(r'"name": "(\w+)"', page)[1]  # type: ignore[index]
    for found in {*re.findall(r'"([0-9a-f]{10,})"', page), *visitor.tokens.values(), "1"}:
        visitor.session.cookie_jar.update_cookies({name: found, "muVyak_hits": "1"}, URL(twin.origin))
        assert (await visitor.ask())[0] == REFUSED[twin.name]
    assert twin.counts.accepted == 0


async def test_a_client_with_the_ticket_but_not_the_pages_half_is_refused(
    twin: Twin, stranger: Callable[[Twin], Visitor]
) -> None:
    visitor = stranger(twin)
    await visitor.load()
    async with visitor.session.get(twin.origin + "/js/check", params={"seed": "00"}) as response:
        ticket = await response.text()
    visitor.session.cookie_jar.update_cookies(
        {twin.script_cookie: f"{ticket}.{mix(ticket)}", "muVyak_hits": "1"}, URL(twin.origin)
    )
    assert (await visitor.ask())[0] == REFUSED[twin.name]


async def test_a_visitor_who_ran_the_script_is_answered(twin: Twin, visit: Visit) -> None:
    status, _, body = await (await visit(twin)).ask("Grüße 😀")
    assert status == 200
    assert f"{twin.name}" in body.decode()
    assert twin.log[0].accepted
    assert "Grüße 😀" in str(twin.log[0].fields)


async def test_many_visitors_are_in_at_once_until_the_cookies_expire(twin: Twin, visit: Visit) -> None:
    visitors = [await visit(twin) for _ in range(5)]
    assert [(await visitor.ask())[0] for visitor in visitors] == [200] * 5
    twin.expire_cookies()
    assert [(await visitor.ask())[0] for visitor in visitors] == [REFUSED[twin.name]] * 5
    assert (await (await visit(twin)).ask())[0] == 200


async def test_a_cookie_dies_of_age(clock: SetClock, visit: Visit) -> None:
    async with AichatTwin(clock=clock) as twin:
        twin.switch(cookie_life=60)
        visitor = await visit(twin)
        clock.at += 59
        assert (await visitor.ask())[0] == 200
        clock.at += 1
        assert (await visitor.ask())[0] == 403


async def test_a_bound_cookie_is_no_good_to_another_user_agent(twin: Twin, visit: Visit) -> None:
    twin.switch(bind_user_agent=True)
    visitor = await visit(twin)
    assert (await visitor.ask())[0] == 200
    visitor.session.headers["User-Agent"] = "another"
    assert (await visitor.ask())[0] == REFUSED[twin.name]


def test_a_pass_is_refused_when_anything_in_it_is_changed() -> None:
    passes = Passes(b"secret")
    ticket = passes.ticket("5eed", 100.0)
    good = f"{ticket}.{mix(passes.key('5eed') + ':' + ticket)}"
    assert passes.valid(good, 100.0, 10.0)
    for at in range(len(good)):
        changed = good[:at] + ("0" if good[at] != "0" else "1") + good[at + 1 :]
        assert not passes.valid(changed, 100.0, 10.0), at
    for nonsense in ("", ".", "...", "é.é.é.é", "a.b.c.d", good + "0"):
        assert not passes.valid(nonsense, 100.0, 10.0)
