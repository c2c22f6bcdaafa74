"""HAR files as browsers write them, built by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

SITE = "https://shop.example"
PASSWORD, USER = "correct-Horse7battery", "ada"
FORM = "application/x-www-form-urlencoded"
LOGIN_PAGE = (
    '<title>Log in</title><form method="post" action="/login"><input type="hidden" name="csrf" value="{}">'
    '<input name="user"><input name="pw" type="password"><button>Log in</button></form>'
)


class Har:
    """Collects entries in the order in which they are sent."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []

    def add(
        self,
        method: str,
        path: str,
        status: int = 200,
        *,
        form: Mapping[str, str] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        answers: tuple[tuple[str, str], ...] = (),
        html: str | None = None,
        data: Any = None,
        script: str | None = None,
        raw: tuple[str, str] | None = None,
    ) -> Har:
        """Add one exchange. *form* or *body* (JSON) is sent; *html*, *data* (JSON) or *script* is answered."""
        sent = dict(headers or {})
        request: dict[str, Any] = {"method": method, "url": path if "://" in path else SITE + path}
        text, kind = (urlencode(form), FORM) if form is not None else ("", "")
        if body is not None:
            text, kind = json.dumps(body), "application/json"
        if raw is not None:
            text, kind = raw
        if text:
            sent["content-type"] = kind
            request["postData"] = {"mimeType": kind, "text": text}
        request["headers"] = [{"name": name, "value": value} for name, value in sent.items()]
        shown, media = (html, "text/html; charset=utf-8") if html is not None else ("", "text/plain")
        if data is not None:
            shown, media = json.dumps(data), "application/json"
        if script is not None:
            shown, media = script, "text/javascript"
        headed = [{"name": name, "value": value} for name, value in answers]
        self.entries.append(
            {
                "startedDateTime": f"2026-11-27T10:00:{len(self.entries):02}.000Z",
                "_resourceType": "document" if html is not None or status in (302, 303) else "fetch",
                "request": request,
                "response": {
                    "status": status,
                    "headers": headed,
                    "content": {"mimeType": media, "text": shown, "size": len(shown)},
                },
            }
        )
        return self

    def log_in(self, token: str = "f0f1f2f3f4f5f6f7") -> Har:
        """Add a login by a form that leads to the front page."""
        self.add("GET", "/", 302, answers=(("location", "/login"),))
        self.add("GET", "/login", html=LOGIN_PAGE.format(token))
        self.add(
            "POST",
            "/login",
            302,
            form={"csrf": token, "user": USER, "pw": PASSWORD},
            answers=(("location", "/"), ("set-cookie", "sid=5e55109a8b7c; Path=/; HttpOnly")),
        )
        return self

    def dump(self) -> bytes:
        return json.dumps(
            {"log": {"version": "1.2", "creator": {"name": "a browser"}, "entries": self.entries}}
        ).encode()
