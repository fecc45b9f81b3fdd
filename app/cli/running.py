"""What the commands share that run until a signal: how they log, fail and end."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import NoReturn

import rich_click as click

from app.cli.frame import complain
from app.cli.logs import log_to_stderr
from app.settings import Settings
from statecharts.events import VoicechartError

__all__ = ["needs_a_shared_bus", "run_to_the_end"]


def needs_a_shared_bus(settings: Settings, who: str) -> None:
    """Raise click.UsageError unless other processes can reach the bus of the settings."""
    if not settings.bus:
        raise click.UsageError(
            f"{who} shares a log with other processes and has to be told where it is: pass --bus redis://host:port/db, "
            "or set VOICECHART_BUS or REDIS_URL. `./run serve` alone brings a log of its own."
        )
    if settings.bus.startswith("memory:"):
        raise click.UsageError(
            f"{who} shares a log with other processes, and a memory:// bus lives in one process alone. "
            "Pass --bus redis://host:port/db."
        )


def run_to_the_end(settings: Settings, run: Callable[[Settings], int]) -> NoReturn:
    """Run a process of these settings and end with its exit code."""
    log_to_stderr(settings.log_level)
    try:
        code = run(settings)
    except VoicechartError as error:
        complain(str(error))
        code = 1
    _leave(code)


def _leave(code: int) -> NoReturn:
    """End the process at once.

    Models run and load in threads that are deep in libraries, where they cannot be called back. Waiting for them, the
    interpreter would take seconds to end; not waiting, it dies under them (SIGABRT, seen in the recogniser). Nothing of
    ours is left to do here: the log's server has ended, its files are written.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
