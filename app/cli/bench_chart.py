"""`voicechart bench chart`: what the chart costs, beside the library that defines it."""

from __future__ import annotations

import msgspec
import rich_click as click
from rich.console import Group
from rich.table import Table
from rich.text import Text

from app.bench.chart import GOALS, TURNS_BEFORE_IDLE, ChartBench, Cost, bench_chart
from app.bench.figures import machine_after, machine_before
from app.cli.consoles import table_console

__all__ = ["chart"]


@click.command()
@click.option("--repeat", type=click.IntRange(min=30), default=300, show_default=True, help="Lead the call so often.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def chart(repeat: int, as_json: bool) -> None:
    """Lead a call by the flat table and by python-statemachine itself: time of a step and of a start, and memory."""
    click.secho("leading the call by both engines ...", err=True, dim=True)
    machine = machine_before()
    found = bench_chart(repeat)
    if as_json:
        click.echo(msgspec.json.encode(found))
        return
    table = Table("one chart", box=None, pad_edge=False)
    for heading in ("table, median", "p99", "library, median", "p99", "times faster", "goal"):
        table.add_column(heading, justify="right")
    ours, theirs = found.table, found.library
    table.add_row(*_compared("take an event", ours.step, theirs.step), _us(GOALS["step"]))
    table.add_row(*_compared("construct", ours.construct, theirs.construct))
    table.add_row(*_compared("restore from what is stored", ours.restore, theirs.restore), _us(GOALS["restore"]))
    table.add_row("memory", _kib(ours.chart_bytes), "", _kib(theirs.chart_bytes), "", "")
    table_console().print(Group(Text(str(machine_after(machine))), Text(), table, Text(), _session(found)))


def _compared(name: str, ours: Cost, theirs: Cost) -> list[str]:
    times = f"{theirs.median_us / ours.median_us:,.0f}"
    return [name, _us(ours.median_us), _us(ours.p99_us), _us(theirs.median_us), _us(theirs.p99_us), times]


def _session(found: ChartBench) -> Text:
    return Text(
        f"one idle session, {TURNS_BEFORE_IDLE} turns old, as the orchestrator keeps it: "
        f"{_kib(found.idle_session_bytes)} (goal {_kib(GOALS['idle session'])}), stored in {_kib(found.stored_bytes)}\n"
        f"one fact validated, stepped and journalled: {_us(found.fold.median_us)} (p99 {_us(found.fold.p99_us)}); "
        f"a snapshot: {_us(found.snapshot.median_us)}"
    )


def _us(microseconds: float) -> str:
    return f"{microseconds:,.1f} us"


def _kib(size: float) -> str:
    return f"{size / 1024:,.1f} KiB"
