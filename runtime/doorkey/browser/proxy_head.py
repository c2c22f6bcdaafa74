"""The head of a request that a browser sends to a proxy, parsed and rewritten for forwarding."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

MOST = 262144
"""The largest head in bytes. Chromium's cookies and URLs stay far below it."""
LINE = re.compile(r"([A-Z]+) ([\x21-\x7e]+) HTTP/1\.[01]")
HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\x00]*)")


class MalformedHead(Exception):
    """The data is not a valid request to a proxy."""


@dataclass(frozen=True, slots=True)
class ProxyHead:
    """One request. `url` is the requested URL; for CONNECT, which names no scheme, it is an https URL.

    `headers` keep their order. `length` is the size of the body in bytes.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    length: int

    @property
    def tunnel(self) -> bool:
        return self.method == "CONNECT"

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or (443 if self.tunnel else 80)

    @property
    def credentials(self) -> tuple[str, str] | None:
        """User name and password from Proxy-Authorization (Basic, RFC 7617), or None."""
        for name, value in self.headers:
            if name.lower() == "proxy-authorization" and value[:6].lower() == "basic ":
                try:
                    user, colon, password = base64.b64decode(value[6:], validate=True).decode().partition(":")
                except (binascii.Error, UnicodeDecodeError):
                    return None
                return (user, password) if colon else None
        return None

    def format_forwarded(self, *, to_proxy: bool = False, authorization: str | None = None) -> bytes:
        """Return the head as the browser would send it to the site itself, or to the next proxy."""
        parts = urlsplit(self.url)
        path = (parts.path or "/") + (f"?{parts.query}" if "?" in self.url else "")
        lines = [f"{self.method} {self.url if to_proxy else path} HTTP/1.1"]
        for name, value in self.headers:
            sent_name = "Connection" if name.lower() == "proxy-connection" and not to_proxy else name
            if name.lower() != "proxy-authorization":
                lines.append(f"{sent_name}: {value}")
        if authorization is not None:
            lines.append(f"Proxy-Authorization: {authorization}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


def parse(text: bytes) -> ProxyHead:
    """Parse the head in *text*, which ends with an empty line. Raises MalformedHead."""
    first, *lines = text.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    found = LINE.fullmatch(first)
    if found is None:
        raise MalformedHead("it has no request line")
    matches = [HEADER.fullmatch(line) for line in lines]
    headers = tuple((match[1], match[2].rstrip()) for match in matches if match is not None)
    if len(headers) < len(lines):
        raise MalformedHead("one of its header lines is malformed")
    method, target = found[1], found[2]
    url = f"https://{target}/" if method == "CONNECT" else target
    if method == "CONNECT" and not re.fullmatch(r"[^/?#@]+:[0-9]{1,5}", target):
        raise MalformedHead("CONNECT expects host:port")
    if method != "CONNECT" and not target.lower().startswith("http://"):
        raise MalformedHead("the request names no absolute http:// URL")
    return ProxyHead(method, url, headers, _body_length(headers))


def _body_length(headers: tuple[tuple[str, str], ...]) -> int:
    # Browsers send Content-Length. A chunked body would have to be parsed here to find the next request.
    lengths = {value for name, value in headers if name.lower() == "content-length"}
    if len(lengths) > 1 or any(name.lower() == "transfer-encoding" for name, _ in headers):
        raise MalformedHead("its body has no single Content-Length")
    (length,) = lengths or {"0"}
    if not re.fullmatch(r"[0-9]{1,15}", length):
        raise MalformedHead("its Content-Length is not a number")
    return int(length)
