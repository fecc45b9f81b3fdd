"""The flat table does what python-statemachine does with the same declaration: everywhere, and along random walks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statemachine import State, StateChart
from statemachine.orderedset import OrderedSet

from app.verification.walks import conversation_run
from statecharts.conversation import PARTS, ConversationChart, whole
from statecharts.events import Event
from statecharts.library import LibraryChart
from statecharts.machine import Step
from statecharts.possibilities import VARIANTS, ConversationMachine, Variant
from statecharts.stepping import Snapshot
from statecharts.table import Table, declared


class Nested(StateChart[object]):
    """What the conversation has no need of, and a table has to do right all the same: actions at every level."""

    allow_event_without_transition = True

    class house(State.Compound):  # noqa: N801 - states are written like this
        class room(State.Compound, initial=True):  # noqa: N801
            bed = State(initial=True)
            desk = State()

        hall = State()

    garden = State()

    rise = house.room.bed.to(house.room.desk)
    leave = whole(house.room).to(house.hall) | house.hall.to(garden, cond="dressed")
    back = garden.to(house.hall, unless="dressed") | whole(house).to(house.hall)
    again = whole(house).to(house, on="tidy") | whole(house.room).to(house.room) | house.room.desk.to(house.room.desk)
    up = house.room.desk.to(house) | house.hall.to(house.room)
    jump = whole(house).to(house.room.desk, on="tidy") | garden.to(house.room.desk)
    look = whole(house.room).to(None, on="tidy") | whole(house).to(None, cond="dressed")


CHARTS: list[type[StateChart[object]]] = [ConversationChart, Nested]


def acted(chart: type[StateChart[object]]) -> set[str]:
    """The actions of a chart: those on its edges, and those on entering and leaving its states."""
    declaration = declared(chart)
    of_places = {name for place in declaration.places for name in (*place.enter, *place.leave)}
    if chart is ConversationChart:
        of_places = {name for name in of_places if any(hasattr(part, name) for part in PARTS)}
    return {action for edge in declaration.edges for action in edge.actions} | of_places


class Recorder:
    """Says of every guard what it is told to, and notes every action, in order."""

    def __init__(self) -> None:
        self.says: dict[str, bool] = {}
        self.done: list[str] = []


def recorder_of(chart: type[StateChart[object]]) -> type[Recorder]:
    """A part with all guards and actions of a chart."""
    guards = {guard.name for edge in declared(chart).edges for guard in edge.guards}
    methods: dict[str, object] = {name: _guard(name) for name in guards} | {
        name: _action(name) for name in acted(chart)
    }
    return type("RecorderOfAll", (Recorder,), methods)


def _guard(name: str) -> Callable[[Recorder], bool]:
    return lambda recorder: recorder.says.get(name, False)


def _action(name: str) -> Callable[[Recorder], None]:
    return lambda recorder: recorder.done.append(name)


class Place:
    """Where the library keeps its configuration."""

    state: object = None


def valuations(table: Table, leaf: str, event: str) -> Iterator[dict[str, bool]]:
    """Every way in which the guards of an event in a leaf can agree and disagree."""
    names = sorted({call.name for row in table.candidates(leaf, event) for call, _ in row.guards})
    for values in product((False, True), repeat=len(names)):
        yield dict(zip(names, values, strict=True))


@pytest.mark.parametrize(("chart", "leaf"), [(chart, leaf) for chart in CHARTS for leaf in declared(chart).leaves])
def test_table_and_library_take_the_same_edge_for_every_event_and_every_answer_of_the_guards(
    chart: type[StateChart[object]], leaf: str
) -> None:
    part = recorder_of(chart)
    table, recorder, place = Table(declared(chart), [part]), part(), Place()
    place.state = OrderedSet(leaf.split("."))
    library = chart(place, listeners=[recorder])
    for event in [*table.declaration.events, "no_such_event"]:
        for says in valuations(table, leaf, event):
            recorder.says, recorder.done = says, []
            place.state = OrderedSet(leaf.split("."))
            library.send(event)
            by_library = recorder.done, ".".join(str(value) for value in library.configuration_values)
            recorder.done, after = [], leaf
            row = next((row for row in table.candidates(leaf, event) if row.allows([recorder], None, None)), None)
            if row is not None:
                for call in (*row.leaving, *row.entering):
                    call([recorder], None, None)
                after = row.target or leaf
            assert (recorder.done, after) == by_library, f"{event} in {leaf} where {says}"


WALKS = st.one_of(
    *(st.tuples(st.just(variant), conversation_run(ConversationMachine(variant))) for variant in VARIANTS)
)


@given(WALKS)
def test_table_and_library_do_the_same_along_any_walk(walk: tuple[Variant, list[Step[Snapshot]]]) -> None:
    variant, steps = walk
    library = LibraryChart(variant.policy, variant.phrases, ConversationMachine(variant).start())
    for step in steps:
        assert isinstance(step.move.fact, Event)
        assert library.step(step.move.fact) == step.effects
        assert library.taken == step.taken
        assert msgspec.json.encode(library.snapshot()) == msgspec.json.encode(step.after)


class Parallel(StateChart[object]):
    """What a table cannot hold."""

    class both(State.Parallel):  # noqa: N801 - states are written like this
        class one(State.Compound):  # noqa: N801
            a = State(initial=True)
            b = State()
            go = a.to(b)

        class two(State.Compound):  # noqa: N801
            c = State(initial=True)
            d = State()
            come = c.to(d)


class Unasked(StateChart[object]):
    """An edge without an event."""

    ajar = State(initial=True)
    shut = State()
    ajar.to(shut, cond="strong")
    pull = shut.to(ajar)

    def strong(self) -> bool:
        return False


class Named(StateChart[object]):
    """An edge with a guard that no part has."""

    ajar = State(initial=True)
    shut = State()
    push = ajar.to(shut, cond="strong")
    pull = shut.to(ajar)


class Demanding:
    """A part whose guard asks for what a table does not give."""

    def strong(self, wind: object) -> bool:
        return bool(wind)


def test_what_a_table_cannot_hold_is_refused_when_it_is_made() -> None:
    with pytest.raises(ValueError, match="parallel"):
        declared(Parallel)
    with pytest.raises(ValueError, match="ajar has no event"):
        declared(Unasked)
    with pytest.raises(ValueError, match="exactly one part"):
        Table(declared(Named), [])
    with pytest.raises(ValueError, match="exactly one part"):
        Table(declared(Named), [Demanding, Demanding])
    with pytest.raises(ValueError, match="wind"):
        Table(declared(Named), [Demanding])
