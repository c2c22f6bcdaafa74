"""Cuts an answer where the client asked for it: at a stop text, or at a length."""

from __future__ import annotations

from doorkey.service.question import BYTES_PER_TOKEN


class Cutter:
    """Takes text as it comes and returns what may be shown. `reason` is set once the answer is cut, and `stop`
    to the stop text that cut it.

    A tail that may be the start of a stop text is held back until more comes. *max_tokens* is estimated at four bytes
    a token, as a site's own tokens can't be counted.
    """

    def __init__(self, stop: tuple[str, ...] = (), max_tokens: int | None = None) -> None:
        self.reason: str | None = None
        self.stop: str | None = None
        self._stop = stop
        self._held = ""
        self._room = None if max_tokens is None else max_tokens * BYTES_PER_TOKEN
        self._bytes = 0

    def feed(self, text: str) -> str:
        if self.reason is not None:
            return ""
        if not self._stop:
            return self._out(text)
        text = self._held + text
        found = [(at, stop) for stop in self._stop if (at := text.find(stop)) >= 0]
        if found:
            at, stop = min(found)
            self._held, shown = "", self._out(text[:at])
            if self.reason is None:
                self.reason, self.stop = "stop", stop
            return shown
        keep = self._start_of_stop(text)
        self._held = text[len(text) - keep :]
        return self._out(text[: len(text) - keep])

    def rest(self) -> str:
        """Return what was held back, once the answer has ended."""
        held, self._held = self._held, ""
        return "" if self.reason is not None else self._out(held)

    def _start_of_stop(self, text: str) -> int:
        longest = max(len(stop) for stop in self._stop) - 1
        for size in range(min(longest, len(text)), 0, -1):
            if any(stop.startswith(text[-size:]) for stop in self._stop):
                return size
        return 0

    def _out(self, text: str) -> str:
        data = text.encode("utf-8", "surrogatepass")
        if self._room is not None and self._bytes + len(data) > self._room:
            self.reason = "length"
            # Cut between characters: the bytes of half a character are dropped.
            text = data[: self._room - self._bytes].decode("utf-8", "ignore")
            data = text.encode()
        self._bytes += len(data)
        return text
