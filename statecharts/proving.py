"""Properties: sentences about a chart that hold, or are broken by a run of events that can be shown.

A property is a function with one sentence for a docstring, marked with what it is about:

    @always                     # one step that an event leads to: checked everywhere, nearest first
    def never_moves_with_open_doors(step):
        '''The car never moves with its doors open.'''
        return not (step.after.state == "moving" and step.after.memory["doors_open"])

    @along                      # a whole run, from the start: checked along random ones
    @overall                    # everything that can happen at once: dead ends, edges never taken

It returns whether it holds, or, if it does not, what is wrong in words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, Literal, TypeVar, overload

from msgspec import Struct, field

from statecharts.exploration import LIMIT, Exploration, explore
from statecharts.machine import Machine, Move, S, Step

__all__ = [
    "Broken",
    "Finding",
    "Proof",
    "Property",
    "Run",
    "Verdict",
    "along",
    "always",
    "complaint_of",
    "overall",
    "properties_of",
    "prove",
    "retrace",
]

Verdict = bool | str | None
"""True or nothing: it holds. False, or a sentence: it does not."""

_Check = TypeVar("_Check", bound=Callable[..., object])
Scope = Literal["step", "run", "whole"]


class Property(Struct, frozen=True):
    """A sentence about a chart, and how to see whether it is true."""

    name: str
    sentence: str
    scope: Scope
    """What `check` is given: a `Step`, a `Run`, or an `Exploration` and its `Machine`."""
    check: Callable[..., Any]
    dropped: bool = False
    """Whether a `step` property is also about events that lead nowhere; they leave all as it is, so most are not."""
    concerns: tuple[str, ...] = ()
    """Patterns (`fnmatch`) of the states, events, guards, actions and timers it is about; empty: all."""


class Run(Struct, Generic[S]):
    """A run of events from the start, and the machine that ran it."""

    machine: Machine[S]
    steps: Sequence[Step[S]]


class Finding(Struct, frozen=True):
    """What an `overall` property found, and the number of the situation in which it shows, if in one."""

    complaint: str
    situation: int | None = None


class Broken(Struct, Generic[S]):
    """A property that does not hold, and the run of events that shows it."""

    name: str
    sentence: str
    complaint: str
    run: list[Step[S]] = field(default_factory=list)
    """From the start to the step that breaks it, by the shortest way."""
    variant: str = ""
    """Under which rules."""


class Proof(Struct, Generic[S]):
    """Everything that can happen, and what was found wrong with it."""

    exploration: Exploration[S]
    broken: list[Broken[S]] = field(default_factory=list)


@overload
def always(check: _Check) -> Property: ...
@overload
def always(*, dropped: bool = False, concerns: Iterable[str] = ()) -> Callable[[_Check], Property]: ...
def always(
    check: _Check | None = None, *, dropped: bool = False, concerns: Iterable[str] = ()
) -> Property | Callable[[_Check], Property]:
    """Mark a property of every step: `check(step) -> Verdict`; with `dropped`, also of those that lead nowhere."""
    return _marked("step", check, concerns, dropped)


@overload
def along(check: _Check) -> Property: ...
@overload
def along(*, concerns: Iterable[str] = ()) -> Callable[[_Check], Property]: ...
def along(check: _Check | None = None, *, concerns: Iterable[str] = ()) -> Property | Callable[[_Check], Property]:
    """Mark a property of a whole run from the start: `check(run) -> Verdict`."""
    return _marked("run", check, concerns)


@overload
def overall(check: _Check) -> Property: ...
@overload
def overall(*, concerns: Iterable[str] = ()) -> Callable[[_Check], Property]: ...
def overall(check: _Check | None = None, *, concerns: Iterable[str] = ()) -> Property | Callable[[_Check], Property]:
    """Mark a property of everything that can happen: `check(exploration, machine) -> Iterable[Finding]`."""
    return _marked("whole", check, concerns)


def properties_of(names: Mapping[str, object]) -> list[Property]:
    """Return the properties among a module's names (`vars(module)`), in their order."""
    return [value for value in names.values() if isinstance(value, Property)]


def complaint_of(claim: Property, *given: object) -> str:
    """Return what is wrong by this property; empty if nothing is. One that raises is broken by that."""
    try:
        verdict = claim.check(*given)
    except Exception as error:  # noqa: BLE001 - whatever a user's property raises is told, not thrown at them
        return f"the property itself raises {type(error).__name__}: {error}"
    if verdict is None or verdict is True:
        return ""
    return verdict if isinstance(verdict, str) else claim.sentence


def prove(
    machine: Machine[S],
    properties: Sequence[Property],
    *,
    progress: Callable[[int], None] | None = None,
    first_only: bool = False,
    limit: int = LIMIT,
) -> Proof[S]:
    """Walk everything that can happen, and hold each property to it.

    Args:
        machine: The chart.
        properties: `step` properties are checked at every step, `whole` ones at the end; others are left out.
        progress: Told now and then how many situations were found.
        first_only: Stop at the first broken property.
        limit: How many situations are too many.

    Raises:
        TooMany: The chart has no end of situations.
    """
    open_ = [claim for claim in properties if claim.scope == "step"]
    of_dropped = [claim for claim in open_ if claim.dropped]
    proof: Proof[S] = Proof(Exploration())
    failed: list[tuple[Property, str, Move, int]] = []

    def watch(step: Step[S], number: int) -> bool:
        for claim in tuple(open_) if step.taken else tuple(of_dropped):
            if complaint := complaint_of(claim, step):
                for some in (open_, of_dropped):
                    if claim in some:
                        some.remove(claim)
                failed.append((claim, complaint, step.move, number))
        return not (first_only and failed)

    proof.exploration = exploration = explore(machine, watch, progress, limit)
    for claim, complaint, move, number in failed:
        run = retrace(machine, [*exploration.way_to(number), move])
        proof.broken.append(Broken(claim.name, claim.sentence, complaint, run))
    if not (first_only and proof.broken):
        proof.broken += _of_the_whole(machine, [claim for claim in properties if claim.scope == "whole"], exploration)
    return proof


def retrace(machine: Machine[S], moves: Iterable[Move]) -> list[Step[S]]:
    """Return the steps of a run of moves from the start."""
    at, steps = machine.start(), []
    for move in moves:
        steps.append(machine.take(at, move))
        at = steps[-1].after
    return steps


def _of_the_whole(machine: Machine[S], properties: Iterable[Property], exploration: Exploration[S]) -> list[Broken[S]]:
    broken: list[Broken[S]] = []
    for claim in properties:
        try:
            findings = list(claim.check(exploration, machine))
        except Exception as error:  # noqa: BLE001 - as in `complaint_of`
            findings = [Finding(f"the property itself raises {type(error).__name__}: {error}")]
        for finding in findings:
            way = [] if finding.situation is None else exploration.way_to(finding.situation)
            broken.append(Broken(claim.name, claim.sentence, finding.complaint, retrace(machine, way)))
    return broken


def _marked(
    scope: Scope, check: _Check | None, concerns: Iterable[str], dropped: bool = False
) -> Property | Callable[[_Check], Property]:
    def mark(function: _Check) -> Property:
        sentence = (function.__doc__ or "").strip().split("\n")[0]
        name = str(getattr(function, "__name__", ""))
        if not sentence:
            raise ValueError(f"the property {name!r} needs a docstring: one sentence that says what always holds")
        return Property(name, sentence, scope, function, dropped, tuple(concerns))

    return mark if check is None else mark(check)
