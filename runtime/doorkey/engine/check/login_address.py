"""An address of a site's login, told apart from the other pages of a script that serves both."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeAlias
from urllib.parse import parse_qsl, urlencode, urlsplit

Parameters: TypeAlias = frozenset[tuple[str, str]]

RETURNS = re.compile(r"(?:next|back|continue|goto|return|redirect|refer|came.?from|dest|ur[il]$)", re.IGNORECASE)
"""Names of parameters that say where a login leads afterwards."""
ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*:/|/", re.IGNORECASE)
RANDOM = re.compile(r"[0-9a-fA-F-]{8,}|(?=.*\d)[\w-]{16,}")


@dataclass(frozen=True, slots=True)
class LoginAddress:
    """`parameters` are those that a query must hold with the same values to lead to the login. Without any, the path
    alone tells."""

    path: str
    parameters: Parameters = frozenset()

    def fits(self, url: str) -> bool:
        """Whether *url* leads to the login."""
        parts = urlsplit(url)
        return (parts.path or "/") == self.path and self.parameters <= set(
            parse_qsl(parts.query, keep_blank_values=True)
        )

    def is_named_in(self, body: bytes) -> bool:
        """Whether *body* holds the path and each parameter, as in a script that leads to the login."""
        return self.path.encode() in body and all(
            f"{name}={value}".encode() in body or urlencode([(name, value)]).encode() in body
            for name, value in self.parameters
        )

    def narrow(self, sight: LoginAddress, *, shared: bool) -> LoginAddress:
        """This address without the parameters that *sight*, another sight of the same login, has not.

        At a path *shared* with other pages, a sight with none of them is one of such a page, and says nothing.
        """
        both = self.parameters & sight.parameters
        if self.path != sight.path or (shared and not both):
            return self
        return replace(self, parameters=both)


def login_address_of(url: str, home: str = "") -> LoginAddress:
    """The address of the login that *url* opens.

    Left out are parameters that vary (where to go after the login, random values) and those that *home*, a page that
    sessions see, has as well: of `/doku.php?id=start&do=login`, `do=login` remains if home is `/doku.php?id=start`.
    """
    own, other = urlsplit(url), urlsplit(home)
    path, parameters = own.path or "/", frozenset(lasting_parameters(own.query))
    others = lasting_parameters(other.query) if home and (other.path or "/") == path else ()
    return LoginAddress(path, parameters.difference(others) or parameters)


def lasting_parameters(query: str) -> Iterable[tuple[str, str]]:
    """The parameters of *query* that may tell a page: not where it leads afterwards, and no random values."""
    return [
        (name, value)
        for name, value in parse_qsl(query, keep_blank_values=True)
        if not (RETURNS.match(name) or ADDRESS.match(value) or RANDOM.fullmatch(value))
    ]
