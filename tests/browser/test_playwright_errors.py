"""Playwright's exceptions become ours."""

from __future__ import annotations

import pytest
from playwright.async_api import Error
from playwright.async_api import TimeoutError as PlaywrightTimeout

from doorkey.browser.playwright_errors import DriverGone, translate
from doorkey.errors import BrowserFailed, Changed, DoorkeyError, SiteDown, TimeLimit


def every(kind: type[Error]) -> list[type[Error]]:
    return [kind, *(found for child in kind.__subclasses__() for found in every(child))]


def test_each_of_playwrights_exceptions_becomes_ours() -> None:
    kinds = every(Error)
    assert len(kinds) >= 3
    assert all(isinstance(translate(kind("it failed"), "loading"), DoorkeyError) for kind in kinds)


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (PlaywrightTimeout("Timeout 30000ms exceeded"), TimeLimit),
        (Error("Page.goto: net::ERR_CONNECTION_REFUSED at http://h/"), SiteDown),
        (Error("net::ERR_PROXY_CONNECTION_FAILED"), SiteDown),
        (Error("net::ERR_ABORTED"), Changed),
        (Error("Target page, context or browser has been closed"), BrowserFailed),
        (Exception("Connection closed while reading from the driver"), DriverGone),
    ],
)
def test_what_a_failure_means(error: Exception, ours: type[DoorkeyError]) -> None:
    assert type(translate(error, "loading the page", 5.0)) is ours


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("net::ERR_EMPTY_RESPONSE at https://h/", "sites.SITE.client_certificate"),
        ("net::ERR_BAD_SSL_CLIENT_AUTH_CERT at https://h/", "sites.SITE.client_certificate"),
        ("net::ERR_CERT_AUTHORITY_INVALID at https://h/", "sites.SITE.ca_file"),
        ("net::ERR_EMPTY_RESPONSE at http://h/", ""),
        ("net::ERR_NAME_NOT_RESOLVED at https://h/", ""),
    ],
)
def test_a_failed_https_connection_names_the_setting_that_may_be_missing(said: str, hint: str) -> None:
    told = translate(Error(f"Page.goto: {said}"), "loading").message
    assert hint in told
    assert bool(hint) == ("sites." in told)


def test_an_address_with_a_secret_is_not_repeated() -> None:
    assert "token" not in str(translate(Error("Page.goto: failed at https://h/?token=1"), "loading"))
