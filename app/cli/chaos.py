"""`voicechart chaos`: break it on purpose, and see whether the conversations go on."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from functools import partial
from pathlib import Path
from random import SystemRandom

import msgspec
import rich_click as click
from click.exceptions import Exit

from app.chaos.faults import LOG_SERVER
from app.chaos.recoveries import Recoveries
from app.chaos.run import Chaos, Outcome, chaos
from app.cli.bench_tables import new_table, progress, table_console

__all__ = ["command"]

GOAL_S, REDIS_GOAL_S = 1.0, 2.0
"""What recovery should take at most, in 95 of 100 cases."""
_SHOWN = 5
"""How many of what is wrong are printed; the files tell all."""


@click.command(name="chaos")
@click.option("--kills", type=click.IntRange(min=1), default=30, show_default=True, help="How many faults.")
@click.option("--seed", type=click.IntRange(min=0), help="Draws the faults and what callers do.  [default: any]")
@click.option("--callers", type=click.IntRange(min=1), default=6, show_default=True, help="Who call all the time.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    help="For data, log files and the story of every call; kept.  [default: temporary]",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def command(kills: int, seed: int | None, callers: int, folder: Path | None, as_json: bool) -> None:
    """Start the roles apart, hold calls, and harm them at random: kill -9, freeze, reset, cut off, the log server too.

    Then read the log and the callers' notes: is anything lost, done twice, or against the chart? Exit code 1 if so; the
    stories of those calls are kept. A seed draws the same faults and the same words again; when exactly they meet, no
    seed can tell.

    Recovery is the longest time for which the caller of a touched call waited for something the server owed (session,
    words shown, first sound of the answer, the floor): of the waits that ran at the fault or began within 0.3 s, from
    the fault on. Three of four callers say something at that moment. Of a frozen gateway or log server, and of a
    gateway's dead link, it counts from the end.
    """
    from app.wiring import EmbeddedValkey, RedisStreamsBus

    drawn = SystemRandom().randrange(10**6) if seed is None else seed
    wanted = Chaos(kills=kills, seed=drawn, callers=callers, keep_all=folder is not None)
    tell = partial(progress().print, soft_wrap=True)
    tell(f"seed {wanted.seed}")
    where = folder or Path(tempfile.mkdtemp(prefix="voicechart-chaos-"))
    where.mkdir(parents=True, exist_ok=True)
    keep = True
    try:
        outcome, stories = asyncio.run(chaos(wanted, where.absolute(), EmbeddedValkey, RedisStreamsBus, tell))
        keep = not outcome.ok
    finally:
        if folder is None and not keep:
            shutil.rmtree(where, ignore_errors=True)
        elif keep:
            tell(f"log files are kept in {where}")
    if as_json:
        click.echo(msgspec.json.encode(outcome))
    else:
        _print(outcome)
    if not outcome.ok:
        _tell_wrong(outcome, stories)
        raise Exit(1)


def _print(outcome: Outcome) -> None:
    console = table_console()
    table = new_table(
        "recovery, seconds a caller was kept waiting", "fault", "times", "calls that waited", "p50", "p95", "max",
        "goal p95", right=1,
    )  # fmt: skip
    for kind, found in outcome.recoveries.items():
        table.add_row(kind, *_shown(found, REDIS_GOAL_S if kind.startswith(LOG_SERVER) else GOAL_S))
    table.add_section()
    table.add_row(f"all of {LOG_SERVER}", *_shown(outcome.of_redis, REDIS_GOAL_S))
    table.add_row("all others", *_shown(outcome.of_others, GOAL_S))
    table.add_row("no fault", *_shown(outcome.undisturbed, None))
    console.print(table)
    turns = ", ".join(f"{count} {kind}" for kind, count in sorted(outcome.turns.items()))
    console.print(
        f"seed {outcome.seed}: {outcome.faults} faults, {outcome.calls} calls, {outcome.reconnects} reconnects, "
        f"{outcome.facts} facts, {sum(outcome.turns.values())} turns ({turns})"
    )
    console.print(", ".join(f"{len(found)} {name}" for name, found in outcome.wrong.items()))


def _shown(found: Recoveries, goal_s: float | None) -> tuple[str, ...]:
    figures = [f"{seconds:.2f}" if found.waits else "" for seconds in (found.p50, found.p95, found.max)]
    return str(found.faults), str(found.waits), *figures, "" if goal_s is None else f"{goal_s:.2f}"


def _tell_wrong(outcome: Outcome, stories: list[Path]) -> None:
    tell = partial(progress().print, soft_wrap=True)
    for name, found in outcome.wrong.items():
        for line in found[:_SHOWN]:
            tell(f"{name}: {line}")
        if len(found) > _SHOWN:
            tell(f"{name}: and {len(found) - _SHOWN} more")
    if stories:
        click.echo(stories[0].read_text(), err=True)
    tell(f"again: ./run chaos --kills {outcome.faults} --seed {outcome.seed}")
    for story in stories:
        tell(f"{story}; ./run why {story.with_suffix('.jsonl')}")
