"""Each kind of login step on a page that needs it, and what a step that fails says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyotp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from doorkey.browser import BrowserPool, VisitResult, VisitSpec
from doorkey.browser.visit.step_failure import explain, select_new_text
from doorkey.clock import SystemClock
from doorkey.config.one_time_codes import OneTimeCodes, parse_secret
from doorkey.errors import Changed, ConfigurationError, DoorkeyError, NeedsPerson, SiteDown
from doorkey.model.login_steps import is_login, steps_of
from event_lines import site_events

from .conftest import DESKTOP, html

pytestmark = [pytest.mark.browser, pytest.mark.slow]
PASSWORD, SECRET = "correct horse", "JBSWY3DPEHPK3PXP"
VALUES = {"env:PW": PASSWORD, "env:TOTP": SECRET, "env:WRONG": "wrong guess"}
FORM = "<form method=post action=/in><input id=user name=user><input id=pw type=password name=pw>{}</form>"
BUTTON = "<button id=go>Log in</button>"
FILL = ({"fill": "#user", "value": "ada"}, {"fill": "#pw", "value": "env:PW"})
GO = {"click": "#go"}


class StoppedClock(SystemClock):
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.at = 975.0

    def wall(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += seconds


@dataclass
class Gate:
    """A site whose login page is `form`. It lets in who sends the fields of `wants`. `pages`: further pages by path."""

    url: str = ""
    form: str = FORM.format(BUTTON)
    wants: dict[str, str] = field(default_factory=lambda: {"user": "ada", "pw": PASSWORD})
    pages: dict[str, str] = field(default_factory=dict)
    refusal: str = "<p>wrong user or password for ada</p>"
    tries: list[dict[str, str]] = field(default_factory=list)
    home: str = "<a id=out>out</a>"
    forgets: bool = False
    breaks: bool = False

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/in":
            sent = {name: str(value) for name, value in (await request.post()).items()}
            self.tries.append(sent)
            if self.breaks and request.transport is not None:
                request.transport.abort()
            if any(sent.get(name) != value for name, value in self.wants.items()):
                return html(self.refusal + self.form)
            answer = html(self.pages.get("/in", "<script>top.location = '/'</script>"))
            if not self.forgets:
                answer.set_cookie("sid", "1", path="/")
            return answer
        if request.path in self.pages:
            return html(self.pages[request.path])
        return html(self.home if request.cookies.get("sid") == "1" else f"<title>x</title>{self.form}")


@pytest.fixture
async def gate() -> AsyncIterator[Gate]:
    site = Gate()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", site.answer)
    async with TestServer(app, host="127.0.0.1") as server:
        site.url = str(server.make_url("/"))
        yield site


async def enter(
    browsers: BrowserPool, gate: Gate, *steps: dict[str, Any], said: list[str] | None = None, **more: Any
) -> VisitResult:
    async def value_of(reference: str) -> str:
        return VALUES.get(reference, reference)

    async def code_of(reference: str, limit: float) -> str:
        return f" {reference.partition(':')[2]}\n"

    values: dict[str, Any] = {"ready": "#out", "settle": 0.0, "limit": 24.0, "read": lambda _: {}}
    spec = VisitSpec(url=gate.url, steps=steps_of(steps), value_of=value_of, code_of=code_of, **(values | more))
    events = site_events([] if said is None else said)
    async with browsers.lease(DESKTOP, site_url=gate.url, events=events) as lease:
        return await lease.enter(spec)


async def failure(browsers: BrowserPool, gate: Gate, *steps: dict[str, Any], **more: Any) -> DoorkeyError:
    with pytest.raises(DoorkeyError) as raised:
        await enter(browsers, gate, *steps, **more)
    assert PASSWORD not in raised.value.message
    return raised.value


async def test_lists_and_boxes_are_chosen_as_a_person_does(browsers: BrowserPool, gate: Gate) -> None:
    gate.form = FORM.format(
        "<select id=where name=where><option value=a>Austria<option value=b>Belgium</select>"
        "<input type=checkbox id=stay name=stay><input type=checkbox id=terms name=terms style='display:none'>"
        "<label for=terms>I agree</label>" + BUTTON
    )
    gate.wants |= {"where": "b", "stay": "on", "terms": "on"}
    steps = ({"select": "#where", "value": "Belgium"}, {"check": "#stay"}, {"check": "#terms"})
    await enter(browsers, gate, *FILL, *steps, {"press": "Enter", "on": "#pw"})
    assert len(gate.tries) == 1


async def test_a_key_goes_to_the_field_that_has_the_focus(browsers: BrowserPool, gate: Gate) -> None:
    await enter(browsers, gate, *FILL, {"press": "Enter"})
    assert len(gate.tries) == 1


@pytest.mark.parametrize("named", [True, False])
async def test_a_form_in_a_frame_is_filled_in(browsers: BrowserPool, gate: Gate, named: bool) -> None:
    gate.pages["/frame"] = gate.form
    gate.form = "<h1>Portal</h1><iframe id=ad></iframe><iframe id=login src=/frame></iframe>"
    frame = {"frame": "#login"} if named else {}
    await enter(browsers, gate, *(step | frame for step in (*FILL, GO)))
    assert len(gate.tries) == 1


async def test_a_form_in_open_shadow_roots_is_filled_in(browsers: BrowserPool, gate: Gate) -> None:
    gate.form = (
        f"<div id=host></div><script>document.querySelector('#host').attachShadow({{ mode: 'open' }}).innerHTML = "
        f"`{gate.form}`</script>"
    )
    await enter(browsers, gate, *FILL, GO)
    assert len(gate.tries) == 1


async def test_a_popup_is_followed_until_it_closes(browsers: BrowserPool, gate: Gate) -> None:
    gate.pages["/sso"] = gate.form
    gate.pages["/in"] = "<script>opener.postMessage('in', '*'); close()</script>"
    gate.form = "<button id=sso onclick=\"open('/sso', 'sso', 'width=400,height=400')\">Sign in with X</button>"
    gate.form += "<script>onmessage = () => location.reload()</script>"
    await enter(browsers, gate, {"click": "#sso"}, *FILL, GO)
    assert len(gate.tries) == 1


async def test_popups_that_no_login_opened_are_closed(browsers: BrowserPool, gate: Gate) -> None:
    gate.home += "<script>open('/ad')</script>"
    async with browsers.lease(DESKTOP, site_url=gate.url) as lease:
        await lease.enter(VisitSpec(url=gate.url, read=lambda _: {}))
        assert lease._page is not None
        context = lease._page.context
        assert len(context.pages) == 1


@pytest.mark.parametrize("there", [True, False])
async def test_an_optional_step_is_done_where_its_element_is_there(
    browsers: BrowserPool, gate: Gate, there: bool
) -> None:
    wall = "<div id=wall style='position:fixed;inset:0'><button id=ok onclick='wall.remove()'>Accept</button></div>"
    gate.form += wall if there else ""
    said: list[str] = []
    await enter(browsers, gate, {"click": "#ok", "optional": True}, *FILL, GO, said=said)
    assert any("not there, and optional" in line for line in said) == (not there)


@pytest.mark.parametrize("steps", [({"click": "#ok"},), ({"click": "#ok", "optional": True}, *FILL, GO)])
async def test_a_wall_before_a_page_that_is_ready_is_cleared(
    browsers: BrowserPool, gate: Gate, steps: tuple[dict[str, Any], ...]
) -> None:
    gate.form = (
        "<a id=out>out</a><script>if (!document.cookie) document.write(`<button id=ok "
        "onclick=\"document.cookie = 'consent=1; path=/'; this.remove()\">Accept</button>`)</script>"
    )
    first = await enter(browsers, gate, *steps, cookies_needed=("consent",))
    again = await enter(browsers, gate, *steps, cookies=first.cookies)
    assert again.page.cookies["consent"] == "1"
    assert gate.tries == []


async def test_a_hidden_or_distant_button_is_replaced_by_enter(browsers: BrowserPool, gate: Gate) -> None:
    for style in ("position:absolute;left:-10000px", "display:none"):
        gate.form = FORM.format(f"<input id=go type=submit style='{style}'><a href=#>Log in</a>")
        await enter(browsers, gate, *FILL, GO)
    assert len(gate.tries) == 2


async def test_one_time_codes_are_filled_in(browsers: BrowserPool, gate: Gate) -> None:
    gate.form = FORM.format("<input id=otp name=otp autocomplete=one-time-code><input id=sms name=sms>" + BUTTON)
    gate.wants |= {"sms": "123456"}
    codes = ({"fill": "#otp", "totp": "env:TOTP"}, {"fill": "#sms", "code": "command:123456"})
    said: list[str] = []
    await enter(browsers, gate, *FILL, *codes, GO, said=said)
    (sent,) = gate.tries
    assert parse_secret(SECRET).verify(sent["otp"], valid_window=1)
    assert sent["otp"] not in "".join(said)


async def test_no_code_is_used_twice_by_any_process(tmp_path: Path) -> None:
    clock = StoppedClock()
    codes = [await OneTimeCodes(tmp_path, clock).make(secret) for secret in (SECRET, SECRET, SECRET.lower())]
    assert len(set(codes)) == 3
    assert 1020 <= clock.at < 1021  # two waits for the next half minute
    other = await OneTimeCodes(tmp_path, clock).make(f"otpauth://totp/x?secret={pyotp.random_base32()}&digits=8")
    assert len(other) == 8
    assert SECRET not in "".join(path.name for path in tmp_path.iterdir())


@pytest.mark.parametrize("secret", ["", "no secret!", "otpauth://hotp/x?secret=" + SECRET, "otpauth://totp/x"])
def test_a_value_that_is_no_totp_secret_is_refused_and_not_repeated(secret: str) -> None:
    with pytest.raises(ConfigurationError, match="the value of totp") as caught:
        parse_secret(secret)
    assert not secret or secret not in caught.value.message


async def test_a_passkey_ceremony_is_cancelled_and_said(browsers: BrowserPool, gate: Gate) -> None:
    gate.form = """<button id=go>Log in</button><p id=state>waiting</p><script>
      go.onclick = () => navigator.credentials.get({ publicKey: { challenge: new Uint8Array(32) } })
        .catch((error) => { state.textContent = `no passkey: ${error.name}`; });
    </script>"""
    said: list[str] = []
    gate.url = gate.url.replace("127.0.0.1", "localhost")  # passkeys need a name
    wait = {"wait": "#state:has-text('NotAllowedError')"}
    error = await failure(browsers, gate, GO, wait, {"wait": "#never"}, said=said)
    assert "asked for a passkey" in error.message
    assert "no passkey: NotAllowedError" in error.message
    assert any("asked for a passkey: cancelled" in line for line in said)


WALL = "<div id=cookiewall class=x style='position:fixed;inset:0;z-index:9'>We use cookies</div>"


@pytest.mark.parametrize(
    ("more", "step", "reason"),
    [
        (BUTTON + WALL, GO, "it is covered by <div id=cookiewall>"),
        ("<button id=go disabled>Log in</button>", GO, "it is disabled"),
        ("<a id=go style='position:absolute;left:-9999px'>Log in</a>", GO, "it lies off screen"),
        ("<a id=go style='display:none'>Log in</a>", GO, "it is hidden"),
        (BUTTON, {"click": "#submit"}, "it is not there"),
        (BUTTON, {"fill": "#email", "value": "x"}, "which shows #user, #pw, #go"),
        (BUTTON, {"fill": "form", "value": "x"}, "it is no field that takes text"),
        (BUTTON, {"select": "#user", "value": "x"}, "it is no list to choose from"),
        ("<select id=s><option>a</select>", {"select": "#s", "value": "zzz"}, "it has no such option"),
        (BUTTON, {"press": "Entr"}, "there is no such key"),
        (BUTTON, {"wait": "url:/home"}, "the page did not get there"),
    ],
)
async def test_a_failed_step_says_why_and_that_no_login_was_sent(
    browsers: BrowserPool, gate: Gate, more: str, step: dict[str, Any], reason: str
) -> None:
    gate.form = FORM.format(more)
    error = await failure(browsers, gate, *FILL, step, limit=12.0)
    assert isinstance(error, Changed)
    assert reason in error.message
    assert "login step 3" in error.message
    assert "no login was sent" in error.message
    assert error.retry_after is None
    assert gate.tries == []


async def test_a_login_that_the_site_refuses_is_told_in_its_own_words(browsers: BrowserPool, gate: Gate) -> None:
    gate.refusal = "<h1>Account of ada locked</h1><p>try again in 28 minutes</p>"
    error = await failure(browsers, gate, FILL[0], {"fill": "#pw", "value": "env:WRONG"}, GO)
    assert isinstance(error, NeedsPerson)
    assert "did not take the login" in error.message
    assert "Account of … locked / try again in 28 minutes" in error.message
    assert error.retry_after is not None


async def test_a_login_that_was_taken_and_is_asked_for_again_says_so(browsers: BrowserPool, gate: Gate) -> None:
    gate.forgets = True
    gate.pages["/in"] = "<h1>Welcome</h1>"
    error = await failure(browsers, gate, *FILL, GO)
    assert isinstance(error, NeedsPerson)
    assert "the site took the login (the page after the steps was /in" in error.message
    assert "/, the page of `url`, asks for a password again" in error.message


async def test_a_key_that_sends_nothing_is_no_login_that_was_refused(browsers: BrowserPool, gate: Gate) -> None:
    gate.form = FORM.format("")  # two fields and no button: Enter does nothing
    error = await failure(browsers, gate, *FILL, {"press": "Enter"})
    assert isinstance(error, Changed)
    assert "no login was sent" in error.message
    assert error.retry_after is None


async def test_a_site_that_goes_away_in_a_login_is_down_and_starts_no_lockout_pause(
    browsers: BrowserPool, gate: Gate
) -> None:
    gate.breaks = True
    error = await failure(browsers, gate, *FILL, GO)
    assert isinstance(error, SiteDown)
    assert error.retry_after is None


async def test_a_login_that_leads_to_a_forbidden_place_names_it(browsers: BrowserPool, gate: Gate) -> None:
    gate.form = gate.form.replace("action=/in", "action=http://127.0.0.1:9/in")
    error = await failure(browsers, gate, *FILL, GO)
    assert isinstance(error, Changed)
    assert "127.0.0.1" in error.message


def test_steps_that_fill_in_nothing_are_no_login() -> None:
    assert not is_login(steps_of([{"click": "#ok"}, {"press": "Escape"}]))
    assert is_login(steps_of([{"fill": "#user", "value": "ada"}]))


def test_playwrights_messages_are_explained_without_their_text() -> None:
    veil = f'<p>{PASSWORD}</p> from <div class="veil" data-x="{PASSWORD}">…</div> subtree'
    log = f"Timeout\n  - {veil} intercepts pointer events\n  - retrying"
    assert explain(log, 5).startswith("it is covered by <div class=veil>, which takes the click: close that")
    assert explain(f'fill("{PASSWORD}")', 5) == "it did not work within 5 s"
    assert select_new_text(["Log in"], ["Log in", "Unknown user ada"], ["ada"]) == "Unknown user …"
