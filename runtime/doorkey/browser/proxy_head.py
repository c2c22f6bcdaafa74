"""The head of a request as a browser sends it to a proxy, and as it is passed on."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

MOST = 262144
"""Bytes of a head. Chromium's cookies and URLs stay far below."""
LINE = re.compile(r"([A-Z]+) ([\x21-\x7e]+) HTTP/1\.[01]")
HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\x00]*)")


class MalformedHead(Exception):
    """What came is no request to a proxy."""


@dataclass(frozen=True, slots=True)
class ProxyHead:
    """`url` is what is asked for; of CONNECT, which tells no scheme, it is https. `headers` in their order.

    `length`: bytes of the body.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    length: int

    @property
    def tunnel(self) -> bool:
        return self.method == "CONNECT"

    @property
    def place(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or (443 if self.tunnel else 80)

    @property
    def login(self) -> tuple[str, str] | None:
        """User and password of Proxy-Authorization (Basic, RFC 7617); None without."""
        for name, value in self.headers:
            if name.lower() == "proxy-authorization" and value[:6].lower() == "basic ":
                try:
                    user, colon, password = base64.b64decode(value[6:], validate=True).decode().partition(":")
                except (binascii.Error, UnicodeDecodeError):
                    return None
                return (user, password) if colon else None
        return None

    def passed_on(self, *, to_proxy: bool = False, authorization: str | None = None) -> bytes:
        """What goes out: as the browser would have sent it to the site itself, or to a proxy behind this one."""
        parts = urlsplit(self.url)
        path = (parts.path or "/") + (f"?{parts.query}" if "?" in self.url else "")
        lines = [f"{self.method} {self.url if to_proxy else path} HTTP/1.1"]
        for name, value in self.headers:
            kept = "Connection" if name.lower() == "proxy-connection" and not to_proxy else name
            if name.lower() != "proxy-authorization":
                lines.append(f"{kept}: {value}")
        if authorization is not None:
            lines.append(f"Proxy-Authorization: {authorization}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


def parse(text: bytes) -> ProxyHead:
    """The head in *text*, which ends with an empty line. Raises NoHead."""
    first, *lines = text.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    found = LINE.fullmatch(first)
    if found is None:
        raise MalformedHead("no request line")
    matches = [HEADER.fullmatch(line) for line in lines]
    headers = tuple((match[1], match[2].rstrip()) for match in matches if match is not None)
    if len(headers) < len(lines):
        raise MalformedHead("a header line that is none")
    method, target = found[1], found[2]
    url = f"https://{target}/" if method == "CONNECT" else target
    if method == "CONNECT" and not re.fullmatch(r"[^/?#@]+:[0-9]{1,5}", target):
        raise MalformedHead("CONNECT takes host:port")
    if method != "CONNECT" and not target.lower().startswith("http://"):
        raise MalformedHead("a request to a proxy names http://host")
    return ProxyHead(method, url, headers, _length(headers))


def _length(headers: tuple[tuple[str, str], ...]) -> int:
    # Browsers tell it; a body whose end only its own bytes tell would have to be read to find the next request.
    lengths = {value for name, value in headers if name.lower() == "content-length"}
    if len(lengths) > 1 or any(name.lower() == "transfer-encoding" for name, _ in headers):
        raise MalformedHead("a body needs one Content-Length")
    (length,) = lengths or {"0"}
    if not re.fullmatch(r"[0-9]{1,15}", length):
        raise MalformedHead("Content-Length is no number")
    return int(length)
