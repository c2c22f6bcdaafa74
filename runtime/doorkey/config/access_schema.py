"""The settings of a site for access before its page: HTTP credentials, a client certificate."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from doorkey.model.site_access import ClientCertificate, HttpCredentials


class _Section(BaseModel):
    # An error's text goes to people and logs: it must not repeat what was typed.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, defer_build=True)


class HttpCredentialsSettings(_Section):
    """`sites.NAME.http_credentials`."""

    username: str = Field(min_length=1, repr=False, description="The user name, or env:, file: or command: of it.")
    password: str = Field(min_length=1, repr=False, description="The password; better env:, file: or command: of it.")

    def build(self) -> HttpCredentials:
        return HttpCredentials(self.username, self.password)


class ClientCertificateSettings(_Section):
    """`sites.NAME.client_certificate`."""

    certificate: Path = Field(description="The PEM file of the certificate, perhaps with its key and chain.")
    key: Path | None = Field(default=None, description="The PEM file of the key, if the certificate's has none.")
    password: str | None = Field(
        default=None, repr=False, description="The key's password: env:NAME, file:PATH or command:…"
    )

    def build(self) -> ClientCertificate:
        key = None if self.key is None else self.key.expanduser()
        return ClientCertificate(self.certificate.expanduser(), key, self.password)
