"""What each key allows: which sites, which methods, and whether it may renew and read sessions."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from aiohttp import web

from doorkey.service.failure import Refusal
from doorkey.service.key import as_bytes

if TYPE_CHECKING:
    from doorkey.config.settings import ServiceSettings


@dataclass(frozen=True, slots=True)
class Access:
    """The rights of one key. `sites` and `methods` None: all of them."""

    name: str
    sites: frozenset[str] | None = None
    methods: frozenset[str] | None = None
    admin: bool = False
    agents: bool = False
    """Whether it opens the agents' tools, and nothing else."""


ACCESS = web.RequestKey("ACCESS", Access)
"""The rights of the request's key, if it is one of limited rights."""


class Rule(Enum):
    """What a key of limited rights needs for a route."""

    OPEN = "nothing"
    OWN = (
        "the handler asks `allows_site` or `require_sites`, as the site stands in the body or the answer names several"
    )
    SITE = "the site in the path"
    ALL = "all sites"
    ADMIN = "the site in the path, and admin"
    ADMIN_ALL = "all sites, and admin"
    AGENTS = "to be a key for agents"


RULES = {
    "/": Rule.OWN,
    "/dashboard/enter/{code}": Rule.OPEN,
    "/dashboard/leave": Rule.OPEN,
    "/dashboard/events": Rule.OWN,
    "/dashboard/page.css": Rule.OPEN,
    "/dashboard/page.js": Rule.OPEN,
    "/dashboard/ask": Rule.OWN,
    "/dashboard/sites/{name}/renew": Rule.ADMIN,
    "/dashboard/sites/{name}/pause": Rule.ADMIN,
    "/dashboard/sites/{name}/resume": Rule.ADMIN,
    "/dashboard/sites/{name}/login": Rule.ADMIN,
    "/dashboard/sites/{name}/open": Rule.ADMIN,
    "/dashboard/additions": Rule.ADMIN_ALL,
    "/dashboard/additions/{id}/dismiss": Rule.ADMIN_ALL,
    "/dashboard/additions/{id}/{wish}": Rule.ADMIN_ALL,
    "/dashboard/live/view.css": Rule.OPEN,
    "/dashboard/live/view.js": Rule.OPEN,
    "/dashboard/live/{id}": Rule.OWN,
    "/dashboard/live/{id}/socket": Rule.OWN,
    "/api/dashboard/links": Rule.OWN,
    "/healthz": Rule.OPEN,
    "/readyz": Rule.OPEN,
    "/metrics": Rule.ALL,
    "/openapi.json": Rule.OPEN,
    "/docs": Rule.OPEN,
    "/v1/models": Rule.OWN,
    "/v1/models/{id}": Rule.OWN,
    "/v1/chat/completions": Rule.OWN,
    "/v1/completions": Rule.OWN,
    "/v1/responses": Rule.OWN,
    "/v1/messages": Rule.OWN,
    "/v1/images/generations": Rule.OWN,
    "/api/sites": Rule.OWN,
    "/api/sites/{name}": Rule.SITE,
    "/api/sites/{name}/renew": Rule.ADMIN,
    "/api/sites/{name}/pause": Rule.ADMIN,
    "/api/sites/{name}/resume": Rule.ADMIN,
    "/api/sites/{name}/session": Rule.ADMIN,
    "/api/confirmations": Rule.OWN,
    "/api/confirmations/{pending}": Rule.OWN,
    "/mcp": Rule.AGENTS,
    "/site/{tail}": Rule.SITE,
}
"""The rule of each route. A route without one is closed to keys of limited rights."""


class KeyRing:
    """The keys that the service accepts. *full* may do everything.

    `entries` are each key, as bytes, and its rights: None for all of them.
    """

    def __init__(self, full: str, service: ServiceSettings) -> None:
        entries: list[tuple[bytes, Access | None]] = [(as_bytes(full), None)]
        for name, key in service.keys.items():
            access = Access(name, _narrow(key.sites), _narrow(key.methods), key.admin, key.agents)
            entries.append((as_bytes(key.key.get_secret_value()), access))
        self.entries = tuple(entries)

    def access_of(self, name: str) -> Access | None:
        """Return the rights of the key *name*; the empty name is the full key's."""
        return next(access for _, access in self.entries if (access.name if access else "") == name)

    def digest(self, salt: str) -> str:
        """Return a text that differs where the keys or their rights do. It tells nothing about the keys."""
        told = [
            (key, a and [a.name, *map(_sorted, (a.sites, a.methods)), a.admin, a.agents]) for key, a in self.entries
        ]
        return hmac.digest(salt.encode(), repr(told).encode("utf-8", "replace"), "sha256").hex()


def apply_access(request: web.Request, access: Access) -> None:
    """Give *request* the rights *access*. Raises Refusal if its route needs others."""
    request[ACCESS] = access
    _check_route(request, access)


def _sorted(names: frozenset[str] | None) -> list[str] | None:
    return None if names is None else sorted(names)


def _narrow(names: Iterable[str]) -> frozenset[str] | None:
    named = frozenset(names)
    return None if "*" in named else named


def _check_route(request: web.Request, access: Access) -> None:
    """Refuse what the key does not allow on the request's route."""
    fault = request.match_info.http_exception
    found = fault is None
    resource = request.match_info.route.resource
    route = resource.canonical if found and resource is not None else ""
    rule = RULES.get(route) or RULES.get(f"/v1{route}")
    if access.agents and rule not in (Rule.AGENTS, Rule.OPEN) and not isinstance(fault, web.HTTPMethodNotAllowed):
        raise _refusal(access, "use anything but /mcp, as it is a key for agents", "agents")
    methods = None if rule is Rule.AGENTS else access.methods
    if methods is not None and request.method not in methods and not (request.method == "HEAD" and "GET" in methods):
        raise _refusal(access, f"use the method {request.method[:20]}", "methods")
    if not found:
        return
    match rule:
        case Rule.SITE:
            require_sites(request, [_site_in_path(request)])
        case Rule.ADMIN:
            require_sites(request, [_site_in_path(request)])
            require_admin(request)
        case Rule.OPEN | Rule.OWN | Rule.AGENTS:
            pass
        case _:
            if access.sites is not None:
                raise _refusal(access, "see what concerns all sites", "sites")
            if rule is Rule.ADMIN_ALL:
                require_admin(request)


def _site_in_path(request: web.Request) -> str:
    """Return the site's name in `/api/sites/{name}` and `/site/{name}/…`, as their handlers read it."""
    name = request.match_info.get("name")
    return name if name is not None else request.raw_path.split("/", 3)[2].partition("?")[0]


def allows_site(request: web.Request, site: str) -> bool:
    """Return whether the request's key allows *site*."""
    access = request.get(ACCESS)
    return access is None or access.sites is None or site in access.sites


def require_sites(request: web.Request, sites: Iterable[str]) -> None:
    """Raise Refusal if the request's key does not allow one of *sites*."""
    for site in sites:
        if not allows_site(request, site):
            raise _refusal(request[ACCESS], f"use the site {site[:80]!r}", "sites")


def require_admin(request: web.Request) -> None:
    """Raise Refusal if the request's key has no admin."""
    access = request.get(ACCESS)
    if access is not None and not access.admin:
        raise _refusal(access, "renew, read or set sessions, add or pause sites, or answer agents", "admin")


def _refusal(access: Access, what: str, setting: str) -> Refusal:
    message = f"the key {access.name!r} may not {what}. If it should, change service.keys.{access.name}.{setting}"
    return Refusal(403, "not_allowed_for_key", message)
