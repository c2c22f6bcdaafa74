"""`doorkey ask`: asks one question and prints the answer while it arrives."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from doorkey.cli.options import config_option, headed_option, json_option
from doorkey.cli.run import run
from doorkey.cli.terminal import Progress, is_terminal, print_json
from doorkey.errors import EmptyAnswer, RequestError
from doorkey.model.printable import harmless

if TYPE_CHECKING:
    from collections.abc import Callable

    from doorkey.engine.answer import Answer
    from doorkey.engine.chat import ChatKind
    from doorkey.model.chat import Delta, Image
    from doorkey.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Question:
    """The question, and the file for a picture. An empty `model` is the first configured one."""

    text: str = field(repr=False)
    model: str
    image: Path | None
    timeout: float | None


@click.command()
@click.argument("question")
@click.option("-m", "--model", default="", metavar="SITE/MODEL", help="The model (default: the first configured one).")
@click.option(
    "--image",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Ask for a picture and write it to FILE.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Limit for the whole call, visits included (default: limits.total).",
)
@headed_option
@json_option
@config_option
def ask(
    question: str,
    model: str,
    image: Path | None,
    timeout: float | None,
    headed: bool,
    as_json: bool,
    config: Path | None,
) -> None:
    """Ask QUESTION and print the answer while it arrives.

    QUESTION can be `-`: then it is read from standard input.

    \b
    Examples:
      doorkey ask "What is a nonce?"
      doorkey ask -m chatgptfree/gpt-4o-mini-2024-07-18 - < question.txt
      doorkey ask -m aichats --image key.png "A cat with a key"
      doorkey ask --json "What is a nonce?" | jq -r .answer
    """
    asked = Question(_read_question(question), model, image, timeout)
    if image is not None:
        _check_writable(image)
    from doorkey.config.settings import Settings
    from doorkey.runtime import Runtime

    settings = Settings.load(config)

    async def ask_site() -> None:
        with Progress(f"asking {model}".rstrip()) as progress:
            async with Runtime(settings, headed=headed, hooks=[progress.on_event]) as runtime:
                await _ask(runtime, asked, progress, as_json=as_json)

    run(ask_site())


def _read_question(question: str) -> str:
    """The question itself, or standard input for `-`. Raises RequestError if it is empty or not UTF-8."""
    if question == "-":
        if sys.stdin is None:
            raise RequestError("`-` reads the question from standard input, but standard input is closed")
        try:
            question = sys.stdin.buffer.read().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise RequestError(f"standard input is not UTF-8 text: byte {error.start} is invalid") from error
    if not question.strip():
        raise RequestError("the question is empty: give a text, or `-` to read it from standard input")
    return question


def _check_writable(file: Path) -> None:
    """Raise RequestError if *file* can't be written. Called before the site draws the picture, which may cost money."""
    place = file if file.exists() else file.parent
    if not place.exists():
        raise RequestError(f"the picture can't be written to {file}: there is no folder {place}")
    if not os.access(place, os.W_OK):
        raise RequestError(f"the picture can't be written to {file}: {place} is not writable")


async def _ask(runtime: Runtime, asked: Question, progress: Progress, *, as_json: bool) -> None:
    messages = [{"role": "user", "content": asked.text}]
    kind: ChatKind | None = "image" if asked.image else None
    model = asked.model or _choose_model(runtime, wants_image=asked.image is not None)
    async with await runtime.answer(model, messages, kind=kind, timeout=asked.timeout) as answer:
        progress.hide()
        text, images = await _print_answer(answer, quiet=as_json)
    if asked.image is not None:
        _save(images, asked.image, answer.site)
    if answer.finish_reason in ("length", "content_filter"):
        click.echo(f"{answer.site}: the site cut the answer short (finish_reason {answer.finish_reason})", err=True)
    if as_json:
        print_json(
            {
                "site": answer.site,
                "generation": answer.session.gen,
                "renewed": answer.renewed,
                "answer": text,
                "finish_reason": answer.finish_reason or "stop",
                "images": [image.url for image in images if image.url.startswith("http")],
                "file": str(asked.image) if asked.image else None,
            }
        )


def _choose_model(runtime: Runtime, *, wants_image: bool) -> str:
    from doorkey.provider import ChatProvider

    if not runtime.sites:
        raise RequestError(runtime.settings.sources.explain_no_sites())
    for name, provider in runtime.providers.items():
        if isinstance(provider, ChatProvider) and (not wants_image or provider.image_models):
            return name
    what = "makes images" if wants_image else "chats"
    raise RequestError(f"no configured site {what}; configured: {', '.join(runtime.sites)}")


async def _print_answer(answer: Answer[Delta], *, quiet: bool) -> tuple[str, list[Image]]:
    """Print the answer while it arrives, unless *quiet*. Returns its text and its pictures."""
    pieces: list[str] = []
    images: list[Image] = []
    clean: Callable[[str], str] = harmless if is_terminal(sys.stdout) else str
    try:
        async for delta in answer:
            if isinstance(delta, str):
                pieces.append(delta)
            else:
                images.append(delta)
                delta = delta.url if delta.url.startswith("http") else f"[{delta.media_type}, {len(delta.data)} bytes]"
            if not quiet:
                click.echo(clean(delta), nl=False)
    finally:
        # An error's message starts on a line of its own.
        if not quiet and (pieces or images):
            click.echo()
    return "".join(pieces), images


def _save(images: list[Image], file: Path, site: str) -> None:
    if not images:
        raise EmptyAnswer(f"{site}: the answer contains no picture", site=site)
    image = images[0]
    try:
        file.write_bytes(image.data)
    except OSError as error:
        kept = f". The site keeps it at {image.url}" if image.url.startswith("http") else ""
        raise RequestError(f"the picture can't be written to {file}: {error.strerror}{kept}") from error
    click.echo(f"{file}: {len(image.data)} bytes, {image.media_type}", err=True)
