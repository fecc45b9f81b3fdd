"""A chart as every drawing sees it: states, substates, edges, guards, timers, effects. Values only."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

__all__ = ["ActionModel", "ChartModel", "EdgeModel", "StateModel", "fullest"]


class ActionModel(Struct, frozen=True, kw_only=True):
    """What is done when an edge is taken, or a state entered or left."""

    meaning: str = ""
    effects: list[str] = []
    """What it may ask the world for: `Speak`, `Playout duck`, `StartTimer away`."""


class StateModel(Struct, frozen=True, kw_only=True):
    """A state, or a substate; its path is its id: `SPEAKING`, `SPEAKING.streaming`."""

    path: str
    name: str
    meaning: str
    initial: bool = False
    deadlines: list[str] = []
    """Timers of which one always runs here."""
    enter: list[str] = []
    """Actions on entering."""
    leave: list[str] = []
    substates: list[StateModel] = []

    @property
    def line(self) -> list[StateModel]:
        """This state and all that lies in it, in the order of the document."""
        return [self, *(inner for sub in self.substates for inner in sub.line)]


class EdgeModel(Struct, frozen=True, kw_only=True):
    """A declared transition; without a target it changes what is remembered, not the state."""

    trigger: str
    """The edge's own name: what clients are told."""
    events: list[str]
    """All events it is taken on."""
    source: str
    target: str | None
    guards: list[str] = []
    """Conditions; one that must not hold begins with `not `."""
    actions: list[str] = []
    effects: list[str] = []
    """What its actions may ask for, each once."""
    ours: bool = False
    """Added to what the guide had."""

    def __str__(self) -> str:
        # As `statecharts.table.Edge` calls itself: counts of edges are kept under this text.
        guards = f" [{' and '.join(self.guards)}]" if self.guards else ""
        events = "" if self.events == [self.trigger] else f" ({', '.join(self.events)})"
        return f"{self.source} → {self.target or self.source}: {self.trigger}{events}{guards}"


class ChartModel(Struct, frozen=True, kw_only=True):
    """A whole chart, in the order of its declaration."""

    name: str
    meaning: str = ""
    states: list[StateModel]
    edges: list[EdgeModel]
    timers: dict[str, float] = {}
    """Seconds each timer runs, by the default policy; it is an event of that name when they have passed."""
    margins: list[str] = []
    """Timers whose seconds come on top of something that is known only when they start."""
    guards: dict[str, str] = {}
    """What each guard asks."""
    actions: dict[str, ActionModel] = {}

    @property
    def all_states(self) -> list[StateModel]:
        """Every state and substate, outer ones before what lies in them."""
        return [state for outer in self.states for state in outer.line]

    @property
    def leaves(self) -> list[StateModel]:
        """The states in which the chart can be: substates, and states without any."""
        return [state for state in self.all_states if not state.substates]

    @property
    def ends(self) -> list[StateModel]:
        """The states out of which nothing leads."""
        sources = {edge.source for edge in self.edges}
        inner = {sub.path for state in self.all_states for sub in state.line[1:] if state.path in sources}
        return [state for state in self.leaves if state.path not in sources | inner]

    @property
    def initial(self) -> StateModel:
        """The outermost state in which the chart begins."""
        return next((state for state in self.states if state.initial), self.states[0])

    def leaf_of(self, path: str) -> str:
        """Return where one is on entering a state: its initial substate, or itself."""
        state = next(state for state in self.all_states if state.path == path)
        while state.substates:
            state = next((sub for sub in state.substates if sub.initial), state.substates[0])
        return state.path

    def shared(self) -> list[list[EdgeModel]]:
        """Return the edges that lead from every outer state to the same place: drawn once for all."""
        groups: dict[tuple[str, str], list[EdgeModel]] = {}
        for edge in self.edges:
            if edge.target is not None:
                groups.setdefault((edge.trigger, edge.target), []).append(edge)
        outer = {state.path for state in self.states}
        return [
            group
            for (_, target), group in groups.items()
            if len(group) > 2 and outer - {target.split(".")[0]} <= {edge.source.split(".")[0] for edge in group}
        ]


def fullest(edges: Sequence[EdgeModel]) -> EdgeModel:
    """Return the edge that speaks for all that are drawn as one: the one with most events."""
    return max(edges, key=lambda edge: len(edge.events))
