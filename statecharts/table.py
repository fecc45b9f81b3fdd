"""The declared chart as a flat table: what each event may do in each place, ready to be run in microseconds.

The chart's class stays the only place where transitions are written, and python-statemachine defines what they mean;
a step of the library costs 0.2 ms, though, most of it in matching arguments to callbacks by name. `declared` reads the
class once, `Table` resolves it, and `tests/charts/test_table.py` holds the two engines equal: for every place and
event, and along random walks.

Taken: compound states, edges with any number of events, `cond`, `unless`, `on`, and the entry and exit actions that
the library finds by their names. Everything else that it can do (parallel regions, history, edges without an event,
ends inside of a state, boolean expressions, coroutines) is refused when the table is made, not when it is run.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from msgspec import Struct
from statemachine import State, StateChart
from statemachine.callbacks import CallbackGroup, CallbackSpec
from statemachine.transition import Transition

__all__ = ["Call", "Declaration", "Edge", "Guard", "Place", "Row", "Table", "declared", "edges"]

_Model = TypeVar("_Model")
_SUPPORTED = {CallbackGroup.ON, CallbackGroup.COND, CallbackGroup.ENTER, CallbackGroup.EXIT}


class Guard(Struct, frozen=True):
    """A condition of an edge, and what it has to be."""

    name: str
    expected: bool = True

    def __str__(self) -> str:
        return self.name if self.expected else f"not {self.name}"


class Edge(Struct, frozen=True):
    """One declared transition, as a value."""

    trigger: str
    """The edge's own name: what clients are told."""
    events: tuple[str, ...]
    """All events it is taken on."""
    source: str
    target: str | None
    """`None`: what is remembered changes, not the state."""
    guards: tuple[Guard, ...] = ()
    actions: tuple[str, ...] = ()

    def __str__(self) -> str:
        guards = f" [{' and '.join(map(str, self.guards))}]" if self.guards else ""
        events = "" if self.events == (self.trigger,) else f" ({', '.join(self.events)})"
        return f"{self.source} → {self.target or self.source}: {self.trigger}{events}{guards}"


class Place(Struct, frozen=True):
    """A state or a substate, by its path: `SPEAKING`, `SPEAKING.streaming`."""

    path: str
    initial: str = ""
    """The path of the substate in which one is on entering; empty for a leaf."""
    enter: tuple[str, ...] = ()
    """Names of the entry actions that are called here, if some part has them."""
    leave: tuple[str, ...] = ()


class Declaration(Struct, frozen=True):
    """A chart as declared: its places and its edges, each in the order of the document."""

    name: str
    places: tuple[Place, ...]
    edges: tuple[Edge, ...]
    start: str
    """The leaf in which a new chart is."""

    @property
    def leaves(self) -> list[str]:
        """The places in which the chart can be."""
        return [place.path for place in self.places if not place.initial]

    @property
    def events(self) -> list[str]:
        """Every event that some edge is taken on, in the order of the alphabet."""
        return sorted({event for edge in self.edges for event in edge.events})


class Call(Struct, frozen=True):
    """A method of one of the parts."""

    name: str
    part: int
    """Which part, by its number."""
    function: Callable[..., object]
    arguments: tuple[str, ...]
    """Of `machine` and `fact`, those it takes, in its own order."""

    def __call__(self, parts: Sequence[object], machine: object, fact: object) -> object:
        """Call the method of that part."""
        arguments = self.arguments
        if not arguments:
            return self.function(parts[self.part])
        if arguments == ("fact",):
            return self.function(parts[self.part], fact)
        return self.function(parts[self.part], *(machine if name == "machine" else fact for name in arguments))


class Row(Struct, frozen=True):
    """An edge as seen from one leaf: everything that happens when it is taken there."""

    edge: Edge
    guards: tuple[tuple[Call, bool], ...]
    leaving: tuple[Call, ...]
    """Exit actions from the inside out, then the edge's own."""
    target: str
    """The leaf afterwards; empty if the state does not change."""
    entering: tuple[Call, ...]
    """Entry actions from the outside in."""

    def allows(self, parts: Sequence[object], machine: object, fact: object) -> bool:
        """Return whether all guards agree."""
        for call, expected in self.guards:  # noqa: SIM110 - a generator costs as much as the guards
            if bool(call(parts, machine, fact)) != expected:
                return False
        return True


