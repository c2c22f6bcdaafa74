"""Finds a site's settings, tries them, and writes them: what `doorkey add` and the dashboard do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from doorkey.errors import ConfigurationError, DoorkeyError
from doorkey.setup.found_site import FoundSite
from doorkey.setup.kept_login import KeptLogin
from doorkey.setup.places import with_values
from doorkey.setup.probe import SETTLE, Probe
from doorkey.setup.recorded import Recorded, propose_recorded, read_recorded
from doorkey.setup.survey import Survey
from doorkey.setup.target import Target, list_missing
from doorkey.setup.trial import Trial, Verdict

if TYPE_CHECKING:
    from doorkey.browser import BrowserPool
    from doorkey.config.settings import Settings
    from doorkey.learning.draft import Draft
    from doorkey.learning.recording import Recording
    from doorkey.learning.sample import Sample
    from doorkey.model.events import Hook
    from doorkey.model.page import Page
    from doorkey.recognition.proposal import Line, Proposal
    from doorkey.runtime import Runtime


class Showing(Protocol):
    """Shows a site's page to a person."""

    async def record(self, runtime: Runtime, url: str) -> Recording:
        """Return what the person does at *url*: a login, and one use of the site."""


async def refuse(_: Sample) -> bool:
    return False


async def allow(_: Sample) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class TypedLogin:
    """The values of a login that somebody typed. `user` is empty where only a password is asked for."""

    user: str = field(repr=False)
    password: str = field(repr=False)

    def name_values(self, site: str) -> dict[str, str]:
        """Return the values by the names of the environment variables that *site*'s login would take them from."""
        from doorkey.recognition.proposal import name_variables

        user, password = name_variables(site, with_user=True)
        return {**({user: self.user} if self.user else {}), password: self.password}


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteSetup:
    """Sets one site up.

    `name` is empty if only the page can tell a name. `har` is a recording to learn from in place of the page, `showing`
    what shows the page to a person for that. `agrees` says whether a write may be sent to try it. `login` are the
    values that the login takes; without them it takes those of environment variables. The lines name secrets for them,
    which `write` keeps. `keeps_login`: the same for what a person types who shows the site. `pool` is shared with the
    caller; `settle`: see SETTLE. `say` and `hooks` are told each step.
    """

    url: str
    name: str
    config: Path | None
    settings: Settings
    headed: bool = False
    dry_run: bool = False
    pool: BrowserPool | None = None
    settle: float = SETTLE
    har: Path | None = None
    showing: Showing | None = None
    agrees: Callable[[Sample], Awaitable[bool]] = refuse
    login: TypedLogin | None = None
    keeps_login: bool = False
    say: Callable[[str], object] = lambda _: None
    hooks: Sequence[Hook] = ()

    async def find(self) -> FoundSite:
        """Look at the site, and try what was learned. Raises DoorkeyError if there is nothing to write."""
        from doorkey.runtime import Runtime

        if self.name:
            self.target.check(self.name, self.url)
        with ExitStack() as lending:
            targets = _Targets(self.target, self.login, lending)
            async with Runtime(self.settings, headed=self.headed, hooks=self.hooks, pool=self.pool) as runtime:
                if self.har is None and self.showing is None:
                    site, proposal, page, draft = await self._survey(runtime, targets).propose()
                    recorded = None
                else:
                    site, recorded = await self._read_recorded(runtime, targets)
                    proposal, page, draft = recorded.proposal, recorded.page, recorded.draft
                    if self.keeps_login:
                        targets.keep(site, recorded.typed, proposal.variables)
                looked = _Looked(targets.of(site), site, proposal, page, draft, recorded)
                return await self._complete(runtime.pool, looked)

    def write(self, found: FoundSite) -> None:
        """Write the lines of *found*, and keep what they name as secrets. Raises ConfigurationError."""
        with found.kept.stored():
            names_secrets = bool(found.kept.values)
            self.target.write(found.site, found.table, found.texts, names_secrets=names_secrets)

    async def _complete(self, pool: BrowserPool, looked: _Looked) -> FoundSite:
        """Return what was *looked* at as it is written, tried where that is possible."""
        from doorkey.config.settings import lend_variables
        from doorkey.recognition.toml_table import write_table

        site, target, draft, recorded = looked.site, looked.target, looked.draft, looked.recorded
        values = target.find_values(site, looked.proposal.variables)
        kept = target.kept.narrow(values.values())
        lines = kept.comment(with_values(looked.proposal.lines, values))
        proposal = replace(looked.proposal, lines=lines)
        table, missing = write_table(proposal, site), list_missing(values)
        self._check_clean(table, recorded)
        target.check(site, proposal.url, table)
        completes = target.completes(site, proposal.url)
        lent = {name: recorded.typed[name] for name in missing if name in recorded.typed} if recorded else {}
        # Without the values nothing new was learned of a site that has its login already.
        unchanged = completes and recorded is None and (bool(missing) or proposal.login_page != "")
        texts = target.compose(site, proposal.lines) if completes and not unchanged else None
        by_hand = proposal.login is not None and not proposal.login.by_steps
        verdict = None
        if not (self.dry_run or by_hand or unchanged or set(missing) - set(lent)):
            sample = recorded.sample if recorded is not None else None
            sample = sample if sample is not None and await self.agrees(sample) else None
            with lend_variables(lent):
                settings = target.load(table, texts)
                spent = await self._find_single_use(site, settings, proposal, draft, pool)
                if spent:
                    proposal = replace(proposal, lines=_with_single_use(proposal.lines, spent))
                    table = write_table(proposal, site)
                    texts = target.compose(site, proposal.lines) if texts is not None else None
                    settings = target.load(table, texts)
                verdict = await self._try(site, settings, proposal, pool, sample)
        return FoundSite(
            site=site,
            proposal=proposal,
            page=looked.page,
            table=table,
            missing=missing,
            verdict=verdict,
            draft=draft,
            texts=texts if completes else None,
            unchanged=unchanged,
            holds_password=recorded is not None and recorded.holds_password,
            kept=kept,
        )

    async def _read_recorded(self, runtime: Runtime, targets: _Targets) -> tuple[str, Recorded]:
        """Return the site's name and what a recording shows: the file, or what a person does when shown the site."""
        if self.showing is None:
            assert self.har is not None
            site, recorded = await asyncio.to_thread(read_recorded, self.har, self.url, self.name)
            return site, recorded if self.dry_run else await self._survey(runtime, targets).complete(site, recorded)
        self.say("showing: log in, do once what your programs shall do, and press “Done”")
        recording = await self.showing.record(runtime, self.url)
        return await asyncio.to_thread(propose_recorded, recording, self.name, "shown in a window")

    def _survey(self, runtime: Runtime, targets: _Targets) -> Survey:
        return Survey(Probe(runtime, self.headed, self.settle), self.url, self.name, targets.of)

    @property
    def target(self) -> Target:
        return Target(self.config, self.settings, self.dry_run)

    async def _find_single_use(
        self, site: str, settings: Settings, proposal: Proposal, draft: Draft | None, pool: BrowserPool
    ) -> list[str]:
        """Return the names of tokens that seem to serve once. Where the site can't be asked, the trial says why."""
        from doorkey.runtime import Runtime
        from doorkey.setup.single_use import find_single_use

        if draft is None or not draft.tokens or proposal.token is not None:
            return []
        try:
            async with Runtime(settings, headed=self.headed, hooks=self.hooks, pool=pool) as runtime:
                return await find_single_use(runtime, site, draft)
        except DoorkeyError:
            return []

    async def _try(
        self, site: str, settings: Settings, proposal: Proposal, pool: BrowserPool, sample: Sample | None
    ) -> Verdict:
        """Try the site with *settings* that have it as it would be written."""
        from doorkey.runtime import Runtime

        async with Runtime(settings, headed=self.headed, hooks=self.hooks, pool=pool) as runtime:
            trial = Trial(runtime, site, proposal.path, self.say)
            return await trial.run(logs_in=bool(proposal.variables), sample=sample)

    def _check_clean(self, table: str, recorded: Recorded | None) -> None:
        """Raise ConfigurationError if *table* holds what was typed as a secret. The analysis leaves all of it out."""
        from doorkey.learning.values import holds_secret

        secrets: Mapping[str, None] = dict.fromkeys(recorded.secrets if recorded is not None else ())
        typed = [self.login.password] if self.login is not None else []
        if holds_secret(table, [*secrets, *typed]):
            raise ConfigurationError("the new lines would hold a password that was typed, so nothing was written")


