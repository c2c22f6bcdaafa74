"""The schema of the settings, by section: each setting with its default, its unit and what it does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    field_serializer,
    field_validator,
    model_serializer,
)

from doorkey.config.access_schema import ClientCertificateSettings, HttpCredentialsSettings
from doorkey.config.agent_schema import AgentSettings
from doorkey.config.names import Names as Names
from doorkey.model.urls import as_written


def web_url(url: str) -> str:
    """Return *url* as browsers write it. It must be http(s), have a host and hold no password.

    Raises ValueError without repeating it.
    """
    try:
        parts = urlsplit(url)
        host, written = parts.hostname, as_written(url)
    except ValueError as exc:
        raise ValueError("expected an http(s) URL; its host or port can't be read") from exc
    if parts.scheme not in ("http", "https") or not host or re.search(r"\s", url):
        raise ValueError("expected an http(s) URL with a host, like https://example.com/chat/")
    if "@" in parts.netloc:
        raise ValueError("expected a URL without user and password, as logs show URLs")
    return written


HOST = r"(\*\.)?[\w-]+(\.[\w-]+)*(:[0-9]{1,5})?|\[[0-9a-fA-F:.]+\](:[0-9]{1,5})?"
"""A host in `reach`: a name or an address, with an optional port. `*.` before a name means all names below it."""
Url = Annotated[str, BeforeValidator(lambda value: web_url(value) if isinstance(value, str) else value)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(gt=0)]


class Section(BaseModel):
    # The text of an error goes to people and logs, so it must not repeat what was typed.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, defer_build=True)


class BrowserSettings(Section):
    executable: Path | None = Field(default=None, description="The Chromium to start; if not set, one is searched for.")
    display: Literal["headless", "virtual", "screen"] = Field(
        default="headless", description="Where pages are shown: nowhere, on a virtual screen (Xvfb), or on your screen."
    )
    virtual: bool = Field(
        default=True, description="Whether a site that refuses browsers without a window gets one on a virtual screen."
    )
    sandbox: bool | Literal["auto"] = Field(
        default="auto", description='Chromium\'s sandbox; "auto": on, but not as root.'
    )
    idle: float = Field(
        default=120.0, ge=0, allow_inf_nan=False, description="Seconds until an unused browser is closed."
    )
    contexts: Count = Field(default=4, description="How many visits one browser makes at a time; others wait.")
    uses: Count = Field(default=200, description="Visits after which the browser is replaced.")
    age: Seconds = Field(default=3600.0, description="Seconds after which the browser is replaced.")
    memory: Count = Field(
        default=1500,
        description="MiB of memory past which the browser is replaced, after its last visit. A single page that takes "
        "more is ended at once.",
    )


class LimitSettings(Section):
    first_byte: Seconds = Field(default=60.0, description="Seconds that a site may take to begin its answer.")
    idle: Seconds = Field(default=60.0, description="Seconds that an answer may pause.")
    total: Seconds = Field(default=600.0, description="Seconds for a whole answer, a visit included.")
    visit: Seconds = Field(default=60.0, description="Seconds that the browser may take to enter a site.")
    challenge: Seconds = Field(default=45.0, description="Additional seconds if the browser has to pass a challenge.")
    check: Seconds = Field(
        default=10.0, description="Seconds a session check may take, and calls wait for it before they are sent."
    )
    patience: float = Field(
        default=2.0,
        ge=0,
        allow_inf_nan=False,
        description="Pauses up to this many seconds are waited out; longer ones are reported.",
    )
    away: float = Field(
        default=10.0,
        ge=0,
        allow_inf_nan=False,
        description="Seconds to wait for a site that takes no connections, because it may be restarting.",
    )


class MannersSettings(Section):
    at_once: Count = Field(default=2, description="Calls that are sent to a site at a time; others wait.")
    rate: Seconds = Field(
        default=1.0, description="Calls that are sent to a site per second, varied by up to a quarter."
    )
    queue: int = Field(default=30, ge=0, description="Calls that may wait for a site; further ones are refused.")
    patience: float = Field(
        default=120.0,
        ge=0,
        allow_inf_nan=False,
        description="A site's Retry-After up to this many seconds is waited out; a longer one is reported.",
    )
    pages: Count = Field(default=1, description="Pages that browsers open at a site at a time.")
    visits: Count = Field(
        default=3, description="Visits within `manners.pause` whose session may stay unused; then visits pause."
    )
    pause: Seconds = Field(
        default=600.0, description="Seconds without a visit after too many whose session stayed unused."
    )


class SiteLimitSettings(Section):
    challenge: Seconds | None = None


class SiteSettings(Section):
    # Further keys belong to the site's provider. The registry checks them by the provider's `Options`.
    model_config = ConfigDict(extra="allow", defer_build=True)

    provider: str | None = Field(
        default=None, description="The kind of site; if not set, the provider has the site's name."
    )
    url: Url | None = Field(
        default=None, description="The page a visit opens; an empty path becomes the provider's own."
    )
    models: Names = Field(default=(), description="Names of the site's models; without them the provider's own.")
    profile: str = Field(default="desktop", min_length=1, description="The browser profile for this site.")
    proxy: str | None = Field(
        default=None,
        repr=False,
        description="http(s) or socks5 proxy for the page and the requests; without it they go directly.",
    )
    reach: Names = Field(
        default=("*",),
        description="Hosts besides the site's own that its page may reach; `*`: all of the public internet.",
    )
    http_credentials: HttpCredentialsSettings | None = Field(
        default=None,
        repr=False,
        description="User name and password for a server that asks for them by HTTP (Basic, Digest) before its page.",
    )
    ca_file: Path | None = Field(
        default=None, description="PEM file of a certificate authority that is trusted for this site."
    )
    client_certificate: ClientCertificateSettings | None = Field(
        default=None, description="The certificate that is shown to a server that asks for one (mTLS)."
    )
    manners: MannersSettings = Field(
        default=MannersSettings(), description="Values that differ from [manners] for this site, under the same keys."
    )
    limits: SiteLimitSettings = Field(
        default=SiteLimitSettings(), description="`challenge` in place of that of [limits], for this site."
    )
    agents: AgentSettings = Field(default=AgentSettings(), description="What agents may do here, by `doorkey mcp`.")

    @field_validator("reach")
    @classmethod
    def _check_reach(cls, reach: tuple[str, ...]) -> tuple[str, ...]:
        for host in reach:
            if host != "*" and not re.fullmatch(HOST, host):
                raise ValueError(
                    'expected hosts like "cdn.example", "*.example", "10.0.0.5:8000" or "*", without paths'
                )
        return reach

    transport: Literal["auto", "direct", "page"] = Field(
        default="auto",
        description="What carries requests: plain HTTP, the browser's live page, or plain HTTP until that is refused.",
    )

    @field_validator("proxy")
    @classmethod
    def _check_proxy(cls, proxy: str | None) -> str | None:
        if proxy is None:
            return None
        scheme = proxy.partition("://")[0].lower()
        try:
            parts = urlsplit(proxy)
            usable = bool(parts.hostname) and parts.path in ("", "/") and (parts.port or 1) > 0
        except ValueError:
            usable = False
        if scheme not in ("http", "https", "socks5", "socks5h") or not usable:
            raise ValueError("expected an http(s) or socks5 proxy, like http://127.0.0.1:3128")
        return proxy

    @property
    def more(self) -> dict[str, Any]:
        """The provider's own keys, as they were set. They may hold secrets."""
        return dict(self.model_extra or {})

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        yield from ((name, value) for name, value in super().__repr_args__() if name in type(self).model_fields)

    @model_serializer(mode="wrap")
    def _hide_secrets(self, handler: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        shown: dict[str, Any] = handler(self)
        if info.mode == "json":
            return {name: value if name in type(self).model_fields else "(set)" for name, value in shown.items()}
        return shown

    @field_serializer("http_credentials", when_used="json-unless-none")
    def _hide_credentials(self, _: HttpCredentialsSettings) -> str:
        return "(set)"

    @field_serializer("proxy", when_used="json-unless-none")
    def _hide_password(self, proxy: str) -> str:
        parts = urlsplit(proxy)
        return parts._replace(netloc=f"***@{parts.netloc.rpartition('@')[2]}").geturl() if "@" in proxy else proxy
