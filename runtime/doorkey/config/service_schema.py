"""The schema of the settings of the service."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from doorkey.config.settings_schema import Count, Names, Seconds, Section, web_url
from doorkey.model.secret import REFERENCES

APP_ORIGIN = r"(app|chrome-extension|moz-extension|tauri)://[^\s/?#@]+"
"""The origin of a browser extension or of a desktop program made of web pages."""


def _check_key(key: SecretStr) -> SecretStr:
    text = key.get_secret_value()
    if not text.strip():
        raise ValueError("expected a key that is not empty")
    if text != text.strip() or not text.isprintable():
        raise ValueError("expected printable text without blanks around it, so that a header can carry it")
    if text.startswith(REFERENCES):
        raise ValueError(
            "expected the key itself, not a reference to it: anyone could guess that. To keep the key out of the file, "
            "set DOORKEY_SERVICE__KEY, or DOORKEY_SERVICE__KEYS__NAME__KEY for the key NAME, in the environment"
        )
    return key


KeyText = Annotated[SecretStr, AfterValidator(_check_key)]
Methods = Annotated[Names, AfterValidator(lambda methods: tuple(method.upper() for method in methods))]


class KeySettings(Section):
    """A key of limited rights."""

    key: KeyText = Field(description="The key itself.")
    sites: Names = Field(default=("*",), description='Sites that the key may use; "*" means all.')
    methods: Methods = Field(default=("*",), description='HTTP methods that the key may use; "*" means all.')
    admin: bool = Field(default=False, description="Whether the key may renew sessions and read them.")
    agents: bool = Field(default=False, description="Whether the key is an agent's: it opens `/mcp` and nothing else.")


class ServiceSettings(Section):
    host: str = Field(
        default="127.0.0.1",
        min_length=1,
        description="Address to listen on; beyond loopback a key and TLS are required.",
    )
    socket: Path | None = Field(
        default=None, description="Unix socket to listen on in place of an address; only your user can connect."
    )
    port: int = Field(default=8787, ge=0, le=65535, description="TCP port to listen on; 0 takes a free one.")
    key: KeyText | None = Field(
        default=None, description="Key that clients send; without one it is made at first start."
    )
    keys: dict[str, KeySettings] = Field(
        default={}, description="Further keys, each under a name, for clients that may not do everything."
    )
    hosts: Names = Field(default=(), description="Host names besides loopback by which clients may call the service.")
    origins: Names = Field(default=(), description="Origins of web pages that may call the service; others get 403.")
    certificate: Path | None = Field(
        default=None, description="PEM file of a certificate and its chain; the service then speaks HTTPS."
    )
    certificate_key: Path | None = Field(
        default=None, description="PEM file of the certificate's private key, if it is not in the same file."
    )
    plain_http: bool = Field(
        default=False,
        description="Whether plain HTTP is allowed beyond loopback: behind a proxy that speaks HTTPS, in a container.",
    )
    live_view: bool = Field(
        default=True,
        description="Whether a visit that needs a person stays open, for them to finish it from the dashboard.",
    )
    base_path: str = Field(
        default="",
        pattern=r"^((/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+)?$",
        description='Path under which a proxy offers the service, such as "/doorkey".',
    )
    at_once: Count = Field(
        default=2000, description="Requests that the service handles at a time, over all sites; others wait."
    )
    queue: int = Field(default=500, ge=0, description="Requests that may wait for that; further ones are refused.")
    workers: int = Field(
        default=1,
        ge=1,
        le=64,
        description="Processes that serve on the one port, to use as many cores; they need a store on disk or Redis.",
    )
    log: Literal["auto", "text", "json"] = Field(
        default="auto", description='The log\'s form: lines for people, JSON, or "auto": JSON if it is no terminal.'
    )
    drain: Seconds = Field(
        default=25.0, description="Seconds that requests under way have to end when the service is stopped."
    )

    @model_validator(mode="after")
    def _check_certificate(self) -> Self:
        if self.certificate_key is not None and self.certificate is None:
            raise ValueError("certificate_key: expected a certificate, too")
        return self

    @model_validator(mode="after")
    def _check_keys(self) -> Self:
        values = [key.key.get_secret_value() for key in self.keys.values()]
        if self.key is not None:
            values.append(self.key.get_secret_value())
        if len(set(values)) < len(values):
            raise ValueError("keys: two keys are the same; each needs a text of its own")
        for name in self.keys:
            if not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", name):
                raise ValueError(f'keys."{name[:40]}": expected a name of letters, digits, _ and - only')
        return self

    @field_validator("hosts")
    @classmethod
    def _check_hosts(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        if not all(re.fullmatch(r"[\w.-]+|(\[)?([0-9a-fA-F]*:){2}[0-9a-fA-F:.]*(?(1)\])", host) for host in hosts):
            raise ValueError('expected names without scheme or port, like "doorkey" or "10.0.0.5"; "*" is none')
        return hosts

    @field_validator("origins")
    @classmethod
    def _check_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        written = tuple(origin if re.fullmatch(APP_ORIGIN, origin) else web_url(origin) for origin in origins)
        if any(origin != f"{parts.scheme}://{parts.netloc}" for origin in written for parts in (urlsplit(origin),)):
            raise ValueError("expected origins without a path, like https://app.example.com or tauri://localhost")
        return written
