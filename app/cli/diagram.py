"""`voicechart diagram`: draw the chart, and see that the committed drawings are current."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import rich_click as click

from diagrams.check import GENERATED, committed_drawings, stale
from diagrams.render import FORMATS, LEVELS, render

__all__ = ["command"]


@click.group(name="diagram")
def command() -> None:
    """Draw the chart, or see whether the committed drawings are current."""


@command.command(name="render")
@click.option("--format", "kind", type=click.Choice(list(FORMATS)), help="[default: as --out ends, else svg]")
@click.option("--level", type=click.Choice(LEVELS), default="full", show_default=True, help="How much of the chart.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write.  [default: stdout]")
@click.option(
    "--renderer", type=click.Choice(["pure", "dot"]), default="pure", show_default=True,
    help="The packaged renderer, or Graphviz as it is installed.",
)  # fmt: skip
@click.option("--all", "every", is_flag=True, help="Write all committed drawings anew.")
def render_command(kind: str | None, level: str, out: Path | None, renderer: str, every: bool) -> None:
    """Draw the chart; the same bytes every time."""
    if every:
        for name, drawing in committed_drawings().items():
            _replace(GENERATED / name, drawing)
            click.echo(f"wrote {name}", err=True)
        return
    drawing = render(kind or _kind_of(out), level, renderer)
    if out is not None:
        _replace(out, drawing)
        click.echo(f"wrote {out}", err=True)
    elif (kind or "svg") == "png" and sys.stdout.isatty():
        raise click.UsageError("a PNG would only garble this terminal; pass --out FILE.png")
    else:
        sys.stdout.buffer.write(drawing)


@command.command()
def check() -> int:
    """Compare the committed drawings with what the chart gives now; exit code 1 if one is stale."""
    found = stale()
    for name, difference in found.items():
        click.echo(f"{name} is stale:\n{difference}\n", err=True)
    if found:
        click.echo("Write them anew with: ./run diagram render --all", err=True)
        return 1
    click.echo("the committed drawings are current", err=True)
    return 0


def _kind_of(out: Path | None) -> str:
    if out is None:
        return "svg"
    for kind, made in sorted(FORMATS.items(), key=lambda item: -len(item[1].ending)):
        if out.name.endswith(f".{made.ending}"):
            return kind
    endings = ", ".join(f".{made.ending}" for made in FORMATS.values())
    raise click.UsageError(f"{out.name} says nothing about its format; end it with one of {endings}, or pass --format")


def _replace(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    try:
        handle, name = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name}.")
    except OSError as error:
        raise click.ClickException(f"cannot write {path}: {error.strerror}") from error
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    Path(name).chmod(0o644)
    Path(name).replace(path)
