"""`voicechart bench`: measure."""

from __future__ import annotations

import rich_click as click

from app.cli.bench_again import again
from app.cli.bench_barge_in import barge_in
from app.cli.bench_bus import bus
from app.cli.bench_chart import chart
from app.cli.bench_endpointing import endpointing
from app.cli.bench_models import stt, tts
from app.cli.bench_turn import turn

__all__ = ["command"]


@click.group(name="bench")
def command() -> None:
    """Measure this machine: nothing here is a test, so nothing here fails for being slow."""


command.add_command(again)
command.add_command(barge_in)
command.add_command(bus)
command.add_command(chart)
command.add_command(endpointing)
command.add_command(stt)
command.add_command(tts)
command.add_command(turn)
