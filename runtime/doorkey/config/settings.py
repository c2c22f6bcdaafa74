"""The settings: flags win over the environment, the environment over the file, the file over defaults.

This is the only module that reads the environment.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Self, get_args, get_origin

from pydantic import BaseModel, Field, PrivateAttr, ValidationError, model_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict, SettingsError

from doorkey.config.notify_schema import NotifySettings
from doorkey.config.report_schema import ReportSettings
from doorkey.config.service_schema import ServiceSettings as ServiceSettings
from doorkey.config.settings_errors import Sources, explain, near, strangers
from doorkey.config.settings_schema import BrowserSettings as BrowserSettings
from doorkey.config.settings_schema import LimitSettings as LimitSettings
from doorkey.config.settings_schema import MannersSettings as MannersSettings
from doorkey.config.settings_schema import Names, Section
from doorkey.config.settings_schema import SiteSettings as SiteSettings
from doorkey.config.store_schema import StoreSettings as StoreSettings
from doorkey.config.trust import check_trusted
from doorkey.errors import ConfigurationError

APP = "doorkey"
FILE = "doorkey.toml"
PREFIX = "DOORKEY_"
_LENT: dict[str, str] = {}
"""What `lend_variables` lends at the moment."""


class Settings(Section):
    """All settings. The constructor reads nothing from outside; `load` does."""

    service: ServiceSettings = ServiceSettings()
    browser: BrowserSettings = BrowserSettings()
    store: StoreSettings = StoreSettings()
    limits: LimitSettings = LimitSettings()
    manners: MannersSettings = MannersSettings()
    notify: NotifySettings = NotifySettings()
    role: Literal["all", "front"] = Field(
        default="all",
        description="front: this machine has no browser and waits for the sessions that another machine's visits make, "
        "through the same store.",
    )
    reports: ReportSettings = ReportSettings()
    sites: dict[str, SiteSettings] = Field(default={}, description="The sites, each under its name.")
    models: dict[str, Names] = Field(
        default={},
        description='Aliases: a name, and the "site/model" values that it stands for. The next one is asked when a '
        "site is down, has changed, needs a person or does not answer in time.",
    )
    _sources: Sources = PrivateAttr(Sources())

    @property
    def source(self) -> Path | None:
        """The settings file that was read."""
        return self._sources.file

    @property
    def sources(self) -> Sources:
        """Where each setting came from."""
        return self._sources

    def challenge_of(self, site: str) -> float:
        """Return how many seconds the browser may take at *site* to pass a challenge."""
        own = self.sites[site].limits.challenge
        return self.limits.challenge if own is None else own

    @property
    def entering(self) -> float:
        """Seconds that entering any of the sites may take, including a challenge."""
        return self.limits.visit + max(map(self.challenge_of, self.sites), default=self.limits.challenge)

    @model_validator(mode="after")
    def _check_role(self) -> Self:
        if self.role == "front" and self.store.url == "memory://":
            raise ValueError('role = "front": expected a store that others share; store.url is memory://')
        return self

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        faults = [
            f'sites."{name[:80]}": expected a name of a-z, 0-9, _ and - only'
            for name in self.sites
            if not re.fullmatch(r"[a-z0-9_-]+", name)
        ]
        faults += [
            f"service.keys.{name}.sites: no site is called {site[:80]!r}{near(site, self.sites)}"
            for name, key in self.service.keys.items()
            for site in key.sites
            if site != "*" and site not in self.sites
        ]
        for alias, targets in self.models.items():
            if not targets:
                faults.append(f'models."{alias}": expected at least one "site/model"')
            for target in targets:
                site, slash, model = target.partition("/")
                if not (site and slash and model):
                    faults.append(f'models."{alias}": expected "site/model", got {target[:80]!r}')
                elif site not in self.sites:
                    faults.append(f'models."{alias}": no site is called {site[:80]!r}{near(site, self.sites)}')
        if faults:
            raise ValueError("\n".join(faults))
        return self

    @classmethod
    def load(
        cls, config: Path | str | None = None, *, draft: str | None = None, **overrides: Mapping[str, Any]
    ) -> Settings:
        """Load the settings from the file *config*, or from the first `doorkey.toml` that is found.

        *draft* is a text that the file may get: it is read in place of the file's own, to be tried. *overrides* are
        sections (`service={"port": 9000}`) that win over file and environment. Raises ConfigurationError that lists
        every fault with its place.
        """
        path = Path(config) if config is not None else find_file()
        text, data = _read(path)
        if path is not None and lies_in_working_directory(path):
            check_trusted(path, text, data, state_dir)
        if draft is not None:
            text, data = draft, _parse(draft, path)
        searched = () if path is not None else tuple(folder / FILE for folder in config_dirs())
        sources = Sources(file=path, searched=searched, text=text, variables=_variables(), overrides=overrides)
        faults = strangers(cls, sources.variables, PREFIX)
        try:
            for layer in (_from_environment(), overrides):
                data = _merge(data, layer)
            settings = cls.model_validate(data)
        except SettingsError as exc:
            # Only whole tables are read as JSON here. The exception names the field in quotes and holds no value.
            faults.append(f"{PREFIX}{str(exc).split(chr(34))[1].upper()}: expected a table as JSON")
        except ValidationError as exc:
            # Not chained, as pydantic's text may hold a secret.
            told = {fault.partition(":")[0] for fault in faults}
            faults += [fault for fault in explain(cls, exc, sources) if fault.partition(":")[0] not in told]
        if faults:
            raise ConfigurationError("the settings can't be used:\n  " + "\n  ".join(faults))
        settings._sources = sources
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
    except FileNotFoundError as exc:
        raise ConfigurationError(f"there is no settings file {path}: correct --config, or leave it out") from exc
    except OSError as exc:
        raise ConfigurationError(f"the settings file {path} can't be read: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise ConfigurationError(
            f"{path} is no TOML: UTF-8 text was expected, but byte {exc.start} is not UTF-8"
        ) from exc
    return text, _parse(text, path)


def _parse(text: str, path: Path | None) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise ConfigurationError(f"{path} is no valid TOML: {exc}") from exc


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    both = dict(below)
    for name, value in above.items():
        old = both.get(name)
        both[name] = _merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return both


def config_dirs() -> tuple[Path, ...]:
    """Return the folders in which a settings file is looked for, in this order."""
    from platformdirs import user_config_path

    return (Path.cwd(), user_config_path(APP, appauthor=False))


def lies_in_working_directory(path: Path) -> bool:
    """Whether *path* is a `doorkey.toml` that is read because it lies where the user is, and not the user's own."""
    from platformdirs import user_config_path

    here = path.parent.resolve()
    return path.name == FILE and here == Path.cwd().resolve() != user_config_path(APP, appauthor=False).resolve()


