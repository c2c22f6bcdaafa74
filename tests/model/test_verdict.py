"""What an answer without a name means: which redirects are taken for those to a login page."""

from __future__ import annotations

import pytest

from doorkey.model.request import Head, Request
from doorkey.model.verdict import Kind
from doorkey.protections.judge import default_verdict


def kind_of(location: str) -> Kind:
    head = Head(status=302, headers={"location": location}, url="https://wiki.example/private")
    return default_verdict(Request(url="/private"), head).kind


@pytest.mark.parametrize(
    "path",
    [
        "/login", "/login/?next=/private", "/log-in", "/users/sign_in", "/signin", "/sign-in", "/wp-login.php",
        "/Account/LogOn", "/logon.aspx", "/index.php/Special:UserLogin", "/userlogin", "/AdminLogin.aspx",
        "/doLogin", "/loginForm", "/login_form", "/LOGIN", "/auth", "/auth/realms/x", "/oauth2/authorize",
        "/authenticate", "/sso", "/sso.php", "https://id.example/login",
    ],
)  # fmt: skip
def test_a_redirect_to_a_login_page_is_a_refusal(path: str) -> None:
    assert kind_of(path) is Kind.REFUSED


@pytest.mark.parametrize(
    "path",
    [
        "/author/jane/", "/authors", "/AUTHORS", "/accessories/", "/designing/", "/assigning", "/blogindex",
        "/blogonline", "/lessons", "/plugins", "/logout", "/?next=/login", "https://login.example/welcome", "http://[none",
    ],
)  # fmt: skip
def test_an_ordinary_redirect_is_none(path: str) -> None:
    assert kind_of(path) is Kind.OK
