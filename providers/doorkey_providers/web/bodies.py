"""Puts fields into the bodies of requests: forms, multipart forms and JSON objects."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from doorkey import Request
from doorkey.errors import RequestError, UnsupportedBody
from doorkey_providers.web.content_coding import change_coded
from doorkey_providers.web.form_splice import splice_form
from doorkey_providers.web.json_splice import merge, splice_json
from doorkey_providers.web.multipart_splice import splice_parts, write_parts

BODILESS = ("GET", "HEAD", "OPTIONS")
FORM, MULTIPART, JSON_TYPE = "application/x-www-form-urlencoded", "multipart/form-data", "application/json"
DIGESTS = ("content-digest", "content-md5", "digest", "repr-digest")
"""Headers that hold a checksum of the body. They are left out once the body is another."""


def get_header(request: Request, wanted: str) -> str:
    return next((value for name, value in request.headers.items() if name.lower() == wanted), "")


def carries_form(request: Request) -> bool:
    """Whether the body is a form, or may become one."""
    if request.form is not None or request.parts:
        return True
    if request.body:
        return request.media_type in (FORM, MULTIPART)
    return _may_begin(request, FORM)


def _may_begin(request: Request, kind: str) -> bool:
    """Whether *request* has no body and may get one of this *kind*."""
    bare = not request.body and request.json is None and not request.parts and request.form is None
    return bare and request.method.upper() not in BODILESS and request.media_type in ("", kind)


def with_form(request: Request, values: Mapping[str, str]) -> Request:
    """*request* with *values* in its form, or as its form where it has no body. Another kind of body is left alone."""
    if not carries_form(request):
        return request
    if request.parts:
        like = replace(request.parts[0], filename=None, media_type="text/plain")
        new = tuple(replace(like, name=name, data=value.encode()) for name, value in values.items())
        return replace(request, parts=(*new, *(part for part in request.parts if part.name not in values)))
    if not request.body:
        return replace(request.with_form(**values), body=None)
    if request.media_type == MULTIPART:
        boundary = read_boundary(get_header(request, "content-type"))
        return _with_body(request, write_parts(values, boundary), lambda body: splice_parts(body, boundary, values))
    return _with_body(request, urlencode(values).encode() + b"&", lambda body: splice_form(body, values))


def _with_body(request: Request, start: bytes, change: Callable[[bytes], bytes]) -> Request:
    """*request* with its body changed; one that is sent while it is read gets *start* before it."""
    coding = get_header(request, "content-encoding")
    headers = {name: value for name, value in request.headers.items() if name.lower() not in DIGESTS}
    if isinstance(request.body, bytes):
        return replace(request, headers=headers, body=change_coded(request.body, coding, change))
    if coding.strip().lower() not in ("", "identity"):
        raise UnsupportedBody(
            f"a token can't be put into a body with Content-Encoding: {coding[:40]} that is sent while it is read; "
            "send it plain, or at most 8 MiB with its length"
        )
    assert request.body is not None
    return replace(request, headers=headers, body=request.body.after(start))


def read_boundary(content_type: str) -> str:
    """Read the text between the parts of a multipart body. Raises RequestError if *content_type* does not name it."""
    found = re.search(r'boundary=(?:"([^"]+)"|([^;\s]+))', content_type, re.I)
    if found is None:
        raise RequestError("a multipart body was expected to name its boundary in Content-Type; it names none")
    return found[1] or found[2]


def with_json(request: Request, values: Mapping[str, Any]) -> Request:
    """*request* with *values* in its JSON object, or as its body where it has none.

    A list, or another kind of body, is left alone. Raises RequestError for a body that is sent while it is read.
    """
    if request.body:
        if not request.is_json:
            return request
        if not isinstance(request.body, bytes):
            raise RequestError(
                "a token can't be put into JSON that is sent while it is read: send the token as a header or in the "
                "query (send.header, send.query), or send at most 8 MiB with its length"
            )
        return _with_body(request, b"", lambda body: _splice(body, values))
    if isinstance(request.json, dict):
        return replace(request, json=merge(request.json, values))
    return replace(request, body=None, json=dict(values)) if _may_begin(request, JSON_TYPE) else request


def _splice(body: bytes, values: Mapping[str, Any]) -> bytes:
    if b"\0" in body[:4]:
        raise UnsupportedBody("a token can't be put into JSON in UTF-16 or UTF-32: send it in UTF-8 (RFC 8259)")
    spliced = splice_json(body, values)
    return body if spliced is None else spliced  # of what is no object the site will say so
