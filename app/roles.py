"""Roles in a process of their own, without a server: an orchestrator, or workers of some kinds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from app.life import Signals, live, say
from app.process import run_roles
from app.runtime import Runtime
from app.settings import Settings
from app.wiring import open_bus

__all__ = ["run_orchestrator", "run_workers"]

SHARE_S = 1.0
"""How long an orchestrator waits for its share of the partitions before it says that others have them all."""
LOOK_S = 0.1
"""It takes them one by one; it has its share when there are no more than at the last look."""


def run_orchestrator(settings: Settings) -> int:
    """Fold partitions until a signal; return the exit code.

    Raises:
        VoicechartError: It could not begin; the message says why and what to do.
    """
    return live(lambda signals: _run(settings, "orchestrator", ["orchestrator"], signals))


def run_workers(settings: Settings, kinds: Sequence[str]) -> int:
    """Serve requests of these kinds until a signal; return the exit code.

    Raises:
        VoicechartError: It could not begin; the message says why and what to do.
    """
    return live(lambda signals: _run(settings, "worker", kinds, signals))


async def _run(settings: Settings, who: str, roles: Sequence[str], signals: Signals) -> None:
    started_at = time.monotonic()
    say(f"voicechart {who} is starting")
    async with open_bus(settings) as bus:
        say(f"  event log: {settings.bus_shown}")
        runtime = Runtime(bus, roles, settings.session_streams, settings.log_retention_s)

        async def standing(running: asyncio.Task[None]) -> str:
            does = await _does(runtime, running)
            return f"voicechart {who} is ready after {time.monotonic() - started_at:.1f} s: {does} (Ctrl-C ends it)"

        await run_roles(runtime, settings, signals, standing)


async def _does(runtime: Runtime, running: asyncio.Task[None]) -> str:
    """Wait until the roles are at work; return what they do, in words."""
    if "orchestrator" not in runtime.roles:
        return f"takes {' and '.join(runtime.roles)} requests"
    deadline, owned, before = time.monotonic() + SHARE_S, 0, -1
    while not running.done() and time.monotonic() < deadline and not 0 < owned == before:
        await asyncio.sleep(LOOK_S)
        before, owned = owned, runtime.orchestrator.partitions_owned if runtime.orchestrator is not None else 0
    of = f"{owned} of {runtime.bus.partitions} partitions"
    return f"owns {of}" if owned else f"owns {of} and stands by"
