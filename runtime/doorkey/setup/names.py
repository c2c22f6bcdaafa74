"""Names a site that is added."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from doorkey.recognition.framework import Framework


def derive_name_from_host(url: str) -> str:
    """A site's name from its host, without `www` and the last part; empty for an IP address or localhost."""
    host = (urlsplit(url).hostname or "").removeprefix("www.")
    if re.fullmatch(r"[\d.]+|.*:.*|localhost", host):
        return ""
    return re.sub(r"[^a-z0-9_-]+", "-", host.rpartition(".")[0] or host).strip("-")


def derive_name_from_kind(framework: Framework) -> str:
    """A site's name from its software, or `site`."""
    if framework.provider != "web":
        return framework.provider
    found = re.match(r"[A-Z][\w.]*", framework.name)
    return found[0].lower().replace(".", "") if found else "site"
