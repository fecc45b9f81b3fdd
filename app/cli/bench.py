"""`voicechart bench`: measure."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import msgspec
import rich_click as click
from rich.console import Console
from rich.table import Table

from app.bench.bus import bench_bus
from app.bench.figures import Figures
from app.bench.turn import TurnBench, bench_turn, own_server
from app.caller.link import Transport
from app.caller.report import STAGES
from app.caller.wav import BadRecording
from app.cli.address import SERVER_URL
from app.cli.bench_chart import chart
from app.cli.bench_endpointing import endpointing
from app.cli.bench_models import CLIPS, stt, tts
from app.settings import Settings, load_settings
from statecharts.events import VoicechartError

__all__ = ["command"]


@click.group(name="bench")
def command() -> None:
    """Measure this machine: nothing here is a test, so nothing here fails for being slow."""


command.add_command(chart)
command.add_command(endpointing)
command.add_command(stt)
command.add_command(tts)


@command.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--repeat", type=click.IntRange(min=1), default=1, show_default=True, help="Speak every clip so often.")
@click.option(
    "--url", type=SERVER_URL, help="Address of a running server; without it one is started for the benchmark."
)
@click.option(
    "--transport",
    "transports",
    type=click.Choice(["ws", "webrtc"]),
    multiple=True,
    default=("ws", "webrtc"),
    show_default=True,
    help="How the audio travels; may be given twice.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def turn(
    files: tuple[Path, ...], repeat: int, url: str | None, transports: tuple[Transport, ...], as_json: bool
) -> None:
    """Speak FILES (default: the clips in tests/speech) in real time; print how long the caller waits at each stage.

    All times run from the true end of the speech in the clip, on the caller's clock. Exit code 1 if no call was
    answered.
    """
    clips = files or tuple(sorted(CLIPS.glob("*.wav")))
    if not clips:
        raise click.UsageError(f"there are no clips in {CLIPS}; name WAV files to speak")
    try:
        result = asyncio.run(_turn(clips, repeat, url, transports))
    except BadRecording as error:
        raise click.BadParameter(str(error), param_hint="FILES") from error
    except VoicechartError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(msgspec.json.encode(result))
    else:
        _print_turn(result)
    if not any(call.answered for call in result.calls):
        raise click.ClickException("no call was answered")


async def _turn(clips: tuple[Path, ...], repeat: int, url: str | None, transports: tuple[Transport, ...]) -> TurnBench:
    progress = Console(stderr=True, highlight=False, markup=False, style="dim")

    async def run(address: str) -> TurnBench:
        return await bench_turn(address, clips, transports=transports, repeat=repeat, tell=progress.print)

    if url is not None:
        return await run(url)
    async with own_server(progress.print) as address:
        return await run(address)


def _print_turn(result: TurnBench) -> None:
    console = Console(highlight=False)
    console.print(str(result.machine))
    for transport, stages in result.caller.items():
        calls = [call for call in result.calls if call.transport == transport]
        answered = sum(call.answered for call in calls)
        table = Table(
            title=f"{transport}: {answered} of {len(calls)} calls answered; seconds from the true end of the speech",
            title_justify="left",
        )
        table.add_column("stage")
        for heading in ("n", "median", "p95", "server median", "server p95"):
            table.add_column(heading, justify="right")
        server = result.server[transport]
        for name in stages | server:
            table.add_row(STAGES.get(name, name), *_cells(stages.get(name), with_n=True), *_cells(server.get(name)))
        console.print(table)


def _cells(stage: Figures | None, *, with_n: bool = False) -> list[str]:
    count = [str(stage.n) if stage else ""] if with_n else []
    return count + ([f"{stage.median:.3f}", f"{stage.p95:.3f}"] if stage else ["", ""])


@command.command()
@click.option("--events", type=click.IntRange(min=100), default=20_000, show_default=True, help="Facts in each run.")
@click.option("--rate", type=click.FloatRange(min=1), default=1_000.0, show_default=True, help="Facts a second, paced.")
@click.option("--bus", "address", help="Redis-compatible server.  [default: one of its own, in a temporary folder]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def bus(events: int, rate: float, address: str | None, as_json: bool) -> None:
    """Send facts through the event log: published, committed with state and journal, and heard by a gateway.

    First as fast as it goes, for throughput and cost; then at a steady rate, for latency.
    """
    with tempfile.TemporaryDirectory() as folder:
        result = asyncio.run(_bus(load_settings(bus=address or "", data=folder), events, rate))
    if as_json:
        click.echo(msgspec.json.encode(result))
        return
    table = Table("figure", "value")
    for name, value in result.items():
        table.add_row(name, f"{value:,.2f}")
    Console(highlight=False).print(table)


async def _bus(settings: Settings, events: int, rate: float) -> dict[str, float]:
    from app.wiring import open_bus

    async with open_bus(settings) as opened:
        click.echo(f"{events} events as fast as they go, then {events} at {rate:.0f} a second ...", err=True)
        return await bench_bus(opened, events=events, rate_hz=rate)
