"""The command line that Chromium is started with."""

from __future__ import annotations

import os
from typing import Literal, TypeAlias

from doorkey.errors import ConfigurationError

Sandbox: TypeAlias = Literal["auto"] | bool

PLAYWRIGHTS_FEATURES = (
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsUpgrades",
    "HttpsFirstBalancedModeAutoEnable",
    "LensOverlay",
    "MediaRouter",
    "PaintHolding",
    "ThirdPartyStoragePartitioning",
    "AvoidCorsURLLoaderRestartOnRedirect",
    "TcpPortRandomizationWin",
    "OptimizationHints",
    "NetworkTimeServiceQuerying",
    "AimEnabled",
    "PreconnectToSearch",
    "msForceBrowserSignIn",
    "msEdgeUpdateLaunchServicesPreferredVersion",
)
"""What Playwright 1.65 switches off itself: Chromium takes the last list it is given, so ours repeats it (a test)."""

OUR_FEATURES = (
    "WebUIOmniboxPopup",
    "WebUIOmniboxAimPopup",
    "WebUIOmniboxFullPopup",
    "Translate",
    "AutofillServerCommunication",
)
"""The omnibox pages cost 37 MiB and 40 ms for each context. Autofill tells its maker about each form of a page."""

QUIET = (
    "--component-updater=url-source=http://127.0.0.1:9/x",
    "--gaia-url=http://127.0.0.1:9",
    "--disable-client-side-phishing-detection",
    "--disable-domain-reliability",
)
"""Without these Chromium calls two hosts of its maker at each start."""


def arguments(x_display: str | None = None) -> list[str]:
    """The arguments added to Playwright's own. *x_display* is the X display to show windows on."""
    found = [
        *QUIET,
        "--disable-features=" + ",".join([*PLAYWRIGHTS_FEATURES, *OUR_FEATURES]),
        # A page's peer connections would pass by the filter and tell the machine's own addresses. Chromium 156 knows
        # only the first name (with the second alone, UDP got out: measured), older ones only the second.
        "--webrtc-ip-handling-policy=disable_non_proxied_udp",
        "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
        # Names are the filter's to resolve: none is asked for ahead of need, or past it.
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        "--disable-quic",
    ]
    if x_display is not None:
        found += [f"--display={x_display}", "--ozone-platform=x11"]
    return found


def sandboxed(setting: Sandbox, *, root: bool | None = None) -> bool:
    """Whether Chromium runs in its sandbox: "auto" is yes, but for root, for whom Chromium has none."""
    root = os.geteuid() == 0 if root is None and hasattr(os, "geteuid") else bool(root)
    if setting == "auto":
        return not root
    if setting and root:
        raise ConfigurationError(
            "browser.sandbox is true, but Chromium has no sandbox for root: run doorkey as an ordinary user, "
            'or set browser.sandbox = "auto"'
        )
    return bool(setting)
