"""`voicechart simulate`: the whole system on virtual time, with everything going wrong that a seed can think of."""

from __future__ import annotations

import os
import time

import msgspec
import rich_click as click
from msgspec import Struct
from rich.console import Console

from app.cli.logs import log_to_stderr
from app.simulation.planted import PLANTS
from app.simulation.running import Failing, Tally, run_seeds

__all__ = ["command"]

TELL_EVERY_S = 5.0


class Simulated(Struct, frozen=True, kw_only=True):
    """The result, as JSON tells it."""

    first_seed: int
    seeds: int
    violations: int
    """Seeds that break a rule."""
    seconds: float
    jobs: int
    seeds_per_s: float
    seeds_per_core_s: float
    """Seeds in a second of one core's time."""
    facts: int
    virtual_s: float
    faults: dict[str, int]
    turns: dict[str, int]
    failing: list[Failing]


@click.command(name="simulate")
@click.option("--seeds", type=click.IntRange(min=1), default=1000, show_default=True, help="How many runs.")
@click.option("--seed", "first", type=click.IntRange(min=0), default=0, show_default=True, help="The first one.")
@click.option(
    "--jobs", type=click.IntRange(min=1), default=os.cpu_count() or 1, show_default="all cores", help="Processes."
)
@click.option(
    "--plant", type=click.Choice(sorted(PLANTS)), default=None, hidden=True, help="Plant a mistake to be found."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def command(seeds: int, first: int, jobs: int, plant: str | None, as_json: bool) -> int:
    """Simulate orchestrators, workers, gateways and callers, and check what is left of each call.

    Each seed is one run of the real code on virtual time: processes are killed, frozen and cut off, requests and
    answers of the bus get lost, come late or twice. When all has healed, every turn must have ended once, no fact may
    be lost or acted on twice, no client may have missed a command. The same seed always gives the same run.

    Exit code 1 if a seed breaks a rule; its story is told, and the command that runs it again.
    """
    log_to_stderr("critical")  # what goes wrong is told by the story
    began = told_at = time.monotonic()

    def tell(tally: Tally) -> None:
        nonlocal told_at
        if time.monotonic() > told_at + TELL_EVERY_S:
            told_at = time.monotonic()
            rate = tally.seeds / (told_at - began)
            click.echo(f"{tally.seeds} of {seeds} seeds, {rate:.0f}/s, {len(tally.failing)} break a rule", err=True)

    tally = run_seeds(first, seeds, jobs=jobs, plant=plant or "", progress=tell)
    seconds = time.monotonic() - began
    result = Simulated(
        first_seed=first, seeds=tally.seeds, violations=len(tally.failing), seconds=round(seconds, 2), jobs=jobs,
        seeds_per_s=round(tally.seeds / seconds, 1), seeds_per_core_s=round(tally.seeds / max(tally.cpu_s, 1e-9), 1),
        facts=tally.facts, virtual_s=round(tally.virtual_s, 1), faults=tally.faults, turns=tally.turns,
        failing=tally.failing,
    )  # fmt: skip
    click.echo(msgspec.json.encode(result)) if as_json else _print(result)
    return 1 if result.failing else 0


def _print(result: Simulated) -> None:
    console = Console(highlight=False, markup=False, soft_wrap=True)
    if result.failing:
        for line in result.failing[0].story:
            console.print(line)
        console.print()
    for failing in result.failing[1:]:
        console.print(f"seed {failing.seed}: {', '.join(failing.rules)}")
    console.print(
        f"{result.seeds} seeds from {result.first_seed} on: {result.violations or 'none'} break a rule\n"
        f"{result.facts:,} facts in {result.virtual_s:,.0f} s of virtual time\n"
        f"turns: {_counted(result.turns)}\n"
        f"faults: {_counted(result.faults)}\n"
        f"{result.seconds:.1f} s, {result.seeds_per_s:.0f} seeds/s; {result.seeds_per_core_s:.0f} a second of one core"
    )


def _counted(counts: dict[str, int]) -> str:
    return (
        ", ".join(f"{number:,} {kind}" for kind, number in sorted(counts.items(), key=lambda item: -item[1])) or "none"
    )
