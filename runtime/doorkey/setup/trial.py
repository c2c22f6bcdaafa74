"""Tries the draft of a site before it is written: a visit, a forced logout, and the call that is printed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from doorkey.errors import DoorkeyError
from doorkey.model.failure import describe_error, exit_code
from doorkey.setup.site_check import Check

if TYPE_CHECKING:
    from doorkey.engine.answer import Answer
    from doorkey.learning.sample import Sample
    from doorkey.runtime import Runtime

LONGEST = 4 * 1024 * 1024
"""Bytes of an answer in which `ready` is looked for."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the trial ended. `check` is the result of the check. `survived` is None where no login was to be tried.

    `told` says it in words. `status` is the HTTP status of the printed call, 0 if it was not sent.
    """

    check: dict[str, Any]
    survived: bool | None = None
    told: str = ""
    status: int = 0

    @property
    def failed(self) -> bool:
        return bool(self.check["exit"]) or self.survived is False

    @property
    def exit(self) -> int:
        return int(self.check["exit"]) or (1 if self.survived is False else 0)


@dataclass(frozen=True, slots=True)
class Trial:
    """The trial of one site in a runtime that has the draft among its settings. `path` is that of the printed call."""

    runtime: Runtime
    site: str
    path: str
    say: Callable[[str], object]

    async def run(self, *, logs_in: bool, sample: Sample | None = None) -> Verdict:
        """Check the site, and where it *logs_in*, force a logout and call it again; then once more for the write.

        *sample* is a write that may be sent.
        """
        check = await Check(self.runtime, self.site, self.say, verbose=False).run(probe=False)
        if check["exit"]:
            return Verdict(check)
        try:
            survived, told = await self._survive() if logs_in else (None, "")
            if sample is not None and survived is not False:
                saved, said = await self._write(sample)
                survived, told = saved, f"{told}; {said}" if told else said
            status = await self._call()
        except DoorkeyError as error:
            check |= {"error": describe_error(error), "code": error.code, "exit": exit_code(error)}
            return Verdict(check, False if logs_in else None, "it did not survive a forced logout" if logs_in else "")
        return Verdict(check, survived, told, status)

    async def _survive(self) -> tuple[bool, str]:
        """Put a session that the site does not know in the place of the current one, and read the page of `url`."""
        runtime = self.runtime
        before = await runtime.session(self.site)
        _, showed = await self._read()
        await runtime.logins.break_session(runtime.target(self.site))
        began = runtime.clock.now()
        answer, shows = await self._read()
        took = runtime.clock.now() - began
        if answer.renewed and shows:
            fresh = await runtime.session(self.site)
            texts = {name: value for name, value in fresh.tokens.items() if isinstance(value, str)}
            same = sorted(name for name, value in texts.items() if before.tokens.get(name) == value)
            note = f"; the same in both sessions: {', '.join(same)}" if same else ""
            return True, f"survived a forced logout: logged in again in {took:.1f} s{note}"
        if answer.renewed:
            return False, "after a forced logout doorkey logged in again, but the page did not show `ready`"
        began = runtime.clock.now()
        await runtime.visit(self.site)
        took = runtime.clock.now() - began
        _, shows = await self._read()
        provider, url = runtime.provider(self.site), runtime.sites[self.site].url
        if not (shows or showed) and provider.check_url in (None, url):
            return True, (
                f"logged in again in {took:.1f} s after a forced logout; scripts draw what shows a session, so a dead "
                "one is noticed at the first call that the site refuses"
            )
        if not shows:
            return False, "after a forced logout, the page of `url` did not show `ready` again"
        return True, (
            f"logged in again in {took:.1f} s after a forced logout; strangers may read the page of `url`, so a dead "
            "session is noticed at the first call that the site refuses"
        )

    async def _write(self, sample: Sample) -> tuple[bool, str]:
        """Send the write once, with a session that the site does not know any more.

        A stranger sends it first, so that the form of that answer is known: after a death, it says that the write was
        not processed.
        """
        await self.runtime.probe(self.site, [sample.request])
        await self.runtime.logins.break_session(self.runtime.target(self.site), spent=True)
        async with await self.runtime.send(self.site, sample.request) as answer:
            status, renewed = answer.head.status, answer.renewed
        what = f"{sample.request.method} {sample.request.url}"
        if status >= 400:
            return False, f"{what} was answered HTTP {status} after a forced logout"
        again = "logged in again, and sent" if renewed else "sent"
        return True, f"{again} {what} once after another forced logout: HTTP {status}"

    async def _read(self) -> tuple[Answer[bytes], bool]:
        """Return the answer to a GET of the page of the session check, and whether it shows the session."""
        from doorkey.model.page import Page
        from doorkey.model.request import Reply, Request

        provider = self.runtime.provider(self.site)
        url = provider.check_url or self.runtime.sites[self.site].url
        request = Request(url=url, what="the trial", accept="text/html,*/*;q=0.8", repeatable=True, follow=5)
        async with await self.runtime.send(self.site, request) as answer:
            head, body = answer.head, await answer.read(LONGEST)
        reply = Reply(status=head.status, headers=head.headers, url=head.url, body=body)
        page = Page(url=reply.url, html=reply.text() if reply.is_html else "")
        return answer, provider.check_url is None or provider.shows_session(reply, page)

    async def _call(self) -> int:
        """Send the call that is printed, a GET, and return its status."""
        from doorkey.model.request import Request

        request = Request(url=self.path, what="the trial", repeatable=True, follow=5)
        async with await self.runtime.send(self.site, request) as answer:
            return answer.head.status
