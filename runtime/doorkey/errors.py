"""Everything that can go wrong, as one tree.

Two questions choose the class: who can act, and what do we do about it.

    DoorkeyError                       500  server_error
    ├── RequestError                   400  invalid_request     the caller changes the request
    │   ├── UnknownModel               404  model_not_found
    │   ├── UnknownSite                404  site_not_found
    │   ├── TooLarge                   413  too_large
    │   └── UnsupportedBody            415  unsupported_media_type
    ├── ConfigurationError             500  configuration       whoever set doorkey up changes a setting
    │   └── BrowserMissing             500  browser_missing
    ├── SiteError                      502  provider_error      the site answered, and not with an answer
    │   ├── SessionRefused             502  session_refused     fresh sessions are refused too
    │   ├── SessionEnded               502  session_ended       the session ended under a request that is sent once
    │   ├── MayHaveArrived             502  may_have_arrived    sent once, and no answer came  (also OSError)
    │   ├── Blocked                    502  blocked             a ban, a firewall, a content filter
    │   │   └── HeadlessDenied         502  blocked             a browser without a window is refused
    │   ├── Changed                    502  site_changed        what the site sends is no longer what we know
    │   │   ├── NotPlainHttp           502  site_changed        only a browser can speak with the site
    │   │   ├── MissingToken           502  site_changed        (also RuntimeError)
    │   │   └── MissingCookies         502  site_changed        (also RuntimeError)
    │   ├── Cut                        502  cut                 the answer ended before its end
    │   └── EmptyAnswer                502  empty_response
    ├── Enough                         429  rate_limited        the site says wait; we obey
    │   ├── RateLimited                429  rate_limited
    │   ├── QuotaReached               429  quota
    │   └── QueueFull                  429  queue_full          so many wait for the site that this call may not
    ├── Unavailable                    503  provider_unavailable  later, by itself
    │   ├── SiteDown                   503  provider_unavailable  (also OSError)
    │   ├── VisitFailed                503  visit_failed        remembered: see retry_after
    │   ├── BrowserFailed              503  browser_failed
    │   └── NeedsPerson                503  human_required      a person has to pass something
    └── TimeLimit                      504  timeout             (also TimeoutError); names the wait that ran out

A message says what was expected, what came, and what to do next. It never holds a cookie, a token or a prompt.
"""

from __future__ import annotations

from typing import ClassVar, Self


class DoorkeyError(Exception):
    """The root. `site` and `report` name the site and the report, where there is one; `retry_after` is in seconds,
    None when waiting won't help."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "server_error"

    def __init__(self, message: str, *, site: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.site = site
        self.retry_after, self.report = retry_after, ""

    def __str__(self) -> str:
        return self.message

    def again(self, retry_after: float | None = None) -> Self:
        """The same error for another caller: an exception that is raised twice collects both tracebacks."""
        twin = type(self).__new__(type(self), *self.args)
        twin.__dict__.update(self.__dict__)
        if retry_after is not None:
            twin.retry_after = retry_after
        return twin


class RequestError(DoorkeyError):
    """The request can't be served as it is. `param` names the field at fault."""

    status = 400
    code = "invalid_request"

    def __init__(self, message: str, *, param: str | None = None, site: str | None = None) -> None:
        super().__init__(message, site=site)
        self.param = param


class UnknownModel(RequestError):
    status = 404
    code = "model_not_found"


class UnknownSite(RequestError):
    status = 404
    code = "site_not_found"


class TooLarge(RequestError):
    status = 413
    code = "too_large"


class UnsupportedBody(RequestError):
    """A body whose type or Content-Encoding doorkey can't work with."""

    status = 415
    code = "unsupported_media_type"


class ConfigurationError(DoorkeyError):
    code = "configuration"


class BrowserMissing(ConfigurationError):
    code = "browser_missing"


class SiteError(DoorkeyError):
    """The site answered, but not with an answer. `answer_status` is the site's own HTTP status, where there was one."""

    status = 502
    code = "provider_error"

    def __init__(
        self,
        message: str,
        *,
        site: str | None = None,
        retry_after: float | None = None,
        answer_status: int | None = None,
    ) -> None:
        super().__init__(message, site=site, retry_after=retry_after)
        self.answer_status = answer_status


class SessionRefused(SiteError):
    code = "session_refused"


class SessionEnded(SiteError):
    """A request that must not be repeated was answered when its session was dead, and may have been processed."""

    code = "session_ended"


