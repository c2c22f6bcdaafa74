"""A real Chromium: found, started once, shared by leases, kept in bounds. The only package that knows Playwright."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from doorkey.browser.arrival import Arrival, Wanted
    from doorkey.browser.chromium import Chromium, find_chromium
    from doorkey.browser.egress import Egress, Proxy, egress_of, parse_proxy
    from doorkey.browser.install import driver_fault, install_chromium
    from doorkey.browser.lease import Lease
    from doorkey.browser.pool import BrowserPool
    from doorkey.browser.profile import Profile, load_profile
    from doorkey.browser.stay import Order, Stay
    from doorkey.browser.stays import Stays
    from doorkey.browser.window import Kept, open_window

_HOMES = {
    "Arrival": "arrival",
    "BrowserPool": "pool",
    "Chromium": "chromium",
    "Egress": "egress",
    "Kept": "window",
    "Lease": "lease",
    "Order": "stay",
    "Profile": "profile",
    "Proxy": "egress",
    "Stay": "stay",
    "Stays": "stays",
    "Wanted": "arrival",
    "driver_fault": "install",
    "egress_of": "egress",
    "find_chromium": "chromium",
    "install_chromium": "install",
    "load_profile": "profile",
    "open_window": "window",
    "parse_proxy": "egress",
}

__all__ = [
    "Arrival",
    "BrowserPool",
    "Chromium",
    "Egress",
    "Kept",
    "Lease",
    "Order",
    "Profile",
    "Proxy",
    "Stay",
    "Stays",
    "Wanted",
    "driver_fault",
    "egress_of",
    "find_chromium",
    "install_chromium",
    "load_profile",
    "open_window",
    "parse_proxy",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'doorkey.browser' has no attribute {name!r}")
    value = getattr(import_module(f"doorkey.browser.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
