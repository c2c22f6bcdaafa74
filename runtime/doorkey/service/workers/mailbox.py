"""Where a worker gets short messages from the others."""

from __future__ import annotations

import asyncio
import os
import socket
import weakref
from collections.abc import Callable

LONGEST = 4096
"""Bytes of a message."""
AT_A_TIME = 64
"""Messages that are taken before other work gets its turn."""


class Mailbox:
    """Messages to one worker, some of them with a socket. Made before the workers are forked; any of them may post."""

    def __init__(self) -> None:
        self._slot, self._box = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._slot.setblocking(False)
        self._box.setblocking(False)
        for end in (self._slot, self._box):
            weakref.finalize(self, end.close)

    def post(self, message: bytes, connection: socket.socket | None = None) -> bool:
        """Send *message*, and return whether the box had room for it. The worker gets a copy of *connection*."""
        try:
            if connection is None:
                self._slot.send(message)
            else:
                socket.send_fds(self._slot, [message], [connection.fileno()])
        except OSError:
            return False
        return True

    def open(self, take: Callable[[bytes, socket.socket | None], None]) -> None:
        """Give each message from now on to *take*, which then owns the socket."""
        asyncio.get_running_loop().add_reader(self._box, self._empty, take)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._box)

    def _empty(self, take: Callable[[bytes, socket.socket | None], None]) -> None:
        for _ in range(AT_A_TIME):
            try:
                message, descriptors, _, _ = socket.recv_fds(self._box, LONGEST, 1)
            except OSError:
                return  # nothing is left, or this process has no file descriptor for what came
            for descriptor in descriptors:
                os.set_inheritable(descriptor, False)
            take(message, socket.socket(fileno=descriptors[0]) if descriptors else None)
