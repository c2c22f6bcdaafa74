"""Bodies of requests with more fields in them: forms, multipart forms and JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any
from urllib.parse import unquote_plus, urlencode

from doorkey import Request
from doorkey.errors import RequestError

BODILESS = ("GET", "HEAD", "OPTIONS")
FORM, MULTIPART, JSON_TYPE = "application/x-www-form-urlencoded", "multipart/form-data", "application/json"
ESCAPED = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})
"""What a part's name can't hold, as browsers write it (HTML standard, multipart/form-data encoding algorithm)."""
PARAMETER = re.compile(rb';\s*([\w*-]+)=(?:"((?:\\.|[^"\\])*)"|([^;\s]*))')


def pairs_without(pairs: str, names: Iterable[str]) -> list[str]:
    """The pairs of a query or a form as they are written, but those of *names*."""
    names = set(names)
    return [pair for pair in pairs.split("&") if pair and unquote_plus(pair.partition("=")[0]) not in names]


def content_type(request: Request) -> str:
    return next((value for name, value in request.headers.items() if name.lower() == "content-type"), "")


def media_type(request: Request) -> str:
    return content_type(request).partition(";")[0].strip().lower()


def carries_form(request: Request) -> bool:
    """Whether the body is a form, or may become one."""
    if request.form is not None or request.parts:
        return True
    if request.body:
        return media_type(request) in (FORM, MULTIPART)
    return _may_begin(request, FORM)


def _may_begin(request: Request, kind: str) -> bool:
    """Whether a body of this *kind* may stand where none does."""
    bare = not request.body and request.json is None and not request.parts and request.form is None
    return bare and request.method.upper() not in BODILESS and media_type(request) in ("", kind)


def with_form(request: Request, values: Mapping[str, str]) -> Request:
    """Where the body is a form, or a body may stand and none does; another kind of body is left."""
    if not carries_form(request):
        return request
    if request.parts:
        like = replace(request.parts[0], filename=None, media_type="text/plain")
        new = tuple(replace(like, name=name, data=value.encode()) for name, value in values.items())
        return replace(request, parts=(*new, *(part for part in request.parts if part.name not in values)))
    if not request.body:
        return replace(request, body=None, form={**(request.form or {}), **values})
    if media_type(request) == MULTIPART:
        boundary = boundary_of(content_type(request))
        fields = parts_of(values, boundary)
        if isinstance(request.body, bytes):
            return replace(request, body=fields + without_parts(request.body, boundary, values))
        return replace(request, body=request.body.after(fields))
    if not isinstance(request.body, bytes):
        return replace(request, body=request.body.after(urlencode(values).encode() + b"&"))
    kept_pairs = pairs_without(request.body.decode("latin-1"), values)
    return replace(request, body="&".join([*kept_pairs, urlencode(values)]).encode("latin-1"))


def boundary_of(kind: str) -> str:
    """What stands between the parts of a multipart body whose Content-Type is *kind*. Raises RequestError for none."""
    found = re.search(r'boundary=(?:"([^"]+)"|([^;\s]+))', kind, re.I)
    if found is None:
        raise RequestError("a multipart body was expected to name its boundary in Content-Type; it names none")
    return found[1] or found[2]


def without_parts(body: bytes, boundary: str, names: Iterable[str]) -> bytes:
    """A multipart *body* but for its parts of *names*; what stays does so byte for byte (RFC 2046, section 5.1.1)."""
    gone = {name.translate(ESCAPED) for name in names}
    line = rb"(?:\A|(?<=\r\n))--%s(?=[ \t]*\r\n|--)" % re.escape(boundary.encode())
    starts = [found.start() for found in re.finditer(line, body)]
    pieces = [body[start:end] for start, end in pairwise([0, *starts, len(body)])]
    return b"".join(piece for piece in pieces if _name_of(piece) not in gone)


def _name_of(part: bytes) -> str | None:
    """The field that *part* is, its boundary before it, as its head names it; None where it names none."""
    head, end, _ = part.partition(b"\r\n\r\n")
    said = re.search(rb"^content-disposition:[^\r\n]*", head, re.I | re.M) if end else None
    for name, quoted, bare in PARAMETER.findall(said[0] if said else b""):
        if name.lower() == b"name":
            return bytes(quoted or bare).decode(errors="replace")
    return None


def parts_of(values: Mapping[str, str], boundary: str) -> bytes:
    """A part for each value, to stand before those of a multipart body."""
    parts = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name.translate(ESCAPED)}"\r\n\r\n{value}\r\n'
        for name, value in values.items()
    )
    return parts.encode()


def with_json(request: Request, values: Mapping[str, Any]) -> Request:
    """Where the body is a JSON object, or a body may stand and none does; a list or another kind of body is left."""
    if request.body:
        if not media_type(request).endswith("json"):
            return request
        if not isinstance(request.body, bytes):
            raise RequestError(
                "a token can't be put into JSON that is sent as it comes: send it as a header or in the query "
                "(send.header, send.query), or send less at once"
            )
        try:
            body = json.loads(request.body)
        except (ValueError, RecursionError):
            return request  # the site will say so
        return replace(request, body=None, json=_merged(body, values)) if isinstance(body, dict) else request
    if isinstance(request.json, dict):
        return replace(request, json=_merged(request.json, values))
    return replace(request, body=None, json=dict(values)) if _may_begin(request, JSON_TYPE) else request


def _merged(below: Any, above: Any) -> Any:
    if not isinstance(below, dict) or not isinstance(above, Mapping):
        return above
    return {**below, **{name: _merged(below.get(name), value) for name, value in above.items()}}
