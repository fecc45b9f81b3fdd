"""How it feels to interrupt: recordings spoken over an answer, judged by what the caller receives and when."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct

from app.bench.figures import Figures, Machine, figures_of, machine_after, machine_before
from app.bench.interrupting import Interruption, Sound, interrupt
from app.bench.turn import own_server
from app.caller.link import Transport, open_http

__all__ = ["GOALS", "BargeInBench", "bench_barge_in"]

GOALS: dict[str, tuple[float, float | None]] = {
    "ducked": (0.08, 0.12),
    "ducked, log stopped": (0.08, 0.12),
    "silent": (0.7, None),
    "word to stop": (0.3, None),
    "stopped": (1.2, None),
    "sound after the stop": (0.04, None),
    "resumed": (0.7, None),
    "lost at the seam": (0.005, None),
}
"""What the figures should not exceed, in seconds: the median, and the 95th percentile where it matters."""
_DUCKS = re.compile(r"^voicechart_duck_seconds_(sum|count) (\S+)$", re.MULTILINE)


class BargeInBench(Struct, frozen=True, kw_only=True):
    """The whole benchmark."""

    machine: Machine
    interruptions: list[Interruption]
    figures: dict[Transport, dict[str, Figures]]
    outcomes: dict[Transport, dict[str, int]]
    """How many answers were stopped by a voice that meant it, and resumed after a sound that did not."""
    gateway_duck_s: float
    """Mean time from the audio's arrival at the gateway to the duck on its way: the server's own account."""


async def bench_barge_in(
    clips: Sequence[Sound],
    sounds: Sequence[Sound],
    *,
    transports: Sequence[Transport],
    repeat: int,
    tell: Callable[[str], None],
) -> BargeInBench:
    """Interrupt a server of our own: by every clip, by every sound that is no turn, and with its event log stopped.

    Raises:
        ServerFailed: The server did not start.
        CallRefused: It takes no calls.
    """
    machine = machine_before()
    plan: list[tuple[Transport, Sound, bool]] = []
    for transport in [transport for _ in range(repeat) for transport in transports]:
        plan += [(transport, sound, False) for sound in (*clips, *sounds)]
        plan += [(transport, sound, True) for sound in clips]
    done: list[Interruption] = []
    with tempfile.TemporaryDirectory(prefix="voicechart-bench-") as folder:
        async with own_server(tell, Path(folder)) as url:
            pid_file = Path(folder) / "valkey" / "valkey.pid"
            for number, (transport, sound, log_stops) in enumerate(plan, 1):
                one = await interrupt(url, transport, sound, number, pid_file if log_stops else None)
                done.append(one)
                tell(f"{number}/{len(plan)}  {transport}  {sound.name}  {_told(one)}")
            gateway_duck_s = await _gateway_duck_s(url)
    return BargeInBench(
        machine=machine_after(machine),
        interruptions=done,
        figures={transport: _figures(done, transport) for transport in transports},
        outcomes={transport: _outcomes(done, transport) for transport in transports},
        gateway_duck_s=gateway_duck_s,
    )


def _told(one: Interruption) -> str:
    times = "  ".join(f"{name} {seconds * 1000:.0f}" for name, seconds in one.times.items())
    return f"{one.outcome}  {times} ms  {one.heard_as}"


def _figures(done: Sequence[Interruption], transport: Transport) -> dict[str, Figures]:
    columns: dict[str, list[float]] = {name: [] for name in GOALS}
    for one in done:
        for name, seconds in one.times.items():
            if one.transport == transport:
                columns.setdefault(name, []).append(seconds)
    return {name: figures_of(values) for name, values in columns.items() if values}


def _outcomes(done: Sequence[Interruption], transport: Transport) -> dict[str, int]:
    here = [one for one in done if one.transport == transport and not one.log_stopped]
    meant, idle = [one for one in here if one.words], [one for one in here if not one.words]
    told = [one for one in meant if one.first_word_kept is not None]
    return {
        "spoken over": len(meant),
        "stopped": sum(one.outcome == "stopped" for one in meant),
        "new turns": len(told),
        "first word kept": sum(bool(one.first_word_kept) for one in told),
        "sounds": len(idle),
        "resumed": sum(one.outcome == "resumed" for one in idle),
        "not noticed": sum(one.outcome == "not noticed" for one in idle),
    }


async def _gateway_duck_s(url: str) -> float:
    async with open_http(url) as http:
        found = dict(_DUCKS.findall((await http.get("/metrics")).text))
    count = float(found.get("count", 0))
    return round(float(found["sum"]) / count, 6) if count else 0.0
