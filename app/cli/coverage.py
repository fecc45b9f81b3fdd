"""`voicechart diagram coverage`: which edges were taken, drawn over the chart."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from app.cli.drawings import as_bad_use, chart_option, deliver, kind_of
from app.cli.places import place_of, place_options, rules_untold, tell
from app.coverage import covered
from app.replay.call_log import BadLog
from diagrams.load import model_of
from diagrams.render import DRAWN, draw

__all__ = ["command"]

_KINDS = (*DRAWN, "table", "json")


@click.command(name="coverage")
@click.argument("logs", nargs=-1, required=True, metavar="LOG…")
@click.option("--format", "kind", type=click.Choice(_KINDS), help="[default: as --out ends, else table]")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write.  [default: stdout]")
@chart_option
@place_options
def command(
    logs: tuple[str, ...], kind: str | None, out: Path | None, chart: str, url: str | None, bus: str | None,
    data: str | None,
) -> None:  # fmt: skip
    """Show which edges calls or tests took, how often, and which never.

    A LOG is the log of a call (a file that `voicechart freeze` wrote, a folder of them, or a session's id), or what a
    test run wrote: VOICECHART_COVERAGE=FILE ./run test. In the drawing, what is taken often is wide, what is never
    taken dashed.
    """
    kind = kind or kind_of(out, _KINDS, "table")
    place = place_of(url, bus, data)
    with as_bad_use():
        model = model_of(chart)
    try:
        found = covered(logs, model, place, rules_untold(), tell)
    except BadLog as error:
        raise click.UsageError(str(error)) from error
    if kind == "table":
        deliver(found.table().encode(), kind, out)
    elif kind == "json":
        deliver(found.json(), kind, out)
    else:
        deliver(draw(model, kind, overlay=found.overlay()), kind, out)
        for edge in found.never:
            click.echo(f"never taken: {edge}", err=True)
    click.echo(found.summary, err=True)
