"""The requests of a page that the egress rules refused, as its last error names them."""

from __future__ import annotations

from urllib.parse import urlsplit

MOST = 3
"""Hosts that are named at most."""


class EgressRefusals:
    """What was refused in one context."""

    def __init__(self) -> None:
        self._reasons: dict[str, str] = {}
        self._documents: set[str] = set()

    def add(self, url: str, why: str, *, document: bool) -> None:
        """Remember that a request to *url* was refused. *document*: for a page or a frame."""
        try:
            parts = urlsplit(url)
            host, port = (parts.hostname or "").lower(), parts.port
        except ValueError:
            return  # no setting can allow it
        shown = f"[{host}]" if ":" in host else host
        name = shown if port in (None, 80, 443) else f"{shown}:{port}"
        if name:
            self._reasons.setdefault(name, why)
            if document:
                self._documents.add(name)

    @property
    def last(self) -> str:
        """Why the last one was refused; empty if none was."""
        return next(reversed(self._reasons.values()), "")

    def entries(self) -> tuple[tuple[str, str], ...]:
        """Return the refused hosts, each with why."""
        return tuple(self._reasons.items())

    @property
    def has_documents(self) -> bool:
        """Whether a page or a frame was refused."""
        return bool(self._documents)

    def advise(self, reach: tuple[str, ...]) -> str:
        """Return a sentence that names the refused hosts, and the setting that lets them in beside *reach*.

        Pages and frames come first: scripts and pictures are often not needed. Empty if nothing was refused.
        """
        names = sorted(self._reasons, key=lambda name: name not in self._documents)[:MOST]
        if not names:
            return ""
        hosts = ", ".join(f'"{host}"' for host in dict.fromkeys((*reach, *names)))
        return (
            f"doorkey did not let the page reach {', '.join(names)} ({self._reasons[names[0]]}). If the site needs it: "
            f"sites.SITE.reach = [{hosts}]"
        )
