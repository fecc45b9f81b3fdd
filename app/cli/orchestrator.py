"""`voicechart orchestrator`: the charts of some partitions, in a process of their own."""

from __future__ import annotations

from typing import NoReturn

import rich_click as click

from app.cli.running import needs_a_shared_bus, run_to_the_end
from app.settings import load_settings

__all__ = ["command"]


@click.command(name="orchestrator")
@click.option("--bus", help="Where the log is: redis://host:port/db, or kafka://host:port.")
def command(bus: str | None) -> NoReturn:
    """Run the charts of a fair share of the conversations. Start as many as you like; Ctrl-C ends one.

    It takes over at once what another one leaves or loses, and gives its share back when it ends.
    """
    settings = load_settings(bus=bus)
    needs_a_shared_bus(settings, "an orchestrator")
    from app.roles import run_orchestrator

    run_to_the_end(settings, run_orchestrator)
