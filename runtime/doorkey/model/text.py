"""Reads text from bytes: finds the character encoding of a body and decodes it."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from itertools import islice

import webencodings

PRESCAN = 1024
"""Bytes at the beginning of a page in which `<meta charset>` is always looked for (WHATWG HTML, section 13.2.3.2)."""
HEAD_SCAN = 64 * 1024
"""Bytes in which it is looked for while the page's head has not ended: Chromium does this for late `<meta>` tags."""
MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16le"), (b"\xfe\xff", "utf-16be"))
"""Byte order marks. They win over every other sign (WHATWG Encoding, section 6)."""
MARKUP = ("text/html", "application/xhtml+xml", "application/xml", "text/xml")

PAGE_START = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*)?<(?:!--|!doctype|html|"
    rb"(?:head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p)(?=[\s>]))",
    re.I,
)
COMMENT = re.compile(rb"<!--.*?(?:-->|\Z)", re.S)
HEAD_END = re.compile(rb"</head|<body", re.I)
META = re.compile(rb"<meta(?=[\s/])", re.I)
MOST_METAS = 100
"""Tags that are looked at, so that a hostile page costs little."""
TAG_REST = re.compile(rb"(?:[^>\"']++|\"[^\"]*+\"|'[^']*+')*+>")
ATTRIBUTE = re.compile(rb"([^\s\"'>/=]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))")
CHARSET = re.compile(r"charset\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s;\"']+))", re.I)
XML_DECLARATION = re.compile(rb"\s*<\?xml\s[^>]*?encoding\s*=\s*[\"']([^\"']+)[\"']")


LONGEST_MARK = max(len(mark) for mark, _ in MARKS)


def read_text(body: bytes, content_type: str = "", *, cut: bool = False) -> str:
    """Decode *body*; bytes that are not valid in its encoding become U+FFFD.

    `find_encoding` says which encoding that is. *cut*: *body* is the beginning of a longer one, so an incomplete
    character at its end is dropped.
    """
    if cut and len(body) < LONGEST_MARK and _may_become_mark(body):
        return ""
    encoding, mark = find_encoding(body, content_type)
    decoder = _codec(encoding).incrementaldecoder(errors="replace")
    return decoder.decode(body[mark:] if mark else body, final=not cut)


def find_encoding(start: bytes, content_type: str = "") -> tuple[str, int]:
    """The WHATWG name of a body's encoding, and the length of the byte order mark before it.

    *start* is the beginning of the body. The first that is there decides: a byte order mark, the charset of
    *content_type* (the Content-Type header), the page's own `<meta charset>` or XML declaration. Otherwise it is UTF-8.
    Labels mean what they mean to browsers: ISO-8859-1 is windows-1252. Unknown labels are ignored. An event stream is
    always UTF-8 (WHATWG HTML, section 9.2.5).
    """
    for mark, encoding in MARKS:
        if start.startswith(mark):
            return encoding, len(mark)
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == "text/event-stream":
        return "utf-8", 0
    declared = _known(_charset_parameter(content_type))
    if declared is not None:
        return declared, 0
    if media_type in MARKUP or (not media_type and start.lstrip()[:1] == b"<"):
        return _declared_in_page(start) or "utf-8", 0
    return "utf-8", 0


def begins_page(start: bytes) -> bool:
    """Whether *start* is the beginning of a page, as browsers tell where no media type does (WHATWG MIME Sniffing)."""
    marked = start.startswith(tuple(mark for mark, _ in MARKS))
    return PAGE_START.match(read_text(start, cut=True).encode() if marked else start) is not None


class TextDecoder:
    """Decodes a body that arrives in pieces, by the rules of `read_text`; a page's own declaration is not looked at."""

    def __init__(self, content_type: str = "") -> None:
        self._content_type = content_type
        self._held = b""
        self._decoder: codecs.IncrementalDecoder | None = None

    def decode(self, data: bytes, *, final: bool = False) -> str:
        """The text of *data*, as far as its characters are complete; *final*: nothing follows."""
        if self._decoder is None:
            self._held += data
            if not final and len(self._held) < LONGEST_MARK and _may_become_mark(self._held):
                return ""
            encoding, mark = find_encoding(self._held, self._content_type)
            self._decoder = _codec(encoding).incrementaldecoder(errors="replace")
            data, self._held = self._held[mark:], b""
        return self._decoder.decode(data, final)


def _may_become_mark(start: bytes) -> bool:
    return any(mark.startswith(start) and mark != start for mark, _ in MARKS)


def _codec(encoding: str) -> codecs.CodecInfo:
    if encoding == "gbk":
        return codecs.lookup("gb18030")  # which browsers decode it by: it knows more characters
    found = webencodings.lookup(encoding)
    assert found is not None  # every name here came from the same table
    return found.codec_info


def _known(label: str) -> str | None:
    """The name of the encoding that *label* means to browsers; None for an unknown one."""
    found = webencodings.lookup(label) if label.isascii() else None
    return None if found is None else str(found.name)


def _charset_parameter(content_type: str) -> str:
    for part in content_type.split(";")[1:]:
        name, _, value = part.partition("=")
        if name.strip().lower() == "charset":
            return value.strip(" \t\"'")
    return ""


def _declared_in_page(start: bytes) -> str | None:
    """The encoding that a page names in itself. One that no page naming it in ASCII can have means another."""
    head_end = HEAD_END.search(start, 0, HEAD_SCAN)
    part = COMMENT.sub(b"", start[: max(PRESCAN, head_end.start() if head_end else HEAD_SCAN)])
    for label in _labels_in_page(part):
        encoding = _known(label)
        if encoding is not None:
            return {"utf-16le": "utf-8", "utf-16be": "utf-8", "x-user-defined": "windows-1252"}.get(encoding, encoding)
    return None


def _labels_in_page(part: bytes) -> Iterator[str]:
    declaration = XML_DECLARATION.match(part)
    if declaration is not None:
        yield declaration[1].decode("latin-1")
    for meta in islice(META.finditer(part), MOST_METAS):
        tag = TAG_REST.match(part, meta.end())
        pairs = [] if tag is None else [*ATTRIBUTE.finditer(tag[0][:-1])]
        # Reversed, as the first attribute of a name counts.
        attributes = {pair[1].lower(): b"".join(pair.groups(b"")[1:]) for pair in reversed(pairs)}
        if b"charset" in attributes:
            yield attributes[b"charset"].decode("latin-1")
        elif attributes.get(b"http-equiv", b"").lower() == b"content-type":
            named = CHARSET.search(attributes.get(b"content", b"").decode("latin-1"))
            if named is not None:
                yield named[1] or named[2] or named[3] or ""
