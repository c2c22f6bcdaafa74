"""Where the service listens: an address, with or without TLS, or a Unix socket."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

from doorkey.errors import ConfigurationError

if TYPE_CHECKING:
    from doorkey.config.settings import ServiceSettings

BACKLOG = 1024
"""Connections that may wait to be accepted."""
HANDSHAKE = 10.0
"""Seconds that a client may take for the TLS handshake."""


class Listener(Protocol):
    """What takes connections until it is closed."""

    def close(self) -> None: ...


Listen: TypeAlias = Callable[[Callable[[], asyncio.Protocol]], Awaitable[tuple[Listener, str]]]
"""Begins to listen, with a maker of connections. Returns the listener and the base URL."""


def make_tls(service: ServiceSettings) -> ssl.SSLContext | None:
    """Return the TLS context of the settings, or None for plain HTTP. Raises ConfigurationError for unusable files."""
    if service.certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    load_certificate(context, service)
    return context


def load_certificate(context: ssl.SSLContext, service: ServiceSettings) -> None:
    """Put the certificate of the settings into *context*, for new connections. Raises ConfigurationError."""
    certificate, key = service.certificate, service.certificate_key
    if certificate is None:
        return
    try:
        # An encrypted key would be asked for on the terminal, which a service has none of.
        context.load_cert_chain(certificate, key, password=lambda: "")
    except ssl.SSLError as error:
        raise ConfigurationError(
            f"service.certificate: {certificate} and {key or 'the key in it'} can't be used"
            f"{f' ({error.reason})' if error.reason else ''}: expected PEM files of it and its unencrypted key"
        ) from error
    except OSError as error:
        missing = certificate if key is None or not _is_readable(certificate) else key
        raise ConfigurationError(f"service.certificate: {missing} can't be read: {error.strerror}") from error


def _is_readable(path: Path) -> bool:
    return os.access(path, os.R_OK)


@asynccontextmanager
async def listen_on_address(host: str, port: int, tls: ssl.SSLContext | None) -> AsyncIterator[Listen]:
    """Raises ConfigurationError when the address can't be listened on."""

    async def listen(connect: Callable[[], asyncio.Protocol]) -> tuple[asyncio.Server, str]:
        loop, limit = asyncio.get_running_loop(), None if tls is None else HANDSHAKE
        try:
            listener = await loop.create_server(connect, host, port, ssl=tls, ssl_handshake_timeout=limit)
        except OSError as error:
            raise ConfigurationError(_explain(error, host, port)) from error
        bound = listener.sockets[0].getsockname()[1]
        scheme = "http" if tls is None else "https"
        return listener, f"{scheme}://{f'[{host}]' if ':' in host else host}:{bound}"

    yield listen


@contextmanager
def bind(service: ServiceSettings) -> Iterator[tuple[Sequence[socket.socket], str]]:
    """Listen where *service* says, for processes that are forked within. Yield the sockets and the base URL.

    Raises ConfigurationError when that can't be listened on.
    """
    if service.socket is not None:
        with _bind_path(service.socket) as listener:
            yield [listener], f"unix:{service.socket}"
        return
    listeners = _bind_address(service.host, service.port)
    host, port = service.host, listeners[0].getsockname()[1]
    scheme = "http" if service.certificate is None else "https"
    yield listeners, f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def _bind_address(host: str, port: int) -> list[socket.socket]:
    """Return a listening socket for each address of *host*, all on one port; 0 takes a free one.

    Raises ConfigurationError when an address can't be listened on.
    """
    listeners: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, address in dict.fromkeys((family, address) for family, _, _, _, address in found):
            listener = socket.socket(family, socket.SOCK_STREAM)
            listeners.append(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            taken = listeners[0].getsockname()[1]
            listener.bind((address[0], taken or port, *address[2:]))
            listener.listen(BACKLOG)
            listener.setblocking(False)
    except OSError as error:
        for listener in listeners:
            listener.close()
        raise ConfigurationError(_explain(error, host, port)) from error
    return listeners


@contextmanager
def _bind_path(path: Path) -> Iterator[socket.socket]:
    """Yield a socket that listens on *path*; see `listen_on_socket`."""
    try:
        with _hold(path), socket.socket(socket.AF_UNIX) as listener:
            path.unlink(missing_ok=True)  # left by an earlier process
            before = os.umask(0o177)
            try:
                listener.bind(str(path))
            finally:
                os.umask(before)
            listener.listen(BACKLOG)
            listener.setblocking(False)
            yield listener
    except BlockingIOError as error:
        raise ConfigurationError(f"service.socket: another service listens on {path}") from error
    except OSError as error:
        raise ConfigurationError(f"service.socket: {path} can't be listened on: {error.strerror or error}") from error


@asynccontextmanager
async def listen_on_socket(path: Path) -> AsyncIterator[Listen]:
    """Only this user can connect. A socket that an earlier process left is replaced.

    Raises ConfigurationError when another service uses the path, or when it can't be listened on.
    """
    try:
        with _hold(path):

            async def listen(connect: Callable[[], asyncio.Protocol]) -> tuple[asyncio.Server, str]:
                before = os.umask(0o177)
                try:
                    listener = await asyncio.get_running_loop().create_unix_server(connect, path)
                finally:
                    os.umask(before)
                return listener, f"unix:{path}"

            yield listen
    except BlockingIOError as error:
        raise ConfigurationError(f"service.socket: another service listens on {path}") from error
    except OSError as error:
        raise ConfigurationError(f"service.socket: {path} can't be listened on: {error.strerror or error}") from error


@contextmanager
def _hold(path: Path) -> Iterator[None]:
    """Keep other services away from *path*, and remove it at the end. Raises BlockingIOError if another has it.

    A process that is forked within removes nothing.
    """
    owner = os.getpid()
    with path.with_name(f"{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            yield
        finally:
            if os.getpid() == owner:
                path.unlink(missing_ok=True)


def _explain(error: OSError, host: str, port: int) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"port {port} on {host} is taken by another program; choose another with --port or service.port"
        case errno.EACCES:
            return f"port {port} may not be used by this user; choose one above 1023 with --port or service.port"
        case _:
            return f"{host}:{port} can't be listened on ({error.__class__.__name__}); see service.host and service.port"
