"""What is configured: flag over environment over file over default, checked as a whole.

The only module that reads the environment.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    field_serializer,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, EnvSettingsSource, NoDecode, SettingsConfigDict, SettingsError

from doorkey.errors import ConfigurationError
from doorkey.faults import Sources, explain, near, strangers

APP = "doorkey"
FILE = "doorkey.toml"
PREFIX = "DOORKEY_"
MiB = 1024 * 1024


def _listed(value: object) -> object:
    """The environment writes a list as JSON, or with commas."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except ValueError as exc:
            raise ValueError("expected a list: this is no JSON") from exc
    return [part.strip() for part in value.split(",") if part.strip()]


def web_url(url: str) -> str:
    """*url*, if it is http(s) with a host and holds no password. Raises ValueError without repeating it."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as exc:
        raise ValueError("expected an http(s) URL: host or port can't be read") from exc
    if parts.scheme not in ("http", "https") or not host or re.search(r"\s", url):
        raise ValueError("expected an http(s) URL with a host, like https://example.com/chat/")
    if "@" in parts.netloc:
        raise ValueError("expected a URL without user and password: they would show in logs")
    return url


Names = Annotated[tuple[str, ...], BeforeValidator(_listed), NoDecode]
Url = Annotated[str, BeforeValidator(lambda value: web_url(value) if isinstance(value, str) else value)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(gt=0)]


class Section(BaseModel):
    # An error's text goes to people and logs: it must not repeat what was typed.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class ServiceSettings(Section):
    host: str = Field(
        default="127.0.0.1", min_length=1, description="Address to listen on; beyond loopback a key is required."
    )
    port: int = Field(default=8787, ge=0, le=65535, description="TCP port to listen on; 0 takes a free one.")
    key: SecretStr | None = Field(
        default=None, description="Key that clients send; without one it is made at first start."
    )
    hosts: Names = Field(default=(), description="Host names besides loopback by which clients may call the service.")
    origins: Names = Field(default=(), description="Origins of web pages that may call the service; others get 403.")

    @field_validator("key")
    @classmethod
    def _some_key(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and not key.get_secret_value().strip():
            raise ValueError("expected a key that is not empty")
        return key

    @field_validator("origins")
    @classmethod
    def _are_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            parts = urlsplit(web_url(origin))
            if origin != f"{parts.scheme}://{parts.netloc}":
                raise ValueError("expected origins without a path, like https://app.example.com")
        return origins


class BrowserSettings(Section):
    executable: Path | None = Field(default=None, description="The Chromium to start; without it one is found.")
    display: Literal["headless", "virtual", "screen"] = Field(
        default="headless", description="Where pages show: nowhere, on a virtual screen (Xvfb), or on yours."
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
    memory: Count = Field(default=1500, description="MiB of memory past which the browser is replaced.")


class StoreSettings(Section):
    url: str = Field(
        default="sqlite",
        description="Where sessions outlive the process: memory:// | sqlite | sqlite:///absolute/path.",
    )

    @field_validator("url")
    @classmethod
    def _known_store(cls, url: str) -> str:
        if url not in ("memory://", "sqlite") and not re.fullmatch(r"sqlite:////?[^/?#][^?#]*", url):
            raise ValueError("expected memory://, sqlite or sqlite:///absolute/path")
        return url


class LimitSettings(Section):
    first_byte: Seconds = Field(default=60.0, description="Seconds a site may take until its answer begins.")
    idle: Seconds = Field(default=60.0, description="Seconds an answer may pause on the way.")
    total: Seconds = Field(default=600.0, description="Seconds for a whole answer, a visit included.")
    visit: Seconds = Field(default=60.0, description="Seconds the browser may take to enter a site.")
    patience: float = Field(
        default=2.0, ge=0, allow_inf_nan=False, description="Seconds of a pause waited out, not told."
    )
    body: Count = Field(default=8 * MiB, description="Bytes a whole answer or a request's body may have.")
    line: Count = Field(default=512 * 1024, description="Bytes one line of a streamed answer may have.")


class SiteSettings(Section):
    provider: str | None = Field(
        default=None, description="The kind of site; without it the site's name is the provider's."
    )
    url: Url | None = Field(
        default=None, description="The page a visit opens; an empty path becomes the provider's own."
    )
    models: Names = Field(default=(), description="Names of the site's models; without them the provider's own.")
    profile: str = Field(default="desktop", min_length=1, description="How the browser appears there.")
    proxy: str | None = Field(
        default=None,
        repr=False,
        description="http(s) proxy for the page and the requests; without it they go directly.",
    )

    @field_validator("proxy")
    @classmethod
    def _usable_proxy(cls, proxy: str | None) -> str | None:
        if proxy is None:
            return None
        scheme = proxy.partition("://")[0].lower()
        if scheme.startswith("socks"):
            raise ValueError("expected an http(s) proxy: SOCKS comes later; put an HTTP proxy before it until then")
        try:
            parts = urlsplit(proxy)
            usable = bool(parts.hostname) and parts.path in ("", "/") and (parts.port or 1) > 0
        except ValueError:
            usable = False
        if scheme not in ("http", "https") or not usable:
            raise ValueError("expected an http(s) proxy, like http://127.0.0.1:3128")
        return proxy

    @field_serializer("proxy", when_used="json-unless-none")
    def _without_password(self, proxy: str) -> str:
        parts = urlsplit(proxy)
        return parts._replace(netloc=f"***@{parts.netloc.rpartition('@')[2]}").geturl() if "@" in proxy else proxy


class Settings(Section):
    """All settings. Made directly it reads nothing from outside; `load` does."""

    service: ServiceSettings = ServiceSettings()
    browser: BrowserSettings = BrowserSettings()
    store: StoreSettings = StoreSettings()
    limits: LimitSettings = LimitSettings()
    sites: dict[str, SiteSettings] = Field(default={}, description="The sites, each by its name.")
    models: dict[str, Names] = Field(
        default={},
        description='Aliases: a name and the "site/model" it stands for; the next when a site is down or changed.',
    )
    _source: Path | None = PrivateAttr(None)

    @property
    def source(self) -> Path | None:
        """The file that was read."""
        return self._source

    @field_validator("sites")
    @classmethod
    def _site_names(cls, sites: dict[str, SiteSettings]) -> dict[str, SiteSettings]:
        for name in sites:
            if not re.fullmatch(r"[a-z0-9_-]+", name):
                raise ValueError(f"{name[:80]!r} is no name for a site: expected a-z, 0-9, _ and - only")
        return sites

    @model_validator(mode="after")
    def _aliases_lead_somewhere(self) -> Self:
        faults = []
        for alias, targets in self.models.items():
            if not targets:
                faults.append(f'models."{alias}": expected at least one "site/model"')
            for target in targets:
                site, slash, model = target.partition("/")
                if not (site and slash and model):
                    faults.append(f'models."{alias}": expected "site/model", came {target[:80]!r}')
                elif site not in self.sites:
                    faults.append(f'models."{alias}": no site is called {site[:80]!r}{near(site, self.sites)}')
        if faults:
            raise ValueError("\n".join(faults))
        return self

    @classmethod
    def load(cls, config: Path | None = None, **overrides: Mapping[str, Any]) -> Settings:
        """The settings of this process; *overrides* are sections (`service={"port": 9000}`) that win over all others.

        Raises ConfigurationError that lists every fault with its place.
        """
        path = config if config is not None else find_file()
        text, data = _read(path)
        sources = Sources(file=path, text=text, variables=_variables(), overrides=overrides)
        faults = strangers(cls, sources.variables, PREFIX)
        try:
            for layer in (_from_environment(), overrides):
                data = _merged(data, layer)
            settings = cls.model_validate(data)
        except SettingsError as exc:
            faults.append(f"environment: {exc}: expected JSON")
        except ValidationError as exc:
            # Not chained: pydantic's own text may hold a secret.
            faults += explain(cls, exc, sources)
        if faults:
            raise ConfigurationError("the settings can't be used:\n  " + "\n  ".join(faults))
        settings._source = path
        return settings


class _Environment(Settings, BaseSettings):
    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__", env_ignore_empty=True)


def _from_environment() -> dict[str, Any]:
    return dict(EnvSettingsSource(_Environment)())


def _variables() -> dict[str, str]:
    return {name.upper(): value for name, value in os.environ.items() if name.upper().startswith(PREFIX)}


def _read(path: Path | None) -> tuple[str, dict[str, Any]]:
    if path is None:
        return "", {}
    try:
        text = path.read_text(encoding="utf-8")
        return text, tomllib.loads(text)
    except FileNotFoundError as exc:
        raise ConfigurationError(f"there is no settings file {path}: correct --config or leave it out") from exc
    except OSError as exc:
        raise ConfigurationError(f"the settings file {path} can't be read: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise ConfigurationError(f"{path} is no TOML: expected UTF-8 text, byte {exc.start} is none") from exc
    except tomllib.TOMLDecodeError as exc:
        raise ConfigurationError(f"{path} is no valid TOML: {exc}") from exc


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    both = dict(below)
    for name, value in above.items():
        old = both.get(name)
        both[name] = _merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return both


def config_dirs() -> tuple[Path, ...]:
    """Where a settings file is looked for, the first one first."""
    from platformdirs import user_config_path

    return (Path.cwd(), user_config_path(APP, appauthor=False))


def find_file() -> Path | None:
    return next((folder / FILE for folder in config_dirs() if (folder / FILE).is_file()), None)


def state_dir() -> Path:
    """The folder of everything that outlives the process (sessions are secrets): created, the owner's alone."""
    from platformdirs import user_data_path

    path = user_data_path(APP, appauthor=False)
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.chmod(0o700)
    except OSError as exc:
        raise ConfigurationError(
            f"the data folder {path} can't be used ({exc.strerror}): correct it or set XDG_DATA_HOME"
        ) from exc
    return path


def screen() -> str | None:
    """The screen that programs of this session draw on (X11 or Wayland), None where there is none."""
    return os.environ.get("WAYLAND_DISPLAY") or os.environ.get("DISPLAY") or None


def playwright_downloads() -> Path | None:
    """Where the person has Playwright keep its browsers, if that is not the usual place."""
    folder = os.environ.get("PLAYWRIGHT_BROWSERS_PATH", "")
    return Path(folder) if folder and folder != "0" else None


def describe(model: type[BaseModel] = Settings, prefix: str = "") -> Iterator[tuple[str, object, str]]:
    """(key, default, description) of each setting, in the file's order; a site's keys as `sites.NAME.key`."""
    for name, field in model.model_fields.items():
        key = f"{prefix}{name}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from describe(field.annotation, f"{key}.")
        elif key == "sites":
            yield from describe(SiteSettings, "sites.NAME.")
        else:
            yield key, field.get_default(), field.description or ""
