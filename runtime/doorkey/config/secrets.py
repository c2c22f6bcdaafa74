"""Resolves secrets that settings only refer to. Each is read when it is needed and not kept."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from doorkey.config.secret_store import open_store
from doorkey.config.settings import state_dir, variable
from doorkey.errors import ConfigurationError

COMMAND = 20.0
"""Seconds that a command may take. A person may have to touch a hardware key meanwhile."""
_LENT: dict[str, str] = {}
"""What `lend_secrets` lends at the moment."""


async def resolve(
    reference: str, *, read_variable: Callable[[str], str | None] = variable, limit: float = COMMAND
) -> str:
    """Return the value of "env:NAME", "file:PATH", "command:PROGRAM ARGUMENTS" or "secret:NAME" (doorkey secret).

    Another text is the value itself.

    One line break at the end is removed. The command runs without a shell. Raises ConfigurationError, which names the
    reference and never the value.
    """
    kind, _, rest = reference.partition(":")
    rest = rest.strip()
    if kind == "env":
        value = read_variable(rest)
        if value is None:
            raise ConfigurationError(
                f"the environment variable {rest} is not set: the settings take a value from there"
            )
    elif kind == "file":
        value = await asyncio.to_thread(_read, rest)
    elif kind == "secret":
        lent = _LENT.get(rest)
        value = await asyncio.to_thread(lambda: open_store(state_dir()).get(rest)) if lent is None else lent
    elif kind == "command":
        value = await _run_command(rest, limit)
    else:
        return reference
    value = value.removesuffix("\n").removesuffix("\r")
    if not value:
        raise ConfigurationError(f"{_describe(kind, rest)} gave nothing: the settings take a value from there")
    return value


async def resolve_within(reference: str, limit: float) -> str:
    """The value of *reference*, as by `resolve`. A command may take *limit* seconds: a person may have to answer."""
    return await resolve(reference, limit=limit)


@contextmanager
def lend_secrets(values: Mapping[str, str]) -> Iterator[None]:
    """Let `resolve` return these *values* of secrets, by names that no stored one has, in this process only."""
    _LENT.update(values)
    try:
        yield
    finally:
        for name in values:
            _LENT.pop(name, None)


def _read(path: str) -> str:
    try:
        return Path(path).expanduser().read_text(encoding="utf-8")
    except OSError as exc:
        raise ConfigurationError(
            f"the file {path} can't be read ({exc.strerror}): the settings take a value from there"
        ) from exc
    except UnicodeDecodeError:
        # Not chained, as the exception holds the bytes.
        raise ConfigurationError(f"the file {path} is no UTF-8 text: the settings take a value from there") from None


async def _run_command(line: str, limit: float) -> str:
    named = _describe("command", line)
    try:
        words = shlex.split(line)
    except ValueError as exc:
        raise ConfigurationError(f"{named} can't be read: {exc}") from exc
    if not words:
        raise ConfigurationError("a login step names no command; expected command:PROGRAM ARGUMENTS")
    try:
        # The command's messages go to our standard error, as a person may have to read them.
        child = await asyncio.create_subprocess_exec(
            *words, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE
        )
    except OSError as exc:
        raise ConfigurationError(f"{named} can't be started ({exc.strerror})") from exc
    try:
        async with asyncio.timeout(limit):
            out, _ = await child.communicate()
    except TimeoutError as exc:
        raise ConfigurationError(f"{named} did not end within {limit:g} s") from exc
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode:
        raise ConfigurationError(f"{named} ended with {child.returncode}: the settings take a value from there")
    try:
        return out.decode()
    except UnicodeDecodeError:
        raise ConfigurationError(f"{named} gave no UTF-8 text") from None


def _describe(kind: str, rest: str) -> str:
    # Arguments may hold secrets. The program's name is enough to find the setting.
    return f"the command {rest.split()[0]}" if kind == "command" and rest.split() else f"{kind}:{rest}"
