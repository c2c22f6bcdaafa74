"""WordPress as an application to make categories in, as its administrator does: a form that a script sends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from software.application import PASSWORD, USER, Application, Write
from software.packages import Packages
from software.wordpress import WordPress, wordpress

CATEGORIES = "/wp-admin/edit-tags.php?taxonomy=category"
FORM = {"action": "add-tag", "screen": "edit-category", "taxonomy": "category", "post_type": "post", "slug": "",
        "parent": "-1", "description": ""}  # fmt: skip


@contextmanager
def wordpress_admin(packages: Packages, folder: Path) -> Iterator[Application]:
    with wordpress(packages, folder) as running:
        yield Application(
            name="wordpress",
            url=f"{running.url}/",
            write=_add,
            writes=lambda mark: _count(running, mark),
            kill_sessions=running.kill_sessions,
            refusals={},
            environment={"BLOG_USER": USER, "BLOG_PASSWORD": PASSWORD},
            enter=(("/wp-login.php", ""), ("#user_login", USER), ("#user_pass", PASSWORD), ("#wp-submit", "")),
            use=((CATEGORIES, ""), ("#tag-name", "shown"), ("#submit", "")),
        )


def _add(mark: str) -> Write:
    return Write(
        "POST",
        "/wp-admin/admin-ajax.php",
        form={**FORM, "tag-name": mark},
        accepted=lambda status, body: status == 200 and b"term_id" in body,
    )


def _count(running: WordPress, mark: str) -> dict[str, int]:
    told = running.folder / "terms.json"
    running.run("terms.php", str(told), mark)
    return dict(json.loads(told.read_text()))
