"""`voicechart replay`: take recorded calls through today's chart."""

from __future__ import annotations

import msgspec
import rich_click as click
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from app.cli.consoles import table_console
from app.cli.places import place_of, place_options, rules_untold, tell
from app.cli.what_if import told_what_if
from app.replay.call_log import BadLog
from app.replay.refold import Comparison, Difference, compare
from app.replay.sources import read_logs
from app.replay.what_if import BadPolicy, WhatIf, changed_policy, what_if

__all__ = ["command", "told_difference"]


@click.command(name="replay")
@click.argument("calls", nargs=-1, required=True, metavar="SESSION|FILE…")
@click.option(
    "--policy",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="Replay with this policy setting changed, and show what would have differed; may be given again.",
)
@place_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else; several calls: one line each.")
def command(
    calls: tuple[str, ...], settings: tuple[str, ...], url: str | None, bus: str | None, data: str | None,
    as_json: bool,
) -> int:  # fmt: skip
    """Take recorded calls through today's chart; compare states and effects with the recorded ones, byte for byte.

    A call is a session's id, a file that `voicechart freeze` wrote, a saved answer of GET /sessions/{id}/events, or a
    folder of *.jsonl files. Each is led by the rules it was recorded under. Exit code 1 if one of them differs.

    With --policy it is played on from the first difference, on a virtual clock: the caller keeps their times (who
    waited for the end of our answer waits for it again), timers fire when the chart says, workers and voice take as
    long as they took. What had to be assumed is named.
    """
    try:
        changed = changed_policy(settings)
        logs = read_logs(calls, place_of(url, bus, data), tell)
        if changed:
            return _print_what_if([what_if(log, changed, rules_untold()) for log in logs], as_json=as_json)
        return _print_comparisons([compare(log, rules_untold()) for log in logs], as_json=as_json)
    except (BadLog, BadPolicy) as error:
        raise click.UsageError(str(error)) from error


def _print_what_if(found: list[WhatIf], *, as_json: bool) -> int:
    if as_json:
        click.echo(b"\n".join(map(msgspec.json.encode, found)))
    else:
        table_console().print(told_what_if(found))
    return 0


def _print_comparisons(found: list[Comparison], *, as_json: bool) -> int:
    if as_json:
        click.echo(b"\n".join(map(msgspec.json.encode, found)))
    else:
        table_console().print(_told(found))
    return 0 if all(comparison.same for comparison in found) else 1


def _told(found: list[Comparison]) -> RenderableType:
    parts: list[RenderableType] = [_table(found)] if len(found) > 1 else [_verdict(found[0])]
    for comparison in found:
        if comparison.first_difference is not None:
            if len(found) > 1:
                parts += [Text(), _verdict(comparison)]
            parts.append(told_difference(comparison.first_difference))
        parts += [Text(f"note: {note}", style="dim") for note in comparison.notes if len(found) == 1]
    return Group(*parts)


def _verdict(comparison: Comparison) -> Text:
    charts = f"chart {', '.join(comparison.chart_recorded) or 'unknown'} recorded, {comparison.chart_now} now"
    if comparison.same:
        said = f"the same: {comparison.compared} facts, {comparison.compared_by} equal byte for byte ({charts})"
        return Text.assemble(f"{comparison.log}: ", (said, "green"))
    first = comparison.first_difference
    assert first is not None
    said = (
        f"differs at fact {first.number} of {comparison.facts}, {first.at_s:.3f} s into the call; "
        f"{comparison.differing} facts differ in all ({charts})"
    )
    return Text.assemble(f"{comparison.log}: ", (said, "red"))


def told_difference(first: Difference) -> Text:
    """Return a difference in its context, as a terminal shows it."""
    text = Text()
    for line in first.leading_to_it:
        text.append(f"  {line}\n", style="dim")
    text.append(f"> {first.event}\n", style="bold")
    for side, named in ((first.recorded, "recorded"), (first.now, "now")):
        if side.before:
            text.append(f"    {named:<9}{side.before} → {side.after}\n")
    for line in first.effects_diff:
        text.append(f"    {line}\n", style={"-": "red", "+": "green"}.get(line[:1], "dim"))
    return text


def _table(found: list[Comparison]) -> Table:
    table = Table("call", "chart", "facts", "outcome", box=None, pad_edge=False)
    for comparison in found:
        first = comparison.first_difference
        outcome = (
            Text("the same", "green") if first is None
            else Text(f"differs at fact {first.number}, {first.at_s:.3f} s: {first.event.split()[1]}", "red")
        )  # fmt: skip
        charts = f"{', '.join(comparison.chart_recorded) or '?'} → {comparison.chart_now}"
        table.add_row(Text(comparison.log), charts, str(comparison.compared), outcome)
    return table
