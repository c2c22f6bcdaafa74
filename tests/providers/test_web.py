"""Any site by configuration: one saved page, one saved answer, and what is read, sent and understood."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from multidict import MultiDict
from pydantic import ValidationError

from doorkey import Head, Kind, Page, Provider, Reply, Request, Session, Settings
from doorkey.config.registry import build_sites, provider_class
from doorkey.errors import Changed, ConfigurationError, MissingToken, RequestError
from doorkey.model.page import Seen
from doorkey.model.request import HEAD_BYTES, Part
from doorkey.model.session import Key
from doorkey.model.site import Site
from doorkey.model.upload import Upload
from doorkey_providers.web.bodies import FORM
from doorkey_providers.web.options import SendOptions, WebOptions
from doorkey_providers.web.site import WebSite
from doorkey_providers.web.token_options import TokenOptions

URL = "https://wiki.example/app/"

PAGE = Page(
    url=URL,
    html="""<!doctype html><html><head><title>My wiki</title>
<meta name="csrf_token" content="m-1"><meta name="empty" content="">
<script>var conf = {"nonce": "h-1"};</script></head>
<body id="app"><form><input type="hidden" name="sectok" value="i-1"></form><b class="token"> t-1 </b></body></html>""",
    cookies={"XSRF-TOKEN": "c%3D1", "sid": "s"},
    local={
        "jwt": "l-1",
        "auth": '{"access": {"token": "inner-1"}}',
        "persist:root": r'{"auth": "{\"token\": \"p-1\"}"}',
    },
    session={"key": "s-1"},
    indexed={"db/store/user/1": {"token": "x-1"}},
    scripts={"app.token": {"id": 7}},
    sent=(
        Seen(method="GET", url="https://wiki.example/api", headers={"authorization": "Bearer old"}),
        Seen(
            method="POST", url="https://wiki.example/api", headers={"authorization": "Bearer r-1"}, body='{"a":{"b":5}}'
        ),
        Seen(method="POST", url="https://wiki.example/f", body="tok=f%201&x=2"),
        Seen(
            method="POST",
            url="https://wiki.example/upload?ticket=q%201",
            headers={"content-type": "multipart/form-data; boundary=----b1"},
            body='------b1\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\nno\r\n------b1\r\n'
            'Content-Disposition: form-data; name="csrf"\r\n\r\nmü=1\r\n------b1--\r\n',
            answer_headers={"x-next": "a-1"},
            answer_body='{"data": {"token": "b-1"}}',
        ),
        Seen(
            method="GET",
            url="https://other.example/api?key=1",
            headers={"authorization": "Bearer foreign", "x-foreign": "1"},
            body="jwt=1",
        ),
    ),
    others={
        "/login": Page(url="https://wiki.example/login", html='<input name="sectok" value="other-1">'),
        "/token": Page(url="https://wiki.example/token", html='{"data": {"token": "j-1"}}'),
        "/config.js": Page(url="https://wiki.example/config.js", html='const key = "k1";'),
    },
)


def made(**options: Any) -> WebSite:
    return WebSite(Site(name="wiki", url=URL, options=WebOptions.model_validate(options)))


def session(**tokens: Any) -> Session:
    return Session(key=Key("wiki", URL), gen=1, url=URL, born=0, soft=1, hard=2, tokens=tokens)


def wrong(**options: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        WebOptions.model_validate(options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("meta[name=csrf_token]@content", "m-1"),
        ("meta[name=csrf_token]", "m-1"),
        ("css:input[name=sectok]@value", "i-1"),
        ("input[name=sectok]", "i-1"),
        (".token", "t-1"),
        ("cookie:XSRF-TOKEN", "c=1"),
        ({"cookie": "XSRF-TOKEN", "decode": False}, "c%3D1"),
        ("local:jwt", "l-1"),
        ({"local": "auth", "inside": "access.token"}, "inner-1"),
        ({"local": "persist:root", "inside": "auth.token"}, "p-1"),
        ("session:key", "s-1"),
        ("script:app.token", {"id": 7}),
        ("request:Authorization", "Bearer r-1"),
        ("request-body:tok", "f 1"),
        ("request-body:a.b", 5),
        ("request-body:csrf", "mü=1"),
        ("request-query:ticket", "q 1"),
        ("response:X-Next", "a-1"),
        ("response-body:data.token", "b-1"),
        ("indexeddb:db/store/user/1", {"token": "x-1"}),
        ({"indexeddb": "db/store/user/1", "inside": "token"}, "x-1"),
        (r'html:/"nonce":\s*"([^"]+)"/', "h-1"),
        ({"html": r'"nonce":\s*"([^"]+)"'}, "h-1"),
        ({"html": r'/"nonce":\s*"([^"]+)"/'}, "h-1"),
        ({"page": "/token", "json": "data.token"}, "j-1"),
        ({"page": "/config.js", "html": r'/key = "(\w+)"/'}, "k1"),
        ({"css": "input[name=sectok]", "attribute": "value"}, "i-1"),
        ({"page": "/login", "css": "input[name=sectok]@value"}, "other-1"),
    ],
)
def test_a_token_is_read_wherever_it_is(source: object, value: object) -> None:
    assert made(tokens={"t": source}).read(PAGE) == {"t": value}


def test_what_a_visit_needs_is_known_from_the_tokens() -> None:
    plain = made(tokens={"a": "meta[name=a]@content", "b": {"page": "/login", "css": "b"}})
    assert (plain.pages, plain.needs_scripts, plain.sees_requests, plain.needs_page) == (
        ("/login",),
        False,
        False,
        True,
    )
    busy = made(tokens={"a": "script:app.token", "b": "request:authorization"})
    assert (busy.script_values, busy.needs_scripts, busy.sees_requests) == (("app.token",), True, True)
    assert not made().needs_page


def test_a_page_tells_nothing_of_tokens_that_it_does_not_hold() -> None:
    renew = {"request": {"path": "/refresh"}}
    told = made(ready="#out", tokens={"a": "meta[name=a]@content"}, renew=renew)
    assert (told.check_url, told.page_suffices) == (URL, True)
    untold = made(ready="#out", tokens={"a": "json:access_token"}, renew=renew)
    assert (untold.check_url, untold.page_suffices, untold.on_pages) == (None, False, {})
    named = made(tokens={"a": "json:access_token"}, renew=renew, check={"url": "/api/me", "holds": 200})
    assert named.check_url == "/api/me"


@pytest.mark.parametrize(
    ("tokens", "lasts"),
    [
        ({}, None),
        ({"expires_in": 300}, 300),
        ({"expires_in": "300"}, 300),
        ({"expires_in": 1_700_000_060}, 60),
        ({"expires_in": 1_700_000_060_000}, 60),
        ({"expires_in": "2023-11-14T22:14:20Z"}, 60),
        ({"expires_in": "soon"}, None),
        ({"expires_in": 0}, None),
        ({"expires_in": True}, None),
        ({"a": {"exp": 1_700_000_120}}, 120),
        ({"a": {"exp": 1_700_000_120}, "expires_in": 60}, 60),
        ({"a": {"exp": 1_699_999_990, "iat": 1_699_999_930}}, 60),
        ({"a": {"exp": 1_600_000_000, "iat": 1_500_000_000}}, None),
        ({"a": {"exp": "soon"}}, None),
        ({"kept": {"exp": 1_700_000_120}}, None),
    ],
)
def test_a_session_lasts_as_long_as_its_tokens_say(tokens: dict[str, Any], lasts: float | None) -> None:
    def write(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return f"e30.{base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip('=')}.x"

    site = made(tokens={"a": "b", "kept": "c"}, send={"header": {"X": "{a}"}})
    assert site.lasts({name: write(value) for name, value in tokens.items()}, 1_700_000_000.0) == lasts


def test_the_steps_of_a_login_are_the_configured_ones() -> None:
    steps = [{"open": "/login"}, {"fill": "#pw", "value": "env:WIKI_PW"}, {"click": "button"}]
    site = made(ready="#out", visit={"steps": steps})
    assert [str(step) for step in site.steps] == ["open /login", "fill #pw", "click button"]
    assert "WIKI_PW" not in repr(site.options)


def test_lives_cookies_and_uses_are_the_configured_ones() -> None:
    site = made(life="12h", max_uses=1, cookies={"needed": ["sid"], "sliding": "sid"}, ready="#app")
    assert (site.hard, site.soft, site.max_uses) == (12 * 3600, 6 * 3600, 1)
    assert (site.cookies_needed, site.cookies_sliding, site.ready) == (("sid",), ("sid",), "#app")
    assert made(life={"soft": "90s", "hard": "30m"}).soft == 90


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("meta[name=csrf-token]@content", "the page has meta[name=csrf_token]"),
        ('input[name="sectoc"]', "the page has input[name=sectok]"),
        (
            "meta[name=empty]@content",
            "that element <meta>, but its content is missing or empty; its attributes: content, name",
        ),
        ("#somewhere-else-entirely", "the page has #app"),
        ("cookie:XSRF_TOKEN", "the page has XSRF-TOKEN"),
        ("cookie:zzz", "these cookies: XSRF-TOKEN, sid"),
        ("local:jwtt", "the page has jwt"),
        ("request:authorisation", "the page has authorization"),
        ("request-body:nothing", "sent 5 requests, none of them with that field"),
        ("script:app.tokn", "no such value"),
        ("session:jwt", "what was sought as local:jwt"),
        ("request:x-foreign", "request:x-foreign in a request to https://other.example, which is another origin"),
        ("script:conf.ticket", "what was sought as request-query:ticket in a request"),
        ("response-body:token", "what was sought as"),
        ("html:/nothing (x)/", "no match in its"),
        ({"local": "auth", "inside": "access.tokn"}, "another value there"),
        ({"page": "/other", "css": "b"}, "not been opened"),
    ],
)
def test_a_missing_token_names_its_key_and_what_is_there_instead(source: object, said: str) -> None:
    with pytest.raises(MissingToken) as caught:
        made(tokens={"csrf": source}).read(PAGE)
    assert "sites.wiki.tokens.csrf" in caught.value.message
    assert said in caught.value.message
    assert not any(value in caught.value.message for value in ("m-1", "i-1", "c%3D1", "l-1", "inner-1", "r-1"))


def test_a_login_page_in_place_of_the_site_is_told() -> None:
    page = Page(url="https://wiki.example/login?next=/app/", html="<form><input type=password></form>")
    with pytest.raises(Changed, match=r"redirected to /login.*sites.wiki.stale: redirect:/login"):
        made(stale=["redirect:/login"]).read(page)
    with pytest.raises(MissingToken, match="a login form"):
        made(tokens={"csrf": "meta[name=x]"}).read(page)


def test_a_page_is_read_only_once_it_is_ready() -> None:
    with pytest.raises(MissingToken, match=r"sites\.wiki\.ready: #ap on /app/; the page has #app"):
        made(ready="#ap").read(PAGE)


def sent(send: object, request: Request, **tokens: Any) -> Request:
    names = dict.fromkeys(tokens, "body")
    return made(tokens=names, send=send).dress(request, session(**tokens))


def test_a_header_takes_the_place_of_the_callers_own_whatever_its_case() -> None:
    request = Request(url="/a", headers={"x-csrf-token": "theirs", "accept-language": "de"})
    dressed = sent({"header": {"X-CSRF-Token": "v={csrf}{{}}"}}, request, csrf="1")
    assert dressed.headers == {"accept-language": "de", "X-CSRF-Token": "v=1{}"}


def test_a_query_is_added_and_the_rest_stays_byte_for_byte() -> None:
    dressed = sent({"query": {"t": "{t}"}}, Request(url="/a?x=%2f+&t=old#f"), t="a b&c")
    assert dressed.url == "/a?x=%2f+&t=a%20b%26c#f"
    listed = sent({"query": {"t": "{t}"}}, Request(url="/a", query=[("x", "1"), ("t", "old")]), t="2")
    assert listed.query == [("x", "1"), ("t", "2")]


def test_a_form_field_goes_into_every_kind_of_form() -> None:
    send = {"form": {"tok": "{t}"}}
    post = Request(url="/a", method="POST")
    assert sent(send, post, t="1").form == {"tok": "1"}
    assert sent(send, replace(post, form={"a": "b", "tok": "old"}), t="1").form == {"a": "b", "tok": "1"}
    several = sent(send, replace(post, form=MultiDict([("a", "1"), ("tok", "old"), ("a", "2"), ("tok", "x")])), t="1")
    assert several.form is not None
    assert list(several.form.items()) == [("a", "1"), ("tok", "1"), ("a", "2")]
    kind = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    raw = replace(post, headers=kind, body=b"a=%2f+&tok=old")
    assert sent(send, raw, t="1&2").body == b"a=%2f+&tok=1%262"
    parts = sent(send, replace(post, parts=(Part(name="f", data=b"x", filename="f.txt"),)), t="1").parts
    assert parts is not None
    assert [(part.name, part.data, part.filename) for part in parts] == [("tok", b"1", None), ("f", b"x", "f.txt")]


def test_a_multipart_body_keeps_every_byte_behind_the_new_part() -> None:
    body = b'--B\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\n\x00\xff\r\n--B--\r\n'
    request = Request(url="/a", method="POST", headers={"content-type": 'multipart/form-data; boundary="B"'}, body=body)
    dressed = sent({"form": {'to"k': "{t}"}}, request, t="1")
    assert dressed.body == b'--B\r\nContent-Disposition: form-data; name="to%22k"\r\n\r\n1\r\n' + body


def test_the_callers_own_part_of_that_name_is_taken_out_of_a_multipart_body() -> None:
    kept = (
        b'--B\r\nContent-Disposition: form-data; name="f"; filename="name=t; --B.txt"\r\n\r\n--B t\r\n\x00\r\n',
        b"--B \r\ncontent-type: text/plain\r\nContent-disposition: form-data; name=u\r\n\r\n2\r\n--B--\r\nend",
    )
    overrides = (
        b'--B\r\nContent-Disposition: form-data; name="t"\r\n\r\nmine\r\n',
        b"--B\r\nContent-Type: text/plain\r\nCONTENT-DISPOSITION: form-data; name=t\r\n\r\nmine\r\n",
        b'--B\r\nContent-Disposition: form-data; filename="\\"; name=x"; name="t"\r\n\r\nmine\r\n',
    )
    body = overrides[0] + kept[0] + overrides[1] + overrides[0] + overrides[2] + kept[1]
    request = Request(url="/a", method="POST", headers={"content-type": "multipart/form-data; boundary=B"}, body=body)
    dressed = sent({"form": {"t": "{t}"}}, request, t="1")
    assert dressed.body == b'--B\r\nContent-Disposition: form-data; name="t"\r\n\r\n1\r\n' + kept[0] + kept[1]


@pytest.mark.parametrize("body", [b"--B--", b"no multipart", b'--B\r\nContent-Disposition: form-data; name="t"'])
def test_a_multipart_body_that_is_none_or_empty_is_left_behind_the_new_part(body: bytes) -> None:
    request = Request(url="/a", method="POST", headers={"content-type": "multipart/form-data; boundary=B"}, body=body)
    dressed = sent({"form": {"t": "{t}"}}, request, t="1")
    assert dressed.body == b'--B\r\nContent-Disposition: form-data; name="t"\r\n\r\n1\r\n' + body


def test_json_keeps_the_tokens_own_kind_and_what_the_caller_sent() -> None:
    send = {"json": {"meta": {"csrf": "{t}", "v": 2}, "text": "id {t}"}}
    request = Request(url="/a", method="POST", json={"meta": {"mine": True}, "q": "x"})
    assert sent(send, request, t={"id": 7}).json == {
        "meta": {"mine": True, "csrf": {"id": 7}, "v": 2}, "text": 'id {"id":7}', "q": "x",
    }  # fmt: skip
    raw = Request(url="/a", method="POST", headers={"content-type": "application/json"}, body=b'{"q":"x"}')
    dressed = sent({"json": {"t": "{t}"}}, raw, t=5)
    assert (dressed.json, dressed.body) == (None, b'{"q":"x","t":5}')


@pytest.mark.parametrize(
    ("place", "request_"),
    [
        ("form", Request(url="/a")),
        ("json", Request(url="/a")),
        ("form", Request(url="/a", method="POST", json=[1])),
        ("json", Request(url="/a", method="POST", json=[1])),
        ("json", Request(url="/a", method="POST", form={"a": "b"})),
        ("json", Request(url="/a", method="POST", headers={"content-type": "application/json"}, body=b"[1]")),
        ("json", Request(url="/a", method="POST", headers={"content-type": "application/json"}, body=b"{broken")),
        ("form", Request(url="/a", method="PUT", headers={"content-type": "image/png"}, body=b"PNG")),
        ("json", Request(url="/a", method="PUT", headers={"content-type": "image/png"}, body=b"PNG")),
        ("form", Request(url="/a", method="POST", headers={"content-type": "application/json"})),
        ("json", Request(url="/a", method="POST", headers={"content-type": "text/plain"})),
        ("form", Request(url="https://other.example/a", method="POST", own_host=False)),
    ],
)
def test_a_body_that_can_carry_no_field_is_left_as_it_is(place: str, request_: Request) -> None:
    assert sent({place: {"tok": "{t}"}}, request_, t="1") == request_


@pytest.mark.parametrize(
    ("when", "meant", "not_meant"),
    [
        ("POST /api/*", ("POST", "/api/x/y?q=1"), ("GET", "/api/x")),
        ("POST,PUT", ("PUT", "/anything"), ("GET", "/anything")),
        ("/api/*", ("GET", "https://wiki.example/api/1"), ("GET", "/apis")),
        (["POST /a", "* /b"], ("GET", "/b"), ("GET", "/a")),
        ("/заметки/*", ("GET", "/%d0%b7аметки/%D1%8F"), ("GET", "/%D0%B7")),
        ("/%D0%B7*", ("GET", "/заметки"), ("GET", "/Заметки")),
    ],
)
def test_tokens_go_only_where_they_are_meant_to(
    when: object, meant: tuple[str, str], not_meant: tuple[str, str]
) -> None:
    send = {"when": when, "header": {"X-T": "{t}"}}
    assert sent(send, Request(method=meant[0], url=meant[1]), t="1").headers == {"X-T": "1"}
    assert sent(send, Request(method=not_meant[0], url=not_meant[1]), t="1").headers == {}


def test_several_sends_each_for_its_own_requests() -> None:
    send = [{"when": "GET", "query": {"t": "{t}"}}, {"when": "POST", "form": {"t": "{t}"}}]
    assert sent(send, Request(url="/a"), t="1").url == "/a?t=1"
    assert sent(send, Request(url="/a", method="POST"), t="1").form == {"t": "1"}


def test_a_token_with_a_line_break_never_becomes_a_header() -> None:
    with pytest.raises(Changed) as caught:
        sent({"header": {"X-T": "{t}"}}, Request(url="/a"), t="s3cret\r\nX-Evil: 1")
    assert "s3cret" not in caught.value.message


def test_a_session_from_before_the_token_was_configured_is_told() -> None:
    with pytest.raises(Changed, match="holds no token t, as it was made before"):
        made(tokens={"t": "body"}, send={"header": {"X": "{t}"}}).dress(Request(url="/"), session())


def judged(head: Head, request: Request | None = None, **options: Any) -> Kind:
    return made(**options).judge(request or Request(url="/api"), head, session()).kind


def answer(status: int = 200, start: bytes = b"", kind: str = "text/html", **headers: str) -> Head:
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return Head(status=status, headers={"content-type": kind, **headers}, url="https://wiki.example/api", start=start)


CUT_OFF = b'{"a":[1,{"b":"}"}],"error":{"code":"badtoken","info":"Inval'


@pytest.mark.parametrize(
    ("rule", "head"),
    [
        (403, answer(403)),
        ("4xx", answer(422)),
        ("redirect:/login", answer(302, location="/login?next=%2F")),
        ("redirect:/login", answer(302, location="https://wiki.example/login/now")),
        ("redirect:*title=Special:UserLogin*", answer(302, location="/index.php?title=Special:UserLogin&x=1")),
        ("redirect:https://sso.example/", answer(302, location="https://sso.example/in?x")),
        ("redirect:/login", replace(answer(200), url="https://wiki.example/login")),
        ("redirect:/вход", answer(302, location="/%d0%b2%D1%85%D0%BE%D0%B4?x=1")),
        ("redirect:/%D0%B2%D1%85%D0%BE%D0%B4", answer(302, location="/вход")),
        ("redirect:/in here", answer(302, location="in%20here/now")),
        ("redirect:/login", answer(302, location="\\login")),
        ("body:session expired", answer(200, b"<p>Your Session Expired.</p>")),
        ("body:/log ?in/", answer(200, b"please log in")),
        ("json:error.code=badtoken", answer(200, CUT_OFF, "application/json")),
        ("json:error", answer(200, CUT_OFF, "application/json")),
        ("json:ok=false", answer(200, b'{"ok": false}', "application/json")),
        ("header:MediaWiki-API-Error=badtoken", Head(status=200, headers={"mediawiki-api-error": "badtoken"})),
        ("header:X-Error=abgelaufen für", Head(status=200, headers={"x-error": "Abgelaufen f\udcfcr heute"})),
        ("200 type:text/html", answer(200)),
        ("403 body:CSRF", answer(403, b"CSRF verification failed")),
        ("500 body:CSRF", answer(500, b"CSRF verification failed")),
        ({"is": 404, "when": "/api*"}, answer(404)),
    ],
)
def test_an_answer_is_stale_when_it_looks_as_configured(rule: object, head: Head) -> None:
    assert judged(head, stale=[rule]) is Kind.STALE


@pytest.mark.parametrize(
    ("rule", "head", "kind"),
    [
        ("403 body:CSRF", answer(403, b"not yours"), Kind.REFUSED),
        ("403 body:CSRF", answer(200, b"what CSRF is"), Kind.OK),
        ("redirect:/login", answer(302, location="/login-again"), Kind.REFUSED),
        ("redirect:/enter", answer(302, location="/home"), Kind.OK),
        ("redirect:/login", answer(302, location="http://[/login"), Kind.OK),
        ("json:error.code=badtoken", answer(200, b'{"error":{"code":"other"}}', "application/json"), Kind.OK),
        ({"is": 404, "when": "POST"}, answer(404), Kind.OK),
        (429, answer(429), Kind.RATE_LIMITED),
        ("body:log in", answer(429, b"log in"), Kind.RATE_LIMITED),
        ("body:log in", answer(503, b"log in"), Kind.SITE_DOWN),
        (403, answer(503), Kind.SITE_DOWN),
    ],
)
def test_another_answer_is_judged_as_any_sites(rule: object, head: Head, kind: Kind) -> None:
    assert judged(head, stale=[rule]) is kind


def complete(status: int, body: bytes = b"", media_type: str = "text/html") -> Head:
    return replace(answer(status, body[:HEAD_BYTES], media_type), held=body, complete=True)


def test_a_200_that_lies_is_told_by_what_a_good_answer_has() -> None:
    alive = ["body:Log out", "json:user.id"]
    assert judged(complete(200, b"<a>Log out</a>"), alive=alive) is Kind.OK
    assert judged(complete(200, b"<a>Log in</a>"), alive=alive) is Kind.REFUSED
    assert judged(complete(200, b'{"user":{}}', "application/json"), alive=alive) is Kind.REFUSED
    assert judged(complete(200, b"\x89PNG", "image/png"), alive=alive) is Kind.OK
    assert judged(complete(206, b"in the middle"), alive=alive) is Kind.OK
    assert judged(complete(200), Request(url="/api", method="HEAD"), alive=alive) is Kind.OK
    assert judged(complete(200, b"other"), alive=[{"is": "body:Log out", "when": "/wiki/*"}]) is Kind.OK


def test_what_may_still_come_is_not_missing() -> None:
    alive = ["body:Log out", "json:user.id=7"]
    for body, media_type in ((b"<a>Log ", "text/html"), (b'{"user": {"i', "application/json")):
        assert judged(answer(200, body, media_type), alive=alive) is Kind.OK
    # What has come, and is another value, is known.
    assert judged(answer(200, b'{"user": {"id": 8, "na', "application/json"), alive=alive) is Kind.REFUSED


def test_an_answer_is_looked_into_only_where_its_text_decides() -> None:
    def looked_into(head: Head, **options: Any) -> bool:
        return made(**options).looks_into(Request(url="/api"), head)

    assert looked_into(answer(200), stale=["body:x"])
    assert looked_into(answer(200), alive=["json:x", "body:x"])
    assert not looked_into(answer(200), stale=[401, "redirect:/login", "header:X"])
    assert not looked_into(answer(200), stale=["403 body:x"])
    assert not looked_into(answer(429), stale=["body:x"])
    assert not looked_into(answer(404), alive=["body:x"])
    assert not looked_into(answer(200, kind="image/png"), alive=["body:x"])
    assert not looked_into(answer(200), stale=[{"is": "body:x", "when": "POST"}])


@pytest.mark.parametrize(
    ("encoding", "content_type", "text"),
    [
        ("cp1251", "text/html; charset=windows-1251", "Сессия истекла"),
        ("cp1252", "text/html; charset=ISO-8859-1", "Délai dépassé – 5 €"),
        ("shift_jis", "text/html; charset=Shift_JIS", "セッションが切れました"),
        ("euc_jp", "text/html", "セッションが切れました"),
        ("utf-8-sig", "text/html; charset=windows-1251", "Сессия истекла"),
        ("utf-8", "text/html", "Сессия истекла"),
    ],
)
def test_a_rule_reads_a_page_in_the_pages_encoding(encoding: str, content_type: str, text: str) -> None:
    page = f"<meta charset={encoding.replace('_', '-')}><p>{text}</p>".encode(encoding)
    head = replace(complete(200, page), headers={"content-type": content_type})
    assert judged(head, stale=[f"body:{text.upper()}"]) is Kind.STALE
    assert judged(head, stale=[f"body:/{text[:3]}.{text[4:]}/"]) is Kind.STALE
    assert judged(head, alive=[f"body:{text}"]) is Kind.OK
    assert judged(head, alive=[f"body:{text}!"]) is Kind.REFUSED


def test_a_rule_reads_json_after_a_byte_order_mark() -> None:
    for media_type in ("application/json", "application/problem+json"):
        head = complete(200, b'\xef\xbb\xbf{"error": "expired"}', media_type)
        assert judged(head, stale=["json:error=expired"]) is Kind.STALE


@pytest.mark.parametrize(
    ("source", "reply"),
    [
        (
            "json:next.csrf",
            Reply(status=200, headers={"content-type": "application/json"}, body=b'{"next":{"csrf":"n"}}'),
        ),
        ("input[name=csrf]@value", Reply(status=200, body=b'<input name="csrf" value="n">')),
        ("header:X-CSRF-Token", Head(status=200, headers={"x-csrf-token": "n"})),
        ("cookie:csrf", Head(status=200, headers={"set-cookie": "csrf=n; Path=/"})),
    ],
)
def test_an_answer_may_carry_the_next_token(source: str, reply: Head) -> None:
    site = made(tokens={"csrf": {"css": "input[name=csrf]", "next": source}}, max_uses=1)
    assert site.next_tokens(Request(url="/"), reply) == {"csrf": "n"}
    assert site.next_in_body is isinstance(reply, Reply)


def test_a_token_in_a_sliding_cookie_follows_the_cookie() -> None:
    site = made(tokens={"csrf": "cookie:XSRF-TOKEN"}, cookies={"sliding": ["XSRF-TOKEN"]})
    assert site.next_tokens(Request(url="/"), Head(status=200, headers={"set-cookie": "XSRF-TOKEN=a%3D; Path=/"})) == {
        "csrf": "a="
    }
    assert site.next_tokens(Request(url="/"), Head(status=200)) == {}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tokens": {"csrf": "meta[name=x"}}, "expected a CSS selector or one of"),
        ({"tokens": {"csrf": "cokie:X"}}, "did you mean 'cookie:'?"),
        ({"tokens": {"csrf": "header:X"}}, "came header:"),
        ({"tokens": {"csrf": "html:/(/"}}, "regular expression"),
        ({"tokens": {"csrf": {"css": "a", "cookie": "b"}}}, "exactly one of"),
        ({"tokens": {"csrf": {"page": "/x"}}}, "came none"),
        ({"tokens": {"csrf": {"page": "/x", "script": "a.b"}}}, "on the site's own page only"),
        ({"tokens": {"csrf": {"css": "a", "next": "local:x"}}}, "came local:"),
        ({"tokens": {"c": "a"}, "send": {"header": {"X": "{d}"}}}, "send.header.X: no token is called 'd'"),
        ({"tokens": {"csrf": "a"}, "send": {"json": {"a": {"b": "{csfr}"}}}}, "did you mean 'csrf'?"),
        ({"send": {"header": {"X": "{"}}}, "write a brace itself as"),
        ({"send": {"header": {"Cookie": "x"}}}, "set by the transport"),
        ({"send": {"header": {"X": "a\nb"}}}, "expected one line"),
        ({"send": {"when": "POST api"}}, "expected methods, a path"),
        ({"send": [{"heder": {}}]}, "Extra inputs"),
        ({"stale": ["sesion expired"]}, "expected a status (401)"),
        ({"stale": [True]}, "expected statuses and rules"),
        ({"stale": [{"when": "/x"}]}, "expected a table with `is`"),
        ({"alive": ["body:/(/"]}, "regular expression"),
        ({"life": "soon"}, "expected a time like 90s"),
        ({"life": {"soft": "2h", "hard": "1h"}}, "soft to be no longer than hard"),
        ({"ready": "a["}, "expected a CSS selector"),
        ({"max_uses": 0}, "greater than 0"),
        ({"login": {"request": {"path": "login"}}}, "expected a path like /login"),
        ({"login": {"request": {"path": "https://u:p@x.example/"}}}, "expected a path like /login"),
        ({"login": {"request": {"path": "/", "method": "post"}}}, "capital letters"),
        ({"login": {"request": {"path": "/", "form": {}, "json": {}}}}, "form: expected form or json, came both"),
        ({"login": {"request": {"path": "/", "form": {"a": [1]}}}}, "form.a: expected a text, a number"),
        ({"login": {"request": {"path": "/", "json": {"u": {"password": "hunter2"}}}}}, "json.u.password: the value"),
        ({"login": {"request": {"path": "/", "form": {"pin": 1234}}}}, "form.pin: the value of what looks like"),
        ({"login": {"request": {"path": "/", "header": {"Cookie": "x"}}}}, "header.Cookie"),
        ({"login": {"request": {"path": "/", "form": {"a": "{b}"}}}}, "login.request: no token is called 'b'"),
        ({"login": {"request": {"path": "/", "tokens": {"a": "local:b"}}}}, "tokens.a: expected css, html"),
        ({"login": {"request": {"path": "/", "form": {"a": "env:"}}}}, "form.a: expected a name after env:"),
        ({"login": {"request": {"path": "/login"}}}, "expected ready, a token in its answer"),
        ({"renew": {"request": {"path": "/", "answer": {"a": "json:b"}}}}, "renew.request.answer.a: no token"),
        ({"renew": {"request": {"path": "/", "answer": {"a": "local:b"}}}}, "came local:"),
        ({"tokens": {"ab": "a"}, "renew": {"request": {"path": "/", "json": {"x": "{abc}"}}}}, "did you mean 'ab'?"),
        ({"visit": {"steps": [{"open": "/login"}]}}, "visit.steps: expected ready"),
        ({"ready": "b", "visit": {"steps": [{"fill": "#pw", "value": "literal"}]}}, "looks like a password"),
    ],
)
def test_what_can_not_work_is_refused_when_it_is_read(options: dict[str, Any], said: str) -> None:
    assert said in wrong(**options)


async def streamed(request: Request) -> bytes:
    assert isinstance(request.body, Upload)
    return b"".join([piece async for piece in request.body])


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def test_a_field_goes_before_a_form_that_is_sent_as_it_comes() -> None:
    kind = {"content-type": "multipart/form-data; boundary=B"}
    request = Request(url="/a", method="POST", headers=kind, body=Upload(pieces(b"--B", b"--"), 5))
    for token in ("1", "2"):  # the first attempt is refused: the second one gets the new token
        dressed = sent({"form": {"t": "{t}"}}, request, t=token)
        body = await streamed(dressed)
        assert body == b'--B\r\nContent-Disposition: form-data; name="t"\r\n\r\n%s\r\n--B--' % token.encode()
        assert isinstance(dressed.body, Upload)
        assert dressed.body.length == len(body)
        assert dressed.again
    form = Request(url="/a", method="POST", headers={"content-type": FORM}, body=Upload(pieces(b"a=1")))
    assert await streamed(sent({"form": {"t": "{t}"}}, form, t="x y")) == b"t=x+y&a=1"


def test_json_that_is_sent_as_it_comes_can_take_no_field() -> None:
    body = Upload(pieces(b"{}"))
    request = Request(url="/a", method="POST", headers={"content-type": "application/json"}, body=body)
    with pytest.raises(RequestError, match="send the token as a header"):
        sent({"json": {"t": "{t}"}}, request, t="1")


def test_ten_lines_of_toml_are_a_site_and_each_fault_has_its_line(tmp_path: Path) -> None:
    path = tmp_path / "doorkey.toml"
    path.write_text(
        """[sites.wiki]
