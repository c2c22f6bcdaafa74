"""`doorkey fetch`: sends one request to a site; the options are curl's."""

from __future__ import annotations

import io
import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO

import click

from doorkey.cli.options import config_option, headed_option, verbose_option
from doorkey.cli.run import run
from doorkey.cli.site_name import SITE
from doorkey.cli.terminal import Progress, is_terminal
from doorkey.errors import RequestError
from doorkey.model.printable import harmless
from doorkey.model.text import TextDecoder
from doorkey.setup.session_report import describe_dressing

if TYPE_CHECKING:
    from doorkey.clients.response import Response
    from doorkey.config.settings import Settings

STATUSES = """A status of 400 or more is printed like any other answer (exit code 0), unless --fail is given. If the
site refuses the request and renewing the session does not cure that, its answer is printed and the exit code is 1."""


@dataclass(frozen=True, slots=True)
class FetchRequest:
    """A request, and where its answer goes. If `output` is None, it goes to standard output."""

    site: str
    path: str
    method: str
    arguments: dict[str, Any] = field(repr=False)
    output: Path | None
    show_head: bool
    fail: bool
    verbose: bool = False


class Files:
    """Opens the files that the command line names. `-` is standard input; named a second time, it is empty."""

    def __init__(self) -> None:
        self._drained = False

    def open(self, file: str) -> BinaryIO:
        """Open *file* until the command ends. Raises RequestError if it can't be read."""
        if file != "-":
            try:
                return click.get_current_context().with_resource(open(file, "rb"))
            except OSError as error:
                raise RequestError(f"{file} can't be read: {error.strerror}") from error
        if sys.stdin is None:
            raise RequestError("`-` reads the body from standard input, but standard input is closed")
        drained, self._drained = self._drained, True
        return io.BytesIO() if drained else sys.stdin.buffer


@click.command(epilog=STATUSES)
@click.argument("site", type=SITE)
@click.argument("path", default="/")
@click.option("-X", "--request", "method", metavar="METHOD", help="The method (default: GET, or POST with a body).")
@click.option(
    "-d", "--data", multiple=True, metavar="DATA", help="Body; @FILE reads a file, @- stdin. Several are joined by &."
)
@click.option("--data-binary", metavar="DATA", help="As -d, but a file is streamed unchanged, with its line breaks.")
@click.option("--json", "json_body", metavar="DATA", help="As -d, with the headers for JSON.")
@click.option(
    "-F", "--form", multiple=True, metavar="NAME=CONTENT", help="One part of a multipart form; @FILE uploads a file."
)
@click.option("-T", "--upload-file", metavar="FILE", help="PUT this file; `-` is standard input.")
@click.option("-G", "--get", "as_query", is_flag=True, help="Send the data of -d as the query.")
@click.option("-H", "--header", multiple=True, metavar="NAME: VALUE", help="Add a request header.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write the body to FILE."
)
@click.option("-i", "--include", is_flag=True, help="Also print status and headers.")
@click.option("-I", "--head", "only_head", is_flag=True, help="Request status and headers only.")
@click.option("-L", "--location", "follow", is_flag=True, help="Follow redirects.")
@click.option("-f", "--fail", is_flag=True, help="Fail on a status of 400 or more: no output, exit code 1 (4 for 429).")
@click.option(
    "-m",
    "--max-time",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Limit for the whole request.",
)
@verbose_option
@headed_option
@config_option
def fetch(
    site: str,
    path: str,
    output: Path | None,
    include: bool,
    only_head: bool,
    fail: bool,
    verbose: bool,
    headed: bool,
    config: Path | None,
    **asked: Any,
) -> int:
    """Send one request to SITE with its session and print the answer. PATH is a path of the site.

    \b
    Examples:
      doorkey fetch wiki /api/items
      doorkey fetch wiki /api/items -d name=new -d size=3
      doorkey fetch wiki /api/items --json '{"name": "new"}' | jq .
      doorkey fetch wiki /upload -F file=@photo.jpg -F title=Photo
      doorkey fetch wiki /export.zip -o export.zip
      doorkey fetch wiki /api/items -v        how it was sent and judged
    """
    method, arguments = build_request(asked, only_head=only_head)
    fetched = FetchRequest(site, path, method, arguments, output, include or only_head, fail, verbose)
    from doorkey.config.settings import Settings

    return run(_send(fetched, Settings.load(config), headed=headed))


def build_request(asked: dict[str, Any], *, only_head: bool) -> tuple[str, dict[str, Any]]:
    """The method, and the arguments for `Client.request`. Raises RequestError or UsageError for bad options."""
    sent = [
        name for name in ("data", "data_binary", "json_body", "form", "upload_file") if asked[name] not in (None, ())
    ]
    if len(sent) > 1:
        options = {"data": "-d", "form": "-F", "upload_file": "-T"}
        named = " and ".join(options.get(name, f"--{name.replace('_', '-').removesuffix('-body')}") for name in sent)
        raise click.UsageError(f"{named} exclude each other")
    files = Files()
    headers = dict(_parse_header(line) for line in asked["header"])
    arguments: dict[str, Any] = {"allow_redirects": asked["follow"], "timeout": asked["max_time"], "headers": headers}
    method = "GET" if not sent else "POST"
    if asked["data"]:
        joined = "&".join(_read_text(data, files) for data in asked["data"])
        if asked["as_query"]:
            method, arguments["params"] = "GET", joined.replace(" ", "%20")
        else:
            arguments |= _parse_form(joined, headers)
    elif asked["data_binary"] is not None:
        arguments["data"] = _open_binary(asked["data_binary"], files)
        headers.setdefault("content-type", "application/x-www-form-urlencoded")
    elif asked["json_body"] is not None:
        arguments["data"] = _read_text(asked["json_body"], files)
        headers.setdefault("content-type", "application/json")
        headers.setdefault("accept", "application/json")
    elif asked["form"]:
        arguments["files"] = [_parse_part(part, files) for part in asked["form"]]
    elif asked["upload_file"] is not None:
        method, arguments["data"] = "PUT", files.open(asked["upload_file"])
    method = (asked["method"] or ("HEAD" if only_head else method)).upper()
    if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Z-]+", method):
        raise click.UsageError("-X: expected a method such as GET")
    return method, arguments


