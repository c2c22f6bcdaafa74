"""A login by steps in a real Chromium: once, where it is needed, and told nowhere."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from doorkey.browser import BrowserPool, VisitResult, VisitSpec
from doorkey.errors import Changed, ConfigurationError, DoorkeyError, NeedsPerson
from doorkey.model.cookies import Cookie
from doorkey.model.login_steps import Step, steps_of
from doorkey.network.egress import Egress
from event_lines import site_events

from .conftest import DESKTOP, csrf

sys.path.insert(0, str(Path(__file__).parents[1]))
from login_site import PASSWORD, USER, LoginSite

pytestmark = [pytest.mark.browser, pytest.mark.slow]
VALUES = {"env:WIKI_USER": USER, "env:WIKI_PW": PASSWORD}
STEPS = steps_of(
    [
        {"open": "/login"},
        {"fill": "#user", "value": "env:WIKI_USER"},
        {"fill": "#pw", "value": "env:WIKI_PW"},
        {"click": "form button"},
    ]
)


async def enter(
    browsers: BrowserPool,
    site: LoginSite,
    steps: tuple[Step, ...] = STEPS,
    values: dict[str, str] = VALUES,
    said: list[str] | None = None,
    cookies: tuple[Cookie, ...] = (),
    reach: tuple[str, ...] = ("*",),
    limit: float = 20.0,
) -> VisitResult:
    async def value_of(reference: str) -> str:
        return values.get(reference, reference)

    spec = VisitSpec(
        url=site.url, read=csrf, ready="a[href*=logout]", steps=steps, value_of=value_of, settle=0.0, limit=limit,
        cookies=cookies, sees_requests=True,
    )  # fmt: skip
    async with browsers.lease(
        DESKTOP, site_url=site.url, egress=Egress(reach=reach), events=site_events(said)
    ) as lease:
        return await lease.enter(spec)


async def failure(
    browsers: BrowserPool, site: LoginSite, *more: object, reach: tuple[str, ...] = ("*",)
) -> DoorkeyError:
    with pytest.raises(DoorkeyError) as raised:
        await enter(browsers, site, *more, reach=reach)  # type: ignore[arg-type]  # enter's own arguments
    return raised.value


async def test_steps_log_in_and_bring_what_the_page_then_holds(browsers: BrowserPool, members: LoginSite) -> None:
    result = await enter(browsers, members)
    (session,) = members.sessions
    assert result.tokens == {"csrf": f"csrf-{session}"}
    assert [cookie.value for cookie in result.cookies] == [session]
    assert members.tries == [(USER, PASSWORD)]


async def test_nobody_logs_in_while_the_site_knows_the_session(browsers: BrowserPool, members: LoginSite) -> None:
    first = await enter(browsers, members)
    again = await enter(browsers, members, cookies=first.cookies)
    assert (again.tokens, members.logins) == (first.tokens, 1)


class Waiter(list[str]):
    """Sets *event* when a line says that the site is waited for."""

    def __init__(self, event: asyncio.Event) -> None:
        super().__init__()
        self.event = event

    def append(self, line: str, /) -> None:
        super().append(line)
        if line.endswith("waiting"):
            self.event.set()


async def test_a_site_that_takes_longer_than_a_step_to_answer_the_login_is_waited_for(
    browsers: BrowserPool, members: LoginSite
) -> None:
    members.answers = asyncio.Event()
    said = Waiter(members.answers)
    result = await enter(browsers, members, said=said, limit=8.0)
    (session,) = members.sessions
    assert (result.tokens, members.logins) == ({"csrf": f"csrf-{session}"}, 1)
    assert [line for line in said if line.startswith("click form button: done; the site has not answered within 2 s")]


async def test_what_is_filled_in_is_said_nowhere(browsers: BrowserPool, members: LoginSite) -> None:
    said: list[str] = []
    result = await enter(browsers, members, said=said)
    assert "login step 3: fill #pw" in said
    assert not any(secret in text for text in [*said, repr(result)] for secret in (USER, PASSWORD))
    assert not any("pw=" in seen.body for seen in result.page.sent)


async def test_a_login_that_is_not_taken_asks_for_a_person_and_for_a_pause(
    browsers: BrowserPool, members: LoginSite
) -> None:
    error = await failure(browsers, members, STEPS, {**VALUES, "env:WIKI_PW": "wrong guess"})
    assert isinstance(error, NeedsPerson)
    assert "did not take the login" in error.message
    assert "/login asks for a password again" in error.message
    assert "wrong guess" not in error.message
    assert error.retry_after is not None
    assert error.retry_after >= 60
    assert members.logins == 1


async def test_a_login_that_is_not_taken_is_told_by_the_page_after_the_steps(
    browsers: BrowserPool, members: LoginSite
) -> None:
    members.public = True  # else the page itself, opened again, would ask
    error = await failure(browsers, members, STEPS, {**VALUES, "env:WIKI_PW": "wrong guess"})
    assert isinstance(error, NeedsPerson)
    assert "/login asks for a password again" in error.message


@pytest.mark.parametrize(
    "script",
    [
        # As WordPress' own login page does a moment after it has loaded.
        'pw.addEventListener("focus", () => queueMicrotask(() => { user.focus(); user.select(); }), { once: true });',
        'pw.addEventListener("input", () => { user.value = ""; }, { once: true });',
    ],
    ids=["focus", "emptied"],
)
async def test_what_a_script_takes_from_a_field_is_filled_in_again(
    browsers: BrowserPool, members: LoginSite, script: str
) -> None:
    members.script = script
    await enter(browsers, members)
    assert members.tries == [(USER, PASSWORD)]


async def test_what_a_page_makes_of_a_value_stays_as_it_is(browsers: BrowserPool, members: LoginSite) -> None:
    members.script = "user.addEventListener('input', () => { user.value = user.value.toUpperCase(); });"
    error = await failure(browsers, members)
    assert isinstance(error, NeedsPerson)
    assert members.tries == [(USER.upper(), PASSWORD)]


async def test_a_question_that_no_step_answers_needs_a_person(browsers: BrowserPool, members: LoginSite) -> None:
    members.asks_code = True
    steps = (*STEPS, Step("wait", "url:/home*"))
    error = await failure(browsers, members, steps)
    assert isinstance(error, NeedsPerson)
    assert "asks for a one-time code" in error.message


async def test_a_field_that_is_not_there_names_its_step(browsers: BrowserPool, members: LoginSite) -> None:
    error = await failure(browsers, members, (STEPS[0], Step("fill", "#username", "env:WIKI_USER")))
    assert isinstance(error, Changed)
    assert "login step 2 (fill #username)" in error.message
    assert "the page is /login" in error.message
    assert error.retry_after is None


async def test_a_step_that_can_not_be_done_is_no_failure_of_the_browser(
    browsers: BrowserPool, members: LoginSite
) -> None:
    error = await failure(browsers, members, (STEPS[0], Step("fill", "form", "env:WIKI_PW")))
    assert isinstance(error, Changed)
    assert "login step 2 (fill form)" in error.message
    assert PASSWORD not in error.message


async def test_a_password_that_stands_in_the_settings_is_not_filled_in(
    browsers: BrowserPool, members: LoginSite
) -> None:
    error = await failure(browsers, members, (STEPS[0], Step("fill", "input[type=password]", "in the clear")))
    assert isinstance(error, ConfigurationError)
    assert "in the clear" not in error.message
    assert members.logins == 0


async def test_nothing_is_filled_in_at_a_place_that_no_step_names(browsers: BrowserPool, members: LoginSite) -> None:
    async with TestServer(LoginSite().app(), host="127.0.0.1") as elsewhere:
        other = str(elsewhere.make_url("/login"))

        async def away(request: object) -> object:
            raise web.HTTPFound(other)

        app = web.Application()
        app.router.add_get("/{path:.*}", away)  # type: ignore[arg-type]  # raises
        async with TestServer(app, host="127.0.0.1") as home:
            error = await failure(browsers, LoginSite(url=str(home.make_url("/"))), reach=("127.0.0.1",))
    assert isinstance(error, ConfigurationError)
    assert "nothing is filled in there unless a step names that place" in error.message
