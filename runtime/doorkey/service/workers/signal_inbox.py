"""The signals of the supervisor, to be read from a socket beside its other sockets."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


class SignalInbox:
    """Within `receive`, each of SIGNALS makes `end` readable, and `read` returns it. An ignored one stays ignored."""

    def __init__(self) -> None:
        self.end, self._writing_end = socket.socketpair()
        self._handlers = {number: signal.getsignal(number) for number in SIGNALS}

    def read(self) -> list[signal.Signals]:
        return [signal.Signals(number) for number in self.end.recv(64)]

    @contextmanager
    def receive(self) -> Iterator[None]:
        for end in (self.end, self._writing_end):
            end.setblocking(False)
        for number, handler in self._handlers.items():
            if handler is not signal.SIG_IGN or number is signal.SIGCHLD:
                signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(self._writing_end.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            self._restore()

    @contextmanager
    def hold_back(self) -> Iterator[None]:
        """Deliver no signal within: one to a process that is forked there would be taken for one to this process."""
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def let_go(self) -> None:
        """Give a forked process handlers of its own. Ctrl-C reaches all processes: the supervisor passes it on."""
        self._handlers[signal.SIGINT] = signal.SIG_IGN
        self._restore()
        self.end.close()
        self._writing_end.close()

    def end_by(self, number: signal.Signals) -> None:
        """End this process by the signal *number*, at once."""
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)

    def _restore(self) -> None:
        signal.set_wakeup_fd(-1)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
