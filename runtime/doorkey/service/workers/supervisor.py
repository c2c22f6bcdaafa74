"""The parent of the workers: accepts connections, hands them out evenly, and replaces a worker that dies."""

from __future__ import annotations

import logging
import os
import selectors
import signal
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic

from doorkey.service.workers.channel import CLOSED, CONNECTION, READY
from doorkey.service.workers.place import SharedMemory
from doorkey.service.workers.signal_inbox import SignalInbox

log = logging.getLogger(__name__)

LOOK = 1.0
"""Seconds between two checks of the files of settings, and after which a lack of file descriptors is tried again."""
AT_A_TIME = 64
"""Connections that are accepted before other work gets its turn."""
STEADY = 60.0
"""Seconds after whose service a worker's death counts as its first."""
LONGEST_PAUSE = 60.0
CLOSING = 15.0
"""Seconds beyond the time to drain in which a worker has to close its browser and its store."""


@dataclass(slots=True)
class Worker:
    """A worker process that runs. `given` counts the connections that it got, `connections` those that have not ended.

    `outdated`: the settings changed while it started.
    """

    number: int
    pid: int
    channel: socket.socket
    began: float
    ready: bool = False
    connections: int = 0
    given: int = 0
    outdated: bool = False


@dataclass(frozen=True, slots=True)
class Seat:
    """What a new worker process begins with. `first`: no worker of this service was ready before."""

    number: int
    channel: socket.socket
    first: bool


@dataclass(slots=True)
class Vacancy:
    """A worker to be started at `due` (monotonic). `deaths`: how many in a row died early."""

    due: float
    deaths: int = 0


