"""What was found of a site, and how it went when it was tried."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from doorkey.setup.kept_login import KeptLogin
from doorkey.setup.settings_file import write_diff

if TYPE_CHECKING:
    from doorkey.learning.draft import Draft, Source
    from doorkey.model.page import Page
    from doorkey.recognition.proposal import Proposal
    from doorkey.setup.trial import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundSite:
    """The settings of one site, not written yet.

    `table` is their text. `missing` are the environment variables that its login needs. `verdict` says how it went when
    it was tried, and `draft` what was learned behind the login. `texts` are those of the file before and after an
    earlier site is completed. `unchanged`: that site is left as it is. `holds_password`: the recording that it was
    learned from does. `kept` are the login's values that are kept with it.
    """

    site: str
    proposal: Proposal
    page: Page
    table: str
    missing: tuple[str, ...] = ()
    verdict: Verdict | None = None
    draft: Draft | None = None
    texts: tuple[str, str] | None = None
    unchanged: bool = False
    holds_password: bool = False
    kept: KeptLogin = field(default_factory=KeptLogin)

    def rows(self, behind: str) -> Iterator[tuple[str, str, str]]:
        """What was found, and where, without values of tokens or cookies.

        *behind* says what to do to see what is behind a login that the page does not need.
        """
        found, login = self.proposal, self.proposal.login
        yield "kind", found.kind, found.evidence
        generator = self.page.find("meta[name=generator]")
        if generator is not None:
            yield "made by", str(generator.get("content") or "").strip()[:80], "meta[name=generator]"
        yield "page", str(self.page.url), ""
        if found.token is not None:
            where = found.token.at or ", ".join(found.token.reads.values())
            places = ", ".join(key.replace(".", " ", 1) for key, _ in found.token.sends)
            yield f"token {found.token.name}", f"sent as {places}", where.replace("{base}", found.base)
        elif self.draft is not None:
            for token in self.draft.tokens:
                yield f"token {token.name}", token.evidence.text, _describe(token.source)
        if login is not None:
            how = login.form.obstacle or ("user and password" if login.form.user else "a password")
            yield "login", how, login.seen
        elif self.draft is not None and self.draft.login is not None:
            learned = self.draft.login
            yield "login", "by request" if learned.request is not None else "by the page's form", learned.seen
        for call in self.draft.calls if self.draft is not None else ():
            yield "call", str(call), ""
        if found.login_page:
            yield "login", f"not needed for this page; to see what is behind, {behind}", found.login_page
        if self.page.cookies:
            yield "cookies", ", ".join(sorted(self.page.cookies)), ""

    @property
    def diff(self) -> str:
        """The lines that change in the file, where a site of an earlier run is completed."""
        return write_diff(*self.texts) if self.texts is not None else ""

    @property
    def doubts(self) -> list[str]:
        """What is not sure. Software that doorkey knows keeps its own tokens, so nothing is guessed there."""
        if self.draft is None or self.proposal.token is not None:
            return []
        return [str(doubt) for doubt in self.draft.doubts]

    @property
    def needs_hands(self) -> str:
        """Why the login takes a person each time; empty if it does not."""
        login = self.proposal.login
        return login.form.obstacle if login is not None else ""

    @property
    def failed(self) -> bool:
        return self.verdict is not None and self.verdict.failed


def _describe(source: Source) -> str:
    return source if isinstance(source, str) else ", ".join(f"{key} {text}" for key, text in dict(source).items())
