"""`voicechart diagram`: draw a chart, see that the committed drawings are current, review a change, cover it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
import rich_click as click

from app.cli.coverage import command as coverage
from app.cli.drawings import as_bad_use, chart_option, deliver, kind_of
from app.cli.files import replace_file
from diagrams.check import GENERATED, committed_drawings, stale
from diagrams.difference import Claim, Difference, compare
from diagrams.load import model_of, module_of
from diagrams.render import DRAWN, FORMATS, LEVELS, draw, render
from diagrams.revisions import model_at
from statecharts.proving import properties_of

__all__ = ["command"]

_REVIEWED = (*DRAWN, "table", "json")
"""Formats of a comparison."""


@click.group(name="diagram")
def command() -> None:
    """Draw a chart, see whether the committed drawings are current, review a change, see what was taken."""


@command.command(name="render")
@click.option("--format", "kind", type=click.Choice(list(FORMATS)), help="[default: as --out ends, else svg]")
@click.option("--level", type=click.Choice(LEVELS), default="full", show_default=True, help="How much of the chart.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write.  [default: stdout]")
@chart_option
@click.option(
    "--renderer", type=click.Choice(["pure", "dot"]), default="pure", show_default=True,
    help="The packaged renderer, or Graphviz as it is installed.",
)  # fmt: skip
@click.option("--all", "every", is_flag=True, help="Write all committed drawings of the conversation anew.")
def render_command(kind: str | None, level: str, out: Path | None, chart: str, renderer: str, every: bool) -> None:
    """Draw a chart; the same bytes every time."""
    if every:
        if chart or out is not None or kind is not None:
            raise click.UsageError("--all writes the committed drawings; it takes no --chart, --out or --format")
        for name, drawing in committed_drawings().items():
            replace_file(GENERATED / name, drawing)
            click.echo(f"wrote {name}", err=True)
        return
    kind = kind or kind_of(out, list(FORMATS), "svg")
    with as_bad_use():
        drawing = draw(model_of(chart), kind, level, renderer) if chart else render(kind, level, renderer)
    deliver(drawing, kind, out)


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


@command.command()
@click.argument("revisions", nargs=-1, required=True, metavar="REV [REV]")
@click.option("--format", "kind", type=click.Choice(_REVIEWED), help="[default: as --out ends, else table]")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write.  [default: stdout]")
@chart_option
@click.option("--properties", "modules", multiple=True, help="Module with properties of that chart; may be repeated.")
@click.option("--exit-code", is_flag=True, help="Exit with 1 if the chart is another one, as git diff does.")
def diff(
    revisions: Sequence[str], kind: str | None, out: Path | None, chart: str, modules: Sequence[str], exit_code: bool
) -> int:
    """Show what a change does to a chart: added green, removed red, changed amber.

    Compares the first git revision with the second, or with the files as they are. The table is Markdown, fit for a
    pull request, and names the properties that the change has to do with.
    """
    if modules and not chart:
        raise click.UsageError("--properties goes with --chart; the conversation has its own")
    if len(revisions) > 2:
        raise click.UsageError(f"one or two revisions, not {len(revisions)}")
    kind = kind or kind_of(out, _REVIEWED, "table")
    with as_bad_use():
        before = model_at(revisions[0], chart)
        after = model_at(revisions[1], chart) if len(revisions) == 2 else model_of(chart)
        claims = [claim for name in modules for claim in properties_of(vars(module_of(name)))] if chart else _claims()
    names = revisions[0], revisions[1] if len(revisions) == 2 else "the working tree"
    found = compare(before, after, before=names[0], after=names[1], claims=claims)
    deliver(_reviewed(found, kind), kind, out)
    return 1 if exit_code and found.changes else 0


def _reviewed(found: Difference, kind: str) -> bytes:
    if kind == "table":
        return found.table().encode()
    if kind == "json":
        report = {
            "before": found.before,
            "after": found.after,
            "changes": found.changes,
            "properties": found.properties,
        }
        return msgspec.json.format(msgspec.json.encode(report)) + b"\n"
    return draw(found.union, kind, overlay=found.overlay())


def _claims() -> Iterable[Claim]:
    from statecharts.properties import PROPERTIES  # half a second of imports, for this command alone

    return PROPERTIES


command.add_command(coverage)
