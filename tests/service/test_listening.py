"""Where the service listens: with TLS, on a Unix socket, below a base path; and where it refuses to."""

from __future__ import annotations

import asyncio
import ssl
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from doorkey.config.settings import ServiceSettings
from doorkey.errors import ConfigurationError
from doorkey.service.app import build_app, serve
from doorkey.service.key import check_exposure
from doorkey.service.listening import make_tls

sys.path.insert(0, str(Path(__file__).parents[1]))
from double import DoubleRuntime

from entered import EnteredRuntime, TokenSite

KEY = "the-key"
ASKED = {"model": "aichats/gpt-4", "messages": [{"role": "user", "content": "Hi"}], "stream": True}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a certificate for 127.0.0.1 and its key."""
    folder = tmp_path_factory.mktemp("tls")
    key, made = folder / "key.pem", folder / "made.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", made, "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    both = folder / "both.pem"
    both.write_bytes(made.read_bytes() + key.read_bytes())
    return both


async def test_it_speaks_https_with_the_user_s_certificate(runtime: DoubleRuntime, certificate: Path) -> None:
    service = ServiceSettings(certificate=certificate)
    app = build_app(runtime, service=service, key=KEY)
    async with serve(app, "127.0.0.1", 0, tls=make_tls(service), shutdown=1.0) as base:
        assert base.startswith("https://127.0.0.1:")
        trust = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=certificate))
        headers = {"x-api-key": KEY, "Origin": base}
        async with aiohttp.ClientSession(base, connector=trust, headers=headers) as client:
            async with client.post("/v1/chat/completions", json=ASKED) as response:
                assert response.status == 200
                assert (await response.text()).endswith("data: [DONE]\n\n")
            async with client.get("/v1/models", headers={"Origin": base.replace("https", "http")}) as response:
                assert response.status == 403


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_an_unusable_certificate_is_told_at_the_start(content: str | None, tmp_path: Path) -> None:
    path = tmp_path / "made.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigurationError, match=r"service\.certificate: .*made\.pem"):
        make_tls(ServiceSettings(certificate=path))


@pytest.mark.parametrize(
    ("settings", "refused"),
    [
        ({"host": "127.0.0.1"}, False),
        ({"host": "::1"}, False),
        ({"host": "0.0.0.0"}, True),
        ({"host": "192.0.2.7"}, True),
        ({"host": "0.0.0.0", "certificate": "x.pem"}, False),
        ({"host": "0.0.0.0", "plain_http": True}, False),
        ({"host": "0.0.0.0", "socket": "/tmp/x"}, False),
    ],
)
def test_keys_cross_no_network_in_clear_text_unless_that_is_allowed(settings: dict[str, object], refused: bool) -> None:
    service = ServiceSettings.model_validate(settings)
    if refused:
        with pytest.raises(ConfigurationError, match=r"service\.certificate.*service\.plain_http"):
            check_exposure(service)
    else:
        check_exposure(service)


@pytest.fixture
async def path(site: TokenSite, tmp_path: Path) -> AsyncIterator[Path]:
    """A service on a Unix socket, without a key: nobody else can reach it."""
    path = tmp_path / "doorkey.sock"
    service = ServiceSettings(socket=path, host="0.0.0.0")
    async with EnteredRuntime(site) as runtime:
        app = build_app(runtime, service=service, key=None)
        async with serve(app, "0.0.0.0", 0, socket=path, shutdown=1.0) as base:
            assert base == f"unix:{path}"
            yield path
    assert not path.exists()


async def test_it_listens_on_a_unix_socket_of_this_user_only(path: Path, site: TokenSite) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as client:
        async with client.post("http://localhost/site/wiki/x", data=b"abc") as response:
            assert (response.status, await response.text()) == (200, "POST /x")
        async with client.get("http://evil.example/site/wiki/x") as response:
            assert response.status == 403


async def test_a_client_of_a_unix_socket_may_close_its_sending_side(path: Path) -> None:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"GET /site/wiki/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    writer.write_eof()
    assert (await reader.read()).startswith(b"HTTP/1.1 200")
    writer.close()


async def test_two_services_do_not_share_a_unix_socket(path: Path, runtime: DoubleRuntime) -> None:
    app = build_app(runtime, service=ServiceSettings(socket=path), key=None)
    with pytest.raises(ConfigurationError, match="another service listens"):
        async with serve(app, "127.0.0.1", 0, socket=path):
            pass
    assert path.exists()


async def test_below_a_base_path_all_works_as_at_the_root(site: TokenSite) -> None:
    async def move(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "/new"})

    site.routes["/old"] = move
    service = ServiceSettings(base_path="/tools/doorkey")
    async with (
        EnteredRuntime(site) as runtime,
        serve(build_app(runtime, service=service, key=KEY), "127.0.0.1", 0, shutdown=1.0) as base,
    ):
        assert base.endswith("/tools/doorkey")
        async with aiohttp.ClientSession(headers={"x-api-key": KEY}) as client:
            for path, status in (("/api/sites?x=1", 200), ("/healthz", 200), ("s/api/sites", 404), ("", 200)):
                async with client.get(base + path) as response:
                    assert response.status == status
            async with client.get(base.removesuffix("/tools/doorkey") + "/api/sites") as response:
                assert response.status == 200
            async with client.get(f"{base}/site/wiki/a%20b?c=%26") as response:
                assert await response.text() == "GET /a%20b?c=%26"
            async with client.get(f"{base}/site/wiki/old", allow_redirects=False) as response:
                assert response.headers["Location"] == "/tools/doorkey/site/wiki/new"


@pytest.mark.parametrize("given", ["door", "/door/", "/a/../b", "/a b", "//a"])
def test_a_base_path_has_to_be_one(given: str) -> None:
    with pytest.raises(ValueError, match="base_path"):
        ServiceSettings(base_path=given)
