"""A real Chromium: found, started once, shared by leases, kept in bounds. The only package that knows Playwright."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from doorkey.browser.chromium import Chromium, find_chromium
    from doorkey.browser.install import find_driver_fault, install_certificate_tools, install_chromium
    from doorkey.browser.lease import Lease
    from doorkey.browser.live.live_page import LivePage, PageRequest
    from doorkey.browser.live.registry import LivePages
    from doorkey.browser.live.socket_page import SocketRequest
    from doorkey.browser.manual.window import WindowState, open_window
    from doorkey.browser.pool import BrowserPool
    from doorkey.browser.profile import Profile, load_profile
    from doorkey.browser.showing.window import record_use
    from doorkey.browser.visit.spec import VisitResult, VisitSpec

_HOMES = {
    "VisitResult": "visit.spec",
    "BrowserPool": "pool",
    "Chromium": "chromium",
    "WindowState": "manual.window",
    "Lease": "lease",
    "PageRequest": "live.live_page",
    "Profile": "profile",
    "SocketRequest": "live.socket_page",
    "LivePage": "live.live_page",
    "LivePages": "live.registry",
    "VisitSpec": "visit.spec",
    "find_driver_fault": "install",
    "find_chromium": "chromium",
    "install_certificate_tools": "install",
    "install_chromium": "install",
    "load_profile": "profile",
    "open_window": "manual.window",
    "record_use": "showing.window",
}

__all__ = [
    "BrowserPool",
    "Chromium",
    "Lease",
    "LivePage",
    "LivePages",
    "PageRequest",
    "Profile",
    "SocketRequest",
    "VisitResult",
    "VisitSpec",
    "WindowState",
    "find_chromium",
    "find_driver_fault",
    "install_certificate_tools",
    "install_chromium",
    "load_profile",
    "open_window",
    "record_use",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'doorkey.browser' has no attribute {name!r}")
    value = getattr(import_module(f"doorkey.browser.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
