"""`doorkey fetch`: one request into a site, with curl's letters."""

from __future__ import annotations

import io
import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO

import click

from doorkey.cli.options import config_option, headed_option
from doorkey.cli.run import run
from doorkey.cli.terminal import Progress, harmless, is_terminal
from doorkey.errors import RequestError

if TYPE_CHECKING:
    from doorkey.clients.response import Response
    from doorkey.config.settings import Settings

STATUSES = """A status of 400 and more is an answer like any other (exit code 0) unless --fail asks. The site's refusal
of a fresh session is printed, too, with exit code 1."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What is requested, and where its answer goes. `output` None is standard output."""

    site: str
    path: str
    method: str
    arguments: dict[str, Any] = field(repr=False)
    output: Path | None
    show_head: bool
    fail: bool


class Files:
    """The files that a command line names; `-` is standard input, which has nothing left when it is named again."""

    def __init__(self) -> None:
        self._drained = False

    def opened(self, file: str) -> BinaryIO:
        """Open until the command ends. Raises RequestError for one that can't be read."""
        if file != "-":
            try:
                return click.get_current_context().with_resource(open(file, "rb"))
            except OSError as error:
                raise RequestError(f"{file} can't be read: {error.strerror}") from error
        if sys.stdin is None:
            raise RequestError("the body was to come from standard input, which is closed")
        drained, self._drained = self._drained, True
        return io.BytesIO() if drained else sys.stdin.buffer


@click.command(epilog=STATUSES)
@click.argument("site")
@click.argument("path", default="/")
@click.option("-X", "--request", "method", metavar="METHOD", help="Default: GET, or POST where something is sent.")
@click.option(
    "-d", "--data", multiple=True, metavar="DATA", help="Send this; @FILE: what FILE holds, @-: stdin. Joined by &."
)
@click.option("--data-binary", metavar="DATA", help="As -d, but a file is sent as it is: streamed, line breaks kept.")
@click.option("--json", "json_body", metavar="DATA", help="As -d, as JSON, and JSON is asked for.")
@click.option("-F", "--form", multiple=True, metavar="NAME=CONTENT", help="A part of a multipart form; @FILE: a file.")
@click.option("-T", "--upload-file", metavar="FILE", help="PUT this file, `-` for standard input.")
@click.option("-G", "--get", "as_query", is_flag=True, help="Put what -d says into the query.")
@click.option("-H", "--header", multiple=True, metavar="NAME: VALUE", help="Another header of the request.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write to FILE.")
@click.option("-i", "--include", is_flag=True, help="Show the answer's status and headers, too.")
@click.option("-I", "--head", "only_head", is_flag=True, help="Ask for status and headers only.")
@click.option("-L", "--location", "follow", is_flag=True, help="Follow redirects.")
@click.option(
    "-f", "--fail", is_flag=True, help="A status of 400 and more is a failure: no output, exit code 1 (4 for 429)."
)
@click.option("-m", "--max-time", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="For all of it.")
@headed_option
@config_option
def fetch(
    site: str,
    path: str,
    output: Path | None,
    include: bool,
    only_head: bool,
    fail: bool,
    headed: bool,
    config: Path | None,
    **asked: Any,
) -> int:
    """Send one request into SITE, with its session, and print what it answers. PATH is the site's own.

    \b
    Examples:
      doorkey fetch wiki /api/items
      doorkey fetch wiki /api/items -d name=new -d size=3
      doorkey fetch wiki /api/items --json '{"name": "new"}' | jq .
      doorkey fetch wiki /upload -F file=@photo.jpg -F title=Photo
      doorkey fetch wiki /export.zip -o export.zip
    """
    method, arguments = request_of(asked, only_head=only_head)
    fetched = Fetched(site, path, method, arguments, output, include or only_head, fail)
    from doorkey.config.settings import Settings

    return run(_work(fetched, Settings.load(config), headed=headed))


def request_of(asked: dict[str, Any], *, only_head: bool) -> tuple[str, dict[str, Any]]:
    """The method, and the arguments of the client's request. Raises RequestError and UsageError for bad options."""
    sent = [
        name for name in ("data", "data_binary", "json_body", "form", "upload_file") if asked[name] not in (None, ())
    ]
    if len(sent) > 1:
        options = {"data": "-d", "form": "-F", "upload_file": "-T"}
        named = " and ".join(options.get(name, f"--{name.replace('_', '-').removesuffix('-body')}") for name in sent)
        raise click.UsageError(f"{named} exclude each other")
    files = Files()
    headers = dict(_header(line) for line in asked["header"])
    arguments: dict[str, Any] = {"allow_redirects": asked["follow"], "timeout": asked["max_time"], "headers": headers}
    method = "GET" if not sent else "POST"
    if asked["data"]:
        joined = "&".join(_text(data, files) for data in asked["data"])
        if asked["as_query"]:
            method, arguments["params"] = "GET", joined.replace(" ", "%20")
        else:
            arguments |= _form(joined, headers)
    elif asked["data_binary"] is not None:
        arguments["data"] = _binary(asked["data_binary"], files)
        headers.setdefault("content-type", "application/x-www-form-urlencoded")
    elif asked["json_body"] is not None:
        arguments["data"] = _text(asked["json_body"], files)
        headers.setdefault("content-type", "application/json")
        headers.setdefault("accept", "application/json")
    elif asked["form"]:
        arguments["files"] = [_part(part, files) for part in asked["form"]]
    elif asked["upload_file"] is not None:
        method, arguments["data"] = "PUT", files.opened(asked["upload_file"])
    method = (asked["method"] or ("HEAD" if only_head else method)).upper()
    if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Z-]+", method):
        raise click.UsageError("-X: a method like GET was expected")
    return method, arguments


