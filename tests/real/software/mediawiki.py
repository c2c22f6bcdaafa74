"""MediaWiki, from Debian: its API, a form login, CSRF tokens, sessions in its database."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from software.application import PASSWORD, USER, Application, Write, counted, opened
from software.packages import Packages
from software.php import Php
from software.process import free_port


@contextmanager
def mediawiki(packages: Packages, folder: Path) -> Iterator[Application]:
    root = packages.debian("mediawiki", (), ("mediawiki", "mediawiki-classes")) / "usr/share/mediawiki"
    php, port = Php(packages, folder), free_port()
    url = f"http://127.0.0.1:{port}/"
    install = ["--dbtype", "sqlite", "--dbname", "wiki", "--dbpath", str(folder), "--confpath", str(folder)]
    install += ["--server", url.rstrip("/"), "--scriptpath", "", "--pass", PASSWORD, "Wiki", USER]
    php.run(str(root / "maintenance/install.php"), *install)
    with php.serving(root, port, {"MW_CONFIG_FILE": str(folder / "LocalSettings.php")}):
        yield Application(
            name="mediawiki",
            url=url,
            write=_edit,
            writes=lambda mark: _revisions(folder / "wiki.sqlite", mark),
            kill_sessions=lambda: _log_out(folder / "wikicache.sqlite"),
            refusals={
                "validation": replace(_edit("refused"), form=_form("<none>"), accepted=_is_error("invalidtitle")),
                "wrong field": replace(
                    _edit("refused"), form=_form("refused") | {"section": "?"}, accepted=_is_error("invalidsection")
                ),
            },
            environment={"WIKI_USER": USER, "WIKI_PASSWORD": PASSWORD},
            enter=(
                ("/index.php?title=Special:UserLogin", ""),
                ("#wpName1", USER),
                ("#wpPassword1", PASSWORD),
                ("#wpLoginAttempt", ""),
            ),
            use=(("/index.php?title=Shown&action=edit", ""), ("#wpTextbox1", "shown"), ("#wpSave", "")),
            write_as_used=_save,
        )


def _edit(mark: str) -> Write:
    return Write("POST", "/api.php", form=_form(mark), accepted=_edited)


def _save(mark: str) -> Write:
    """What the form of a page sends."""
    form = {"wpTextbox1": mark, "wpUnicodeCheck": "ℳ𝒲♥𝓊𝓃𝒾𝒸ℴ𝒹ℯ", "wpUltimateParam": "1", "wpSave": "Save page"}
    path = f"/index.php?title={mark.capitalize()}&action=submit"
    return Write("POST", path, form=form, accepted=lambda status, body: status < 400 and b"wpTextbox1" not in body)


def _form(mark: str) -> dict[str, str]:
    return {"action": "edit", "format": "json", "title": mark.capitalize(), "appendtext": f"{mark} "}


def _is_error(code: str) -> Callable[[int, bytes], bool]:
    def told(status: int, body: bytes) -> bool:
        return status == 200 and json.loads(body).get("error", {}).get("code") == code

    return told


def _edited(status: int, body: bytes) -> bool:
    return status == 200 and json.loads(body).get("edit", {}).get("result") == "Success"


def _revisions(database: Path, mark: str) -> dict[str, int]:
    with opened(database) as wiki:
        rows = wiki.execute(
            "SELECT page_title FROM revision JOIN page ON rev_page = page_id WHERE page_title LIKE ?",
            (f"{mark.capitalize()}%",),
        )
        return counted(str(title).lower() for (title,) in rows)


def _log_out(database: Path) -> None:
    with opened(database) as cache:
        gone = cache.execute("DELETE FROM objectcache WHERE keyname LIKE '%MWSession%'").rowcount
    assert gone, "there was no session to end"
