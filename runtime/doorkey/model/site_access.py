"""What a server or proxy wants before it shows a site's page: a password, a certificate, a certificate authority."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class HttpCredentials:
    """User name and password for Basic or Digest (RFC 7617, RFC 7616). Either may refer to a secret ("env:NAME")."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """A client certificate in PEM. `key` None: the certificate's file holds it. `password` may refer to a secret."""

    certificate: Path
    key: Path | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class TlsSetup:
    """The TLS settings of one site. `origin` is where the client certificate is shown."""

    origin: str
    ca_file: Path | None = None
    client_certificate: ClientCertificate | None = None
