"""Jupyter Server's configuration, and an extension of it: SIGUSR1 rotates the secret that its cookies are signed by."""

import logging
import os
import secrets
import signal
from typing import Any

PASSWORD = os.environ.get("PASSWORD", "")


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "jupyter_config"}]


def _load_jupyter_server_extension(app: Any) -> None:
    def rotate(*_: object) -> None:
        app.web_app.settings["cookie_secret"] = secrets.token_bytes(32)
        with open(os.environ["ROTATIONS"], "a") as rotations:
            rotations.write("rotated\n")

    signal.signal(signal.SIGUSR1, rotate)


if "get_config" in globals():
    from jupyter_server.auth import passwd

    c = get_config()  # noqa: F821  Jupyter puts it there
    c.PasswordIdentityProvider.hashed_password = passwd(PASSWORD, algorithm="sha1")
    c.ServerApp.ip = "127.0.0.1"
    c.ServerApp.open_browser = False
    c.ServerApp.port_retries = 0
    c.ServerApp.jpserver_extensions = {"jupyterlab": True, "jupyter_config": True}
    c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
    c.LabApp.news_url = None
    c.LabApp.extension_manager = "readonly"
    c.EventLogger.handlers = [logging.FileHandler(os.environ["EVENTS"])]