def find_file() -> Path | None:
    return next((folder / FILE for folder in config_dirs() if (folder / FILE).is_file()), None)


def state_dir() -> Path:
    """Return the folder for all that outlives the process. It is created, and only its owner can read it."""
    from platformdirs import user_data_path

    path = user_data_path(APP, appauthor=False)
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.chmod(0o700)
    except OSError as exc:
        raise ConfigurationError(
            f"the data folder {path} can't be used ({exc.strerror}): correct that, or set XDG_DATA_HOME"
        ) from exc
    return path


def confirmations_dir() -> Path:
    """Return the folder of what agents want of a person."""
    return state_dir() / "confirmations"


def screen() -> str | None:
    """Return the screen of this desktop session (X11 or Wayland); None if there is none."""
    return os.environ.get("WAYLAND_DISPLAY") or os.environ.get("DISPLAY") or None


def variable(name: str) -> str | None:
    """Return the environment variable *name*, to which a login step refers; None if it is not set."""
    return os.environ.get(name, _LENT.get(name))


@contextmanager
def lend_variables(values: Mapping[str, str]) -> Iterator[None]:
    """Let `variable` return these *values* for names that are not set, in this process only.

    No program that is started sees them. Lending does not nest.
    """
    _LENT.update(values)
    try:
        yield
    finally:
        _LENT.clear()


def environment_with(**values: str) -> dict[str, str]:
    """Return the environment of this process, with *values* in place of its own."""
    return {**os.environ, **values}


def playwright_downloads() -> Path | None:
    """Return the folder in which Playwright keeps its browsers, if the user has moved it."""
    folder = os.environ.get("PLAYWRIGHT_BROWSERS_PATH", "")
    return Path(folder) if folder and folder != "0" else None


def describe(model: type[BaseModel] = Settings, prefix: str = "") -> Iterator[tuple[str, object, str]]:
    """Return (key, default, description) of each setting, in order.

    A setting of one of several named tables is written `sites.NAME.key`.
    """
    for name, field in model.model_fields.items():
        key = f"{prefix}{name}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            if field.description:  # keys of nested sections are listed with their section
                yield key, None, field.description
                continue
            yield from describe(field.annotation, f"{key}.")
        elif get_origin(field.annotation) is dict and isinstance(get_args(field.annotation)[1], type):
            yield from describe(get_args(field.annotation)[1], f"{key}.NAME.")
        else:
            yield key, None if field.is_required() else field.get_default(), field.description or ""