class Table:
    """The rows that fit each event at each leaf, in the order in which they are tried."""

    def __init__(
        self,
        declaration: Declaration,
        parts: Sequence[type[object]],
        replaced: Mapping[str, Callable[..., object]] | None = None,
    ) -> None:
        """Resolve a declaration.

        Args:
            declaration: What the class says.
            parts: The classes whose methods are its guards and actions, as the library is given their instances.
            replaced: Methods to call instead of those of the same name; for trying out what a broken one does.

        Raises:
            ValueError: A guard or an action that no part has, or that two parts have.
        """
        self.declaration = declaration
        self._parts = parts
        self._replaced = replaced or {}
        self._places = {place.path: place for place in declaration.places}
        self._rows: dict[str, dict[str, tuple[Row, ...]]] = {}
        for leaf in declaration.leaves:
            rows: dict[str, tuple[Row, ...]] = {}
            for source in reversed(_line(leaf)):  # inner states before outer ones
                for edge in declaration.edges:
                    if edge.source == source:
                        row = self._row(edge, leaf)
                        rows |= {event: (*rows.get(event, ()), row) for event in edge.events}
            self._rows[leaf] = rows

    def candidates(self, leaf: str, event: str) -> tuple[Row, ...]:
        """Return the rows that an event is tried on, in that order; the first whose guards agree is taken."""
        return self._rows[leaf].get(event, ())

    def _row(self, edge: Edge, leaf: str) -> Row:
        own = tuple(self._call(name) for name in edge.actions)
        guards = tuple((self._call(guard.name), guard.expected) for guard in edge.guards)
        if edge.target is None:
            return Row(edge, guards, own, "", ())
        domain = _common(edge.source, edge.target)
        target = edge.target
        while self._places[target].initial:
            target = self._places[target].initial
        left = [path for path in reversed(_line(leaf)) if path not in _line(domain)]
        entered = [path for path in _line(target) if path not in _line(domain)]
        leaving = tuple(call for path in left for call in self._calls(self._places[path].leave))
        entering = tuple(call for path in entered for call in self._calls(self._places[path].enter))
        return Row(edge, guards, leaving + own, target, entering)

    def _calls(self, names: tuple[str, ...]) -> list[Call]:
        return [self._call(name) for name in names if any(hasattr(part, name) for part in self._parts)]

    def _call(self, name: str) -> Call:
        owners = [index for index, part in enumerate(self._parts) if hasattr(part, name)]
        if len(owners) != 1:
            raise ValueError(f"{name!r} must be a method of exactly one part, and is one of {len(owners)}")
        function = getattr(self._parts[owners[0]], name)
        arguments = tuple(list(inspect.signature(function).parameters)[1:])
        if not set(arguments) <= {"machine", "fact"}:
            raise ValueError(f"{name!r} takes {arguments}; an action or a guard takes `machine` and `fact` at most")
        return Call(name, owners[0], self._replaced.get(name, function), arguments)


def declared(chart: type[StateChart[_Model]]) -> Declaration:
    """Return what a chart's class declares; nothing of it is run.

    Raises:
        ValueError: It declares something that a table cannot hold.
    """
    places = _places(chart)
    for state, place in places.items():
        if state.parallel or state.history or (state.final and "." in place.path):
            raise ValueError(f"{place.path} is parallel, an inner end or has a history: a table cannot hold it")
        for transition in state.transitions:
            if transition.initial:
                continue
            if not list(transition.events):
                raise ValueError(f"an edge of {place.path} has no event: a table cannot hold it")
            odd = [spec for spec in _written(transition) if not _tabular(spec)]
            if odd or len(transition.targets) > 1:
                raise ValueError(f"an edge of {place.path} has more than guards and actions: {odd}")
    start = next(place.path for state, place in places.items() if state.initial)
    by_path = {place.path: place for place in places.values()}
    while by_path[start].initial:
        start = by_path[start].initial
    return Declaration(chart.__name__, tuple(places.values()), tuple(edges(chart).values()), start)


def edges(chart: type[StateChart[_Model]]) -> dict[Transition, Edge]:
    """Return each declared transition with its value, in the order of the document."""
    places = _places(chart)
    return {
        transition: _edge(transition, places)
        for state in places
        for transition in state.transitions
        if not transition.initial
    }


def _places(chart: type[StateChart[_Model]]) -> dict[State, Place]:
    places: dict[State, Place] = {}
    for state in chart.states:
        _place(state, "", places)
    return places


def _place(state: State, parent: str, places: dict[State, Place]) -> None:
    path = f"{parent}.{state.id}" if parent else state.id
    inner = next((f"{path}.{sub.id}" for sub in state.states if sub.initial), "")
    places[state] = Place(path, inner, _names(state.enter, CallbackGroup.ENTER), _names(state.exit, CallbackGroup.EXIT))
    for sub in state.states:
        _place(sub, path, places)


def _edge(transition: Transition, places: Mapping[State, Place]) -> Edge:
    events = [str(event) for event in transition.events]
    specs = _written(transition)
    return Edge(
        trigger=events[-1] if events else "",
        events=tuple(events[-1:] + events[:-1]),
        source=places[transition.source].path,
        target=places[transition.target].path if transition.target is not None else None,
        guards=tuple(
            Guard(_name(spec), bool(spec.expected_value)) for spec in specs if spec.group == CallbackGroup.COND
        ),
        actions=tuple(_name(spec) for spec in specs if spec.group == CallbackGroup.ON),
    )


def _written(transition: Transition) -> list[CallbackSpec]:
    """Return what is written on the edge itself, without what the library finds by its name."""
    return [spec for spec in transition._specs if not spec.is_convention]


def _tabular(spec: CallbackSpec) -> bool:
    return spec.group in _SUPPORTED and str(spec.func).isidentifier()


def _name(spec: CallbackSpec) -> str:
    return str(getattr(spec.func, "__name__", spec.func))


def _names(specs: Iterable[CallbackSpec], group: CallbackGroup) -> tuple[str, ...]:
    return tuple(str(spec.func) for spec in specs if spec.group == group)


def _line(path: str) -> list[str]:
    """Return a place with all that it lies in, outermost first."""
    names = path.split(".") if path else []
    return [".".join(names[: length + 1]) for length in range(len(names))]


def _common(source: str, target: str) -> str:
    """Return the innermost place that both lie properly in (SCXML, "least common compound ancestor")."""
    shared = [path for path in _line(source)[:-1] if path in _line(target)[:-1]]
    return shared[-1] if shared else ""
