"""From a declared chart to its model: the class alone is read, nothing is run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from statemachine import State, StateChart
from statemachine.callbacks import CallbackGroup, CallbackSpec
from statemachine.transition import Transition

from diagrams.model import ChartModel, EdgeModel, StateModel
from statecharts.conversation import ConversationChart
from statecharts.policy import Policy
from statecharts.timers import DEADLINES, TIMERS

_Model = TypeVar("_Model")

__all__ = ["GUIDE_EDGES", "conversation_model", "extract"]

GUIDE_EDGES = frozenset(
    {
        ("IDLE", "LISTENING"),
        ("LISTENING", "THINKING"), ("LISTENING", "INTERRUPT"),
        ("THINKING", "SPEAKING"), ("THINKING", "IDLE"),
        ("SPEAKING", "LISTENING"), ("SPEAKING", "INTERRUPT"), ("SPEAKING", "IDLE"),
        ("INTERRUPT", "LISTENING"), ("INTERRUPT", "IDLE"),
    }
)  # fmt: skip
"""The transitions of the guide this chart grew from; all others are ours."""


def conversation_model() -> ChartModel:
    """Return the model of the conversation."""
    timers = {name: float(getattr(Policy(), field)) for name, field in TIMERS.items()}
    return extract(ConversationChart, deadlines=DEADLINES, timers=timers, known_edges=GUIDE_EDGES)


def extract(
    chart: type[StateChart[_Model]],
    *,
    deadlines: Mapping[str, tuple[str, ...]] | None = None,
    timers: Mapping[str, float] | None = None,
    known_edges: Iterable[tuple[str, str]] = (),
) -> ChartModel:
    """Return the model of any declared chart.

    Args:
        chart: The class.
        deadlines: For each path, the timers of which one always runs there.
        timers: Seconds of each timer.
        known_edges: Pairs of outer states whose edges are not ours; all are known if this is empty.
    """
    paths: dict[State, str] = {}
    states = [_state(state, "", paths, deadlines or {}) for state in chart.states]
    known = frozenset(known_edges)
    edges = [
        _edge(transition, paths, known) for state in paths for transition in state.transitions if not transition.initial
    ]
    return ChartModel(name=chart.__name__, states=states, edges=edges, timers=dict(timers or {}))


def _state(state: State, parent: str, paths: dict[State, str], deadlines: Mapping[str, tuple[str, ...]]) -> StateModel:
    path = f"{parent}.{state.id}" if parent else state.id
    paths[state] = path
    return StateModel(
        path=path,
        name=state.id,
        meaning=state.name,
        initial=bool(state.initial),
        final=bool(state.final),
        deadlines=list(deadlines.get(path, ())),
        substates=[_state(substate, path, paths, deadlines) for substate in state.states],
    )


def _edge(transition: Transition, paths: Mapping[State, str], known: frozenset[tuple[str, str]]) -> EdgeModel:
    events = [str(event) for event in transition.events]
    source = paths[transition.source]
    target = paths[transition.target] if transition.target is not None else None
    outer = (source.split(".")[0], (target or source).split(".")[0])
    return EdgeModel(
        trigger=events[-1] if events else "",
        events=events[-1:] + events[:-1],
        source=source,
        target=target,
        guards=[
            str(spec.func) if spec.expected_value else f"not {spec.func}"
            for spec in _specs(transition, CallbackGroup.COND)
        ],
        actions=[str(spec.func) for spec in _specs(transition, CallbackGroup.ON)],
        ours=bool(known) and target is not None and outer[0] != outer[1] and outer not in known,
    )


def _specs(transition: Transition, group: CallbackGroup) -> list[CallbackSpec]:
    # Callbacks found by naming convention (`on_<event>`) are not declared on the edge, so they are not its.
    return [spec for spec in transition._specs if spec.group == group and not spec.is_convention]
