"""Does the proof bite? Each mutant must be told from the chart by a property or by a fast test."""

from __future__ import annotations

import contextlib
import copy
import io
import multiprocessing
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from msgspec import Struct

from app.verification.examples import differences, read_examples
from app.verification.mutants import Emission, Mutant, mutants, observed
from app.verification.report import Failure, failure_of
from app.verification.verifying import verify_variant
from statecharts.exploration import Exploration, explore
from statecharts.machine import Step
from statecharts.possibilities import VARIANTS, ConversationMachine, Variant
from statecharts.properties import PROPERTIES
from statecharts.proving import Broken, complaint_of, retrace
from statecharts.stepping import TABLE, Snapshot
from statecharts.table import Table

__all__ = ["Hunt", "Prey", "hunt"]

FAST_TESTS = ("tests/charts", "tests/recordings")
EXAMPLES = "tests/charts/examples.jsonl"
WALKS = 60
BEYOND = 2_000
"""Situations that only a mutant can be in, looked at under each set of rules."""
Fate = Literal["killed", "equivalent", "survived"]


class Prey(Struct, frozen=True):
    """What became of a mutant."""

    name: str
    kind: str
    fate: Fate
    by: str
    """The property or the test that told it from the chart; for the others, why not."""
    run: list[str] = []
    """The shortest run that shows the difference, if there is one."""


class Hunt(Struct, kw_only=True):
    """What became of all of them."""

    killed: int
    survived: int
    equivalent: int
    seconds: float
    mutants: list[Prey]


class _Quarry(Struct):
    """What the hunters inherit when they are forked: all mutants, and all there is to know of the whole chart."""

    mutants: list[Mutant]
    explorations: list[tuple[Variant, Exploration[Snapshot]]]
    tests: Path | None


_quarry: _Quarry | None = None


def hunt(
    progress: Callable[[int, int, str], None] | None = None, only: str = "", variants: Sequence[Variant] = VARIANTS
) -> Hunt:
    """Break the conversation in every way there is, each in a process of its own.

    Args:
        progress: Told how many mutants were judged, of how many, and which came last.
        only: Judge those alone whose name holds this text.
        variants: The rules under which a difference may show.
    """
    global _quarry
    began = time.monotonic()
    emissions: set[Emission] = set()
    watched = observed(emissions)
    if progress is not None:
        progress(0, 0, "exploring")
    explorations = [(variant, explore(ConversationMachine(variant, watched))) for variant in variants]
    prey = [mutant for mutant in mutants(sorted(emissions)) if only in mutant.name]
    _quarry = _Quarry(prey, explorations, _tests())
    found: dict[int, Prey] = {}
    jobs = min(os.cpu_count() or 1, len(prey) or 1)
    # A broken chart stays broken: a fresh fork for each.
    with multiprocessing.get_context("fork").Pool(jobs, maxtasksperchild=1) as pool:
        for number, judged in pool.imap_unordered(_judge, range(len(prey))):
            found[number] = judged
            if progress is not None:
                progress(len(found), len(prey), f"{judged.fate}: {judged.name}")
    fates = [judged.fate for judged in found.values()]
    return Hunt(
        killed=fates.count("killed"), survived=fates.count("survived"), equivalent=fates.count("equivalent"),
        seconds=round(time.monotonic() - began, 1), mutants=[found[number] for number in sorted(found)],
    )  # fmt: skip


def _judge(number: int) -> tuple[int, Prey]:
    assert _quarry is not None
    mutant = _quarry.mutants[number]
    whole = copy.copy(TABLE)
    mutant.apply()
    run: list[str] = []
    if mutant.patch is None:
        known = _Known(mutant, whole, _quarry.explorations)
        if failure := known.broken():
            return number, _killed(mutant, failure)
        if not known.run:
            return number, Prey(
                mutant.name, mutant.kind, "equivalent", "no event tells it from the chart in any situation there is"
            )
        run = [str(step) for step in known.run]
    if test := _unlike_the_examples(_quarry.tests) or _failing_test(_quarry.tests):
        return number, Prey(mutant.name, mutant.kind, "killed", test, run)
    if failure := _broken_overall():
        return number, _killed(mutant, failure)
    return number, Prey(mutant.name, mutant.kind, "survived", "it behaves differently, and nobody noticed", run)


