"""The redirect rule: which request follows an answer that sends its caller to another URL."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from doorkey.errors import Changed, RequestError
from doorkey.model.request import Head, Request
from doorkey.model.site import Site
from doorkey.model.urls import join_location, origin_of
from doorkey.network.url_policy import request_url

REDIRECTS = (301, 302, 303, 307, 308)
ANYWHERE = (
    "accept-language", "cache-control", "if-match", "if-modified-since", "if-none-match", "if-range",
    "if-unmodified-since", "pragma", "range",
)  # fmt: skip
"""Headers of the caller that another host may see. Any other header may be a key to the site."""


def redirected(request: Request, head: Head, site: Site, others: Collection[str] = ()) -> Request | None:
    """Return the request that the redirect *head* asks for, or None if there is none to send.

    Method and body change as in browsers (Fetch standard, section 4.4): 303 makes a GET of everything but HEAD, 301
    and 302 make a GET of POST. A request that leaves the site's origin has `own_host=False` and keeps only harmless
    headers; one that would take a body there is not sent. *others* are the origins of the other configured sites:
    they get no cookies of this site, though cookies know no ports.
    """
    location = head.headers.get("location")
    if head.status not in REDIRECTS or not location:
        return None
    try:
        url = join_location(head.url, location).partition("#")[0]
        origin = origin_of(url)
    except ValueError:
        return None  # no URL: the caller sees the answer as it is
    method = request.method.upper()
    turned = method != "HEAD" and (head.status == 303 or (head.status in (301, 302) and method == "POST"))
    if turned:
        headers = {name: value for name, value in request.headers.items() if not name.lower().startswith("content-")}
        request = _bodiless(replace(request, method="GET", repeatable=True, headers=headers))
    elif not request.again:
        return None
    if origin == site.origin:
        return replace(request, url=url, query=None, own_host=True, anonymous=False)
    if request.method.upper() not in ("GET", "HEAD"):
        return None
    headers = {name: value for name, value in request.headers.items() if name.lower() in ANYWHERE}
    request = _bodiless(replace(request, headers=headers, referer=None))
    return replace(request, url=url, query=None, own_host=False, anonymous=request.anonymous or origin in others)


def allowed_redirect(request: Request, onward: Request, site: Site) -> tuple[Request, str]:
    """Return *onward*, which a transport follows by itself for *request*, and its URL.

    Raises Changed if it leads where *request* may not go: a request to the site stays at the site.
    """
    try:
        onward = replace(onward, own_host=request.own_host)
        return onward, request_url(onward, site)
    except RequestError as error:
        raise Changed(f"{site.name}: {request.what} was redirected where it may not go", site=site.name) from error


def _bodiless(request: Request) -> Request:
    return replace(request, form=None, json=None, parts=None, body=None)