class MayHaveArrived(SiteError, OSError):
    """The connection was lost, or no answer came in time, after a request was sent that must not be repeated."""

    code = "may_have_arrived"


class Blocked(SiteError):
    """A ban, a firewall, a content filter; `by` names it where it has a name."""

    code = "blocked"

    def __init__(
        self,
        message: str,
        *,
        site: str | None = None,
        retry_after: float | None = None,
        answer_status: int | None = None,
        by: str = "",
    ) -> None:
        super().__init__(message, site=site, retry_after=retry_after, answer_status=answer_status)
        self.by = by


class HeadlessDenied(Blocked):
    """The site refuses browsers without a window."""


class Changed(SiteError):
    code = "site_changed"


class NotPlainHttp(Changed):
    """The site speaks HTTP that plain HTTP clients don't (HTTP/2 only, a compression without its library).

    `arrived` is False if the request certainly did not reach the site.
    """

    def __init__(self, message: str, *, site: str | None = None, arrived: bool = True) -> None:
        super().__init__(message, site=site)
        self.arrived = arrived


class MissingToken(Changed, RuntimeError):
    """A page came without a token that its provider needs. `name` is the token, `sought` where it was looked for."""

    def __init__(self, name: str, sought: str, *, site: str | None = None, came: str = "") -> None:
        found = f"; the page has {came}" if came else ""
        super().__init__(
            f"the page holds no {name} (sought: {sought}{found}). "
            f"See what a visit finds: doorkey explain {site or 'SITE'}; the page to open is sites.{site or 'SITE'}.url",
            site=site,
        )
        self.name = name
        self.sought = sought
        self.came = came


class MissingCookies(Changed, RuntimeError):
    """A visit ended without a cookie that the site's requests need."""


class Cut(SiteError):
    code = "cut"


class EmptyAnswer(SiteError):
    code = "empty_response"


class Enough(DoorkeyError):
    """The site says enough. Never renewed for, never evaded."""

    status = 429
    code = "rate_limited"


class RateLimited(Enough):
    pass


class QuotaReached(Enough):
    code = "quota"


class QueueFull(Enough):
    """As many wait for their turn at the site as may: `most`. `retry_after` is about when the first of them goes."""

    code = "queue_full"

    def __init__(self, site: str, most: int, retry_after: float) -> None:
        super().__init__(
            f"{site}: {most} calls wait for their turn there already, the most that may (setting: manners.queue)",
            site=site,
            retry_after=max(1.0, retry_after),
        )


class Unavailable(DoorkeyError):
    status = 503
    code = "provider_unavailable"


class SiteDown(Unavailable, OSError):
    """The site could not be reached, or failed (5xx) before its first byte.

    `arrived` is False when the request is known not to have reached the site: then even one that is not repeatable
    may be sent again. `away`: the site took no connection, or dropped it: it may be restarting.
    """

    def __init__(
        self,
        message: str,
        *,
        site: str | None = None,
        retry_after: float | None = None,
        arrived: bool = True,
        away: bool = False,
    ) -> None:
        super().__init__(message, site=site, retry_after=retry_after)
        self.arrived = arrived
        self.away = away

    def waited_for(self, seconds: float) -> Self:
        """The same error, after the site was waited for in vain."""
        told = self.again(seconds)
        told.message = f"{self.message}; it was waited for, {seconds:g} s (setting: limits.away)"
        return told


class VisitFailed(Unavailable):
    code = "visit_failed"


class BrowserFailed(Unavailable):
    code = "browser_failed"
    arrived = False  # True if a request was given to the page before it failed: it may have reached the site


class NeedsPerson(Unavailable):
    code = "human_required"


class TimeLimit(DoorkeyError, TimeoutError):
    """A wait reached its limit. `wait` names it ("first byte", "idle", "total", "visit"); `limit` is in seconds."""

    status = 504
    code = "timeout"

    def __init__(self, wait: str, limit: float, *, site: str | None = None, setting: str | None = None) -> None:
        where = f"{site}: " if site else ""
        change = f" (setting: {setting})" if setting else ""
        super().__init__(f"{where}limit reached: {wait}, {limit:g} s{change}", site=site)
        self.wait = wait
        self.limit = limit


def name_caller_timeout(error: DoorkeyError) -> None:
    """Let *error* name the caller's timeout, in place of the setting limits.total that it replaced."""
    error.message = error.message.replace("(setting: limits.total)", "(the timeout that the caller set)")
