"""Looks at the site itself: to learn it without a recording, or to complete what a recording left open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urldefrag

from doorkey.errors import DoorkeyError
from doorkey.setup.exploration import Exploration
from doorkey.setup.names import derive_name_from_kind
from doorkey.setup.places import exchange
from doorkey.setup.recorded import Recorded, propose_recorded
from doorkey.setup.target import Target, list_missing

if TYPE_CHECKING:
    from doorkey.learning.draft import Draft
    from doorkey.learning.recording import Recording, Snapshot
    from doorkey.model.page import Page
    from doorkey.recognition.proposal import Proposal
    from doorkey.setup.probe import Probe


@dataclass(frozen=True, slots=True)
class Survey:
    """Looks at the page at `url` by a probe. `name` is empty if only the page can tell a name.

    `target_of` returns where a site of a name is written, and with what login.
    """

    probe: Probe
    url: str
    name: str
    target_of: Callable[[str], Target]

    async def propose(self) -> tuple[str, Proposal, Page, Draft | None]:
        """The site's name, its proposed settings, its page, and what was learned if user and password are set."""
        from doorkey.learning.known_software import join
        from doorkey.recognition.proposal import propose
        from doorkey.recognition.recognize import recognize

        exploration = Exploration(self.probe, self.url)
        page = await exploration.see(self.url)
        site = self.name or derive_name_from_kind((await asyncio.to_thread(recognize, page))[0])
        target = self.target_of(site)
        proposal = await self._find_login(exploration, page, site, target)
        values = target.find_values(site, proposal.variables)
        if proposal.login is None or not values or list_missing(values):
            return site, proposal, page, None
        try:
            draft, page = await exploration.learn(exchange(_opening(proposal, self.url), values), site)
        except DoorkeyError as error:
            unset = " and ".join(proposal.variables)
            error.message += f"; without {unset}, the login steps are written without trying them"
            raise
        inside = await asyncio.to_thread(propose, page, self.url, site, proposal)
        return site, join(inside, draft, page), page, draft

    async def complete(self, site: str, recorded: Recorded) -> Recorded:
        """Return what *recorded* shows, completed by two logins where it leaves open how the site is entered.

        Without the login's values, or if the site can't be looked at, it is returned as it is.
        """
        draft = recorded.draft
        sees_all = not recorded.recording.lacks_cookies and bool(draft.ready or draft.check or draft.tells_login)
        enters = draft.login is not None and bool(draft.login.steps or draft.login.request)
        target = self.target_of(site)
        values = target.find_values(site, _guess_variables(site, draft))
        if (enters and sees_all) or not recorded.recording.exchanges or list_missing(values):
            return recorded
        exploration = Exploration(self.probe, draft.url)
        try:
            page = await exploration.see(draft.url)
            proposal = await self._find_login(exploration, page, site, target)
            if proposal.login is None or not proposal.login.by_steps:
                return recorded
            await exploration.learn(exchange(_opening(proposal, draft.url), values), site)
        except DoorkeyError:
            return recorded  # the trial tells what is wrong
        recording = recorded.recording
        both = replace(
            recording,
            exchanges=(*recording.exchanges, *exploration.exchanges),
            snapshots=(*exploration.snapshots, *_list_others(recording, exploration)),
            scripts=tuple(exploration.scripts),
            lacks_cookies=False,
        )
        return replace(
            propose_recorded(both, site, recorded.proposal.evidence)[1], holds_password=recorded.holds_password
        )

    async def _find_login(self, exploration: Exploration, page: Page, site: str, target: Target) -> Proposal:
        """Return the proposal for *page*; with the login that it links to, if the values for one are set.

        A form in the page's header may be hidden, so the page that the header's link opens is tried before it.
        """
        from doorkey.config.settings import variable
        from doorkey.learning.links import find_login_link
        from doorkey.recognition.proposal import name_variables, propose

        proposal = await asyncio.to_thread(propose, page, exploration.url, site)
        sees_form = proposal.login is not None and not proposal.login.form.aside
        link = find_login_link(page) if not sees_form and proposal.framework.provider == "web" else ""
        if not link:
            return proposal
        variables = name_variables(site, with_user=True)
        if not variable(variables[-1]) and list_missing(target.find_values(site, variables)):
            return replace(proposal, login_page=link) if proposal.login is None else proposal
        behind = await asyncio.to_thread(propose, await exploration.see(link), link, site)
        if behind.login is not None:
            return behind
        return replace(proposal, login_page=link) if proposal.login is None else proposal


def _list_others(recording: Recording, exploration: Exploration) -> list[Snapshot]:
    """List the pages of *recording*. One that was seen anew tells only where a value stood that was sent: scripts may
    draw what such a file has of a page.
    """
    seen = {urldefrag(one.page.url).url for one in exploration.snapshots if one.who != "stranger"}
    return [
        replace(one, who="recorded") if one.who != "stranger" and urldefrag(one.page.url).url in seen else one
        for one in recording.snapshots
    ]


def _guess_variables(site: str, draft: Draft) -> tuple[str, ...]:
    """Return the variables of the login: those of *draft*, or else those that any login of the site would have."""
    from doorkey.recognition.proposal import name_variables

    return draft.variables or name_variables(site, with_user=True)


def _opening(proposal: Proposal, asked: str) -> tuple[Mapping[str, str], ...]:
    """Return the login steps of *proposal*, as a visit that opens *asked* has to take them."""
    from doorkey.recognition.proposal import get_place, make_steps

    assert proposal.login is not None
    login = proposal.login
    opens = "" if login.shown_at == asked else get_place(login.shown_at)
    return make_steps(login.form, proposal.variables, opens)[0]
