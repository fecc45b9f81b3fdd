"""Random walks: Hypothesis makes runs, properties judge them, and what breaks one is shrunk to its shortest form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from msgspec import Struct, field

from app.verification.wild import CHOICES, follow, long_lists
from statecharts.machine import Machine, S, Step
from statecharts.possibilities import ConversationMachine
from statecharts.proving import Broken, Property, Run, complaint_of
from statecharts.stepping import Snapshot

__all__ = ["Walked", "any_run", "conversation_run", "walk"]


class Walked(Struct, Generic[S]):
    """How far was walked, and what broke on the way."""

    walks: int = 0
    steps: int = 0
    broken: list[Broken[S]] = field(default_factory=list)


class _Found(AssertionError):
    """A walk breaks a property: Hypothesis is to look for a shorter one."""


def conversation_run(machine: ConversationMachine) -> st.SearchStrategy[list[Step[Snapshot]]]:
    """Return random runs of a conversation."""
    return CHOICES.map(lambda choices: follow(machine, choices))


def any_run(machine: Machine[S]) -> st.SearchStrategy[list[Step[S]]]:
    """Return random runs of any chart: one of its possible moves after the other."""

    def follow_any(numbers: list[int]) -> list[Step[S]]:
        at, steps = machine.start(), []
        for number in numbers:
            moves = list(machine.moves(at))
            if not moves:
                break
            steps.append(machine.take(at, moves[number % len(moves)]))
            at = steps[-1].after
        return steps

    return long_lists(st.integers(0, 199)).map(follow_any)


def walk(
    machine: Machine[S],
    runs: st.SearchStrategy[list[Step[S]]],
    properties: Sequence[Property],
    *,
    walks: int,
    progress: Callable[[], None] | None = None,
) -> Walked[S]:
    """Walk at random, the same way each time.

    Args:
        machine: The chart.
        runs: Makes its runs.
        properties: `step` properties are checked at each step, `run` properties at the end; others are left out.
        walks: How many runs are made; more while one is being shrunk.
        progress: Called after each run.
    """
    result: Walked[S] = Walked()
    claims = [claim for claim in properties if claim.scope != "whole"]

    def check(steps: list[Step[S]]) -> None:
        result.walks += 1
        result.steps += len(steps)
        if progress is not None:
            progress()
        for claim in claims:
            if broken := _judged(claim, machine, steps):
                result.broken[-1:] = [broken]
                raise _Found(claim.name)

    # Each time one property breaks, the others are tried without it.
    for _ in range(len(claims) + 1):
        result.broken.append(Broken("", "", ""))
        try:
            settings(
                max_examples=walks, derandomize=True, database=None, deadline=None,
                phases=[Phase.generate, Phase.shrink], suppress_health_check=list(HealthCheck),
            )(given(runs)(check))()  # fmt: skip
        except _Found as found:
            claims = [claim for claim in claims if claim.name != str(found)]
        else:
            result.broken.pop()
            break
    return result


def _judged(claim: Property, machine: Machine[S], steps: list[Step[S]]) -> Broken[S] | None:
    if claim.scope == "run":
        complaint = complaint_of(claim, Run(machine, steps))
        return Broken(claim.name, claim.sentence, complaint, steps) if complaint else None
    for number, step in enumerate(steps, 1):
        if (step.taken or claim.dropped) and (complaint := complaint_of(claim, step)):
            return Broken(claim.name, claim.sentence, complaint, steps[:number])
    return None
