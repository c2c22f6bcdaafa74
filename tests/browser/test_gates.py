"""Gates that fail once, that nobody knows by name, or that the site's settings describe."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from aiohttp import web

from doorkey.browser import BrowserPool
from doorkey.errors import Blocked, Changed, DoorkeyError, NeedsPerson, RateLimited, SiteDown
from doorkey.model.login_steps import steps_of
from doorkey.model.site import Site
from doorkey_providers.web.options import WebOptions
from doorkey_providers.web.site import WebSite

from .conftest import PAGE, LocalSite, html
from .test_challenge import CHALLENGE, Gate, nothing, visit

pytestmark = [pytest.mark.browser, pytest.mark.slow]

BEHIND = PAGE + "<p id=in>welcome</p>"
OPENS = "<script>setTimeout(() => { document.cookie = 'pass=1'; location.reload() }, 1500)</script>"
REFRESH = '<meta http-equiv="refresh" content="2; url=/let-in">'
CAP = """<p>Are you human?</p><cap-widget></cap-widget><script>
customElements.define("cap-widget", class extends HTMLElement { connectedCallback() {
  this.attachShadow({ mode: "open" }).innerHTML = "<div class=captcha><button>I'm a human</button></div>";
} });</script>"""


@pytest.fixture
def gate(site: LocalSite) -> Gate:
    found = Gate(site, behind=BEHIND)
    found.stand()
    return found


class FailingCheck:
    """The check of a challenge: it fails the first time, as that of a gate that was restarted."""

    def __init__(self, fails: int = 1) -> None:
        self.asked, self.fails = 0, fails

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        if self.asked <= self.fails:
            return html("<p>Your challenge is unknown</p>", 403)
        answer = web.Response(status=303, headers={"Location": "/"}) if request.query else web.Response()
        answer.set_cookie("pass", "1")
        return answer


CHECKS = {
    "by script": "<script>fetch('/check', {method: 'POST'}).then((a) => a.ok && location.reload())</script>",
    "by a form": "<form action='/check?x' method=post></form><script>document.forms[0].submit()</script>",
    "by a link": "<script>setTimeout(() => { location.href = '/check?x' }, 200)</script>",
}


@pytest.mark.parametrize("way", CHECKS)
async def test_a_challenge_whose_check_fails_once_is_loaded_once_more(
    browsers: BrowserPool, gate: Gate, way: str
) -> None:
    check, said = FailingCheck(), list[str]()
    gate.site.pages["/check"] = check.answer
    gate.page = CHALLENGE + CHECKS[way]
    result = await visit(browsers, gate.site, said, challenge=30.0)
    assert (result.tokens, check.asked) == ({"csrf": "abc123"}, 2)
    assert any("once more" in step for step in said)


async def test_a_check_that_fails_again_calls_a_person_after_one_more_page(browsers: BrowserPool, gate: Gate) -> None:
    gate.site.pages["/check"] = FailingCheck(fails=9).answer
    gate.page = CHALLENGE + CHECKS["by script"]
    with pytest.raises(NeedsPerson, match="although its page was loaded once more"):
        await visit(browsers, gate.site, challenge=8.0)
    assert len(gate.agents) == 2


async def test_a_gate_that_goes_away_in_the_middle_is_come_back_to(browsers: BrowserPool, gate: Gate) -> None:
    async def drop(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        gate.page = CHALLENGE + OPENS
        return web.Response()

    gate.site.pages["/check"] = drop
    gate.page = CHALLENGE + CHECKS["by a link"]
    assert (await visit(browsers, gate.site, challenge=30.0)).tokens


async def test_a_challenge_that_is_still_at_work_is_told_from_one_that_is_stuck(
    browsers: BrowserPool, gate: Gate
) -> None:
    gate.page = CHALLENGE + "<script>setInterval(() => { document.body.append('.') }, 100)</script>"
    with pytest.raises(NeedsPerson, match=r"still at work.*limits\.challenge") as caught:
        await visit(browsers, gate.site, challenge=2.0)
    assert caught.value.retry_after == 60
    assert len(gate.agents) == 1


async def let_in(request: web.Request) -> web.StreamResponse:
    answer = web.Response(status=303, headers={"Location": "/"})
    answer.set_cookie("pass", "1")
    return answer


@pytest.mark.parametrize("named", [{"ready": "#in"}, {"cookies_needed": ("pass",)}], ids=["ready", "cookie"])
@pytest.mark.parametrize("status", [403, 429, 503])
@pytest.mark.parametrize("page", [OPENS, REFRESH], ids=["script", "refresh"])
async def test_an_unnamed_gate_that_opens_by_itself_is_waited_for(
    browsers: BrowserPool, gate: Gate, named: dict[str, object], status: int, page: str
) -> None:
    gate.page, gate.status = f"<title>Hold on</title><p>Checking your browser</p>{page}", status
    gate.site.pages["/let-in"] = let_in
    result = await visit(browsers, gate.site, read=nothing, settle=0.25, **named)
    assert result.page.cookies["pass"] == "1"


async def test_a_refresh_that_takes_long_is_waited_for_where_nothing_is_named(
    browsers: BrowserPool, gate: Gate
) -> None:
    gate.page, gate.status = "<p>Wait</p>", 403
    gate.headers = {"Refresh": "6; url=/let-in"}
    gate.site.pages["/let-in"] = let_in
    assert (await visit(browsers, gate.site, read=nothing, limit=30.0)).page.cookies["pass"] == "1"


async def test_an_unnamed_gate_before_a_login_opens_before_the_first_step(browsers: BrowserPool, gate: Gate) -> None:
    async def home(request: web.Request) -> web.StreamResponse:
        if request.cookies.get("user"):
            return html(BEHIND)
        gate.behind = "<form action=/enter><input id=user name=user><button>Log in</button></form>"
        return await gate.answer(request)

    async def enter(request: web.Request) -> web.StreamResponse:
        answer = web.Response(status=302, headers={"Location": "/"})
        answer.set_cookie("user", request.query["user"])
        return answer

    gate.page, gate.status = f"<p>Checking your browser</p>{OPENS}", 503
    gate.site.pages |= {"/": home, "/enter": enter}
    steps = steps_of([{"fill": "#user", "value": "me"}, {"click": "button"}])
    result = await visit(browsers, gate.site, read=nothing, ready="#in", steps=steps, limit=30.0)
    assert result.page.cookies["user"] == "me"


@pytest.mark.parametrize("more", [{}, {"ready": "#in"}, {"cookies_needed": ("pass",)}])
async def test_an_unnamed_failure_without_scripts_is_down_at_once(
    browsers: BrowserPool, site: LocalSite, more: dict[str, object]
) -> None:
    site.page("<title>Back soon</title><p>We are upgrading</p>", status=503, **{"Retry-After": "70"})
    with pytest.raises(SiteDown, match=r'HTTP 503, titled "Back soon", which says "We are upgrading"') as caught:
        await visit(browsers, site, read=nothing, limit=9.0, **more)
    assert caught.value.retry_after == 70


@pytest.mark.parametrize("status", [401, 403, 429, 451])
async def test_an_unnamed_refusal_is_told_alike_with_and_without_ready(
    browsers: BrowserPool, site: LocalSite, status: int
) -> None:
    site.page("<title>Members of the club</title><h1>Ask the porter</h1>", status=status)
    told: list[tuple[type, str]] = []
    for more in ({"ready": "#in"}, {"cookies_needed": ("pass",)}, {}):
        with pytest.raises(DoorkeyError) as caught:
            await visit(browsers, site, read=nothing, limit=6.0, **more)
        told.append((type(caught.value), caught.value.message))
    assert told[0] == told[1] == told[2]
    if status != 429:
        assert told[0][0] is Blocked
        said = told[0][1]
        for part in (
            f"HTTP {status}",
            '"Members of the club"',
            '"Ask the porter"',
            "SITE --by-hand",
            "open SITE --keep",
        ):
            assert part in said


async def test_a_page_that_is_not_there_is_no_obstacle(browsers: BrowserPool, site: LocalSite) -> None:
    site.page("<p>nothing here</p>", status=404)
    with pytest.raises(Changed, match="HTTP 404"):
        await visit(browsers, site, read=nothing, ready="#in", limit=6.0)


async def test_cap_that_waits_for_a_click_is_a_persons_in_seconds(browsers: BrowserPool, gate: Gate) -> None:
    gate.page = CAP
    with pytest.raises(NeedsPerson, match=r"a challenge for a person \(Cap, to be clicked\)"):
        await visit(browsers, gate.site, read=nothing, challenge=60.0, limit=15.0)


async def test_cap_that_a_script_begins_is_waited_for(browsers: BrowserPool, gate: Gate) -> None:
    begins = "document.querySelector('cap-widget').shadowRoot.querySelector('.captcha').dataset.state = 'verifying';"
    gate.page = CAP + OPENS.replace("1500", "5000") + f"<script>{begins}</script>"
    assert (await visit(browsers, gate.site, challenge=60.0)).tokens


async def test_an_unknown_challenge_with_200_is_waited_for_as_a_known_one(browsers: BrowserPool, gate: Gate) -> None:
    gate.page, said = f"<title>Wait</title><p>Checking your browser</p>{OPENS.replace('1500', '6000')}", list[str]()
    result = await visit(browsers, gate.site, said, read=nothing, ready="#in", limit=9.0, challenge=60.0)
    assert result.page.cookies["pass"] == "1"
    assert any("unknown challenge" in step and "waiting" in step for step in said)


async def test_an_unknown_challenge_that_never_opens_calls_a_person_and_is_quoted(
    browsers: BrowserPool, gate: Gate
) -> None:
    gate.page = "<title>Wait</title><p>Checking your browser</p><script>1</script>"
    with pytest.raises(NeedsPerson) as caught:
        await visit(browsers, gate.site, read=nothing, ready="#in", challenge=2.0)
    for part in ('HTTP 200, titled "Wait", which says "Checking your browser"', "doorkey login SITE --by-hand"):
        assert part in caught.value.message


async def test_an_unknown_question_is_a_persons_in_seconds(browsers: BrowserPool, gate: Gate) -> None:
    gate.page = "<p>Prove that you are human</p><form><button>I am</button></form>"
    with pytest.raises(NeedsPerson, match='which says "Prove that you are human'):
        await visit(browsers, gate.site, read=nothing, ready="#in", challenge=60.0, limit=15.0)


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("<title>Wait</title><p>You will be let in soon</p><script>1</script>", "sites.SITE.challenge = ["),
        ("<title>Wait</title><p>You will be let in soon</p>", "doorkey login SITE --by-hand"),
    ],
)
@pytest.mark.parametrize("named", [{"ready": "#in"}, {"cookies_needed": ("pass",)}], ids=["ready", "cookie"])
async def test_a_page_without_a_sign_is_described_in_the_error(
    browsers: BrowserPool, gate: Gate, page: str, said: str, named: dict[str, object]
) -> None:
    gate.page = page
    with pytest.raises(Changed) as caught:
        await visit(browsers, gate.site, read=nothing, limit=3.0, **named)
    assert 'came with HTTP 200, titled "Wait", which says "You will be let in soon"' in caught.value.message
    assert said in caught.value.message


async def test_a_page_with_more_on_it_is_described_by_its_title_only(browsers: BrowserPool, site: LocalSite) -> None:
    site.page(f"<title>Mail</title><p>Dear Ada, {'your balance is 7. ' * 40}</p>")
    with pytest.raises(Changed, match=r'HTTP 200, titled "Mail"$'):
        await visit(browsers, site, read=nothing, ready="#in", limit=3.0)


def own(**rules: object) -> dict[str, object]:
    provider = WebSite(Site(name="club", url="http://club.example/", options=WebOptions.model_validate(rules)))
    return {"recognizes": provider.recognizes, "recognize": provider.recognize}


WAITING = "<title>Soon</title><p>You are number 7 in the <b>queue</b></p>"


async def test_the_sites_own_challenge_is_waited_for_as_one_of_the_table(browsers: BrowserPool, gate: Gate) -> None:
    gate.page, said = WAITING + OPENS.replace("1500", "6000"), list[str]()
    result = await visit(browsers, gate.site, said, read=nothing, **own(challenge=["body:in the queue"]))
    assert result.page.cookies["pass"] == "1"
    assert any("sites.club.challenge: body:in the queue" in step for step in said)


@pytest.mark.parametrize(
    ("rules", "status", "error"),
    [
        ({"person": ["body:in the queue"]}, 200, NeedsPerson),
        ({"person": ["429 body:in the queue"]}, 429, NeedsPerson),
        ({"blocked": [503]}, 503, Blocked),
        ({"limited": ["403 body:in the queue"]}, 403, RateLimited),
    ],
)
async def test_the_sites_own_words_decide_what_a_page_means(
    browsers: BrowserPool, site: LocalSite, rules: Mapping[str, object], status: int, error: type[Exception]
) -> None:
    site.page(WAITING, status=status, **{"Retry-After": "77"})
    with pytest.raises(error, match=r"sites\.club\.") as caught:
        await visit(browsers, site, read=nothing, ready="#in", limit=9.0, **own(**rules))
    assert error is not RateLimited or caught.value.retry_after == 77  # type: ignore[attr-defined]  # a DoorkeyError


async def test_the_sites_own_words_do_not_count_on_the_page_that_is_ready(
    browsers: BrowserPool, site: LocalSite
) -> None:
    site.page(f"{BEHIND}<script>const said = 'You are in the queue'</script>")
    rules = own(person=["body:in the queue"])
    assert (await visit(browsers, site, ready="#in", **rules)).tokens


@pytest.mark.parametrize("way", ["a page", "a frame", "a script"])
async def test_a_host_that_the_page_may_not_reach_is_named_with_the_line_to_add(
    browsers: BrowserPool, site: LocalSite, way: str
) -> None:
    place = "http://127.0.0.1:9/sign-in"
    site.page(
        {
            "a page": f"<script>location.href = '{place}'</script>",
            "a frame": f"<iframe src='{place}'></iframe>",
            "a script": f"<script src='{place}'></script>",
        }[way]
    )
    with pytest.raises(DoorkeyError, match=r'sites\.SITE\.reach = \["\*", "127\.0\.0\.1:9"\]'):
        await visit(browsers, site, read=nothing, ready="#in", limit=6.0)


async def test_what_refuses_before_a_login_is_no_fault_of_its_steps(browsers: BrowserPool, site: LocalSite) -> None:
    site.page("<h1>Only for members of the club</h1>", status=403)
    steps = steps_of([{"fill": "#user", "value": "me"}, {"click": "button"}])
    with pytest.raises(Blocked, match='HTTP 403, which says "Only for members of the club"'):
        await visit(browsers, site, read=nothing, ready="#in", steps=steps, limit=8.0)


WALL = "<div id=layer><button id=accept>accept</button></div>"


async def test_a_consent_wall_is_no_login_in_what_is_said(browsers: BrowserPool, site: LocalSite) -> None:
    async def home(request: web.Request) -> web.StreamResponse:
        return html(BEHIND if request.cookies.get("consent") else WALL + CONSENTS)

    site.pages["/"] = home
    steps, said = steps_of([{"click": "#accept"}]), list[str]()
    await visit(browsers, site, said, read=nothing, ready="#in", steps=steps)
    assert said
    assert [line for line in said if "login" in line or "logged" in line] == []


async def test_a_consent_wall_that_stays_is_no_login_in_its_error(browsers: BrowserPool, site: LocalSite) -> None:
    site.page(WALL)
    for css in ("#accept", "#refuse"):
        with pytest.raises(Changed) as caught:
            await visit(browsers, site, read=nothing, ready="#in", steps=steps_of([{"click": css}]), limit=24.0)
        assert "login" not in caught.value.message
        assert caught.value.retry_after is None


CONSENTS = "<script>accept.onclick = () => { document.cookie = 'consent=1'; layer.remove() }</script>"
