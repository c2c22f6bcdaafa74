"""Bodies of requests with more fields in them: forms, multipart forms and JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import unquote_plus, urlencode

from doorkey import Request
from doorkey.errors import RequestError

BODILESS = ("GET", "HEAD", "OPTIONS")
FORM, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"


def pairs_without(pairs: str, names: Iterable[str]) -> list[str]:
    """The pairs of a query or a form as they are written, but those of *names*."""
    names = set(names)
    return [pair for pair in pairs.split("&") if pair and unquote_plus(pair.partition("=")[0]) not in names]


def content_type(request: Request) -> str:
    return next((value for name, value in request.headers.items() if name.lower() == "content-type"), "")


def media_type(request: Request) -> str:
    return content_type(request).partition(";")[0].strip().lower()


def carries_form(request: Request, *, empty: bool) -> bool:
    """Whether the body is a form; with *empty*, also where a body may stand and none does."""
    if request.form is not None or request.parts:
        return True
    if request.body:
        return media_type(request) in (FORM, MULTIPART)
    return empty and request.json is None and request.method.upper() not in BODILESS


def with_form(request: Request, values: Mapping[str, str]) -> Request:
    """Where the body is a form, or a body may stand and none does; another kind of body is left."""
    if not carries_form(request, empty=True):
        return request
    if request.parts:
        like = replace(request.parts[0], filename=None, media_type="text/plain")
        new = tuple(replace(like, name=name, data=value.encode()) for name, value in values.items())
        return replace(request, parts=(*new, *(part for part in request.parts if part.name not in values)))
    if not request.body:
        return replace(request, body=None, form={**(request.form or {}), **values})
    whole = _whole(request)
    if media_type(request) == MULTIPART:
        return replace(request, body=multipart(whole, content_type(request), values))
    kept_pairs = pairs_without(whole.decode("latin-1"), values)
    return replace(request, body="&".join([*kept_pairs, urlencode(values)]).encode("latin-1"))


def multipart(body: bytes, kind: str, values: Mapping[str, str]) -> bytes:
    """*body* with a part for each value before its own: what was sent stays as it was, byte for byte."""
    found = re.search(r'boundary=(?:"([^"]+)"|([^;\s]+))', kind, re.I)
    if found is None:
        raise RequestError("a multipart body was expected to name its boundary in Content-Type; it names none")
    boundary = found[1] or found[2]
    escaped = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})
    parts = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name.translate(escaped)}"\r\n\r\n{value}\r\n'
        for name, value in values.items()
    )
    return parts.encode() + body


def with_json(request: Request, values: Mapping[str, Any]) -> Request:
    """Where the body is a JSON object, or a body may stand and none does; a list or another kind of body is left."""
    if request.body:
        if not media_type(request).endswith("json"):
            return request
        try:
            body = json.loads(_whole(request))
        except (ValueError, RecursionError):
            return request  # the site will say so
        return replace(request, body=None, json=_merged(body, values)) if isinstance(body, dict) else request
    if isinstance(request.json, dict):
        return replace(request, json=_merged(request.json, values))
    if request.json is None and not carries_form(request, empty=False) and request.method.upper() not in BODILESS:
        return replace(request, body=None, json=dict(values))
    return request


def _merged(below: Any, above: Any) -> Any:
    if not isinstance(below, dict) or not isinstance(above, Mapping):
        return above
    return {**below, **{name: _merged(below.get(name), value) for name, value in above.items()}}


def _whole(request: Request) -> bytes:
    if not isinstance(request.body, bytes):
        raise RequestError(
            "a token can't be put into a body that is sent as it comes: send it as a header or in the query "
            "(send.header, send.query), or send less at once"
        )
    return request.body