def _killed(mutant: Mutant, failure: Failure) -> Prey:
    shown = [f"{step.before:<20} {step.event} -> {step.after}" for step in failure.run]
    return Prey(mutant.name, mutant.kind, "killed", failure.property, shown)


class _Known:
    """A mutant held against what is known of the chart.

    In a situation that the chart can be in as well, it does the same, but where it is broken: there each step is judged
    that differs, and so is all that can happen where only a broken chart can get to.
    """

    def __init__(self, mutant: Mutant, whole: Table, explorations: list[tuple[Variant, Exploration[Snapshot]]]) -> None:
        self._mutant = mutant
        self._whole = whole
        self._explorations = explorations
        self.run: list[Step[Snapshot]] = []
        """The first run that ends differently, if there is any."""

    def broken(self) -> Failure | None:
        """Return the first property that a step breaks which only the mutant takes."""
        for variant, exploration in self._explorations:
            machine = ConversationMachine(variant)
            beyond: deque[list[Step[Snapshot]]] = deque()
            seen = set(exploration.numbers)
            for steps in self._differences(machine, exploration):
                self.run = self.run or steps
                if failure := _broken_by(machine, steps):
                    return failure
                beyond.append(steps)
            while beyond and len(seen) < len(exploration.numbers) + BEYOND:
                steps = beyond.popleft()
                key = machine.key(steps[-1].after)
                if key in seen:
                    continue
                seen.add(key)
                for move in machine.moves(steps[-1].after):
                    further = [*steps, machine.take(steps[-1].after, move)]
                    if failure := _broken_by(machine, further):
                        return failure
                    if further[-1].taken:
                        beyond.append(further)
        return None

    def _differences(
        self, machine: ConversationMachine, exploration: Exploration[Snapshot]
    ) -> Iterator[list[Step[Snapshot]]]:
        original, at = ConversationMachine(machine.variant, self._whole), self._mutant.at
        leaves = None if at is None else {leaf for leaf, _ in at}
        told: set[tuple[object, ...]] = set()
        for number, found in enumerate(exploration.found):
            if leaves is not None and found.at.state not in leaves:
                continue
            for move in machine.moves(found.at):
                if at is not None and (found.at.state, move.event) not in at:
                    continue
                then, now = original.take(found.at, move), machine.take(found.at, move)
                if then.effects == now.effects and then.after == now.after:
                    continue
                mark = (found.at.state, move.event, machine.key(now.after), len(now.effects))
                if mark in told:
                    continue
                told.add(mark)
                # The way there may lead over what is broken: it is gone again, and has to end the same.
                steps = retrace(machine, [*exploration.way_to(number), move])
                if steps[-1].before == found.at:
                    yield steps


def _broken_by(machine: ConversationMachine, steps: list[Step[Snapshot]]) -> Failure | None:
    step = steps[-1]
    for claim in PROPERTIES:
        if claim.scope == "step" and (step.taken or claim.dropped) and (complaint := complaint_of(claim, step)):
            return failure_of(Broken(claim.name, claim.sentence, complaint, steps), machine.variant.name, "exploration")
    return None


def _unlike_the_examples(tests: Path | None) -> str:
    """Return the first approved example that ends differently, as the test of them would."""
    path = tests / EXAMPLES if tests is not None else None
    if path is None or not path.exists():
        return ""
    told = differences(read_examples(path))
    return f"{EXAMPLES}: {told[0].splitlines()[0]}" if told else ""


def _failing_test(tests: Path | None) -> str:
    """Return the first fast test that fails now, empty if none does or there are none here."""
    if tests is None:
        return ""
    import pytest

    class Witness:
        failed = ""

        def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
            if report.failed and not self.failed:
                self.failed = report.nodeid

    witness = Witness()
    paths = [str(tests / name) for name in FAST_TESTS if (tests / name).exists()]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        pytest.main(
            ["-x", "-q", "--assert=plain", "-p", "no:cacheprovider", "--rootdir", str(tests), *paths], plugins=[witness]
        )
    return witness.failed


def _broken_overall() -> Failure | None:
    """Return what only the whole of it shows: traps, waiting without end, whole conversations."""
    part = verify_variant(0, walks=WALKS, first_only=True)
    return part.failures[0] if part.failures else None


def _tests() -> Path | None:
    home = Path(__file__).resolve().parents[2]
    return home if (home / "tests" / "charts").is_dir() else None
