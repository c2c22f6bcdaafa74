"""The service's log: lines for people on a terminal, JSON for programs otherwise. Each has its request's id."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

from doorkey.rate.limiter import CALLER

FIELDS = "fields"
"""The attribute of a log record that holds values by name, for JSON."""


LONGEST_PATH = 200
"""Characters of a path in the log."""


def write_path(tail: str) -> str:
    """Return the path *tail* for the log: in one line, and without the parts that look like a token."""
    from doorkey.reports.masking import MASK, TOKEN_LIKE  # by the first request: a start needs no reports

    shown = "".join(each if each.isprintable() else "?" for each in tail)
    masked = "/".join(TOKEN_LIKE.sub(MASK, part) for part in shown.split("/"))
    return masked if len(masked) <= LONGEST_PATH else f"{masked[:LONGEST_PATH]}…"


class TextFormatter(logging.Formatter):
    """One line for each record, with the id of the request at its end if the message does not have it."""

    def __init__(self, worker: int | None = None) -> None:
        name = "%(name)s" if worker is None else f"worker {worker}, %(name)s"
        super().__init__(f"%(asctime)s %(levelname)s {name}: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        line, request = super().formatMessage(record), CALLER.get()
        return f"{line} [{request}]" if request and request not in line else line


class JsonFormatter(logging.Formatter):
    """One object for each record, on one line. *worker* is the number of the process, where there are several."""

    def __init__(self, worker: int | None = None) -> None:
        super().__init__()
        self._worker = worker

    def format(self, record: logging.LogRecord) -> str:
        told: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if self._worker is not None:
            told["worker"] = self._worker
        if request := CALLER.get():
            told["request"] = request
        told |= getattr(record, FIELDS, {})
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        return json.dumps(told, ensure_ascii=False, default=str)
