"""Runs many seeds, on all the cores there are, and adds up what came of them."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from msgspec import Struct, field

from app.simulation.planted import PLANTS
from app.simulation.story import story_of
from app.simulation.world import simulate

__all__ = ["Failing", "Tally", "run_seeds"]

AT_ONCE = 25
"""Seeds that a process runs before it tells of them."""


class Failing(Struct, frozen=True):
    """A seed that breaks a rule."""

    seed: int
    rules: list[str]
    story: list[str]
    command: str


class Tally(Struct, kw_only=True):
    """What came of many seeds."""

    seeds: int = 0
    facts: int = 0
    virtual_s: float = 0.0
    cpu_s: float = 0.0
    """Of the processes that ran them, all added up."""
    faults: dict[str, int] = field(default_factory=dict)
    turns: dict[str, int] = field(default_factory=dict)
    """How the callers' turns ended."""
    failing: list[Failing] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Count another one's as ours."""
        self.seeds += other.seeds
        self.facts += other.facts
        self.virtual_s = round(self.virtual_s + other.virtual_s, 3)
        self.cpu_s += other.cpu_s
        self.faults = dict(Counter(self.faults) + Counter(other.faults))
        self.turns = dict(Counter(self.turns) + Counter(other.turns))
        self.failing = sorted(self.failing + other.failing, key=lambda failing: failing.seed)


def run_seeds(first: int, seeds: int, *, jobs: int, plant: str, progress: Callable[[Tally], None]) -> Tally:
    """Run so many seeds from the first on.

    Args:
        first: The first seed.
        seeds: How many.
        jobs: Processes to run them in.
        plant: Name of a planted fault; empty for none.
        progress: Told now and then what came of those that are done.
    """
    tally = Tally()
    chunks = [(at, min(AT_ONCE, first + seeds - at), plant) for at in range(first, first + seeds, AT_ONCE)]
    for part in _run(chunks, jobs):
        tally.add(part)
        progress(tally)
    return tally


def _run(chunks: list[tuple[int, int, str]], jobs: int) -> Iterator[Tally]:
    if jobs == 1 or len(chunks) == 1:
        yield from map(_chunk, chunks)
        return
    with multiprocessing.get_context("fork").Pool(min(jobs, len(chunks))) as pool:
        yield from pool.imap_unordered(_chunk, chunks)


def _chunk(chunk: tuple[int, int, str]) -> Tally:
    first, seeds, plant = chunk
    began = time.process_time()
    with _collecting_by_hand():
        tally = _tally(range(first, first + seeds), plant)
    tally.cpu_s = time.process_time() - began
    return tally


@contextlib.contextmanager
def _collecting_by_hand() -> Iterator[None]:
    """Collect cycles when we say so only: between two runs, when all that a run has made is garbage, and young."""
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


def _tally(seeds: Iterable[int], plant: str) -> Tally:
    tally = Tally()
    faults: Counter[str] = Counter()
    turns: Counter[str] = Counter()
    for seed in seeds:
        outcome = simulate(seed, PLANTS[plant] if plant else None)
        tally.seeds += 1
        tally.facts += outcome.facts
        tally.virtual_s += outcome.virtual_s
        faults.update(outcome.faults)
        turns.update(outcome.endings)
        if outcome.violations:
            command = f"./run simulate --seed {seed} --seeds 1{f' --plant {plant}' if plant else ''}"
            rules = list(dict.fromkeys(violation.rule for violation in outcome.violations))
            tally.failing.append(Failing(seed, rules, story_of(outcome, command), command))
        del outcome
        gc.collect(0)
    tally.faults, tally.turns = dict(faults), dict(turns)
    return tally
