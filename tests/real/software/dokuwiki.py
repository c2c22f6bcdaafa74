"""DokuWiki, from Debian: a form login, a security token in every form, pages as files."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import md5
from pathlib import Path

from software.application import PASSWORD, USER, Application, Write, counted
from software.packages import Packages
from software.php import Php
from software.process import free_port

DATA = ("dokuwiki", "php-geshi", "libphp-simplepie", "php-phpseclib", "php-random-compat", "libjs-jquery",
        "libjs-jquery-ui", "libjs-jquery-cookie")  # fmt: skip
FOLDERS = ("attic", "cache", "index", "locks", "log", "media", "media_attic", "media_meta", "meta", "pages", "tmp")


@contextmanager
def dokuwiki(packages: Packages, folder: Path) -> Iterator[Application]:
    root = packages.debian("dokuwiki", (), DATA)
    conf, data = folder / "conf", folder / "data"
    for name in FOLDERS:
        (data / name).mkdir(parents=True)
    _configure(root / "etc/dokuwiki", conf, data)
    # The package looks for its configuration in /etc.
    ahead = folder / "ahead.php"
    ahead.write_text(f"<?php define('DOKU_MAIN_CONF', '{conf}/'); define('DOKU_CONF', '{conf}/');\n")
    libraries = f'include_path=".:{root}/usr/share/php:{root}/usr/share/php-geshi"'
    php, port = Php(packages, folder, [f"auto_prepend_file={ahead}", libraries]), free_port()
    with php.serving(root / "usr/share/dokuwiki", port):
        yield Application(
            name="dokuwiki",
            url=f"http://127.0.0.1:{port}/",
            write=_save,
            writes=lambda mark: _changes(data / "meta/_dokuwiki.changes", mark),
            kill_sessions=lambda: _rotate(data / "meta/_htcookiesalt2", folder),
            refusals={"validation": _spam()},
            environment={"WIKI_USER": USER.lower(), "WIKI_PASSWORD": PASSWORD},
            enter=(
                ("/doku.php?id=start&do=login", ""),
                ("[name=u]", USER.lower()),
                ("[name=p]", PASSWORD),
                ("#dw__login button[type=submit]", ""),
            ),
            use=(("/doku.php?id=shown&do=edit", ""), ("#wiki__text", "shown"), ("#edbtn__save", "")),
        )


def _configure(shipped: Path, conf: Path, data: Path) -> None:
    shutil.copytree(shipped, conf, ignore=lambda _, names: [name for name in names if name.endswith("auth.php")])
    password = md5(PASSWORD.encode()).hexdigest()
    (conf / "users.auth.php").write_text(f"{USER.lower()}:{password}:{USER}:ada@wiki.invalid:admin,user\n")
    (conf / "acl.auth.php").write_text("* @ALL 1\n* @user 8\n")
    settings = {"savedir": str(data), "passcrypt": "md5", "superuser": "@admin", "license": "0"}
    lines = [f"$conf['{name}'] = '{value}';" for name, value in settings.items()]
    (conf / "local.php").write_text("\n".join(["<?php", *lines, "$conf['useacl'] = 1;"]) + "\n")


def _save(mark: str) -> Write:
    form = {"id": mark, "do": "save", "wikitext": f"This is {mark}.", "summary": mark}
    return Write("POST", "/doku.php", form=form, accepted=lambda status, body: status in (200, 302))


def _spam() -> Write:
    """Its own list of words forbids this address: the form comes again."""
    form = {"id": "spam", "do": "save", "wikitext": "see bolea.com now", "summary": "spam"}
    return Write(
        "POST", "/doku.php", form=form, accepted=lambda status, body: status == 200 and b"blocked text" in body
    )


def _changes(log: Path, mark: str) -> dict[str, int]:
    lines = log.read_text().splitlines() if log.exists() else []
    ids = (line.split("\t")[3] for line in lines)
    return counted(page for page in ids if page.startswith(mark))


def _rotate(salt: Path, sessions: Path) -> None:
    """The secret that login cookies are encrypted with is another one, and PHP's sessions are gone."""
    assert salt.exists(), f"{salt.name} is not where DokuWiki keeps its secret"
    salt.write_text(secrets.token_hex(32))
    for session in sessions.glob("sess_*"):
        session.unlink(missing_ok=True)
