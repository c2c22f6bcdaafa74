"""`doorkey ask`: one question, its answer as it comes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from doorkey.cli.frame import config_option, headed_option, json_option, load, print_json, run
from doorkey.errors import RequestError

if TYPE_CHECKING:
    from doorkey.runtime import Runtime


@click.command()
@click.argument("question")
@click.option("-m", "--model", default="", metavar="SITE/MODEL", help="Which model; default: the first configured.")
@click.option("--image", type=click.Path(path_type=Path, dir_okay=False), help="Ask for a picture, written to FILE.")
@click.option("--timeout", type=float, help="Seconds for all of it, a visit included (default: limits.total).")
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
    """Ask QUESTION and print the answer as it comes; `-` reads the question from standard input.

    \b
    Examples:
      doorkey ask "What is a nonce?"
      doorkey ask -m chatgptfree/gpt-4o-mini - < question.txt
      doorkey ask -m aichats --image cat.png "A cat with a key"
    """
    text = sys.stdin.read() if question == "-" else question
    if not text.strip():
        raise RequestError("the question is empty: give some text, or `-` to read it from standard input")
    from doorkey.runtime import Runtime

    settings = load(config)

    async def work() -> None:
        async with Runtime(settings, headed=headed) as runtime:
            await _answered(runtime, model or _first(runtime, image is not None), text, image, timeout, as_json)

    run(work())


def _first(runtime: Runtime, wants_image: bool) -> str:
    from doorkey.provider import ChatProvider

    for name, provider in runtime.providers.items():
        if isinstance(provider, ChatProvider) and (not wants_image or provider.image_models):
            return name
    what = "makes images" if wants_image else "chats"
    raise RequestError(f"no configured site {what}: name one in doorkey.toml (see `doorkey config check`)")


async def _answered(
    runtime: Runtime, model: str, text: str, image: Path | None, timeout: float | None, as_json: bool
) -> None:
    from doorkey.chat import Image

    messages = [{"role": "user", "content": text}]
    answer = await runtime.answer(model, messages, kind="image" if image else None, timeout=timeout)
    pieces: list[str] = []
    async with answer:
        async for delta in answer:
            if isinstance(delta, Image):
                pieces.append(_saved(delta, image))
            else:
                pieces.append(delta)
                if not as_json:
                    click.echo(delta, nl=False)
    if as_json:
        gen = answer.session.gen
        print_json({"site": answer.site, "generation": gen, "renewed": answer.renewed, "answer": "".join(pieces)})
    else:
        click.echo()


def _saved(picture: object, file: Path | None) -> str:
    from doorkey.chat import Image

    assert isinstance(picture, Image)
    if file is None:
        click.echo(picture.url, nl=False)
        return picture.url
    try:
        file.write_bytes(picture.data)
    except OSError as error:
        raise RequestError(f"the picture can't be written to {file}: {error.strerror}") from error
    click.echo(f"{file}: {len(picture.data)} bytes, {picture.media_type}", err=True)
    return str(file)
