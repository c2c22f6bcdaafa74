"""The window of `doorkey add --show`, and the question before a write is tried."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from doorkey.errors import ConfigurationError
from doorkey.model.printable import harmless

if TYPE_CHECKING:
    from doorkey.learning.recording import Recording
    from doorkey.learning.sample import Sample
    from doorkey.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Showing:
    """Opens the window. `person` is told its page when it is open; `virtual` shows it on a virtual display."""

    person: Callable[[Any], object] = lambda _: None
    virtual: bool = False

    async def record(self, runtime: Runtime, url: str) -> Recording:
        """Return what the person shows at *url*. Raises ConfigurationError without a screen."""
        from doorkey.browser import load_profile, record_use
        from doorkey.config.settings import config_dirs, screen

        if not self.virtual and not screen():
            raise ConfigurationError(
                "--show opens a window, but there is no screen (DISPLAY is not set). Run it where you have one, set "
                "DISPLAY to a screen that you see (ssh -X, or Xvfb with a VNC server), or record the site in your own "
                "browser and use: doorkey add --har FILE"
            )
        profile = load_profile("desktop", config_dirs()[-1] / "profiles")
        profile = replace(profile, display="virtual") if self.virtual else profile
        headed = None if self.virtual else True
        events = runtime.events.of("")
        return await record_use(runtime.pool, profile, url, headed=headed, events=events, person=self.person)


async def ask_to_try(sample: Sample) -> bool:
    """Ask whether the write may be sent once more."""
    return click.confirm(harmless(f"To try the result, send once more: {sample}?"), default=False, err=True)
