"""A text in memory that forked processes share."""

from __future__ import annotations

import fcntl
import mmap
import os
import tempfile
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

T = TypeVar("T")
HEAD = 24
"""Bytes before the texts: the version, then the length of the even and of the odd version's text."""


class ProcessLock(AbstractContextManager[None]):
    """Excludes the other processes that were forked with it. The kernel frees it when its holder is killed."""

    def __init__(self) -> None:
        with tempfile.TemporaryFile() as file:
            self._file = os.dup(file.fileno())
        weakref.finalize(self, os.close, self._file)

    def __enter__(self) -> None:
        fcntl.lockf(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        fcntl.lockf(self._file, fcntl.LOCK_UN)


class SharedText:
    """A text of at most *size* bytes, at first empty. *lock* is needed if processes that are forked later share it.

    Two versions of the text lie beside each other, so that a process that is killed while it writes does no harm.
    """

    def __init__(self, size: int, lock: AbstractContextManager[None] | None = None) -> None:
        self.size = size
        self._memory = mmap.mmap(-1, HEAD + 2 * size)
        self._head = memoryview(self._memory)[:HEAD].cast("Q")
        self._lock = lock or nullcontext()
        self._seen, self._text = 0, ""

    @property
    def version(self) -> int:
        """The number of changes so far."""
        return self._head[0]

    def read(self) -> str:
        if self._head[0] != self._seen:
            with self._lock:
                self._refresh()
        return self._text

    def write(self, text: str) -> None:
        """Replace the text. Raises ValueError if it is too long."""
        self.update(lambda _: (text, None))

    def update(self, step: Callable[[str], tuple[str, T]]) -> T:
        """Replace the text by *step*, from the text as it is, and return its result. Raises ValueError if it is too
        long; then the old text stays.
        """
        with self._lock:
            self._refresh()
            text, result = step(self._text)
            if text != self._text:
                self._write(text)
        return result

    def _refresh(self) -> None:
        version = self._head[0]
        if version != self._seen:
            start = HEAD + version % 2 * self.size
            text = self._memory[start : start + self._head[1 + version % 2]].decode("utf-8", "surrogatepass")
            self._seen, self._text = version, text

    def _write(self, text: str) -> None:
        data, version = text.encode("utf-8", "surrogatepass"), self._head[0] + 1
        if len(data) > self.size:
            raise ValueError(f"a text of at most {self.size} bytes was expected, {len(data)} came")
        start = HEAD + version % 2 * self.size
        self._memory[start : start + len(data)] = data
        self._head[1 + version % 2] = len(data)
        self._head[0] = version  # last: from now on, others read it
        self._seen, self._text = version, text
