"""Walks every situation a chart can get into, nearest first, so that the way to each is a shortest one.

**The abstraction.** A conversation has infinitely many contexts: times, words, counts. `Machine.key` maps each to the
few facts that any guard or action can tell apart, and of all contexts with the same key the one found first stands
for the rest. For the conversation (`possibilities.abstract`):

- *Times* are kept only as answers to the questions that guards ask of them: is an echo still possible, was the answer
  hardly begun when the caller spoke. Which timers run is kept, not when they are due: any running timer may fire next,
  in any order. The world is less free than that (the one due first mostly fires first), so nothing is missed by it.
- *Words* matter as: none, a backchannel, real ones, too few to interrupt, more than at the last cut.
- *Counts* (turns, pieces, requests, sentences) matter as none, or some. The turn of an answer that was cut is older
  than the current one, or the same.
- *Whose result it is* matters as ours or not ours; not ours is dropped by one rule, in one place.

That situations with equal keys have equal futures is not only argued: random walks take real times, words and counts,
and each place they come to has to be one that was found here.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Hashable
from typing import Generic

from msgspec import Struct, field

from statecharts.machine import Machine, Move, S, Step

__all__ = ["LIMIT", "Exploration", "Found", "TooMany", "explore"]

LIMIT = 200_000
"""Situations after which a chart is taken for an infinite one."""


class TooMany(Exception):
    """The chart has more situations than can be walked: its key tells too much apart."""


class Found(Struct, Generic[S]):
    """A situation, and the first way it was come to."""

    at: S
    parent: int
    """The number of the situation before it; -1 for the start."""
    move: Move | None
    depth: int
    leads_to: set[int] = field(default_factory=set)
    by_time: set[int] = field(default_factory=set)
    """Where it leads when nobody does anything: one number for each timer that may run out next."""


class Exploration(Struct, Generic[S]):
    """All that can happen."""

    found: list[Found[S]] = field(default_factory=list)
    numbers: dict[Hashable, int] = field(default_factory=dict)
    """The number of each situation, by its key."""
    taken: Counter[str] = field(default_factory=Counter)
    """How often each edge was taken, by its text."""
    outcomes: dict[tuple[str, str], str] = field(default_factory=dict)
    """For each pair of a state and an event: `taken`, or why it is always dropped there."""
    steps: int = 0

    @property
    def depth(self) -> int:
        """How many events away the farthest situation is."""
        return max((found.depth for found in self.found), default=0)

    def way_to(self, number: int) -> list[Move]:
        """Return the shortest run of events from the start to a situation."""
        moves: list[Move] = []
        while (move := self.found[number].move) is not None:
            moves.append(move)
            number = self.found[number].parent
        return moves[::-1]


def explore(
    machine: Machine[S],
    watch: Callable[[Step[S], int], bool] | None = None,
    progress: Callable[[int], None] | None = None,
    limit: int = LIMIT,
) -> Exploration[S]:
    """Walk everything.

    Args:
        machine: What to walk.
        watch: Called with each step and the number of the situation it begins in; returns whether to go on.
        progress: Called now and then with the number of situations found.
        limit: How many situations are too many.

    Raises:
        TooMany: There seems to be no end.
    """
    result: Exploration[S] = Exploration()
    start = machine.start()
    result.found.append(Found(start, -1, None, 0))
    result.numbers[machine.key(start)] = 0
    waiting = deque([0])
    while waiting:
        number = waiting.popleft()
        here = result.found[number]
        for move in machine.moves(here.at):
            step = machine.take(here.at, move)
            result.steps += 1
            _account(result, step)
            if step.taken:
                key = machine.key(step.after)
                there = result.numbers.get(key)
                if there is None:
                    there = result.numbers[key] = len(result.found)
                    result.found.append(Found(step.after, number, move, here.depth + 1))
                    waiting.append(there)
                here.leads_to.add(there)
                if move.of_time:
                    here.by_time.add(there)
            if watch is not None and not watch(step, number):
                return result
        if len(result.found) > limit:
            raise TooMany(
                f"more than {limit} situations, and no end in sight: let `key` tell fewer of them apart "
                "(a number that only grows is better left out, or told as none or some)"
            )
        if progress is not None and number % 200 == 0:
            progress(len(result.found))
    return result


def _account(result: Exploration[S], step: Step[S]) -> None:
    pair = (step.before.state, step.move.event)
    if step.taken:
        result.taken.update(map(str, step.taken))
        result.outcomes[pair] = "taken"
    elif pair not in result.outcomes:
        result.outcomes[pair] = str(getattr(step.effects[0], "reason", "dropped")) if step.effects else "dropped"
