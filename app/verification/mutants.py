"""The conversation, broken mechanically in one place at a time: does anybody notice?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import msgspec
from msgspec import Struct

from statecharts.conversation import PARTS
from statecharts.effects import CancelTimer, StartTimer
from statecharts.scene import Scene
from statecharts.stepping import TABLE, RunningChart
from statecharts.table import Declaration, Edge, Table
from statecharts.timers import Timers

__all__ = ["Emission", "Mutant", "mutants", "observed"]

Method = Callable[..., object]
Emission = tuple[str, str, str]
"""An action's name, the effect it asks for, and the timer's name if it is one."""


class Mutant(Struct, frozen=True):
    """One way to break the chart."""

    name: str
    kind: str
    declaration: Declaration | None = None
    replaced: Mapping[str, Method] = {}
    patch: tuple[type, str, Method] | None = None
    """A method of the engine to replace."""
    at: frozenset[tuple[str, str]] | None = None
    """The pairs of leaf and event at which it can be seen; None: any."""

    def table(self) -> Table:
        """Return the broken chart, ready to be run."""
        return Table(self.declaration or TABLE.declaration, PARTS, self.replaced)

    def apply(self) -> None:
        """Break the chart of this process, for good."""
        TABLE.__dict__.update(self.table().__dict__)
        if self.patch is not None:
            setattr(*self.patch)


def mutants(emissions: Sequence[Emission]) -> Iterator[Mutant]:
    """Yield every mutant.

    Args:
        emissions: What the actions ask for, as `observed` notes it: each is left out once.
    """
    declaration = TABLE.declaration
    yield from _of_edges(declaration)
    yield from _of_order(declaration)
    yield from _of_emissions(declaration, emissions)
    yield from _of_the_judge()


def observed(into: set[Emission]) -> Table:
    """Return the chart as it is, noting what each of its actions asks for."""
    return Table(TABLE.declaration, PARTS, {name: _noting(name, into) for name in _actions(TABLE.declaration)})


# --- edges


def _of_edges(declaration: Declaration) -> Iterator[Mutant]:
    leaves = declaration.leaves
    for index, edge in enumerate(declaration.edges):
        at = _seen_at(declaration, [edge])
        yield Mutant(f"without the edge {edge}", "edge dropped", _with(declaration, index, None), at=at)
        if edge.target is not None:
            other = leaves[(_place_of(leaves, edge.target) + 1) % len(leaves)]
            changed = msgspec.structs.replace(edge, target=other)
            yield Mutant(f"{edge}, but to {other}", "edge retargeted", _with(declaration, index, changed), at=at)
        for guard in edge.guards:
            rest = tuple(one for one in edge.guards if one != guard)
            changed = msgspec.structs.replace(edge, guards=rest)
            yield Mutant(f"{edge} without [{guard}]", "guard dropped", _with(declaration, index, changed), at=at)
        for action in edge.actions:
            rest_actions = tuple(one for one in edge.actions if one != action)
            changed = msgspec.structs.replace(edge, actions=rest_actions)
            yield Mutant(f"{edge} without / {action}", "action dropped", _with(declaration, index, changed), at=at)


def _of_order(declaration: Declaration) -> Iterator[Mutant]:
    for (index, first), (_, second) in pairwise(enumerate(declaration.edges)):
        if first.source == second.source and set(first.events) & set(second.events):
            edges = list(declaration.edges)
            edges[index], edges[index + 1] = second, first
            swapped = msgspec.structs.replace(declaration, edges=tuple(edges))
            at = _seen_at(declaration, [first, second])
            yield Mutant(f"{second} before {first}", "guards swapped", swapped, at=at)


def _with(declaration: Declaration, index: int, edge: Edge | None) -> Declaration:
    edges = list(declaration.edges)
    edges[index : index + 1] = [edge] if edge is not None else []
    return msgspec.structs.replace(declaration, edges=tuple(edges))


def _seen_at(declaration: Declaration, edges: Sequence[Edge]) -> frozenset[tuple[str, str]]:
    """Return where a change of these edges shows first."""
    seen = {
        (leaf, event)
        for edge in edges
        for leaf in declaration.leaves
        if leaf == edge.source or leaf.startswith(f"{edge.source}.")
        for event in edge.events
    }
    if "committed" in {event for _, event in seen}:
        # Raised by the edges that begin a turn, whatever event they are taken on.
        seen |= {(leaf, event) for leaf in declaration.leaves for event in ("stt_final", "end_of_turn", "final_wait")}
    if {"stt_final", "speech_started"} & {event for _, event in seen}:
        # Those that actions raise are judged once more in the state that the first edge has led to.
        seen |= {(leaf, event) for leaf in declaration.leaves for event in ("stt_final", "tts_chunk_ready")}
    return frozenset(seen)


def _place_of(leaves: Sequence[str], target: str) -> int:
    return next(number for number, leaf in enumerate(leaves) if leaf == target or leaf.startswith(f"{target}."))


# --- what actions ask for


def _of_emissions(declaration: Declaration, emissions: Sequence[Emission]) -> Iterator[Mutant]:
    for action, effect, timer in emissions:
        kind = {"StartTimer": "deadline dropped", "CancelTimer": "cancel dropped"}.get(effect, "effect dropped")
        told = f"{effect} {timer}".strip()
        edges = [edge for edge in declaration.edges if action in edge.actions]
        at = _seen_at(declaration, edges) if edges else None
        yield Mutant(f"{action} without {told}", kind, replaced={action: _without(action, effect, timer)}, at=at)


def _actions(declaration: Declaration) -> set[str]:
    named = {action for edge in declaration.edges for action in edge.actions}
    entered = {name for place in declaration.places for name in (*place.enter, *place.leave)}
    return {name for name in named | entered if any(hasattr(part, name) for part in PARTS)}


def _method(name: str) -> Method:
    method: Method = getattr(next(part for part in PARTS if hasattr(part, name)), name)
    return method


def _noting(name: str, into: set[Emission]) -> Method:
    method = _method(name)

    def call(part: Any, *arguments: object) -> object:
        scene: Scene = part._scene
        earlier = len(scene.effects)
        result = method(part, *arguments)
        into.update((name, type(effect).__name__, _timer_of(effect)) for effect in scene.effects[earlier:])
        return result

    return call


def _without(name: str, effect_name: str, timer: str) -> Method:
    method = _method(name)

    def call(part: Any, *arguments: object) -> object:
        scene: Scene = part._scene if hasattr(part, "_scene") else part
        running, earlier = scene.context.timers, len(scene.effects)
        due = running.get(timer)
        result = method(part, *arguments)
        later = scene.effects[earlier:]
        kept = [e for e in later if (type(e).__name__, _timer_of(e)) != (effect_name, timer)]
        if len(kept) < len(later) and timer:
            if due is None:
                running.pop(timer, None)
            else:
                running[timer] = due
        scene.effects[earlier:] = kept
        return result

    return call


def _timer_of(effect: object) -> str:
    return effect.name if isinstance(effect, (StartTimer, CancelTimer)) else ""


# --- the judge of staleness


def _of_the_judge() -> Iterator[Mutant]:
    judge, took = RunningChart._stale, Timers.took

    def no_turns(self: RunningChart, event: Any, name: str) -> str:
        return judge(self, msgspec.structs.replace(event, turn=0), name)

    def no_timers(self: Timers, name: str, at: float) -> str:
        self._context.timers.pop(name, None)
        return ""

    def early_timers(self: Timers, name: str, at: float) -> str:
        return took(self, name, max(at, self._context.timers.get(name, at)))

    yield Mutant("events of any turn are heeded", "turn check forgotten", patch=(RunningChart, "_stale", no_turns))
    yield Mutant("timers that do not run are heeded", "timer check forgotten", patch=(Timers, "took", no_timers))
    yield Mutant("timers are heeded before they are due", "timer check forgotten", patch=(Timers, "took", early_timers))
