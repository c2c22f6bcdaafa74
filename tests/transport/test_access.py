"""Servers that want something before their page: a password by HTTP, a client certificate, a CA of their own."""

from __future__ import annotations

import base64
import hashlib
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from doorkey import Runtime, Settings
from doorkey.browser import BrowserPool
from doorkey.browser.certificates import find_missing_packages
from doorkey.clients.aio import client
from doorkey.errors import ConfigurationError, DoorkeyError

pytestmark = pytest.mark.browser
PAGE = "<!doctype html><title>inside</title><p>hello"


def runtime_for(url: str, pool: BrowserPool, **more: Any) -> Runtime:
    site = {"provider": "web", "url": url, **more}
    return Runtime(
        Settings.model_validate({"sites": {"wiki": site}, "store": {"url": "memory://"}, "limits": {"visit": 20}}),
        pool=pool,
    )


@asynccontextmanager
async def serving(gate: Callable[[web.Request], bool], scheme: str, **more: Any) -> AsyncIterator[str]:
    async def answer(request: web.Request) -> web.Response:
        if not gate(request):
            return web.Response(
                status=401, headers={"WWW-Authenticate": scheme}, text="<p>no", content_type="text/html"
            )
        came = (await request.read()).decode()
        return web.Response(text=PAGE if request.path == "/" else f"in {came}", content_type="text/html")

    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", answer)
    async with TestServer(app, host="127.0.0.1", **more) as server:
        yield str(server.make_url("/"))


def basic(request: web.Request) -> bool:
    return request.headers.get("authorization") == "Basic " + base64.b64encode(b"me:p:w").decode()


def digest(request: web.Request) -> bool:
    """Whether the request's Digest is that of me, p:w (RFC 7616)."""
    kind, _, rest = request.headers.get("authorization", "").partition(" ")
    if kind != "Digest":
        return False
    found = {name.strip(): value.strip(' "') for name, _, value in (part.partition("=") for part in rest.split(","))}
    found["uri"] = request.raw_path

    def hashed(text: str) -> str:
        return hashlib.sha256(text.encode()).hexdigest()

    wanted = [hashed("me:wiki:p:w"), found["nonce"], found["nc"], found["cnonce"], found["qop"]]
    return found["response"] == hashed(":".join([*wanted, hashed(f"{request.method}:{request.raw_path}")]))


SCHEMES = {
    "basic": (basic, 'Basic realm="wiki"'),
    "digest": (digest, 'Digest realm="wiki", nonce="n1", qop="auth", algorithm=SHA-256'),
}


