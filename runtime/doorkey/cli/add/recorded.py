"""Proposes the settings of a site from a HAR file of its use."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from doorkey.errors import ConfigurationError
from doorkey.model.page import Page

if TYPE_CHECKING:
    from doorkey.learning.draft import Draft
    from doorkey.recognition.proposal import Proposal

LARGEST = 512 * 1024 * 1024
"""Bytes of a HAR file that is read."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a HAR file shows. `holds_password`: somebody who reads the file can log in."""

    proposal: Proposal
    draft: Draft
    page: Page
    holds_password: bool


def read_recorded(file: Path, url: str, name: str) -> tuple[str, Recorded]:
    """Read *file* and return the site's name (*name*, or else one from its host) and what was learned.

    *url* names the site's page; without it, the site is the one that was logged in to. Raises ConfigurationError.
    """
    from doorkey.cli.add.names import derive_name_from_host
    from doorkey.learning import learn
    from doorkey.learning.har import read_har
    from doorkey.recognition.framework import Framework
    from doorkey.recognition.proposal import Proposal, get_place

    data = _read(file)
    try:
        har = read_har(data, url)
        del data
        site = name or derive_name_from_host(har.recording.url) or "site"
        draft = learn(har.recording, site)
    except ConfigurationError as error:
        error.message = f"{file}: {error.message}. Nothing was written"
        raise
    proposal = Proposal(
        framework=Framework(name="a recorded site", signs=((),)),
        evidence=file.name,
        url=draft.url,
        lines=tuple(draft.lines()),
        path=get_place(draft.url),
        variables=draft.variables,
    )
    page = Page(url=draft.url, html="", cookies=dict.fromkeys(draft.cookies, ""))
    return site, Recorded(proposal, draft, page, har.holds_password)


def _read(file: Path) -> bytes:
    try:
        size = file.stat().st_size
        data = file.read_bytes() if size <= LARGEST else b""
    except OSError as exc:
        raise ConfigurationError(f"{file} can't be read: {exc.strerror}") from exc
    if size > LARGEST:
        raise ConfigurationError(f"{file} is larger than {LARGEST // 2**20} MiB: record less of the site")
    return data
