"""Compares a site with its settings, and tries the lines that would hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from doorkey.cli.terminal import Progress
from doorkey.errors import Changed, ConfigurationError, DoorkeyError, NeedsPerson
from doorkey.model.login_steps import KINDS
from doorkey.model.secret import REFERENCES
from doorkey.setup.exploration import Exploration
from doorkey.setup.probe import SETTLE, Probe
from doorkey.setup.settings_file import read_text
from doorkey.setup.site_lines import SiteLines
from doorkey.setup.target import Target, list_missing
from doorkey.setup.trial import Trial, Verdict

if TYPE_CHECKING:
    from doorkey.browser import BrowserPool
    from doorkey.config.settings import Settings
    from doorkey.learning.draft import Draft
    from doorkey.learning.repair import Change
    from doorkey.learning.sample import Sample
    from doorkey.model.page import Page
    from doorkey.recognition.login_form import LoginForm
    from doorkey.runtime import Runtime

from doorkey.cli.repair.report import Repaired


@dataclass(frozen=True, slots=True)
class SiteRepair:
    """Compares one site with its settings. `pool` is shared with the caller; `settle`: see SETTLE.

    `tries_write`: the first of the site's `examples` may be sent once.
    """

    site: str
    config: Path | None
    settings: Settings
    headed: bool = False
    pool: BrowserPool | None = None
    settle: float = SETTLE
    tries_write: bool = False

    async def run(self) -> Repaired:
        """Look at the site, propose changes and try them. Raises DoorkeyError if it can't be looked at."""
        from doorkey.runtime import Runtime

        file, table = self._find()
        before = read_text(file)
        lines = SiteLines(before, self.site)
        with Progress(f"repairing {self.site}") as say:
            async with Runtime(self.settings, headed=self.headed, hooks=[say.on_event], pool=self.pool) as runtime:
                changes = await self._compare(runtime, table)
                after = lines.replace({one.setting: one.lines for one in changes if one.lines})
                verdict = await self._try(after, table, changes, runtime.pool, say)
        return Repaired(
            site=self.site,
            file=file,
            config=self.config,
            changes=changes,
            texts=(before, after),
            verdict=verdict,
            hidden=tuple(_list_literals(table)),
        )

    def _find(self) -> tuple[Path, Mapping[str, Any]]:
        """Return the file that holds the site, and the site's table there. Raises ConfigurationError."""
        from doorkey.config.registry import near

        target = Target(self.config, self.settings)
        if self.site not in self.settings.sites:
            raise ConfigurationError(f"no site is called {self.site[:80]!r}{near(self.site, self.settings.sites)}")
        table = target.read_table(self.site)
        if not table:
            raise ConfigurationError(f"{self.site} is set by environment variables: there are no lines to repair")
        if table.get("provider") != "web" or not table.get("url"):
            raise ConfigurationError(
                f'{self.site}: only sites with provider = "web" and a url are repaired; other providers read their '
                "tokens by themselves"
            )
        missing = list_missing({value: value for value in _list_values(table)})
        if missing:
            raise ConfigurationError(
                f"{self.site}: to look behind the login, set {' and '.join(missing)} and try again"
            )
        return target.file, table

    async def _compare(self, runtime: Runtime, table: Mapping[str, Any]) -> tuple[Change, ...]:
        from doorkey.learning.repair import compare, repair_request, repair_steps

        exploration = Exploration(Probe(runtime, self.headed, self.settle), table["url"])
        steps, values = tuple((table.get("visit") or {}).get("steps") or ()), _list_values(table)
        changes = []
        if values:
            changed = repair_steps(steps, *await self._find_form(exploration, steps), values)
            if changed is not None:
                steps = changed.lines[0].value
                if "login" not in table or (table.get("visit") or {}).get("steps"):
                    changes.append(changed)
        paths = [token["page"] for token in (table.get("tokens") or {}).values() if _names_page(token)]
        request = (table.get("login") or {}).get("request")
        draft, inside = await exploration.learn(
            steps, self.site, tuple(dict.fromkeys(paths)), sees_login=request is not None
        )
        if request is not None:
            changes += filter(None, [repair_request(request, await self._find_request(exploration, values, draft))])
        second = next(one.page for one in exploration.snapshots if one.who == "second")
        strangers = [one.page for one in exploration.snapshots if one.who == "stranger"] if values else []
        found = compare(table, draft, inside, strangers, lambda name: _reads(table, name, second))
        return (*changes, *found)

    async def _find_request(
        self, exploration: Exploration, values: Sequence[str], draft: Draft
    ) -> Mapping[str, Any] | None:
        """Return the login as the page sent it, with the references *values* in place of what was sent; None without.

        Of the values themselves nothing is kept.
        """
        from doorkey.config.secrets import resolve
        from doorkey.learning.login import find_login, write_request
        from doorkey.learning.recording import Recording
        from doorkey.recognition.proposal import name_variables
        from doorkey.setup.places import exchange

        found = find_login(exploration.exchanges)
        if found is None:
            return None
        variables = name_variables(self.site, with_user=found.user is not None)
        recording = Recording(
            url=draft.url, exchanges=tuple(exploration.exchanges), snapshots=tuple(exploration.snapshots)
        )
        request = write_request(recording, found, draft.url, variables)
        known = dict(zip([f"env:{name}" for name in variables], values[-len(variables) :], strict=False))
        # A field of an unknown name is told by what was typed into it.
        known |= {await resolve(value): value for value in values if value not in known.values()}
        return {key: exchange(value, known) for key, value in request.items()}

    async def _find_form(
        self, exploration: Exploration, steps: Sequence[Mapping[str, Any]]
    ) -> tuple[LoginForm, Page, str]:
        """Return the login form of today, its page, and the path to open for it (empty: `url` leads there).

        Raises Changed if there is none, and NeedsPerson if steps can't use it.
        """
        from doorkey.learning.links import find_login_link
        from doorkey.recognition.login_form import find_login_form
        from doorkey.recognition.proposal import get_place

        opened = next((str(step["open"]) for step in steps if "open" in step), "")
        form, opens = None, opened
        if opened:
            try:
                page = await exploration.see(urljoin(exploration.url, opened))
                form = find_login_form(page)
            except Changed:
                form = None  # that page is gone
        if form is None:
            page, opens = await exploration.see(exploration.url), ""
            form = find_login_form(page)
        link = find_login_link(page) if form is None else ""
        if link:
            page, opens = await exploration.see(link), get_place(link)
            form = find_login_form(page)
        if form is None:
            raise Changed(
                f"{self.site}: no login form was found at {page.place}. Nothing was written: open the site in your own "
                "browser, and correct visit.steps by hand (docs/web.md)"
            )
        if form.obstacle:
            raise NeedsPerson(
                f"{self.site}: the login form needs a person ({form.obstacle}): doorkey login {self.site}"
            )
        return form, page, opens

    async def _try(
        self, text: str, table: Mapping[str, Any], changes: Sequence[Change], pool: BrowserPool, say: Progress
    ) -> Verdict:
        from doorkey.config.settings import Settings
        from doorkey.recognition.proposal import get_place
        from doorkey.runtime import Runtime

        settings = Settings.load(self.settings.source, draft=text)
        logs_in = bool(_list_values(table))
        async with Runtime(settings, headed=self.headed, hooks=[say.on_event], pool=pool) as runtime:
            sample = self._make_sample(runtime)
            return await Trial(runtime, self.site, get_place(table["url"]), say).run(logs_in=logs_in, sample=sample)

    def _make_sample(self, runtime: Runtime) -> Sample | None:
        """Return the write to try: the first of the site's examples. Raises ConfigurationError without one."""
        from doorkey.engine.check.probe import example_of
        from doorkey.learning.sample import Sample

        if not self.tries_write:
            return None
        examples = runtime.provider(self.site).examples
        if not examples:
            raise ConfigurationError(
                f"{self.site}: --try-write sends the first of the site's examples, and it has none: add a line like "
                'examples = ["POST /notes title=probe"] (docs/web.md)'
            )
        return Sample(example_of(examples[0]))


