"""Rows that a store could not take: they stay in this process until the store takes them."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from doorkey.model.session import Key
from doorkey.sessions.store import Row

log = logging.getLogger("doorkey.store")


class UnwrittenRows:
    """`trouble` says why rows stay in memory; it is empty while the store takes them. It is logged once each time."""

    def __init__(self, store: str) -> None:
        self._store = store
        self._rows: dict[Key, Row] = {}
        self.trouble = ""

    def __bool__(self) -> bool:
        return bool(self._rows)

    def __iter__(self) -> Iterator[tuple[Key, Row]]:
        return iter(list(self._rows.items()))

    def over(self, key: Key, stored: Row) -> Row:
        """The newer one of *stored* and the row that could not be written."""
        row = self._rows.get(key)
        return stored if row is None or row.gen < stored.gen else row

    def keep(self, key: Key, row: Row) -> None:
        self._rows[key] = row

    def begin(self, why: str) -> None:
        """The store can't be written, because of *why*."""
        if not self.trouble:
            log.warning("%s can't be written (%s): new sessions stay in this process's memory", self._store, why)
        self.trouble = f"{self._store} can't be written ({why}): new sessions stay in this process's memory"

    def took(self, key: Key, row: Row) -> None:
        """The store has taken *row*, or has a newer one."""
        if self._rows.get(key) is row:
            del self._rows[key]
        if not self._rows and self.trouble:
            log.warning("%s can be written again: the sessions in memory are in it now", self._store)
            self.trouble = ""

    def give_up(self) -> None:
        """The process ends: what the store has not taken is lost."""
        sites = sorted({key.site for key, row in self._rows.items() if row.session is not None})
        if sites:
            log.error("%s was not written: the last sessions of %s are lost", self._store, ", ".join(sites))
