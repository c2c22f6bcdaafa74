"""WordPress as an application to write posts into, by its REST API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from software.application import PASSWORD, USER, Application, Write
from software.packages import Packages
from software.wordpress import WordPress, wordpress

POSTS = "/?rest_route=/wp/v2/posts"


@contextmanager
def wordpress_rest(packages: Packages, folder: Path) -> Iterator[Application]:
    with wordpress(packages, folder) as running:
        yield Application(
            name="wordpress",
            url=f"{running.url}/",
            write=_post,
            writes=lambda mark: _count(running, mark),
            kill_sessions=running.kill_sessions,
            refusals=REFUSALS,
            environment={"BLOG_USER": USER, "BLOG_PASSWORD": PASSWORD},
        )


def _post(mark: str) -> Write:
    return Write("POST", POSTS, json={"title": mark, "status": "publish"}, accepted=lambda status, _: status == 201)


def _count(running: WordPress, mark: str) -> dict[str, int]:
    told = running.folder / "posts.json"
    running.run("posts.php", str(told), mark)
    return dict(json.loads(told.read_text()))


COMMENTS = "/wp-comments-post.php"
REFUSALS = {
    "validation": Write(
        "POST",
        POSTS,
        json={"title": "x", "status": "nonsense"},
        accepted=lambda status, body: status == 400 and b"rest_invalid_param" in body,
    ),
    # Comments on pages are closed.
    "forbidden": Write(
        "POST",
        COMMENTS,
        form={"comment": "x", "comment_post_ID": "2"},
        accepted=lambda status, body: status == 403 and b"Comment Submission Failure" in body,
    ),
    "wrong field": Write(
        "POST",
        COMMENTS,
        form={"text": "x", "comment_post_ID": "1"},
        accepted=lambda status, body: status == 200 and b"Comment Submission Failure" in body,
    ),
}
