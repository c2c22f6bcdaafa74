"""Roundup's classic tracker with one user, at a folder and a port. Roundup's own server refuses to run as root."""

import os
import sys
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from roundup import configuration, init, instance
from roundup.admin import AdminTool
from roundup.cgi.wsgi_handler import RequestDispatcher
from roundup.password import Password


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


def create(home: str, port: str) -> None:
    init.install(home, AdminTool().listTemplates()["classic"]["path"])
    settings = configuration.CoreConfig(home)
    for name, value in {
        "TRACKER_WEB": f"http://127.0.0.1:{port}/",
        "WEB_SECRET_KEY": "of the tests, and of nobody else",
        "MAIL_DOMAIN": "example.invalid",
        "MAIL_HOST": "127.0.0.1",
        "MAIL_DEBUG": str(Path(home, "mail.log")),
        "RDBMS_BACKEND": "sqlite",
    }.items():
        settings[name] = value
    settings.save()
    tracker = instance.open(home)
    tracker.init(Password("of an administrator who never comes", config=tracker.config))
    database = tracker.open("admin")
    secret = Password(os.environ["APP_PASSWORD"], config=tracker.config)
    database.user.create(username=os.environ["APP_USER"], password=secret, address="ada@example.invalid", roles="User")
    database.commit()
    database.close()


if __name__ == "__main__":
    home, port = sys.argv[1:]
    create(home, port)
    make_server(
        "127.0.0.1", int(port), RequestDispatcher(home), server_class=Server, handler_class=Quiet
    ).serve_forever()
