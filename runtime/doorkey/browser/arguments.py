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
"""The features that Playwright 1.65 disables. Chromium uses only the last list given, so ours repeats them."""

OUR_FEATURES = (
    "WebUIOmniboxPopup",
    "WebUIOmniboxAimPopup",
    "WebUIOmniboxFullPopup",
    "Translate",
    "AutofillServerCommunication",
)
"""The omnibox pages cost 37 MiB and 40 ms per context. Autofill reports each form of a page to its vendor."""

QUIET = (
    "--component-updater=url-source=http://127.0.0.1:9/x",
    "--gaia-url=http://127.0.0.1:9",
    "--disable-client-side-phishing-detection",
    "--disable-domain-reliability",
)
"""Without these arguments, Chromium calls two hosts of its vendor at each start."""


def list_arguments(x_display: str | None = None, *, devtools: bool = False) -> list[str]:
    """Return the arguments added to Playwright's own. *x_display* is the X display that shows the windows."""
    arguments = [
        *QUIET,
        "--disable-features=" + ",".join([*PLAYWRIGHTS_FEATURES, *OUR_FEATURES]),
        # WebRTC would bypass the filter proxy and reveal the machine's addresses. Chromium 156 knows only the first
        # name (with the second alone, UDP packets left the machine), older versions know only the second.
        "--webrtc-ip-handling-policy=disable_non_proxied_udp",
        "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
        # Only the filter proxy resolves names: Chromium prefetches none.
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        "--disable-quic",
    ]
    if x_display is not None:
        arguments += [f"--display={x_display}", "--ozone-platform=x11"]
    if devtools:
        arguments.append("--auto-open-devtools-for-tabs")
    return arguments


def use_sandbox(setting: Sandbox, *, root: bool | None = None) -> bool:
    """Tell whether Chromium runs in its sandbox. "auto" means yes, except for root: it can't be sandboxed for root."""
    root = os.geteuid() == 0 if root is None and hasattr(os, "geteuid") else bool(root)
    if setting == "auto":
        return not root
    if setting and root:
        raise ConfigurationError(
            "browser.sandbox is true, but Chromium has no sandbox for root: run doorkey as an ordinary user, "
            'or set browser.sandbox = "auto"'
        )
    return bool(setting)
