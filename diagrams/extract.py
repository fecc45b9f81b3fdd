"""From a declared chart to its model: the class and the source of its actions are read, nothing is run."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TypeVar, get_args

from msgspec import Struct
from statemachine import State, StateChart
from statemachine.transition import Transition

from diagrams.emissions import effects_of
from diagrams.model import ActionModel, ChartModel, EdgeModel, StateModel
from statecharts import conversation, table
from statecharts.effects import Effect
from statecharts.policy import Policy
from statecharts.timers import DEADLINES, TIMERS

__all__ = ["GUIDE_EDGES", "Knowledge", "conversation_model", "extract", "knowledge_of"]

_Model = TypeVar("_Model")

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


class Knowledge(Struct, frozen=True, kw_only=True):
    """What a chart's class alone does not say."""

    parts: Sequence[type[object]] = ()
    """The classes whose methods are its guards and actions, beside its own."""
    effects: Sequence[type[object]] = ()
    """The classes that count as effects."""
    timers: Mapping[str, float] = {}
    """Events that come when so many seconds have passed."""
    margins: Sequence[str] = ()
    """Timers whose seconds come on top of something that is known only when they start."""
    deadlines: Mapping[str, Sequence[str]] = {}
    """For each path, the timers of which one always runs there."""
    known_edges: Iterable[tuple[str, str]] = ()
    """Pairs of outer states whose edges are not ours; all are known if this is empty."""


def knowledge_of(chart: type[StateChart[_Model]]) -> Knowledge:
    """Return what a chart of another domain says of itself in the class attributes `TIMERS`, `DEADLINES`, `EFFECTS`."""
    return Knowledge(
        effects=tuple(getattr(chart, "EFFECTS", ())),
        timers=dict(getattr(chart, "TIMERS", {})),
        deadlines=dict(getattr(chart, "DEADLINES", {})),
    )


@cache
def conversation_model() -> ChartModel:
    """Return the model of the conversation."""
    timers = {name: float(getattr(Policy(), field)) for name, field in TIMERS.items()}
    known = Knowledge(
        # A revision from before there were parts has its guards and actions on the chart itself.
        parts=getattr(conversation, "PARTS", ()), effects=get_args(Effect),
        timers=timers, margins=("playback_deadline",), deadlines=DEADLINES, known_edges=GUIDE_EDGES,
    )  # fmt: skip
    return extract(conversation.ConversationChart, known)


def extract(chart: type[StateChart[_Model]], known: Knowledge | None = None) -> ChartModel:
    """Return the model of any declared chart.

    Raises:
        ValueError: It declares something that `statecharts.table` cannot hold.
    """
    return _Reading(chart, known if known is not None else knowledge_of(chart)).model()


class _Reading:
    """One chart being read."""

    def __init__(self, chart: type[StateChart[_Model]], known: Knowledge) -> None:
        self.name = chart.__name__
        self.meaning = _first_line(chart)
        self.known = known
        self.parts = (*known.parts, chart)
        self.outer = list(chart.states)
        self.places = {place.path: place for place in table.declared(chart).places}
        self.edges = table.edges(chart)
        self.timers = {str(name): float(seconds) for name, seconds in known.timers.items()}
        self.actions: dict[str, ActionModel] = {}

    def model(self) -> ChartModel:
        states = [self._state(state, "") for state in self.outer]
        edges = [self._edge(transition, edge) for transition, edge in self.edges.items()]
        guards = {guard.name: self._meaning(guard.name) for edge in self.edges.values() for guard in edge.guards}
        return ChartModel(
            name=self.name, meaning=self.meaning, states=states, edges=edges, timers=self.timers,
            margins=list(self.known.margins), guards=dict(sorted(guards.items())),
            actions=dict(sorted(self.actions.items())),
        )  # fmt: skip

    def _state(self, state: State, parent: str) -> StateModel:
        path = f"{parent}.{state.id}" if parent else state.id
        place = self.places[path]
        return StateModel(
            path=path, name=state.id, meaning=state.name, initial=bool(state.initial),
            deadlines=list(self.known.deadlines.get(path, ())),
            enter=self._note(self._existing(place.enter)), leave=self._note(self._existing(place.leave)),
            substates=[self._state(substate, path) for substate in state.states],
        )  # fmt: skip

    def _edge(self, transition: Transition, edge: table.Edge) -> EdgeModel:
        actions = [*self._note(edge.actions), *self._note(self._existing(_by_name(transition)))]
        effects = [effect for action in actions for effect in self.actions[action].effects]
        return EdgeModel(
            trigger=edge.trigger, events=list(edge.events), source=edge.source, target=edge.target,
            guards=[str(guard) for guard in edge.guards], actions=actions, effects=list(dict.fromkeys(effects)),
            ours=self._is_ours(edge),
        )  # fmt: skip

    def _is_ours(self, edge: table.Edge) -> bool:
        known = frozenset(self.known.known_edges)
        ends = edge.source.split(".")[0], (edge.target or edge.source).split(".")[0]
        return bool(known) and ends[0] != ends[1] and ends not in known

    def _note(self, names: Iterable[str]) -> list[str]:
        """Look at what each action does, and return their names."""
        found = list(names)
        for name in found:
            if name not in self.actions:
                owner = self._owner(name)
                effects = effects_of(owner, name, self.known.effects) if owner is not None else []
                self.actions[name] = ActionModel(meaning=self._meaning(name), effects=effects)
        return found

    def _existing(self, names: Iterable[str]) -> list[str]:
        """Return those actions that somebody has; the library looks for more by name."""
        return [name for name in names if self._owner(name) is not None]

    def _owner(self, name: str) -> type[object] | None:
        # What the library has of its own (`on_enter_state` of its base class) is not the chart's.
        owners = (part for part in self.parts if inspect.getattr_static(part, name, None) is not None)
        return next((part for part in owners if not hasattr(StateChart, name)), None)

    def _meaning(self, name: str) -> str:
        owner = self._owner(name)
        return _first_line(getattr(owner, name)) if owner is not None else ""


def _by_name(transition: Transition) -> list[str]:
    """Return the actions that the library would find by their names on this edge: `on_close`, `after_close`."""
    events = [str(event) for event in transition.events]
    return [f"{when}_{event}" for when in ("before", "on", "after") for event in events]


def _first_line(thing: object) -> str:
    text = inspect.getdoc(thing) or ""
    return text.split("\n\n")[0].replace("\n", " ").strip()
