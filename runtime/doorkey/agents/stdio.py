"""The server of the agents' tools over standard input and output."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer

PIECE = 64 * 1024


async def serve_stdio(server: MCPServer) -> None:
    """Serve until standard input ends, or the task is cancelled.

    The library reads in a thread that only the end of its input ends. So it reads a socket, which a thread of ours
    fills from standard input, and which is shut when the task is cancelled.
    """
    theirs, ours = socket.socketpair()
    # It stays open to the end of the process, as the thread may still wait for it then.
    given = _take_input()

    def copy() -> None:
        with suppress(OSError):  # the pair was shut: the server has ended
            while piece := os.read(given, PIECE):
                ours.sendall(piece)
            ours.shutdown(socket.SHUT_WR)

    threading.Thread(target=copy, name="standard input", daemon=True).start()
    before, sys.stdin = sys.stdin, theirs.makefile("r", encoding="utf-8")
    serving = asyncio.create_task(server.run_stdio_async(), name="agents on standard input")
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        ours.shutdown(socket.SHUT_RDWR)
        await serving
        raise
    finally:
        sys.stdin = before
        theirs.close()


def _take_input() -> int:
    """Return a descriptor of standard input. What the server starts reads nothing there."""
    private = os.dup(0)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    return private
