"""Verifying a chart: every situation, every property, and random walks beside them."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing.sharedctypes import SynchronizedArray

from app.verification.report import Claim, Failure, Part, Report, claims_of, failure_of
from app.verification.walks import any_run, conversation_run, walk
from statecharts.any_chart import MOST_SITUATIONS, AnyChart, ChartMachine
from statecharts.exploration import Exploration
from statecharts.machine import Machine, Move, S, Step
from statecharts.possibilities import VARIANTS, ConversationMachine
from statecharts.properties import PROPERTIES
from statecharts.proving import Property, always, prove
from statecharts.soundness import ACROSS, EACH
from statecharts.table import Table

__all__ = ["WALKS", "Progress", "verify_chart", "verify_conversation", "verify_variant"]

WALKS = 120
"""Random walks a variant: some seconds' worth."""
ANY_WALKS = 200
EVERY_S = 0.2
Progress = Callable[[int, int], None]
"""Told how many situations were found and how many walks made so far, in all."""

_counts: SynchronizedArray[int] | None = None


def verify_conversation(progress: Progress | None = None, *, walks: int = WALKS) -> Report:
    """Verify the conversation under all variants of its rules, on all cores.

    Args:
        progress: See `Progress`.
        walks: Random walks a variant.
    """
    began = time.monotonic()
    context = multiprocessing.get_context("spawn")
    counts: SynchronizedArray[int] = context.Array("l", 2 * len(VARIANTS))
    jobs = min(len(VARIANTS), os.cpu_count() or 1)
    try:
        with ProcessPoolExecutor(jobs, context, initializer=_share, initargs=(counts,)) as pool:
            waiting = [pool.submit(_verify_numbered, number, walks) for number in range(len(VARIANTS))]
            parts = _collect(waiting, counts, progress)
    except BaseException:
        for child in multiprocessing.active_children():
            child.terminate()
        raise
    machine = ConversationMachine()
    return _report(machine.table.declaration.name, machine, [*EACH, *PROPERTIES], parts, time.monotonic() - began)


def verify_variant(number: int, table: Table | None = None, *, walks: int, first_only: bool = False) -> Part:
    """Verify the conversation under one variant of its rules, in this process.

    Args:
        number: Which variant.
        table: The chart to run, if not the delivered one.
        walks: Random walks.
        first_only: Stop at the first broken property.
    """
    variant = VARIANTS[number]
    machine = ConversationMachine(variant) if table is None else ConversationMachine(variant, table)
    part = Part(variant.name)
    proof = prove(machine, [*PROPERTIES, *EACH], progress=_counter(2 * number), first_only=first_only)
    part.note(proof.exploration)
    part.failures = [failure_of(broken, variant.name, "exploration") for broken in proof.broken]
    if part.failures and first_only:
        return part
    judges = [*PROPERTIES, _explored(machine, proof.exploration)]
    walked = walk(machine, conversation_run(machine), judges, walks=walks, progress=_ticker(2 * number + 1))
    _add_walks(part, walked.walks, walked.steps, [failure_of(broken, variant.name, "walk") for broken in walked.broken])
    return part


def verify_chart(
    chart: type[AnyChart],
    properties: Sequence[Property] = (),
    *,
    moves: Callable[[AnyChart], Iterable[Move]] | None = None,
    key: Callable[[AnyChart], Hashable] | None = None,
    walks: int = ANY_WALKS,
    progress: Progress | None = None,
) -> Report:
    """Verify any chart: no dead edge, no unreachable state, no trap, and these properties.

    Args:
        chart: The class.
        properties: What it must keep.
        moves: See `ChartMachine`.
        key: See `ChartMachine`.
        walks: Random walks.
        progress: See `Progress`.

    Raises:
        TooMany: The chart has no end of situations; the message says what to do.
    """
    began = time.monotonic()
    machine = ChartMachine(chart, moves, key)
    properties = [*EACH, *properties]
    part = Part("")
    found = 0

    def note(situations: int) -> None:
        nonlocal found
        found = situations
        if progress is not None:
            progress(found, part.walks)

    def tick() -> None:
        part.walks += 1
        if progress is not None and part.walks % 20 == 0:
            progress(found, part.walks)

    proof = prove(machine, properties, progress=note, limit=MOST_SITUATIONS)
    part.note(proof.exploration)
    part.failures = [failure_of(broken, "", "exploration") for broken in proof.broken]
    walked = walk(machine, any_run(machine), properties, walks=walks, progress=tick)
    _add_walks(part, walked.walks, walked.steps, [failure_of(broken, "", "walk") for broken in walked.broken])
    return _report(chart.__name__, machine, properties, [part], time.monotonic() - began)


