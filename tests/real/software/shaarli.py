"""Shaarli, from Debian: bookmarks behind a login, its forms' tokens serve once; sessions as PHP keeps them."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import shutil
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from software.application import PASSWORD, USER, Application, Write, counted
from software.packages import Packages
from software.php import Php
from software.process import free_port

DATA = ("shaarli", "php-slim", "php-pimple", "php-nikic-fast-route", "php-psr-container", "php-psr-http-message",
        "php-psr-log", "php-klogger", "php-malkusch-lock", "php-netscape-bookmark-parser", "php-oscarotero-gettext",
        "php-gettext-languages", "php-parsedown", "php-parsedown-extra", "php-pubsubhubbub-publisher",
        "php-arthurhoaro-web-thumbnailer", "php-text-template")  # fmt: skip
FOLDERS = ("cache", "data", "pagecache", "tmp")


@contextmanager
def shaarli(packages: Packages, folder: Path) -> Iterator[Application]:
    root, site, kept = packages.debian("shaarli", (), DATA), folder / "site", folder / "kept"
    shutil.copytree(root / "usr/share/shaarli", site, symlinks=True, ignore=shutil.ignore_patterns("doc", *FOLDERS))
    for name in FOLDERS:
        (site / name).mkdir()
    for script in (site / "init.php", site / "index.php"):
        script.write_text(script.read_text().replace("/usr/share/shaarli/", f"{site}/"))
    settings = site / "data" / "config.json.php"
    _configure(settings)
    kept.mkdir()
    php = Php(packages, kept, [f'include_path=".:{root}/usr/share/php"', "date.timezone=UTC"])
    port = free_port()
    with php.serving(site, port):
        yield Application(
            name="shaarli",
            url=f"http://127.0.0.1:{port}/",
            write=lambda mark: Write("POST", "/admin/shaare", form={**EMPTY, "lf_title": mark}),
            writes=lambda mark: _titles(port, mark),
            kill_sessions=lambda: _end(kept, settings),
            refusals={},
            environment={"LINKS_USER": USER, "LINKS_PASSWORD": PASSWORD},
            enter=(
                ("/login", ""),
                ("form[name=loginform] input[name=login]", USER),
                ("form[name=loginform] input[name=password]", PASSWORD),
                ("form[name=loginform] input[type=submit]", ""),
            ),
            use=(("/admin/shaare?post=", ""), ("input[name=lf_title]", "shown"), ("input[name=save_edit]", "")),
        )


EMPTY = {"lf_url": "", "lf_description": "", "lf_tags": "", "save_edit": "Save", "returnurl": ""}


def _configure(file: Path) -> None:
    salt = secrets.token_hex(8)
    settings = {
        "credentials": {
            "login": USER,
            "salt": salt,
            "hash": hashlib.sha1(f"{PASSWORD}{USER}{salt}".encode()).hexdigest(),
        },
        "general": {"title": "Links", "timezone": "UTC", "header_link": "/", "retrieve_description": False},
        "updates": {"check_updates": False},
    }
    file.write_text(f"<?php /*\n{json.dumps(settings)}\n*/ ?>")


def _titles(port: int, mark: str) -> dict[str, int]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/feed/rss?nb=all", timeout=20) as answer:
        titles = re.findall(r"<title>(.*?)</title>", answer.read().decode())
    return counted(title for title in titles if title.startswith(mark))


def _end(kept: Path, settings: Path) -> None:
    """PHP's sessions are gone, and so are the cookies by which visitors stay signed in: these hold the salt's hash."""
    _configure(settings)
    for session in kept.glob("sess_*"):
        session.unlink(missing_ok=True)
