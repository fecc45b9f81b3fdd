"""Any chart of python-statemachine as a `Machine`: run by the library itself, one copy a situation.

For charts that are small: a step costs about a millisecond. The chart keeps what it remembers in public attributes of
its own (`self.doors_open`); states and those attributes together are its situation. What it asks for it returns from a
method `take_effects()`, once; a chart without one is asked only what the actions of its edges return.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from copy import deepcopy
from typing import Any, TypeAlias

from msgspec import Struct
from statemachine import State, StateChart
from statemachine.transition import Transition

from statecharts.machine import Move, Step
from statecharts.table import Edge, edges

__all__ = ["MOST_SITUATIONS", "ChartAt", "ChartMachine"]

MOST_SITUATIONS = 20_000
"""What can be walked in minutes at the library's pace."""
REMEMBERED_STEPS = 50_000

AnyChart: TypeAlias = StateChart[Any]


class ChartAt(Struct, frozen=True):
    """A chart at one moment: read it, do not send it anything."""

    state: str
    chart: Any
    """The chart itself, of whatever class it is: properties read its attributes."""


class _Witness:
    """Notes the transitions that are taken."""

    def __init__(self) -> None:
        self.taken: list[Transition] = []

    def after_transition(self, transition: Transition) -> None:
        self.taken.append(transition)


class ChartMachine:
    """A chart of somebody else's.

    Args:
        chart: The class; made without arguments.
        moves: Returns what may happen next to a chart, with examples of what comes with it (`Move(event, {"code": 1})`,
            `of_time=True` for a timer); by default each of its events, with what the class attribute `EXAMPLES` has for
            it (a list of keyword arguments an event), those named in `TIMERS` as timers.
        key: Returns what distinguishes a chart's memory from others; by default all its public attributes.
    """

    def __init__(
        self,
        chart: type[AnyChart],
        moves: Callable[[AnyChart], Iterable[Move]] | None = None,
        key: Callable[[AnyChart], Hashable] | None = None,
    ) -> None:
        self._chart = chart
        self._moves = moves
        self._key = key
        self._edges = edges(chart)
        self._paths = {state: path for top in chart.states for state, path in _paths(top, "")}
        self._library = set(vars(_Plain()))
        self._own_moves = list(_own_moves(chart, {event for edge in self._edges.values() for event in edge.events}))
        self._taken: dict[Hashable, Step[ChartAt]] = {}

    def start(self) -> ChartAt:
        """Return a new chart."""
        return self._at(self._chart())

    def moves(self, at: ChartAt) -> Iterable[Move]:
        """Return what may happen next."""
        return self._moves(at.chart) if self._moves is not None else self._own_moves

    def take(self, at: ChartAt, move: Move) -> Step[ChartAt]:
        """Return what an event does; effects are what `take_effects()` gives, or what the edges' actions return."""
        # The library takes a millisecond; what a chart does is the same wherever all it remembers is the same.
        known = at.state, self._memory(at.chart), move.event, repr(move.fact)
        if known not in self._taken:
            if len(self._taken) >= REMEMBERED_STEPS:
                self._taken.clear()
            self._taken[known] = self._take(at, move)
        return self._taken[known]

    def _take(self, at: ChartAt, move: Move) -> Step[ChartAt]:
        chart, witness = deepcopy(at.chart), _Witness()
        chart.add_listener(witness)
        given = move.fact if isinstance(move.fact, dict) else {}
        result = chart.send(move.event, **given)
        if hasattr(chart, "take_effects"):  # the library keeps to itself what entering and leaving a state returns
            effects = list(chart.take_effects())
        else:
            effects = result if isinstance(result, list) else [] if result is None else [result]
        chart._listeners.pop(id(witness), None)
        return Step(at, move, self._at(chart), effects, [self._edges[transition] for transition in witness.taken])

    def key(self, at: ChartAt) -> Hashable:
        """Return the states and what is remembered."""
        return at.state, self._key(at.chart) if self._key is not None else self._memory(at.chart)

    def leaves(self) -> Sequence[str]:
        """Return every state in which the chart can be."""
        return [path for state, path in self._paths.items() if not state.states]

    def ends(self) -> Collection[str]:
        """Return the final states."""
        return [path for state, path in self._paths.items() if state.final]

    def edges(self) -> Sequence[Edge]:
        """Return every declared edge."""
        return list(self._edges.values())

    def _at(self, chart: AnyChart) -> ChartAt:
        values = chart.configuration_values
        active = [path for state, path in self._paths.items() if not state.states and state.value in values]
        return ChartAt("+".join(active), chart)

    def _memory(self, chart: AnyChart) -> Hashable:
        own = {name: value for name, value in vars(chart).items() if name not in self._library}
        return tuple((name, repr(value)) for name, value in sorted(own.items()) if not _of_the_library(name, value))


class _Plain(StateChart[Any]):
    here = State(initial=True)
    there = State()
    go = here.to(there) | there.to(here)


def _own_moves(chart: type[AnyChart], events: Iterable[str]) -> Iterable[Move]:
    examples, timers = getattr(chart, "EXAMPLES", {}), getattr(chart, "TIMERS", {})
    for event in sorted(events):
        for given in examples.get(event, ({},)):
            yield Move(event, dict(given) or None, of_time=event in timers)


def _of_the_library(name: str, value: object) -> bool:
    return name.startswith("_") or type(value).__module__.startswith("statemachine.")


def _paths(state: State, parent: str) -> Iterable[tuple[State, str]]:
    path = f"{parent}.{state.id}" if parent else state.id
    yield state, path
    for inner in state.states:
        yield from _paths(inner, path)