class Supervisor:
    """Runs the worker processes that share *memory*, and gives them the connections of *listeners*.

    *check_files* is called once a second, to find changed settings; *reload* on SIGHUP, unless SIGHUP is to end the
    service (None). The workers have *drain* seconds to end when the service is stopped.
    """

    def __init__(
        self,
        listeners: Sequence[socket.socket],
        memory: SharedMemory,
        *,
        check_files: Callable[[], None],
        reload: Callable[[], None] | None,
        drain: float,
    ) -> None:
        self._listeners = listeners
        self._memory = memory
        self._check_files = check_files
        self._reload = reload
        self._drain = drain
        self._selector = selectors.DefaultSelector()
        self._signals = SignalInbox()
        self._workers: dict[int, Worker] = {}
        self._vacant: dict[int, Vacancy] = {0: Vacancy(0.0)}
        self._served = False
        self._stopped_by: signal.Signals | None = None
        self._kill_at = 0.0
        self._code: int | None = None
        self._next_check = monotonic() + LOOK
        self._deaf_until = 0.0

    def run(self) -> Seat | int:
        """Supervise until all is stopped, and return the exit code. In each worker process, return its seat.

        Raises KeyboardInterrupt after Ctrl-C, when all workers have ended.
        """
        with self._signals.receive():
            self._selector.register(self._signals.end, selectors.EVENT_READ)
            self._listen(True)
            while self._workers or self._code is None:
                seat = self._start_due()
                if seat is not None:
                    return seat
                self._wait()
                if monotonic() >= self._next_check:
                    self._next_check = monotonic() + LOOK
                    self._do_seldom()
        if self._stopped_by is signal.SIGINT:
            raise KeyboardInterrupt
        return self._code

    def reload_workers(self) -> None:
        """Let each worker take changed settings over, as soon as it can."""
        for worker in self._workers.values():
            worker.outdated = True
            self._reload_outdated(worker)

    def _reload_outdated(self, worker: Worker) -> None:
        if worker.ready and worker.outdated:
            worker.outdated = False
            os.kill(worker.pid, signal.SIGHUP)

    def _signal_workers(self, number: signal.Signals) -> None:
        for worker in self._workers.values():
            os.kill(worker.pid, number)  # it exists until `_bury` has waited for it

    def _start_due(self) -> Seat | None:
        if self._code is not None or self._stopped_by is not None:
            return None
        for number, vacancy in list(self._vacant.items()):
            if monotonic() >= vacancy.due and number not in self._workers:
                seat = self._start(number)
                if seat is not None:
                    return seat
        return None

    def _start(self, number: int) -> Seat | None:
        ours, theirs = socket.socketpair()
        with self._signals.hold_back():
            pid = os.fork()
            if pid == 0:
                ours.close()
                self._let_go()
                return Seat(number, theirs, first=not self._served)
        theirs.close()
        ours.setblocking(False)
        self._workers[number] = worker = Worker(number, pid, ours, monotonic())
        self._selector.register(ours, selectors.EVENT_READ, worker)
        return None

    def _let_go(self) -> None:
        """Close, in a new worker, what belongs to the supervisor."""
        self._signals.let_go()
        self._selector.close()
        for end in (*self._listeners, *(worker.channel for worker in self._workers.values())):
            end.close()

    def _wait(self) -> None:
        for key, _ in self._selector.select(LOOK):
            if isinstance(key.data, Worker):
                self._hear(key.data)
            elif key.fileobj is self._signals.end:
                self._take_signals()
            elif isinstance(key.fileobj, socket.socket):
                self._accept(key.fileobj)

    def _hear(self, worker: Worker) -> None:
        try:
            told = worker.channel.recv(4096)
        except OSError:
            return
        if not told:
            self._selector.unregister(worker.channel)
            return
        worker.connections -= told.count(CLOSED)
        if READY in told:
            worker.ready = True
            self._reload_outdated(worker)
            if not self._served:
                self._served = True
                # The others only start once one serves, so that a fault which all would have is told once.
                self._vacant |= {number: Vacancy(0.0) for number in range(1, len(self._memory.load.under_way))}

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(AT_A_TIME):
            try:
                connection, _ = listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                log.warning("no connection can be accepted: %s", error.strerror)
                self._listen(False)
                self._deaf_until = monotonic() + LOOK
                return
            with connection:
                self._hand_out(connection)

    def _hand_out(self, connection: socket.socket) -> None:
        """Give *connection* to the worker that has the fewest. If none can take it, it is closed."""
        for worker in sorted(self._workers.values(), key=_rank):
            try:
                socket.send_fds(worker.channel, [CONNECTION], [connection.fileno()])
            except OSError:
                continue  # it hangs, or has just died
            worker.connections += 1
            worker.given += 1
            return

    def _listen(self, wanted: bool) -> None:
        for listener in self._listeners:
            if wanted and listener not in self._selector.get_map():
                self._selector.register(listener, selectors.EVENT_READ)
            elif not wanted and listener in self._selector.get_map():
                self._selector.unregister(listener)

    def _take_signals(self) -> None:
        for number in self._signals.read():
            match number:
                case signal.SIGCHLD:
                    self._bury()
                case signal.SIGHUP if self._reload is not None:
                    if self._stopped_by is None:
                        self._reload()
                case ending if self._stopped_by is None:
                    self._stop(ending)
                case ending:
                    # As for a single process, a second signal ends all at once.
                    self._signal_workers(signal.SIGTERM)
                    self._signals.end_by(ending)

    def _stop(self, by: signal.Signals) -> None:
        self._stopped_by = by
        self._end(0)

    def _end(self, code: int) -> None:
        """Accept no more, and let the workers end."""
        self._code = code
        self._listen(False)
        for listener in self._listeners:
            listener.close()
        self._listeners = ()
        self._signal_workers(signal.SIGTERM)
        self._kill_at = monotonic() + self._drain + CLOSING

    def _do_seldom(self) -> None:
        """Do what is due once a second."""
        self._bury()
        if self._code is None:
            self._listen(monotonic() >= self._deaf_until)
            if self._served:
                self._check_files()
        elif monotonic() >= self._kill_at:
            log.error("%d workers did not end in time, and are killed", len(self._workers))
            self._signal_workers(signal.SIGKILL)

    def _bury(self) -> None:
        """Take note of the workers that have ended."""
        for worker in list(self._workers.values()):
            pid, status = os.waitpid(worker.pid, os.WNOHANG)
            if pid:
                self._forget(worker, os.waitstatus_to_exitcode(status))

    def _forget(self, worker: Worker, code: int) -> None:
        del self._workers[worker.number]
        with suppress(KeyError):
            self._selector.unregister(worker.channel)
        worker.channel.close()
        self._memory.load.under_way[worker.number] = self._memory.load.waiting[worker.number] = 0
        if self._code is not None:
            return
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        if not self._served:
            log.error("the first worker %s before it served", how)
            self._end(code if code > 0 else 1)
            return
        vacancy = self._vacant[worker.number]
        deaths = 0 if monotonic() - worker.began >= STEADY else vacancy.deaths
        pause = min(LONGEST_PAUSE, 2.0 ** (deaths - 1)) if deaths else 0.0
        log.error("worker %d %s; another takes its place in %.0f s", worker.number + 1, how, pause)
        self._vacant[worker.number] = Vacancy(monotonic() + pause, deaths + 1)


def _rank(worker: Worker) -> tuple[bool, int, int]:
    """Tell how much a worker has to do: who has the least gets the next connection."""
    return not worker.ready, worker.connections, worker.given
