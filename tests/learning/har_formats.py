"""Rewrites a HAR file as other programs write it: Chrome's and Firefox's developer tools, and mitmproxy."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from hars import Har

Entry = dict[str, Any]
HIDDEN = ("cookie", "set-cookie", "authorization")
FORM = "application/x-www-form-urlencoded"


def chrome(har: Har) -> bytes:
    """As DevTools export it with sensitive data: HTTP/2 headers, `_resourceType`, a form's fields beside its text."""
    return _dump("WebInspector", [_as_chrome(entry) for entry in har.entries])


def sanitized(har: Har) -> bytes:
    """As DevTools export it by default: without Cookie, Set-Cookie and Authorization."""
    entries = [_as_chrome(entry) for entry in har.entries]
    for entry in entries:
        for message in (entry["request"], entry["response"]):
            message["headers"] = [one for one in message["headers"] if one["name"] not in HIDDEN]
            message["cookies"] = []
    return _dump("WebInspector", entries)


def firefox(har: Har) -> bytes:
    """As Firefox exports it: no `_resourceType`, times of a zone, and forms whose text begins with their headers."""
    return _dump("Firefox", [_as_firefox(entry) for entry in har.entries])


def mitmproxy(har: Har) -> bytes:
    """As `mitmdump --set hardump=FILE` writes it: only what the wire tells, and cookies without their attributes."""
    entries = [_as_mitmproxy(entry) for entry in har.entries]
    return _dump("mitmproxy", entries)


def _dump(creator: str, entries: list[Entry]) -> bytes:
    log = {"version": "1.2", "creator": {"name": creator, "version": "1"}, "pages": [], "entries": entries}
    return json.dumps({"log": log}, indent=2).encode()


def _as_chrome(entry: Entry) -> Entry:
    request, response = json.loads(json.dumps(entry["request"])), json.loads(json.dumps(entry["response"]))
    parts = urlsplit(request["url"])
    pseudo = {":authority": parts.netloc, ":method": request["method"], ":path": parts.path, ":scheme": parts.scheme}
    request["headers"] = [*_list(pseudo), *request["headers"]]
    request |= {"httpVersion": "http/2.0", "queryString": _list(dict(parse_qsl(parts.query))), "cookies": []}
    _add_params(request)
    response |= {"httpVersion": "http/2.0", "statusText": "", "cookies": [], "redirectURL": _location(response)}
    if 300 <= response["status"] < 400:
        response["content"] = {"size": 0, "mimeType": "x-unknown"}
    return {
        "_initiator": {"type": "other"},
        "_priority": "High",
        "_resourceType": entry["_resourceType"],
        "cache": {},
        "connection": "443",
        "request": request,
        "response": response | {"_transferSize": 100, "_error": None},
        "serverIPAddress": "[::1]",
        "startedDateTime": entry["startedDateTime"],
        "time": 12.5,
        "timings": {},
    }


def _as_firefox(entry: Entry) -> Entry:
    made = _as_chrome(entry)
    for name in [name for name in made if name.startswith("_")]:
        del made[name]
    request = made["request"]
    request["headers"] = [one for one in request["headers"] if not one["name"].startswith(":")]
    mode = "navigate" if entry["_resourceType"] == "document" else "cors"
    request["headers"].append({"name": "Sec-Fetch-Mode", "value": mode})
    post = request.get("postData")
    if post is not None and post["mimeType"].startswith((FORM, "multipart/")):
        head = f"Content-Type: {post['mimeType']}\r\nContent-Length: {len(post['text'])}\r\n\r\n"
        post["text"] = head + post["text"]
    made["startedDateTime"] = made["startedDateTime"].replace("Z", "+01:00")
    return made


def _as_mitmproxy(entry: Entry) -> Entry:
    made = _as_firefox(entry)
    post = made["request"].get("postData")
    if post is not None:
        post["text"] = post["text"].partition("\r\n\r\n")[2] or post["text"]
    if post is not None and post["mimeType"].startswith("multipart/"):
        post["text"] = json.loads(json.dumps(entry["request"]["postData"]["text"]))
    made["startedDateTime"] = entry["startedDateTime"].replace("Z", "417+00:00")
    return made


def _add_params(request: Entry) -> None:
    post = request.get("postData")
    if post is not None and post["mimeType"].startswith(FORM):
        post["params"] = [{"name": name, "value": value} for name, _, value in _split(post["text"])]


def _split(text: str) -> list[tuple[str, str, str]]:
    return [pair.partition("=") for pair in text.split("&")]


def _list(values: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in values.items()]


def _location(response: Entry) -> str:
    return next((one["value"] for one in response["headers"] if one["name"].lower() == "location"), "")


FORMATS: dict[str, Callable[[Har], bytes]] = {
    "chrome": chrome,
    "sanitized": sanitized,
    "firefox": firefox,
    "mitmproxy": mitmproxy,
}
