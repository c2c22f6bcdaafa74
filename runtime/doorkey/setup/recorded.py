"""Proposes the settings of a site from a recording of its use: a HAR file, or what a person showed in a window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from doorkey.errors import ConfigurationError
from doorkey.model.page import Page

if TYPE_CHECKING:
    from doorkey.learning.draft import Draft
    from doorkey.learning.recording import Recording
    from doorkey.learning.sample import Sample
    from doorkey.recognition.proposal import Proposal

LARGEST = 512 * 1024 * 1024
"""Bytes of a HAR file that is read."""
LARGE = 8 * 1024 * 1024
"""Bytes of a HAR file that is read in a process of its own, so that its memory is given back."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a recording shows. `holds_password`: it is a file, and somebody who reads it can log in.

    `sample` is a write to try. `typed` are values for the login's environment variables, kept for the trial only;
    `secrets` must not be written anywhere.
    """

    proposal: Proposal
    draft: Draft
    page: Page
    recording: Recording
    holds_password: bool = False
    sample: Sample | None = None
    typed: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: frozenset[str] = field(default=frozenset(), repr=False)


def read_recorded(file: Path, url: str, name: str) -> tuple[str, Recorded]:
    """Read *file* and return the site's name (*name*, or else one from its host) and what was learned.

    *url* names the site's page; without it, the site is the one that was logged in to. Raises ConfigurationError.
    """
    if file.stat().st_size <= LARGE:
        return _read_here(file, url, name)
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as processes:
        try:
            site, recorded, fault = processes.submit(_read_apart, file, url, name).result()
        except BrokenProcessPool as exc:
            raise ConfigurationError(
                f"{file}: the process that read it was ended, perhaps for want of memory. Nothing was written: record "
                "less of the site"
            ) from exc
    if recorded is None:
        raise ConfigurationError(fault)
    return site, recorded


def _read_apart(file: Path, url: str, name: str) -> tuple[str, Recorded | None, str]:
    """Return what `_read_here` does, without parsed pages, or else the words of its error: both can be handed over."""
    try:
        site, recorded = _read_here(file, url, name)
    except ConfigurationError as error:
        return "", None, error.message
    known = recorded.recording
    bare = replace(
        known,
        exchanges=tuple(replace(one) for one in known.exchanges),
        snapshots=tuple(replace(one, page=replace(one.page)) for one in known.snapshots),
    )
    return site, replace(recorded, recording=bare), ""


def _read_here(file: Path, url: str, name: str) -> tuple[str, Recorded]:
    from doorkey.learning.har import read_har

    data = _read(file)
    try:
        har = read_har(data, url)
        del data
        site, recorded = propose_recorded(har.recording, name, file.name)
    except ConfigurationError as error:
        error.message = f"{file}: {error.message}. Nothing was written"
        raise
    return site, replace(recorded, holds_password=har.holds_password, typed={})


def propose_recorded(recording: Recording, name: str, evidence: str) -> tuple[str, Recorded]:
    """Return the site's name and what *recording* shows of it. Raises NotEnough."""
    from doorkey.learning import learn, read_credentials
    from doorkey.learning.sample import make_sample
    from doorkey.recognition.framework import Framework
    from doorkey.recognition.proposal import Proposal, get_place
    from doorkey.setup.names import derive_name_from_host

    site = name or derive_name_from_host(recording.url) or "site"
    draft = learn(recording, site)
    proposal = Proposal(
        framework=Framework(name="a recorded site", signs=((),)),
        evidence=evidence,
        url=draft.url,
        lines=tuple(draft.lines()),
        path=get_place(draft.url),
        variables=draft.variables,
    )
    page = Page(url=draft.url, html="", cookies=dict.fromkeys(draft.cookies, ""))
    typed = read_credentials(recording, site)
    secrets = recording.typed_secrets | {typed[name] for name in draft.variables[-1:] if name in typed}
    sample = make_sample(recording, draft)
    return site, Recorded(proposal, draft, page, recording, sample=sample, typed=typed, secrets=frozenset(secrets))


def _read(file: Path) -> bytes:
    try:
        size = file.stat().st_size
        data = file.read_bytes() if size <= LARGEST else b""
    except OSError as exc:
        raise ConfigurationError(f"{file} can't be read: {exc.strerror}") from exc
    if size > LARGEST:
        raise ConfigurationError(f"{file} is larger than {LARGEST // 2**20} MiB: record less of the site")
    return data
