"""What is read of a chart: states, edges, guards, timers, effects."""

from __future__ import annotations

import dataclasses
from typing import get_args

import msgspec
from statemachine import State, StateChart

from diagrams.exports import json_text
from diagrams.extract import GUIDE_EDGES, Knowledge, conversation_model, extract
from diagrams.model import ChartModel
from statecharts.conversation import ConversationChart
from statecharts.effects import Drop, Effect, Playout, SetMicGate, Speak, StartTimer, StateChanged
from statecharts.exploration import explore
from statecharts.machine import Step
from statecharts.possibilities import ConversationMachine
from statecharts.stepping import TABLE, Snapshot
from statecharts.timers import DEADLINES, TIMERS

RUNNERS = (Drop, StateChanged, SetMicGate)
"""Effects that whoever runs the chart adds, whatever the action."""
SITUATIONS = 700
"""Enough for every kind of effect, in a second; there are some two thousand."""


def test_every_declared_state_and_edge_is_in_the_model() -> None:
    model = conversation_model()
    declared = [state for outer in ConversationChart.states for state in (outer, *outer.states)]
    assert [state.path for state in model.all_states] == [
        f"{state.parent.id}.{state.id}" if state.parent else state.id for state in declared
    ]
    assert [str(edge) for edge in model.edges] == [str(edge) for edge in TABLE.declaration.edges]


def test_the_guides_edges_are_all_there_and_told_apart() -> None:
    outer = {
        (edge.source.split(".")[0], edge.target.split(".")[0]): edge.ours
        for edge in conversation_model().edges
        if edge.target is not None
    }
    assert {pair for pair, ours in outer.items() if not ours and pair[0] != pair[1]} == GUIDE_EDGES
    assert outer["INTERRUPT", "SPEAKING"]


def test_every_waiting_substate_has_a_deadline_and_every_timer_its_seconds() -> None:
    model = conversation_model()
    assert {leaf.path for leaf in model.leaves if leaf.deadlines} == set(DEADLINES)
    assert set(model.timers) == set(TIMERS)
    assert all(model.timers[name] > 0 for leaf in model.leaves for name in leaf.deadlines)


def test_every_guard_and_action_says_what_it_is_about() -> None:
    model = conversation_model()
    assert [name for name, meaning in model.guards.items() if not meaning] == []
    assert [name for name, action in model.actions.items() if not action.meaning] == []


def test_the_effects_of_an_action_are_read_from_its_source() -> None:
    actions = conversation_model().actions
    assert "Playout duck" in actions["duck"].effects
    assert {"RequestIntent", "RequestAnswer", "StartTimer answer_deadline"} <= set(actions["begin_turn"].effects)
    assert actions["count_words"].effects == []
    # Through another part, with what it was told: `stop_speech(..., withdrawn=False)` takes nothing back.
    assert "Withdrawn" in actions["take_floor"].effects
    assert "Withdrawn" not in actions["interrupt_speech"].effects


def test_nothing_is_ever_asked_for_that_the_model_does_not_know() -> None:
    model = conversation_model()
    edges = {str(edge): edge for edge in model.edges}
    passing = {name for state in model.all_states for name in (*state.enter, *state.leave)}
    passed = {effect for name in passing for effect in model.actions[name].effects}
    unknown, seen = set(), set()

    def watch(step: Step[Snapshot], number: int) -> bool:
        may = passed | {effect for edge in step.taken for effect in edges[str(edge)].effects}
        for effect in step.effects:
            name = _told(effect)
            seen.add(name)
            if not isinstance(effect, RUNNERS) and name not in may and type(effect).__name__ not in may:
                unknown.add((str(step), name))
        return number < SITUATIONS

    explore(ConversationMachine(), watch)
    assert unknown == set()
    assert {"Playout duck", "Playout pause", "Speak answer", "Speak text", "TurnEnded", "Withdrawn"} <= seen


def _told(effect: object) -> str:
    match effect:
        case Speak(again=True, medium=medium):  # whatever it is that failed
            return f"Speak {medium}"
        case StartTimer(name=argument) | Playout(action=argument) | Speak(kind=argument):
            return f"{type(effect).__name__} {argument}"
    name = type(effect).__name__
    return f"{name} {effect.name}" if name == "CancelTimer" else name  # type: ignore[attr-defined]  # just told apart


def test_the_json_is_the_model() -> None:
    model = conversation_model()
    assert msgspec.json.decode(json_text(model), type=ChartModel) == model


def test_hanging_up_is_known_to_be_the_same_everywhere() -> None:
    shared = conversation_model().shared()
    assert [{edge.trigger for edge in edges} for edges in shared] == [{"session_ended"}]
    assert {edge.source.split(".")[0] for edge in shared[0]} == {state.path for state in conversation_model().states}


@dataclasses.dataclass
class Bell:
    """Ring."""

    name: str


class Part:
    """Guards and actions of the chart below."""

    def __init__(self, rung: list[object]) -> None:
        self.rung = rung

    def ring(self) -> None:
        """Ring twice."""
        for name in ("first", "second"):
            self.rung.append(Bell(name))

    def maybe(self, loud: bool = False) -> None:
        """Ring if it has to be loud."""
        if loud:
            self.rung.append(Bell("loud"))
        else:
            self._quietly("soft")

    def _quietly(self, name: str) -> None:
        self.rung.append(Bell(name))


class Door(StateChart[object]):
    """A flat chart."""

    shut = State("one cannot pass", initial=True)
    ajar = State("one can")

    push = shut.to(ajar, on=["ring", "maybe"])
    pull = ajar.to(shut)

    def on_pull(self) -> None:
        """Found by its name alone."""

    def on_enter_shut(self) -> None:
        """Found by its name alone, too."""


def test_branches_loops_and_names_are_followed_in_any_chart() -> None:
    model = extract(Door, Knowledge(parts=(Part,), effects=(Bell,)))
    assert model.actions["ring"].effects == ["Bell first", "Bell second"]
    assert model.actions["maybe"].effects == ["Bell soft"]
    assert model.edges[0].effects == ["Bell first", "Bell second", "Bell soft"]


def test_actions_that_the_library_finds_by_name_are_drawn_as_well() -> None:
    model = extract(Door, Knowledge(parts=(Part,)))
    assert model.edges[1].actions == ["on_pull"]
    assert model.states[0].enter == ["on_enter_shut"]


def test_the_effects_of_the_conversation_are_all_of_them() -> None:
    known = {effect.split()[0] for action in conversation_model().actions.values() for effect in action.effects}
    assert known | {kind.__name__ for kind in RUNNERS} == {kind.__name__ for kind in get_args(Effect)}
