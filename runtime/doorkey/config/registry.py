"""Finds providers by entry points, and builds the configured sites with them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pydantic import ValidationError

from doorkey.config.settings_errors import explain, unknown_keys
from doorkey.config.settings_errors import near as near
from doorkey.errors import ConfigurationError
from doorkey.model.site import Site
from doorkey.model.site_access import TlsSetup
from doorkey.model.urls import origin_of
from doorkey.provider import ChatProvider, Provider

if TYPE_CHECKING:
    from pydantic import BaseModel

    from doorkey.config.settings import Settings
    from doorkey.config.settings_schema import SiteSettings

PROVIDERS = "doorkey.providers"
TWINS = "doorkey.twins"


@cache
def _find_entries(group: str) -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in sorted(entry_points(group=group), key=lambda entry: entry.name)}


def provider_names() -> tuple[str, ...]:
    """Return the names of the installed providers. Loads none of them."""
    return tuple(_find_entries(PROVIDERS))


def provider_class(name: str) -> type[Provider]:
    """Load the provider *name*. Raises ConfigurationError if there is none, or if it can't be loaded."""
    entry = _find_entries(PROVIDERS).get(name)
    if entry is None:
        known = ", ".join(provider_names()) or "none: doorkey is not installed, only its source is here"
        raise ConfigurationError(
            f"no provider is called {name[:80]!r}{near(name, provider_names())}; installed: {known}"
        )
    found = load(entry)
    if not issubclass(found, Provider):
        raise ConfigurationError(f"provider {name!r} ({_describe_origin(entry)}) is no doorkey.Provider: {entry.value}")
    return found


def twin_classes() -> dict[str, type]:
    """Load the installed twins, by the name of the provider whose site they copy."""
    return {name: load(entry) for name, entry in _find_entries(TWINS).items()}


def load(entry: EntryPoint) -> type:
    """Load the class that *entry* names. Raises ConfigurationError, which names the distribution at fault."""
    try:
        found = entry.load()
    except Exception as exc:  # Other people's code may raise anything when it is imported.
        raise ConfigurationError(
            f"{entry.group} {entry.name!r} can't be loaded from {_describe_origin(entry)} ({entry.value}): "
            f"{type(exc).__name__}: {exc}. Repair or uninstall it"
        ) from exc
    if not isinstance(found, type):
        raise ConfigurationError(
            f"{entry.group} {entry.name!r} of {_describe_origin(entry)} is no class: {entry.value}"
        )
    return found


def _describe_origin(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else "an unknown distribution"


def page_url(url: str, provider: type[Provider] | Provider) -> str:
    """Return the URL to open: *url*, with the provider's path if it has none."""
    parts = urlsplit(url)
    if parts.path in ("", "/") and not parts.query:
        return parts._replace(path=provider.page_path).geturl()
    return url


def build_sites(settings: Settings) -> dict[str, Site]:
    """Build the configured sites. Raises ConfigurationError, which lists every site that can't be used."""
    sites, faults = _build_each(settings)
    if faults:
        raise ConfigurationError(_list_faults(fault for each in faults.values() for fault in each))
    return sites


def leave_out_broken(settings: Settings) -> tuple[Settings, dict[str, str]]:
    """Return *settings* without the sites that can't be used, and the faults of those, by name.

    Raises ConfigurationError if no site is left.
    """
    sites, faults = _build_each(settings)
    for name, site in sites.items():
        try:
            make_provider(site, settings.sites[name].provider)
        except ConfigurationError as exc:
            faults[name] = [str(exc)]
    usable = {name: configured for name, configured in settings.sites.items() if name not in faults}
    if faults and not usable:
        raise ConfigurationError(_list_faults(fault for each in faults.values() for fault in each))
    chains = {
        alias: tuple(model for model in chain if model.partition("/")[0] in usable)
        for alias, chain in settings.models.items()
    }
    models = {alias: chain for alias, chain in chains.items() if chain}
    told = {name: "; ".join(each) for name, each in faults.items()}
    return (settings.model_copy(update={"sites": usable, "models": models}) if told else settings), told


def _build_each(settings: Settings) -> tuple[dict[str, Site], dict[str, list[str]]]:
    """Return the sites that can be used, and the faults of the others, each by name."""
    sites: dict[str, Site] = {}
    faults: dict[str, list[str]] = {}
    for name, configured in settings.sites.items():
        try:
            kind = provider_class(configured.provider or name)
        except ConfigurationError as exc:
            missing = (
                "" if configured.provider or name in provider_names() else f"sites.{name}.provider is not set, and "
            )
            faults[name] = [f"sites.{name}: {missing}{exc}", *_find_misspelt(settings, name)]
            continue
        options, wrong = _check_options(kind, settings, name)
        if wrong:
            faults[name] = wrong
            continue
        if configured.models and not issubclass(kind, ChatProvider):
            # Without an error, people would think that the setting has an effect.
            called = configured.provider or name
            faults[name] = [
                f"sites.{name}.models: the provider {called} is no chat and has no models: remove this setting"
            ]
            continue
        if configured.url is None:
            faults[name] = [f"sites.{name} has no url: hosts are presumed dead: say where it is (sites.{name}.url)"]
            continue
        url = page_url(configured.url, kind)
        sites[name] = Site(
            name=name,
            url=url,
            models=configured.models,
            profile=configured.profile,
            proxy=configured.proxy,
            reach=configured.reach,
            transport=configured.transport,
            options=options,
            credentials=None if configured.http_credentials is None else configured.http_credentials.build(),
            tls=build_tls(configured, url),
        )
    return sites, faults


def build_tls(configured: SiteSettings, url: str) -> TlsSetup | None:
    """The site's own TLS setup, or None if it has none."""
    ca_file, certificate = configured.ca_file, configured.client_certificate
    if ca_file is None and certificate is None:
        return None
    return TlsSetup(
        origin_of(url),
        None if ca_file is None else ca_file.expanduser(),
        None if certificate is None else certificate.build(),
    )


def _check_options(kind: type[Provider], settings: Settings, name: str) -> tuple[BaseModel | None, list[str]]:
    """Check the provider's own settings of site *name*. Return them, and descriptions of their faults."""
    configured = settings.sites[name]
    common, table = type(configured).model_fields, ("sites", name)
    if kind.Options is None:
        return None, unknown_keys(configured.more, common, settings.sources, table)
    try:
        return kind.Options.model_validate(configured.more), []
    except ValidationError as exc:
        # Described, not chained, as pydantic's text may hold a secret.
        return None, explain(kind.Options, exc, settings.sources, table=table, beside=common)


def _find_misspelt(settings: Settings, name: str) -> list[str]:
    """Describe keys that are almost common ones. A key like `provder` may be why the provider is unknown."""
    configured = settings.sites[name]
    common = type(configured).model_fields
    return unknown_keys(
        [key for key in configured.more if near(key, common)], common, settings.sources, ("sites", name)
    )


def _list_faults(faults: Iterable[str]) -> str:
    return "the settings can't be used:\n  " + "\n  ".join(faults)


def make_provider(site: Site, provider: str | None = None) -> Provider:
    """Make the provider of *site*: the one called *provider*, else the one called like the site."""
    return provider_class(provider or site.name)(site)