provider = "web"
url = "https://wiki.example/"
ready = "meta[name=csrf-token]"
tokens.csrf = "meta[name=csrf-token]@content"
tokens.other = { page = "/login", css = "input[name=x]", attribute = "value", next = "header:X-Next" }
send.header.X-CSRF-Token = "{csrf}"
send.when = "POST /api/*"
stale = [401, 403, 419, "redirect:/login", "body:session expired"]
life = "30m"
"""
    )
    site = build_sites(Settings.load(path))["wiki"]
    provider: Provider = provider_class("web")(site)
    assert provider.pages == ("/login",)
    text = (
        path.read_text()
        .replace("{csrf}", "{crsf}")
        .replace("next =", "nxt =")
        .replace("send.when", "send.wen")
        .replace('"30m"', '"30x"')
    )
    path.write_text(text + 'redy = "x"\ntokens.third = "["\n')
    with pytest.raises(ConfigurationError) as caught:
        build_sites(Settings.load(path))
    said = caught.value.message
    assert f"{path}, line 6: unknown key sites.wiki.tokens.other.nxt (did you mean 'next'?)" in said
    assert f"{path}, line 8: unknown key sites.wiki.send.wen (did you mean 'when'?)" in said
    assert f"{path}, line 10: sites.wiki.life" in said
    assert f"{path}, line 11: unknown key sites.wiki.redy (did you mean 'ready'?)" in said
    assert f"{path}, line 12: sites.wiki.tokens.third: expected a CSS selector" in said
    path.write_text(text.replace("nxt =", "next =").replace("wen =", "when =").replace('"30x"', '"30m"'))
    with pytest.raises(ConfigurationError) as caught:
        build_sites(Settings.load(path))
    fault = "sites.wiki.send.header.X-CSRF-Token: no token is called 'crsf' (did you mean 'csrf'?)"
    assert f"{path}, line 7: {fault}" in caught.value.message


@pytest.mark.parametrize(
    ("rules", "head", "kind", "by_hand"),
    [
        ({"limited": ["403 body:slow down"]}, answer(403, b"Slow down, please", "text/html"), Kind.RATE_LIMITED, False),
        ({"blocked": ["header:X-Wall"]}, answer(200, **{"x-wall": "1"}), Kind.BLOCKED, False),
        ({"challenge": ["body:one moment"]}, answer(503, b"One moment", "text/html"), Kind.CHALLENGED, False),
        ({"person": ["429 body:robot"]}, answer(429, b"a robot?", "text/html"), Kind.CHALLENGED, True),
        ({"person": ["body:robot"], "stale": [403]}, answer(403, b"a robot?", "text/html"), Kind.CHALLENGED, True),
        ({"challenge": ["body:one moment"]}, answer(503, b"another moment", "text/html"), Kind.SITE_DOWN, False),
        ({"blocked": [{"is": 403, "when": "POST"}]}, answer(403), Kind.REFUSED, False),
    ],
)
def test_the_sites_own_words_come_before_everything_else(
    rules: dict[str, object], head: Head, kind: Kind, by_hand: bool
) -> None:
    verdict = made(**rules).judge(
        Request(url="/x"), replace(head, headers={**head.headers, "retry-after": "9"}), session()
    )
    assert (verdict.kind, verdict.by_hand) == (kind, by_hand)
    if kind is Kind.RATE_LIMITED:
        assert verdict.retry_after == 9
    if verdict.by:
        assert f"sites.wiki.{next(iter(rules))}: " in verdict.detail


def test_no_option_shows_what_it_sends() -> None:
    site = made(send={"header": {"Authorization": "Bearer s3cret"}, "json": {"k": "s3cret"}})
    assert "s3cret" not in repr(site.options) + repr(site.site)
    assert "s3cret" not in json.dumps(
        Settings.model_validate({"sites": {"w": {"send": {"a": "s3cret"}}}}).model_dump(mode="json")
    )


DOCS = Path(__file__).parents[2] / "docs" / "web.md"


@pytest.mark.parametrize("block", re.findall(r"```toml\n(.*?)```", DOCS.read_text("utf-8"), re.S))
def test_every_site_of_the_documentation_can_be_built(tmp_path: Path, block: str) -> None:
    path = tmp_path / "doorkey.toml"
    path.write_text(block)
    for site in build_sites(Settings.load(path)).values():
        assert provider_class("web")(site).sendings  # type: ignore[attr-defined]


def test_every_option_is_documented() -> None:
    text = DOCS.read_text("utf-8")
    names = [
        field.alias or name
        for model in (WebOptions, TokenOptions, SendOptions)
        for name, field in model.model_fields.items()
    ]
    assert [name for name in names if not re.search(rf"\b{name}\b", text)] == []