def _header(line: str) -> tuple[str, str]:
    from doorkey.model.request import is_reserved

    name, colon, value = line.partition(":")
    name, value = name.strip().lower(), value.strip()
    if not colon or not name or any(char in line for char in "\r\n\0") or not name.isascii() or " " in name:
        raise click.UsageError("-H: a header like `Name: value`, on one line, was expected")
    if is_reserved(name):
        raise click.UsageError(f"-H: {name} comes from the session; a request can't have its own")
    return name, value


def _form(text: str, headers: dict[str, str]) -> dict[str, Any]:
    """What -d says, as the fields of a form where it is one: then the site's token can be added to it."""
    from urllib.parse import parse_qsl, urlencode

    pairs = parse_qsl(text, keep_blank_values=True)
    if "content-type" not in headers and len(dict(pairs)) == len(pairs) and urlencode(pairs) == text:
        return {"data": dict(pairs)}
    headers.setdefault("content-type", "application/x-www-form-urlencoded")
    return {"data": text}


def _text(data: str, files: Files) -> str:
    """What DATA stands for; of a file without its line breaks, as curl has it."""
    if not data.startswith("@"):
        return data
    with files.opened(data[1:]) as source:
        try:
            return source.read().decode().replace("\r", "").replace("\n", "")
        except UnicodeDecodeError as error:
            raise RequestError(f"{data[1:]} is no UTF-8 text: send it by --data-binary") from error


def _binary(data: str, files: Files) -> bytes | BinaryIO:
    return files.opened(data[1:]) if data.startswith("@") else data.encode()


def _part(part: str, files: Files) -> tuple[str, Any]:
    """A part as -F says it: NAME=CONTENT, NAME=@FILE, NAME=<FILE, then ;type=… and ;filename=…."""
    name, equals, content = part.partition("=")
    if not equals or not name:
        raise click.UsageError("-F: NAME=CONTENT or NAME=@FILE was expected")
    if content[:1] not in ("@", "<"):
        return name, (None, content)
    file, *said = content[1:].split(";")
    more = {key.strip(): value.strip().strip('"') for key, _, value in (one.partition("=") for one in said)}
    if content[0] == "<":
        with files.opened(file) as source:
            return name, (None, source.read(), more.get("type"))
    filename = more.get("filename") or os.path.basename(file)
    return name, (filename, files.opened(file), *([more["type"]] if "type" in more else []))


async def _work(fetched: Fetched, settings: Settings, *, headed: bool) -> int:
    from doorkey.clients.aio import client
    from doorkey.runtime import Runtime

    with Progress(f"{fetched.method} {fetched.site}") as progress:
        async with Runtime(settings, headed=headed, hooks=[progress.on_event]) as runtime:
            runtime.provider(fetched.site)
            async with (
                client(fetched.site, runtime=runtime) as site,
                site.request(fetched.method, fetched.path, **fetched.arguments) as answer,
            ):
                return await _shown(fetched, answer, progress)


async def _shown(fetched: Fetched, answer: Response, progress: Progress) -> int:
    if fetched.fail and not answer.ok:
        answer.raise_for_status()
    if answer.refused:
        click.echo(f"doorkey: {fetched.site}: this is the site's refusal; a fresh session is refused as well", err=True)
    size, total = 0, answer.headers.get("content-length", "")
    try:
        target: IO[bytes] = fetched.output.open("wb") if fetched.output else sys.stdout.buffer
    except OSError as error:
        raise RequestError(f"{fetched.output} can't be written: {error.strerror}") from error
    # What goes to the terminal itself would be mixed with a line that changes.
    if fetched.output is None and is_terminal(sys.stdout):
        progress.hide()
    try:
        if fetched.show_head:
            target.write(_head(answer))
        async for piece in answer.content.iter_any():
            target.write(_plain(piece) if fetched.output is None and is_terminal(sys.stdout) else piece)
            size += len(piece)
            progress(f"{size / 1e6:.1f} MB" + (f" of {int(total) / 1e6:.1f}" if total.isdigit() else ""))
            if fetched.output is None:
                target.flush()
    finally:
        if fetched.output is not None:
            target.close()
    return 1 if answer.refused else 0


def _plain(piece: bytes) -> bytes:
    return harmless(piece.decode("utf-8", "replace")).encode()


def _head(answer: Response) -> bytes:
    lines = [f"HTTP/1.1 {answer.status}", *(f"{name}: {value}" for name, value in answer.headers.items())]
    hidden = ("set-cookie:", "set-cookie2:")  # the session's secrets
    return ("\r\n".join(line for line in lines if not line.lower().startswith(hidden)) + "\r\n\r\n").encode()
