"""Reading pages that are hostile, merely old, or unusual: everything they hold is read as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import web

from doorkey.browser import BrowserPool, VisitResult
from doorkey.browser.visit.inspector import PageInspector
from doorkey.browser.visit.network_log import NetworkLog
from doorkey.errors import BrowserFailed, MissingToken
from doorkey.model.page import Page
from doorkey.model.session import Cookie
from event_lines import site_events

from .conftest import DESKTOP, PAGE, LocalSite

pytestmark = pytest.mark.browser
HOSTILE = {
    "MooTools": "Array.from = (item) => item == null ? [] : Array.isArray(item) ? item : [item];",
    "JSON": "JSON = { stringify: () => 'x', parse: () => 7 }; Object.fromEntries = () => 7; eval = () => 7;",
    "map": "Array.prototype.map = Array.prototype.filter = Array.prototype.some = () => 7;",
    "iterator": "Array.prototype[Symbol.iterator] = function* () {};",
    "toJSON": "String.prototype.toJSON = Array.prototype.toJSON = Object.prototype.toJSON = () => 7;",
    "storage": "Storage.prototype.getItem = () => undefined; Storage.prototype.key = () => undefined;",
    "document": "document.querySelectorAll = document.querySelector = () => null; Promise = class {};",
    "names": "document.body.innerHTML += '<form name=documentElement></form><img name=body><img name=querySelector>';",
    "getters": "Object.defineProperty(document, 'documentElement', { get() { throw new Error('no'); } });",
    "strings": "String.prototype.split = String.prototype.trim = () => { throw new Error('no'); };",
}


async def visit(browsers: BrowserPool, site: LocalSite, said: list[str] | None = None, **more: Any) -> VisitResult:
    events = site_events([] if said is None else said)
    async with browsers.lease(DESKTOP, site_url=site.url, events=events) as lease:
        return await lease.enter(site.spec(**more))


@pytest.mark.parametrize("script", HOSTILE.values(), ids=HOSTILE)
async def test_a_page_that_replaces_what_belongs_to_the_browser_is_read_as_it_is(
    browsers: BrowserPool, site: LocalSite, script: str
) -> None:
    site.page(f"{PAGE}<script>localStorage.a = 'b'; app = {{ t: ['x', 1] }}; {script}</script>")
    result = await visit(browsers, site, script_values=("app.t",))
    assert result.local == {"a": "b"}
    assert result.page.scripts == {"app.t": ["x", 1]}
    again = await visit(browsers, site, local=result.local)
    assert again.tokens == {"csrf": "abc123"}


async def test_what_is_no_text_is_not_taken(browsers: BrowserPool, site: LocalSite) -> None:
    site.page(PAGE + "<script>localStorage.good = 'ä€'; localStorage.bad = '\\ud800'; app = { f() {} }</script>")
    result = await visit(browsers, site, script_values=("app.f", "app.none.x", "no-such.thing"))
    assert (result.local, result.page.scripts) == ({"good": "ä€"}, {})


ENDLESS = "<script>endless = { get x() { for (;;); } }</script>"


async def test_a_value_that_can_not_be_told_stands_in_no_other_ones_way(browsers: BrowserPool, site: LocalSite) -> None:
    values = {
        "itself": "app", "a window": "window", "a symbol": "Symbol('x')", "a date": "new Date(0)", "a map": "new Map()",
        "a wrapper": "new String('x')", "a promise": "Promise.resolve('x')", "a proxy": "new Proxy({ t: 1 }, {})",
    }  # fmt: skip
    script = "".join(f"app[{name!r}] = {value};" for name, value in values.items())
    site.page(f"{PAGE}<script>app = {{ id: 12345678901234567890n, list: [1] }}; {script}</script>{ENDLESS}")
    paths = ("app.id", "app.list", "endless.x", *(f"app.{name}" for name in values))
    result = await visit(browsers, site, script_values=paths)
    assert result.page.scripts == {"app.id": 12345678901234567890, "app.list": [1]}


DATABASES = """<script>
  const make = (name, fill, then) => {
    const opening = indexedDB.open(name, 1);
    opening.onupgradeneeded = () => fill(opening.result.createObjectStore("s"));
    opening.onsuccess = () => then(opening.result);
  };
  make("good", (store) => store.add({ id: 12345678901234567890n, bytes: new Uint8Array([1]) }, "k"), () => 0);
  make("busy", (store) => store.add("x", "k"), (database) => {
    const store = database.transaction("s", "readwrite").objectStore("s");
    (function again() { store.get("k").onsuccess = again; })();
  });
  make("upgraded", (store) => store.add("x", "k"), () => indexedDB.open("upgraded", 2));
