"""Login and renewal by requests that the settings declare: no browser is started."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from doorkey import Request, Runtime, Settings
from doorkey.browser import BrowserPool
from doorkey.clock import SystemClock
from doorkey.config.one_time_codes import parse_secret
from doorkey.errors import ConfigurationError, DoorkeyError, NeedsPerson
from doorkey.model.events import Event
from doorkey.model.secret import Secret
from doorkey.sessions.request_secrets import fill_in
from token_endpoint_site import CLIENT_SECRET, PASSWORD, USER, TokenEndpointSite, serving

API = """
tokens.access = { json = "data.access_token" }
tokens.refresh = "json:data.refresh_token"
send.header.Authorization = "Bearer {access}"
[sites.api.login.request]
path = "/auth/login"
json = { user = "ada", password = "env:API_PASSWORD" }
[sites.api.renew.request]
path = "/auth/refresh"
json = { refresh_token = "{refresh}", client_secret = "file:SECRET_FILE" }
"""
FORM = """
ready = "#out"
tokens.csrf = "meta[name=csrf]@content"
send.header.X-CSRF = "{csrf}"
[sites.api.login.request]
path = "/auth/form"
tokens.once = "input[name=csrf]@value"
form = { user = "ada", pw = "env:API_PASSWORD", csrf = "{once}" }
"""
TOTP = "JBSWY3DPEHPK3PXP"
TOTP_URI = f"otpauth://totp/x?secret={TOTP}&period=1&digits=8"
MANNERS = "[manners]\nat_once = 60\nrate = 10000\nqueue = 1000\n"

Opened = Callable[..., Any]


class Shifted(SystemClock):
    """A clock that a test puts forward."""

    ahead = 0.0

    def now(self) -> float:
        return super().now() + self.ahead

    def wall(self) -> float:
        return super().wall() + self.ahead


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("API_PASSWORD", PASSWORD)
    for kind in ("DATA", "CONFIG", "STATE", "CACHE"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / kind))
    (tmp_path / "secret").write_text(f"{CLIENT_SECRET}\n")


@pytest.fixture
async def site() -> AsyncIterator[TokenEndpointSite]:
    async with serving(TokenEndpointSite()) as served:
        yield served


@pytest.fixture
async def opened(site: TokenEndpointSite, tmp_path: Path) -> AsyncIterator[Opened]:
    """Opens runtimes on one store, for a site with the *lines* of settings. No Chromium is there to start."""
    async with AsyncExitStack() as exits:

        async def open_one(lines: str = API, **more: Any) -> Runtime:
            path = tmp_path / "settings.toml"  # not doorkey.toml: one in the working directory has to be trusted
            lines = lines.replace("SECRET_FILE", str(tmp_path / "secret"))
            path.write_text(
                f'{MANNERS}[browser]\nexecutable = "/nowhere/chromium"\n'
                f'[store]\nurl = "sqlite://{tmp_path / "sessions.db"}"\n'
                f'[sites.api]\nprovider = "web"\nurl = "{site.url}"\n{lines}'
            )
            return await exits.enter_async_context(Runtime(Settings.load(path), **more))

        yield open_one


async def write(runtime: Runtime, text: str = "x") -> int:
    request = Request(url="/api/items", method="POST", json={"text": text})
    async with await runtime.send("api", request) as answer:
        async for _ in answer:
            pass
        return answer.head.status


async def failure(runtime: Runtime) -> DoorkeyError:
    with pytest.raises(DoorkeyError) as raised:
        await write(runtime)
    return raised.value


@pytest.mark.parametrize("stale", ["", "stale = [401]\n"], ids=["unnamed", "named"])
async def test_fifty_callers_over_two_deaths_cost_one_login_and_two_renewals(
    site: TokenEndpointSite, opened: Opened, stale: str
) -> None:
    runtime = await opened(stale + API)
    for _ in range(3):
        assert await asyncio.gather(*(write(runtime, str(number)) for number in range(50))) == [200] * 50
        site.die()
    assert (len(site.logins), site.renewals, site.stolen, len(site.wrote)) == (1, 2, False, 150)
    assert site.logins == [{"user": USER, "password": PASSWORD}]
    assert [(status.rung, status.visits) for status in runtime.status()] == [("token endpoint", 3)]


async def test_a_form_with_the_token_of_its_page_logs_in(site: TokenEndpointSite, opened: Opened) -> None:
    runtime = await opened("stale = [401]\n" + FORM)
    assert [await write(runtime), site.die(), await write(runtime)] == [200, None, 200]
    assert (len(site.logins), runtime.status()[0].rung) == (2, "login request")


async def test_a_session_of_one_use_is_broken_as_a_logout_leaves_it(site: TokenEndpointSite, opened: Opened) -> None:
    runtime = await opened("max_uses = 1\nstale = [401]\n" + FORM)
    assert await write(runtime) == 200
    assert await runtime.logins.break_session(runtime.target("api"), spent=True)
    assert await write(runtime) == 200
    assert len(site.wrote) == 2


async def test_one_time_codes_are_made_for_each_login_and_none_goes_twice(
    site: TokenEndpointSite, opened: Opened, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    monkeypatch.setenv("API_TOTP", TOTP_URI)
    login = """tokens.access = { json = "data.access_token" }
    send.header.Authorization = "Bearer {access}"
    [sites.api.login.request]
    path = "/auth/login"
    json = { password = "env:API_PASSWORD", mfa = { totp = "totp:env:API_TOTP" }, sms = "code:command:echo 123456" }
    """
    first, second = await opened(login), await opened(login)
    for runtime in (first, second, first):  # on one store, in two runtimes
        assert await write(runtime) == 200
        site.die()
    sent = [login["mfa"]["totp"] for login in site.logins]
    assert len(set(sent)) == len(sent) == 3
    assert all(parse_secret(TOTP_URI).verify(code, valid_window=600) for code in sent)
    assert {login["sms"] for login in site.logins} == {"123456"}
    assert not [secret for secret in (*sent, "123456", TOTP) if secret in caplog.text]


async def test_a_refused_code_is_not_repeated_in_the_error(opened: Opened) -> None:
    error = await failure(await opened(API.replace("env:API_PASSWORD", "code:command:echo 654321")))
    assert 'The site says: "Wrong password …. 2 tries left"' in error.message


async def test_a_secret_that_makes_no_codes_is_told_and_nothing_is_sent(
    site: TokenEndpointSite, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_TOTP", "not base32!")
    error = await failure(await opened(API.replace("env:API_PASSWORD", "totp:env:API_TOTP")))
    assert "expected the base32 letters" in error.message
    assert "not base32!" not in error.message
    assert not site.logins


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("totp:JBSWY3DPEHPK3PXP", "expected totp: to say where the secret is: totp:env:…"),
        ("totp:env:", "expected a name after totp:env:"),
        ("code:123456", "must not stand in a settings file"),
    ],
)
async def test_a_code_whose_secret_stands_in_the_settings_is_refused(opened: Opened, value: str, fault: str) -> None:
    with pytest.raises(ConfigurationError, match=fault) as raised:
        (await opened(API.replace('password = "env:API_PASSWORD"', f'otp = "{value}"'))).provider("api")
    assert "JBSWY" not in raised.value.message


async def test_time_based_codes_are_made_last() -> None:
    read: list[str] = []

    async def note(secret: Secret) -> str:
        read.append(secret.kind)
        return secret.reference

    form = {"otp": Secret("totp:env:A"), "sms": Secret("code:env:B"), "user": Secret("env:C"), "note": Secret("code:x")}
    filled, _ = await fill_in(Request(url="/", method="POST", what="login", form=form), note)
    assert filled.form == {"otp": "env:A", "sms": "env:B", "user": "env:C", "note": "code:x"}
    assert read[-1] == "totp"


async def test_who_is_logged_in_already_logs_in_again_when_a_visit_is_asked_for(
    site: TokenEndpointSite, opened: Opened
) -> None:
    runtime = await opened(FORM)
    first, second = await runtime.visit("api"), await runtime.visit("api")
    assert (second.gen > first.gen, len(site.logins), second.cookie("sid") in site.sessions) == (True, 2, True)
    assert await write(runtime) == 200


async def test_a_wrong_password_is_tried_once_and_told_in_the_sites_words(
    site: TokenEndpointSite, opened: Opened, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    monkeypatch.setenv("API_PASSWORD", "wrong guess")
    events: list[Event] = []
    runtime = await opened(hooks=[events.append])
    errors = await asyncio.gather(*(failure(runtime) for _ in range(20)))
    later = await failure(runtime)
    assert len(site.logins) == 1
    assert {type(error) for error in (*errors, later)} == {NeedsPerson}
    assert 'The site says: "Wrong password …. 2 tries left"' in errors[0].message
    assert "doorkey login api" in errors[0].message
    assert later.retry_after is not None
    assert 50 < later.retry_after <= 60
    assert "wrong guess" not in f"{errors} {later} {events} {caplog.text} {runtime.status()}"


async def test_a_login_form_that_comes_back_is_a_refusal(
    site: TokenEndpointSite, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_PASSWORD", "wrong guess")
    error = await failure(await opened(FORM))
    assert (type(error), len(site.logins)) == (NeedsPerson, 1)
    assert "did not take the login" in error.message
    assert 'The site says: "We do not know …"' in error.message


async def test_what_stands_before_the_site_is_no_refused_login(site: TokenEndpointSite, opened: Opened) -> None:
    site.refusal = web.Response(status=403, text="<h1>CSRF verification failed</h1>", content_type="text/html")
    error = await failure(await opened(FORM))
    assert error.code == "session_refused"
    assert "Django's CSRF check" in error.message
    assert "did not take the login" not in error.message


async def test_an_answer_without_the_token_is_a_login_that_failed(
    site: TokenEndpointSite, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_PASSWORD", "wrong guess")
    site.refusal = web.json_response({"success": False, "message": "Locked for 28 minutes"})
    error = await failure(await opened(API.partition("[sites.api.renew")[0]))
    assert (type(error), len(site.logins), round(error.retry_after or 0)) == (NeedsPerson, 1, 60)
    assert "tokens.access: json:data.access_token is not in the answer to login.request" in error.message
    assert "JSON with these names: success, message" in error.message
    assert 'The site says: "Locked for 28 minutes"' in error.message


async def test_each_failed_login_doubles_the_pause(
    site: TokenEndpointSite, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_PASSWORD", "wrong guess")
    runtime = await opened()
    pauses = []
    for _ in range(3):
        with pytest.raises(NeedsPerson) as raised:
            await runtime.visit("api")
        pauses.append(round(raised.value.retry_after or 0))
    assert pauses == [60, 120, 240]


async def test_a_login_that_was_never_sent_starts_no_such_pause(
    site: TokenEndpointSite, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("API_PASSWORD")
    error = await failure(await opened())
    assert (error.code, site.logins) == ("configuration", [])
    assert (error.retry_after or 0) <= 1
    assert "API_PASSWORD is not set" in error.message
    error = await failure(await opened(FORM.replace("input[name=csrf]", "input[name=csrf_token]")))
    assert "login.request.tokens.once: input[name=csrf_token]@value is not on /auth/form" in error.message
    assert "input[name=csrf]" in error.message


async def test_a_refresh_token_that_has_ended_leads_to_a_login(site: TokenEndpointSite, opened: Opened) -> None:
    runtime = await opened()
    assert await write(runtime) == 200
    site.die()
    site.refresh = "another"
    assert await write(runtime) == 200
    assert (len(site.logins), site.renewals, runtime.status()[0].rung) == (2, 1, "login request")


async def test_two_processes_share_one_renewal_and_the_successor(site: TokenEndpointSite, opened: Opened) -> None:
    one, two = await opened(), await opened()
    for _ in range(3):
        for runtimes in ((one, two), (two, one)):
            writes = [write(runtime) for runtime in runtimes for _ in range(10)]
            assert await asyncio.gather(*writes) == [200] * 20
        site.die()
    assert (len(site.logins), site.renewals, site.stolen) == (1, 2, False)


async def test_an_answer_by_cookie_and_header_renews(site: TokenEndpointSite, opened: Opened) -> None:
    runtime = await opened(
        'stale = [401]\nready = "#out"\n'
        'tokens.access = "header:X-Access"\nsend.header.Authorization = "Bearer {access}"\n'
        '[sites.api.login.request]\npath = "/auth/form"\ntokens.once = "input[name=csrf]@value"\n'
        'form = { user = "ada", pw = "env:API_PASSWORD", csrf = "{once}" }\n'
        '[sites.api.renew]\nrequest.path = "/auth/continue"\n'
    )
    assert await write(runtime) == 200
    site.die()
    assert await write(runtime) == 200
    assert (len(site.logins), site.renewals) == (1, 2)


async def test_an_imported_login_is_proven_and_renewed_by_the_token_endpoint(
    site: TokenEndpointSite, opened: Opened, tmp_path: Path
) -> None:
    runtime = await opened(
        'stale = [401]\ntokens.access = "header:X-Access"\nsend.header.Authorization = "Bearer {access}"\n'
        '[sites.api.renew]\nrequest.path = "/auth/continue"\n'
    )
    file = tmp_path / "solved.json"
    cookie = {"name": "device", "value": "d1", "domain": "127.0.0.1", "path": "/"}
    file.write_text(json.dumps({"solution": {"cookies": [cookie], "userAgent": "Elsewhere/1"}}))
    await runtime.logins.import_login(runtime.target("api"), file)
    assert await write(runtime) == 200
    site.die()
    assert (await write(runtime), site.renewals, site.logins) == (200, 2, [])


async def test_a_renewal_that_can_be_foreseen_keeps_nobody_waiting(site: TokenEndpointSite, opened: Opened) -> None:
    site.expires_in = 100.0
    clock = Shifted()
    runtime = await opened(clock=clock)
    assert await write(runtime) == 200
    clock.ahead = 85.0
    site.released.clear()
    assert await write(runtime) == 200
    await site.asked.wait()
    assert await write(runtime) == 200, "the old token serves while the new one is fetched"
    site.released.set()
    while runtime.status()[0].rung != "token endpoint":
        await asyncio.sleep(0)
    assert (site.refused, site.renewals, await write(runtime)) == (0, 1, 200)


STEPS = """
ready = "#out"
stale = [401]
tokens.csrf = "meta[name=csrf]@content"
send.header.X-CSRF = "{csrf}"
visit.steps = [
  { open = "/auth/form" },
  { fill = "#user", value = "ada" },
  { fill = "#pw", value = "env:API_PASSWORD" },
  { click = "#go" },
]
[sites.api.login.request]
path = "PATH"
json = { user = "ada", password = "env:API_PASSWORD" }
"""


async def test_a_refused_login_is_not_sent_again_by_steps(
    site: TokenEndpointSite, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_PASSWORD", "wrong guess")
    error = await failure(await opened(STEPS.replace("PATH", "/auth/login")))
    assert (type(error), len(site.logins)) == (NeedsPerson, 1)


@pytest.mark.browser
@pytest.mark.parametrize("path", ["/auth/moved", "/auth/login"], ids=["not there", "no session by it"])
async def test_a_login_that_does_not_lead_in_is_followed_by_the_steps(
    site: TokenEndpointSite, opened: Opened, browsers: BrowserPool, path: str
) -> None:
    runtime = await opened(STEPS.replace("PATH", path), pool=browsers)
    assert await write(runtime) == 200
    assert (len(site.logins), runtime.status()[0].rung) == (1 + (path == "/auth/login"), "browser")


STORED = """
ready = "#out"
stale = [401]
tokens.access = { local = "auth", inside = "access_token" }
tokens.refresh = { local = "auth", inside = "refresh_token" }
send.header.Authorization = "Bearer {access}"
[sites.api.renew.request]
path = "/auth/refresh"
json = { refresh_token = "{refresh}" }
answer = { access = "json:data.access_token", refresh = "json:data.refresh_token" }
"""


@pytest.mark.browser
async def test_tokens_of_local_storage_are_renewed_by_request_and_put_back_there(
    site: TokenEndpointSite, opened: Opened, browsers: BrowserPool
) -> None:
    """The page keeps its tokens in local storage. It would end the login by an old refresh token."""
    site.script = """<script>
      const held = JSON.parse(localStorage.auth || "null");
      fetch(held ? "/auth/refresh" : "/auth/login", {
        method: "POST", body: JSON.stringify(held || {password: "PASSWORD"}),
        headers: {"content-type": "application/json"},
      }).then(one => one.json()).then(one => {
        localStorage.auth = JSON.stringify(one.data);
        document.body.insertAdjacentHTML("beforeend", "<a id=out>out</a>");
      });
    </script>""".replace("PASSWORD", PASSWORD)
    runtime = await opened(STORED, pool=browsers)
    assert await write(runtime) == 200
    for _ in range(2):
        site.die()
        assert await write(runtime) == 200
    assert (len(site.logins), site.renewals, runtime.status()[0].rung) == (1, 2, "token endpoint")
    assert json.loads((await runtime.session("api")).local["auth"])["refresh_token"] == site.refresh