@pytest.mark.parametrize("transport", ["direct", "page"])
@pytest.mark.parametrize("scheme", SCHEMES)
async def test_a_password_by_http_is_given_by_both_transports(
    scheme: str, transport: str, browsers: BrowserPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WIKI_PASSWORD", "p:w")
    gate, challenge = SCHEMES[scheme]
    credentials = {"username": "me", "password": "env:WIKI_PASSWORD"}
    async with (
        serving(gate, challenge) as url,
        runtime_for(url, browsers, transport=transport, http_credentials=credentials) as r,
        client("wiki", runtime=r) as wiki,
    ):
        for _ in range(2):
            answer = await wiki.post("/x?a=1", data=b"body")
            assert (answer.status, await answer.text()) == (200, "in body")
    assert "p:w" not in repr(r.settings)


async def test_a_password_that_is_not_there_is_told(browsers: BrowserPool, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials = {"username": "me", "password": "env:WIKI_PASSWORD"}
    async with (
        serving(*SCHEMES["basic"]) as url,
        runtime_for(url, browsers, http_credentials=credentials) as runtime,
        client("wiki", runtime=runtime) as wiki,
    ):
        with pytest.raises(ConfigurationError, match="WIKI_PASSWORD is not set"):
            await wiki.get("/x")


EC = ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")
"""Keys that are made at once; RSA's take a while."""


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=folder)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CA, and certificates by it for a server at 127.0.0.1 and for a client, whose key has a password."""
    folder = tmp_path_factory.mktemp("certificates")
    openssl(
        folder, "req", "-x509", "-newkey", *EC, "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "30",
        "-subj", "/CN=Home CA", "-addext", "basicConstraints=critical,CA:TRUE",
        "-addext", "keyUsage=critical,keyCertSign,cRLSign",
    )  # fmt: skip
    extensions = {
        "server": "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth",
        "client": "extendedKeyUsage=clientAuth",
    }
    for name, extension in extensions.items():
        (folder / "ext").write_text(extension)
        key = ["-nodes"] if name == "server" else ["-passout", "pass:secret"]
        openssl(
            folder, "req", "-newkey", *EC, *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj",
            f"/CN={name}",
        )  # fmt: skip
        openssl(
            folder, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-days", "30", "-out", f"{name}.pem", "-extfile", "ext",
        )  # fmt: skip
    return folder


def server_context(certificates: Path, *, asks: bool) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
    if asks:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(certificates / "ca.pem")
    return context


@asynccontextmanager
async def serving_tls(certificates: Path, *, asks: bool) -> AsyncIterator[str]:
    async def answer(request: web.Request) -> web.Response:
        assert request.transport is not None
        shown = request.transport.get_extra_info("peercert")
        name = shown["subject"][0][0][1] if shown else "nobody"
        return web.Response(text=PAGE if request.path == "/" else name, content_type="text/html")

    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_context(certificates, asks=asks))
    await site.start()
    try:
        yield f"https://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


@pytest.fixture(scope="module")
async def tls_sites(certificates: Path) -> AsyncIterator[dict[bool, str]]:
    """A site with the server's certificate, and by True one that asks for the client's: a browser each serves both
    transports."""
    async with serving_tls(certificates, asks=False) as open_site, serving_tls(certificates, asks=True) as asking:
        yield {False: open_site, True: asking}


needs_tools = pytest.mark.skipif(bool(find_missing_packages()), reason="needs certutil (doorkey browser --install)")


@needs_tools
@pytest.mark.parametrize("transport", ["direct", "page"])
@pytest.mark.parametrize("asks", [False, True])
async def test_a_site_with_certificates_of_its_own_is_entered(
    certificates: Path, tls_sites: dict[bool, str], browsers: BrowserPool, transport: str, asks: bool
) -> None:
    secret = certificates / "secret"
    secret.write_text("secret\n")
    shown = {
        "certificate": str(certificates / "client.pem"),
        "key": str(certificates / "client.key"),
        "password": f"file:{secret}",
    }
    more = {"client_certificate": shown} if asks else {}
    async with (
        runtime_for(
            tls_sites[asks], browsers, transport=transport, ca_file=str(certificates / "ca.pem"), **more
        ) as runtime,
        client("wiki", runtime=runtime) as wiki,
    ):
        answer = await wiki.get("/who")
        assert (await answer.text(), answer.answer.transport) == ("client" if asks else "nobody", transport)


async def test_another_site_is_not_trusted_by_it(tls_sites: dict[bool, str], browsers: BrowserPool) -> None:
    async with (
        runtime_for(tls_sites[False], browsers) as runtime,
        client("wiki", runtime=runtime) as wiki,
    ):
        with pytest.raises(DoorkeyError):
            await wiki.get("/who")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"ca_file": "nowhere.pem"}, "ca_file: .*nowhere.pem can't be read"),
        ({"ca_file": "client.key"}, "ca_file: .* holds no certificate"),
        (
            {"client_certificate": {"certificate": "client.pem", "key": "server.key"}},
            "client_certificate: .* can't be used",
        ),
        ({"client_certificate": {"certificate": "client.pem", "key": "client.key"}}, "client_certificate.password"),
    ],
)
async def test_files_that_can_not_be_used_are_told(
    certificates: Path, browsers: BrowserPool, more: dict[str, Any], told: str
) -> None:
    def placed(value: Any) -> Any:
        return {k: placed(v) for k, v in value.items()} if isinstance(value, dict) else str(certificates / value)

    async with (
        runtime_for("https://127.0.0.1:9/", browsers, **placed(more)) as runtime,
        client("wiki", runtime=runtime) as wiki,
    ):
        with pytest.raises(ConfigurationError, match=told):
            await wiki.get("/who")
