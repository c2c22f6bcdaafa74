"""nginx out of Debian's packages, as the page cache in front of a site."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from string import Template

from software.process import free_port, server

TEMPLATE = Path(__file__).parents[1] / "wordpress" / "page-cache.conf"


@contextmanager
def page_cache(root: Path, folder: Path, behind: str, *, knows_queries: bool) -> Iterator[str]:
    """The URL of an empty page cache before the site *behind* ("host:port").

    `knows_queries`: another query is another page; else a page is one page whatever its query.
    """
    folder.mkdir()
    port = free_port()
    values = {"port": port, "behind": behind, "key": "$request_uri" if knows_queries else "$uri"}
    (folder / "nginx.conf").write_text(Template(TEMPLATE.read_text()).safe_substitute(values))
    libraries = os.pathsep.join(str(path) for path in root.glob("usr/lib/*-linux-*"))
    run = [f"{root}/usr/sbin/nginx", "-p", str(folder), "-c", "nginx.conf", "-e", "stderr"]
    with server(run, port, folder, {"LD_LIBRARY_PATH": libraries}):
        yield f"http://127.0.0.1:{port}"
