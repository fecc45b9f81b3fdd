"""`voicechart bench`: measure."""

from __future__ import annotations

import asyncio
import tempfile

import msgspec
import rich_click as click

from app.bench.bus import bench_bus
from app.bench.figures import machine_after, machine_before
from app.cli.bench_again import again
from app.cli.bench_barge_in import barge_in
from app.cli.bench_chart import chart
from app.cli.bench_endpointing import endpointing
from app.cli.bench_models import stt, tts
from app.cli.bench_tables import new_table, table_console
from app.cli.bench_turn import turn
from app.settings import Settings, load_settings

__all__ = ["command"]


@click.group(name="bench")
def command() -> None:
    """Measure this machine: nothing here is a test, so nothing here fails for being slow."""


command.add_command(again)
command.add_command(barge_in)
command.add_command(chart)
command.add_command(endpointing)
command.add_command(stt)
command.add_command(tts)
command.add_command(turn)


@command.command()
@click.option("--events", type=click.IntRange(min=100), default=20_000, show_default=True, help="Facts in each run.")
@click.option("--rate", type=click.FloatRange(min=1), default=1_000.0, show_default=True, help="Facts a second, paced.")
@click.option("--bus", "address", help="Redis-compatible server.  [default: one of its own, in a temporary folder]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def bus(events: int, rate: float, address: str | None, as_json: bool) -> None:
    """Send facts through the event log: published, committed with state and journal, and heard by a gateway.

    First as fast as it goes, for throughput and cost; then at a steady rate, for latency.
    """
    machine = machine_before()
    with tempfile.TemporaryDirectory() as folder:
        result = asyncio.run(_bus(load_settings(bus=address or "", data=folder), events, rate))
    if as_json:
        click.echo(msgspec.json.encode(result))
        return
    table = new_table("", "figure", "value", right=1)
    for name, value in result.items():
        table.add_row(name, f"{value:,.2f}")
    console = table_console()
    console.print(str(machine_after(machine)))
    console.print(table)


async def _bus(settings: Settings, events: int, rate: float) -> dict[str, float]:
    from app.wiring import open_bus

    async with open_bus(settings) as opened:
        click.echo(f"{events} events as fast as they go, then {events} at {rate:.0f} a second ...", err=True)
        return await bench_bus(opened, events=events, rate_hz=rate)