def _parse_header(line: str) -> tuple[str, str]:
    from doorkey.model.request import is_reserved

    name, colon, value = line.partition(":")
    name, value = name.strip().lower(), value.strip()
    if not colon or not name or any(char in line for char in "\r\n\0") or not name.isascii() or " " in name:
        raise click.UsageError("-H: expected a header on one line, such as `Name: value`")
    if is_reserved(name):
        raise click.UsageError(f"-H: {name} is set by the session; a request can't set it")
    return name, value


def _parse_form(text: str, headers: dict[str, str]) -> dict[str, Any]:
    """The data of -d: as form fields if it is a form, so that the site's token can be added; else as text."""
    from urllib.parse import parse_qsl, urlencode

    pairs = parse_qsl(text, keep_blank_values=True)
    if "content-type" not in headers and len(dict(pairs)) == len(pairs) and urlencode(pairs) == text:
        return {"data": dict(pairs)}
    headers.setdefault("content-type", "application/x-www-form-urlencoded")
    return {"data": text}


def _read_text(data: str, files: Files) -> str:
    """The text that DATA stands for. Line breaks of a file are removed, as curl does."""
    if not data.startswith("@"):
        return data
    with files.open(data[1:]) as source:
        try:
            return source.read().decode().replace("\r", "").replace("\n", "")
        except UnicodeDecodeError as error:
            raise RequestError(f"{data[1:]} is not UTF-8 text: send it with --data-binary") from error


def _open_binary(data: str, files: Files) -> bytes | BinaryIO:
    return files.open(data[1:]) if data.startswith("@") else data.encode()


def _parse_part(part: str, files: Files) -> tuple[str, Any]:
    """Parse a part of -F: NAME=CONTENT, NAME=@FILE or NAME=<FILE, then optional ;type=… and ;filename=…."""
    name, equals, content = part.partition("=")
    if not equals or not name:
        raise click.UsageError("-F: expected NAME=CONTENT or NAME=@FILE")
    if content[:1] not in ("@", "<"):
        return name, (None, content)
    file, *attributes = content[1:].split(";")
    more = {key.strip(): value.strip().strip('"') for key, _, value in (one.partition("=") for one in attributes)}
    if content[0] == "<":
        with files.open(file) as source:
            return name, (None, source.read(), more.get("type"))
    filename = more.get("filename") or os.path.basename(file)
    return name, (filename, files.open(file), *([more["type"]] if "type" in more else []))


async def _send(fetched: FetchRequest, settings: Settings, *, headed: bool) -> int:
    from doorkey.clients.aio import client
    from doorkey.runtime import Runtime

    with Progress(f"{fetched.method} {fetched.site}", verbose=fetched.verbose) as progress:
        async with Runtime(settings, headed=headed, hooks=[progress.on_event]) as runtime:
            provider = runtime.provider(fetched.site)
            async with (
                client(fetched.site, runtime=runtime) as site,
                site.request(fetched.method, fetched.path, **fetched.arguments) as answer,
            ):
                if fetched.verbose:
                    for line in describe_dressing(provider, answer.request, answer.answer.session):
                        progress(line)
                return await _print_answer(fetched, answer, progress)


async def _print_answer(fetched: FetchRequest, answer: Response, progress: Progress) -> int:
    if fetched.fail and not answer.ok:
        answer.raise_for_status()
    if answer.refused:
        click.echo(f"doorkey: {fetched.site}: the site refused this request; renewing does not help", err=True)
    size, total = 0, answer.headers.get("content-length", "")
    terminal = fetched.output is None and is_terminal(sys.stdout)
    shown = TextDecoder(answer.headers.get("content-type", ""))
    try:
        target: IO[bytes] = fetched.output.open("wb") if fetched.output else sys.stdout.buffer
    except OSError as error:
        raise RequestError(f"{fetched.output} can't be written: {error.strerror}") from error
    # Output on the terminal would mix with the progress line.
    if terminal:
        progress.hide()
    try:
        if fetched.show_head:
            target.write(_format_head(answer, terminal=terminal))
        async for piece in answer.content.iter_any():
            target.write(harmless(shown.decode(piece)).encode() if terminal else piece)
            size += len(piece)
            if not fetched.verbose:
                progress(f"{size / 1e6:.1f} MB" + (f" of {int(total) / 1e6:.1f}" if total.isdigit() else ""))
            if fetched.output is None:
                target.flush()
    finally:
        if fetched.output is not None:
            target.close()
    return 1 if answer.refused else 0


def _format_head(answer: Response, *, terminal: bool) -> bytes:
    lines = [f"HTTP/1.1 {answer.status}", *(f"{name}: {value}" for name, value in answer.headers.items())]
    hidden = ("set-cookie:", "set-cookie2:")  # the session's secrets
    shown = [line for line in lines if not line.lower().startswith(hidden)]
    if terminal:
        return harmless("\n".join([*shown, "", ""])).encode(errors="replace")
    return "\r\n".join([*shown, "", ""]).encode(errors="surrogateescape")
