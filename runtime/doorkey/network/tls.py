"""The TLS context of a site with a certificate authority or a client certificate of its own."""

from __future__ import annotations

import asyncio
import ssl

from doorkey.config.secrets import resolve
from doorkey.errors import ConfigurationError
from doorkey.model.site_access import TlsSetup


async def make_context(tls: TlsSetup) -> ssl.SSLContext:
    """Return a context that also trusts the site's CA and shows its client certificate. Raises ConfigurationError."""
    certificate = tls.client_certificate
    password = None
    if certificate is not None and certificate.password is not None:
        password = await resolve(certificate.password)
    # A thread, as the system's certificates take some 20 ms to read.
    return await asyncio.to_thread(_make_context, tls, password)


def _make_context(tls: TlsSetup, password: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    check_files(tls)
    if tls.ca_file is not None:
        try:
            context.load_verify_locations(tls.ca_file)
        except ssl.SSLError:
            raise ConfigurationError(f"ca_file: {tls.ca_file} holds no certificate in PEM form") from None
    certificate = tls.client_certificate
    if certificate is not None:
        try:
            # Without a password OpenSSL would ask for one on the terminal.
            context.load_cert_chain(certificate.certificate, certificate.key, password or "")
        except ssl.SSLError:
            raise ConfigurationError(
                f"client_certificate: {certificate.certificate} and its key can't be used: expected PEM, a key that "
                "fits the certificate, and client_certificate.password if the key has one"
            ) from None
    return context


def check_files(tls: TlsSetup, table: str = "") -> None:
    """Raise ConfigurationError, with the setting's name in *table*, if one of the files can't be read."""
    certificate = tls.client_certificate
    files = {"ca_file": tls.ca_file}
    if certificate is not None:
        files |= {"client_certificate.certificate": certificate.certificate, "client_certificate.key": certificate.key}
    for setting, path in files.items():
        if path is None:
            continue
        try:
            with path.open("rb"):
                pass
        except OSError as error:
            raise ConfigurationError(f"{table}{setting}: {path} can't be read: {error.strerror}") from error