@dataclass(frozen=True, slots=True)
class _Looked:
    """What was learned of a site by looking, and where it will be written."""

    target: Target
    site: str
    proposal: Proposal
    page: Page
    draft: Draft | None
    recorded: Recorded | None


class _Targets:
    """Where a site is written, once its name is known. What is kept of its login is lent to this process meanwhile."""

    def __init__(self, plain: Target, login: TypedLogin | None, lending: ExitStack) -> None:
        self._plain, self._login, self._lending = plain, login, lending
        self._known: dict[str, Target] = {}

    def of(self, site: str) -> Target:
        if site not in self._known:
            self._keep(site, self._login.name_values(site) if self._login is not None else {})
        return self._known[site]

    def keep(self, site: str, typed: Mapping[str, str], variables: Sequence[str]) -> None:
        """Keep of what was *typed* what the login takes from *variables* that nothing else has a value for."""
        missing = list_missing(self.of(site).find_values(site, variables))
        if self._login is None:
            self._keep(site, {name: typed[name] for name in missing if name in typed})

    def _keep(self, site: str, values: Mapping[str, str]) -> None:
        kept = KeptLogin.choose(site, values)
        self._lending.enter_context(kept.lend())
        self._known[site] = replace(self._plain, kept=kept)


def _with_single_use(lines: Sequence[Line], spent: Sequence[str]) -> tuple[Line, ...]:
    """Return *lines* with the setting by which the tokens *spent* are read anew for each request."""
    from doorkey.recognition.proposal import Line

    said = f"each load of the page has another {' and '.join(spent)}: it is read anew for each request"
    first = [line for line in lines if line.key in ("provider", "url")]
    return (*first, Line("max_uses", 1, said), *(line for line in lines if line not in first))