def _reads(table: Mapping[str, Any], name: str, page: Page) -> bool:
    """Whether the token *name* is found on *page*. One that is not read on pages at all counts as found."""
    from doorkey.config.registry import build_sites, make_provider
    from doorkey.config.settings import Settings

    alone = {"provider": "web", "url": table["url"], "tokens": {name: table["tokens"][name]}}
    declared = {key: table[key] for key in ("login", "renew") if key in table}
    try:
        sites = build_sites(Settings.model_validate({"sites": {"site": alone | declared}}))
        provider = make_provider(sites["site"], "web")
    except ConfigurationError:
        return True  # it can't be looked at without the rest of the settings; the trial tells
    try:
        provider.read(page)
    except DoorkeyError:
        return False
    return True


def _list_values(table: Mapping[str, Any]) -> list[str]:
    """List what the login of the site fills in or sends, the password last."""
    steps = (table.get("visit") or {}).get("steps") or ()
    filled = [str(step["value"]) for step in steps if "fill" in step and "value" in step]
    if filled:
        return filled
    request = (table.get("login") or {}).get("request") or {}
    sent = (text for kind in ("form", "json") for text in _list_texts(request.get(kind)))
    return [text for text in sent if text.startswith(REFERENCES)]


def _list_texts(value: Any) -> Iterator[str]:
    """List the texts in *value*, also in nested tables."""
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _list_texts(inner)
    elif isinstance(value, str):
        yield value


def _list_literals(table: Mapping[str, Any]) -> Iterator[str]:
    """List the values of login steps that stand in the file themselves, and so must not be printed."""
    for step in (table.get("visit") or {}).get("steps") or ():
        for name in KINDS:
            text = str(step.get(name) or "")
            if text and not text.startswith(REFERENCES):
                yield text


def _names_page(token: Any) -> bool:
    return isinstance(token, Mapping) and "page" in token