</script>"""


async def test_a_database_that_the_page_keeps_locked_stands_in_no_other_ones_way(
    browsers: BrowserPool, site: LocalSite
) -> None:
    def read(page: Page) -> dict[str, Any]:
        if not page.indexed:
            raise MissingToken("id", "good/s/k")
        return {}

    site.page(PAGE + DATABASES)
    result = await visit(browsers, site, read=read, indexed_values=("good/s/k", "busy/s/k", "upgraded/s/k"))
    assert result.page.indexed == {"good/s/k": {"id": "12345678901234567890", "bytes": {"0": 1}}}


async def test_no_name_of_a_stored_value_is_lost(browsers: BrowserPool, site: LocalSite) -> None:
    names = ("__proto__", "length", "key", "getItem", "")
    site.page(PAGE + "".join(f"<script>localStorage.setItem('{name}', 'x')</script>" for name in names))
    assert (await visit(browsers, site)).local == dict.fromkeys(names, "x")


async def test_stored_state_that_the_browser_refuses_is_dropped_and_named(
    browsers: BrowserPool, site: LocalSite
) -> None:
    site.page(PAGE + "<script>localStorage.seen = document.cookie + localStorage.kept</script>")
    good, bad = Cookie("good", "1", "127.0.0.1"), Cookie("bad", "secret;\x00", "not a domain")
    said: list[str] = []
    local: Any = {"kept": "v", "undefined": None, "half": "\ud800"}
    result = await visit(browsers, site, said, cookies=(good, bad), local=local)
    assert result.local["seen"] == "good=1v"
    (line,) = [line for line in said if "refused" in line]
    assert ("'bad'" in line, "undefined" in line, "half" in line, "secret" in line) == (True, True, True, False)


async def test_local_storage_that_is_too_much_is_left_out(browsers: BrowserPool, site: LocalSite) -> None:
    said: list[str] = []
    local = {"big": "x" * 11_000_000}
    result = await visit(browsers, site, said, local=local, cookies=(Cookie("a", "1", "127.0.0.1"),))
    assert (result.local, result.page.cookies) == ({}, {"a": "1"})
    assert any("local storage" in line for line in said)


async def test_whatever_a_provider_raises_leaves_a_visit_as_an_error_of_ours(
    browsers: BrowserPool, site: LocalSite
) -> None:
    def read(page: Page) -> dict[str, Any]:
        raise RecursionError(page.url)

    with pytest.raises(BrowserFailed, match="RecursionError"):
        await visit(browsers, site, read=read)


SOURCES = """<div id=host></div><iframe src=/frame></iframe><script>
  const declared = { token: "top-level" };
  let plain = "plain";
  document.querySelector("#host").attachShadow({ mode: "open" }).innerHTML = "<i id=shadowed>in a shadow root</i>";
  const opening = indexedDB.open("auth", 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore("tokens");
  opening.onsuccess = () => {
    const table = opening.result.transaction("tokens", "readwrite").objectStore("tokens");
    table.put({ access: "indexed", issued: new Date(0), secret: () => 1 }.access ? { access: "indexed" } : 0, "user/1");
  };
  fetch("/answer?ticket=in-query");
  const form = new FormData();
  form.append("file", new Blob(["x"]), "x.txt");
  form.append("csrf", "in-multipart");
  fetch("/upload", { method: "POST", body: form });
  new Worker("/worker.js");
  new WebSocket(`ws://${location.host}/socket?ticket=of-socket`);
  navigator.serviceWorker.register("/service.js");
</script>"""


def collect(page: Page) -> dict[str, Any]:
    """All that the page sent, by path; raises until everything has come."""
    sent = {seen.url.partition("?")[0].rpartition("/")[2]: seen for seen in page.sent}
    missing = {"answer", "upload", "socket", "from-frame", "from-worker", "from-service"} - sent.keys()
    if missing or not sent["answer"].answer_body or not page.indexed:
        raise MissingToken(",".join(missing), "the page's own requests")
    return {}


async def test_tokens_are_found_wherever_a_page_keeps_them(browsers: BrowserPool, site: LocalSite) -> None:
    def script(code: str) -> Any:
        async def serve(request: web.Request) -> web.Response:
            return web.Response(text=code, content_type="text/javascript")

        return serve

    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"data": {"token": "in-body"}}, headers={"X-Token": "in-header"})

    site.page(SOURCES)
    site.page("<script>fetch('/from-frame', { headers: { 'X-From': 'frame' } })</script>", "/frame")
    site.pages["/worker.js"] = script("fetch('/from-worker', { headers: { 'X-From': 'worker' } })")
    site.pages["/service.js"] = script("fetch('/from-service', { headers: { 'X-From': 'service' } })")
    site.pages["/answer"] = answer
    paths, indexed = ("declared.token", "plain"), ("auth/tokens/user/1", "auth/tokens/*", "no/such/key")
    result = await visit(
        browsers, site, read=collect, script_values=paths, indexed_values=indexed,
        sees_requests=True, sees_answers=True,
    )  # fmt: skip
    page = result.page
    sent = {seen.url.partition("?")[0].rpartition("/")[2]: seen for seen in page.sent}
    assert page.scripts == {"declared.token": "top-level", "plain": "plain"}
    assert page.indexed == {"auth/tokens/user/1": {"access": "indexed"}, "auth/tokens/*": {"access": "indexed"}}
    shadowed = page.find("#shadowed")
    assert shadowed is not None
    assert shadowed.get_text() == "in a shadow root"
    assert {sent[f"from-{name}"].headers.get("x-from") for name in ("frame", "worker", "service")} == {
        "frame", "worker", "service",
    }  # fmt: skip
    assert "in-multipart" in sent["upload"].body
    assert sent["answer"].url.endswith("?ticket=in-query")
    assert sent["socket"].url == f"{site.url}socket?ticket=of-socket"
    assert sent["answer"].answer_headers["x-token"] == "in-header"
    assert '"in-body"' in sent["answer"].answer_body


async def test_answers_to_the_page_are_read_in_their_encoding(browsers: BrowserPool, site: LocalSite) -> None:
    def answer(body: bytes, content_type: str) -> Any:
        async def serve(request: web.Request) -> web.Response:
            return web.Response(body=body, headers={"content-type": content_type})

        return serve

    def read(page: Page) -> dict[str, Any]:
        found = tuple(seen.answer_body for seen in page.sent if seen.answer_body and "html" not in seen.answer_body)
        if len(found) < 5:
            raise MissingToken("answer", "the page's own requests")
        return {"bodies": sorted(found)}

    text = '{"token": "ключ"}'
    site.pages["/marked"] = answer(text.encode("utf-8-sig"), "application/json")
    site.pages["/cyrillic"] = answer(text.encode("cp1251"), "application/json; charset=windows-1251")
    site.pages["/plus"] = answer(text.encode("cp1251"), "application/vnd.x+json; charset=windows-1251")
    site.pages["/plain"] = answer(text.encode("cp1251"), "text/plain; charset=windows-1251")
    site.pages["/utf16"] = answer(text.encode("utf-16"), "application/json")
    site.page(
        PAGE + "<script>fetch('/marked'); fetch('/cyrillic'); fetch('/plus'); fetch('/plain'); fetch('/utf16')</script>"
    )
    result = await visit(browsers, site, read=read, sees_requests=True, sees_answers=True)
    assert result.tokens == {"bodies": [text] * 5}


@dataclass
class PageRequest:
    """A request as Playwright reports it, of the page that `frame` belongs to."""

    frame: Any
    url: str
    headers: dict[str, str]
    method: str = "GET"
    post_data_buffer: bytes | None = None
    service_worker: None = None


async def test_the_latest_header_is_known_beyond_a_thousand_requests(browsers: BrowserPool, site: LocalSite) -> None:
    async with browsers.lease(DESKTOP, site_url=site.url) as lease:
        await lease.enter(site.spec())
        page = lease._page
        assert page is not None
        log = NetworkLog(PageInspector(page), recording=True)
        await log.listen()
        sent = [("once", "kept"), *(("x-csrf", str(number)) for number in range(3000))]
        for number, (name, value) in enumerate(sent):
            request: Any = PageRequest(page.main_frame, f"{site.url}poll?n={number}", {name: value})
            log._record(request)
    assert [seen.headers for seen in log.seen] == [{"once": "kept"}, {"x-csrf": "2999"}]


@pytest.mark.parametrize("kind", ["script", "stream"])
async def test_a_page_that_never_stops_loading_is_read(browsers: BrowserPool, site: LocalSite, kind: str) -> None:
    head = '<meta name="csrf" content="abc123">'

    async def stream(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "text/html"})
        await answer.prepare(request)
        await answer.write(f"<html><head>{head}</head><body>{'x' * 3000}".encode())
        await site.open.wait()
        return answer

    site.held("/never.js")
    site.page(f"<html><head>{head}<script src=/never.js></script></head><body>hello</body></html>")
    if kind == "stream":
        site.pages["/"] = stream
    assert (await visit(browsers, site, limit=9.0)).tokens == {"csrf": "abc123"}
