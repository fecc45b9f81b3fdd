"""What the commands share that draw charts: the chart's option, formats by a file's name, files and output."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import rich_click as click

from app.cli.files import replace_file
from diagrams.load import BadChart
from diagrams.render import FORMATS
from diagrams.revisions import NoSuchChart

__all__ = ["as_bad_use", "chart_option", "deliver", "kind_of"]

_Command = TypeVar("_Command", bound=Callable[..., object])


def chart_option(command: _Command) -> _Command:
    """Add `--chart`."""
    return click.option(
        "--chart", default="", metavar="MODULE:CLASS",
        help="Import path of any StateChart, searched below this folder too.  [default: the conversation]",
    )(command)  # fmt: skip


def kind_of(out: Path | None, kinds: Sequence[str], otherwise: str) -> str:
    """Return the format that a file's name asks for. Raises click.UsageError if it asks for none."""
    if out is None:
        return otherwise
    endings = {kind: f".{FORMATS[kind].ending}" for kind in kinds}
    for kind, ending in sorted(endings.items(), key=lambda item: -len(item[1])):
        if out.name.endswith(ending):
            return kind
    told = ", ".join(endings.values())
    raise click.UsageError(f"{out.name} says nothing about its format; end it with one of {told}, or pass --format")


def deliver(drawing: bytes, kind: str, out: Path | None) -> None:
    """Write a drawing to its file, whole, or print it."""
    if out is not None:
        replace_file(out, drawing)
        click.echo(f"wrote {out}", err=True)
    elif kind == "png" and sys.stdout.isatty():
        raise click.UsageError("a PNG would only garble this terminal; pass --out FILE.png")
    else:
        sys.stdout.buffer.write(drawing)


@contextmanager
def as_bad_use() -> Iterator[None]:
    """Let a chart that is not there, or cannot be drawn, be told as bad use: exit code 2."""
    try:
        yield
    except (BadChart, NoSuchChart) as error:
        raise click.UsageError(str(error)) from error