def _report(
    name: str, machine: Machine[S], properties: Sequence[Property], parts: list[Part], seconds: float
) -> Report:
    merged: Exploration[S] = Exploration()
    for part in parts:
        merged.taken.update(part.taken)
        for pair, outcome in part.outcomes.items():
            if outcome == "taken" or pair not in merged.outcomes:
                merged.outcomes[pair] = outcome
    failures = [failure for part in parts for failure in part.failures]
    for claim in ACROSS:
        failures += [
            Failure(claim.name, claim.sentence, finding.complaint, "", "exploration", [])
            for finding in claim.check(merged, machine)
        ]
    claims: list[Claim] = claims_of([*ACROSS, *properties], failures)
    return Report(
        chart=name, states=len(machine.leaves()), edges=len(machine.edges()),
        edges_taken=sum(bool(merged.taken[str(edge)]) for edge in machine.edges()),
        pairs=len(merged.outcomes), pairs_taken=sum(outcome == "taken" for outcome in merged.outcomes.values()),
        situations=sum(part.situations for part in parts), steps=sum(part.steps for part in parts),
        longest=max((part.depth for part in parts), default=0), walks=sum(part.walks for part in parts),
        walk_steps=sum(part.walk_steps for part in parts), seconds=round(seconds, 2),
        variants=[part.variant for part in parts if part.variant], properties=claims, failures=_first_each(failures),
    )  # fmt: skip


def _first_each(failures: list[Failure]) -> list[Failure]:
    """Return the shortest failure of each property; those without a run, all."""
    shortest: dict[tuple[str, str], Failure] = {}
    for failure in failures:
        key = (failure.property, failure.complaint if not failure.run else "")
        if key not in shortest or len(failure.run) < len(shortest[key].run):
            shortest[key] = failure
    return list(shortest.values())


def _explored(machine: Machine[S], exploration: Exploration[S]) -> Property:
    @always
    def every_walk_stays_within_what_was_explored(step: Step[S]) -> str | None:
        """Real times, words and counts lead to no situation that the exploration did not find."""
        key: Hashable = machine.key(step.after)
        return None if key in exploration.numbers else f"{step.after.state} with {key} was never explored"

    return every_walk_stays_within_what_was_explored


def _add_walks(part: Part, walks: int, steps: int, failures: list[Failure]) -> None:
    part.walks, part.walk_steps = walks, steps
    fallen = {failure.property for failure in part.failures}
    part.failures += [failure for failure in failures if failure.property not in fallen]


# --- across processes


def _share(counts: SynchronizedArray[int]) -> None:
    global _counts
    _counts = counts


def _verify_numbered(number: int, walks: int) -> Part:
    return verify_variant(number, walks=walks)


def _counter(index: int) -> Callable[[int], None]:
    def count(found: int) -> None:
        if _counts is not None:
            _counts[index] = found

    return count


def _ticker(index: int) -> Callable[[], None]:
    def tick() -> None:
        if _counts is not None:
            _counts[index] += 1

    return tick


def _collect(waiting: Sequence[Future[Part]], counts: SynchronizedArray[int], progress: Progress | None) -> list[Part]:
    open_ = set(waiting)
    while open_:
        done, open_ = wait(open_, timeout=EVERY_S, return_when=FIRST_COMPLETED)
        for future in done:
            future.result()
        if progress is not None:
            progress(sum(counts[::2]), sum(counts[1::2]))
    return [future.result() for future in waiting]
