"""The certificates of one site, put where Chromium looks for them: an NSS database in a home folder of its own.

A browser that has them serves this site alone, so that no other site is trusted by this one's certificate authority.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from doorkey.config.secrets import resolve
from doorkey.errors import ConfigurationError
from doorkey.model.site_access import ClientCertificate, TlsSetup
from doorkey.network.tls import make_context

TOOL_LIMIT = 20.0
"""Seconds that one of the tools may take."""
TOOLS = {"certutil": "libnss3-tools", "pk12util": "libnss3-tools", "openssl": "openssl"}
"""The programs that fill the database, and Debian's packages of them."""


@dataclass(frozen=True, slots=True)
class BrowserHome:
    """A home folder with an NSS database, and a folder for the user data of the browser that uses it."""

    home: Path
    user_data: Path

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables by which Chromium finds the database."""
        return {"HOME": str(self.home), "XDG_DATA_HOME": str(self.home / ".local" / "share")}


def find_missing_packages() -> list[str]:
    """List Debian's packages of the tools that are not here."""
    return sorted({package for tool, package in TOOLS.items() if shutil.which(tool) is None})


async def make_home(tls: TlsSetup, folder: Path) -> BrowserHome:
    """Make the home folder for *tls* under *folder*. Raises ConfigurationError for files that can't be used."""
    await make_context(tls)  # describes what is wrong with the files better than the tools do
    certificate = tls.client_certificate
    password = None
    if certificate is not None and certificate.password is not None:
        password = await resolve(certificate.password)
    return await asyncio.to_thread(_make_home, tls, folder, password)


def _make_home(tls: TlsSetup, folder: Path, password: str | None) -> BrowserHome:
    place = BrowserHome(
        Path(tempfile.mkdtemp(prefix="home-", dir=folder)), Path(tempfile.mkdtemp(prefix="u-", dir=folder))
    )
    database = place.home / ".pki" / "nssdb"
    database.mkdir(mode=0o700, parents=True)
    nss = f"sql:{database}"
    _run("certutil", "-N", "-d", nss, "--empty-password")
    if tls.ca_file is not None:
        _run("certutil", "-A", "-d", nss, "-t", "C,,", "-n", "doorkey", "-i", str(tls.ca_file))
    if tls.client_certificate is not None:
        _add_client_certificate(tls.client_certificate, nss, place.home, password)
        _select_certificate(tls.origin, place.user_data)
    return place


def _add_client_certificate(certificate: ClientCertificate, nss: str, home: Path, password: str | None) -> None:
    bundle = home / "client.p12"
    source = certificate.key or certificate.certificate
    # The password goes by standard input: command lines are shown to every user.
    _run(
        "openssl", "pkcs12", "-export", "-in", str(certificate.certificate), "-inkey", str(source), "-out", str(bundle),
        "-passin", "stdin", "-passout", "pass:", "-name", "client", given=f"{password or ''}\n",
    )  # fmt: skip
    _run("pk12util", "-i", str(bundle), "-d", nss, "-W", "")
    bundle.unlink()


def _select_certificate(origin: str, user_data: Path) -> None:
    """Have Chromium show the certificate at *origin* without asking, by the preference behind a policy of its own.

    https://chromeenterprise.google/policies/#AutoSelectCertificateForUrls
    """
    port = "" if origin.rpartition(":")[2].isdigit() else ":443"
    rule: dict[str, object] = {f"{origin}{port},*": {"setting": {"filters": [{}]}}}
    preferences = {"profile": {"content_settings": {"exceptions": {"auto_select_certificate": rule}}}}
    (user_data / "Default").mkdir(mode=0o700)
    (user_data / "Default" / "Preferences").write_text(json.dumps(preferences), encoding="utf-8")


def _run(tool: str, *arguments: str, given: str = "") -> None:
    program = shutil.which(tool)
    if program is None:
        raise ConfigurationError(
            f"ca_file and client_certificate need the program {tool} for the browser; install it (on Debian: "
            f"apt-get install {TOOLS[tool]})"
        )
    try:
        done = subprocess.run(  # noqa: S603 - our own arguments, no shell
            [program, *arguments], input=given.encode(), capture_output=True, timeout=TOOL_LIMIT, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigurationError(f"{tool} could not add the site's certificates ({type(error).__name__})") from error
    if done.returncode != 0:
        raise ConfigurationError(
            f"{tool} could not add the site's certificates (exit code {done.returncode}): check ca_file and "
            "client_certificate"
        )


def remove_home(place: BrowserHome) -> None:
    """Remove the folders, and the keys in them."""
    for folder in (place.home, place.user_data):
        shutil.rmtree(folder, ignore_errors=True)
