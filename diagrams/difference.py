"""What a change does to a chart: states, edges and timers added, removed and changed, and the properties it touches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Literal, Protocol

import msgspec
from msgspec import Struct

from diagrams.model import ChartModel, EdgeModel, StateModel
from diagrams.overlay import Entry, Look, Overlay
from diagrams.pairing import Pair, overtaken, pairs
from diagrams.text import row

__all__ = ["Change", "Claim", "Difference", "compare"]

_FEW = 4
_Kind = Literal["added", "removed", "changed"]


class Claim(Protocol):
    """A property, as `statecharts.proving` has them."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def sentence(self) -> str:
        """What it says."""

    @property
    def concerns(self) -> tuple[str, ...]:
        """Patterns of the names it is about; none: all."""


class Change(Struct, frozen=True, kw_only=True):
    """One thing that is there on one side only, or not the same on both."""

    kind: _Kind
    what: Literal["state", "edge", "timer", "action"]
    name: str
    """The path of a state, the text of an edge as it is now (or was), the name of a timer or an action."""
    details: list[str] = []
    """What is not the same, as `field: before → after`."""
    names: list[str] = []
    """Every state, event, guard, action and timer it has to do with."""


class Touched(Struct, frozen=True, kw_only=True):
    """A property that has to do with something that changed."""

    name: str
    sentence: str
    by: list[str]
    """The names that it concerns; none: it is about everything."""

    @property
    def because(self) -> str:
        """The first few of them."""
        if not self.by:
            return "of any change"
        more = f" and {len(self.by) - _FEW} more" if len(self.by) > _FEW else ""
        return ", ".join(self.by[:_FEW]) + more


class Difference(Struct, frozen=True, kw_only=True):
    """All changes between two charts."""

    before: str
    after: str
    changes: list[Change]
    properties: list[Touched]
    union: ChartModel
    """What is there before or after, to be drawn."""

    def table(self) -> str:
        """Return the changes as Markdown, fit for a pull request."""
        head = f"### {self.union.name}: {self.before} → {self.after}"
        if not self.changes:
            return f"{head}\n\nThe chart is the same.\n"
        counts = {kind: sum(change.kind == kind for change in self.changes) for kind in ("added", "removed", "changed")}
        lines = [head, "", ", ".join(f"{count} {kind}" for kind, count in counts.items() if count) + ".", ""]
        lines += [row(("", "", "what", "how")), "|---|---|---|---|"]
        signs = {"added": "🟢 added", "removed": "🔴 removed", "changed": "🟠 changed"}
        for change in self.changes:
            lines.append(row((signs[change.kind], change.what, f"`{change.name}`", "<br>".join(change.details))))
        if self.properties:
            lines += ["", "Properties that have to do with it:", ""]
            lines += [f"- {touched.sentence} `{touched.name}` ({touched.because})" for touched in self.properties]
        return "\n".join(lines) + "\n"

    def overlay(self) -> Overlay:
        """Return how the drawing shows the changes."""
        edges = {str(edge): Look(tint="faded") for edge in self.union.edges}
        states: dict[str, Look] = {}
        acting = {change.name: change for change in self.changes if change.what == "action"}
        for edge in self.union.edges:
            if of_edge := [acting[name] for name in edge.actions if name in acting]:
                edges[str(edge)] = _look("changed", [f"{one.name} {'; '.join(one.details)}" for one in of_edge])
        for change in self.changes:
            if change.what in ("edge", "state"):
                looks = edges if change.what == "edge" else states
                looks[change.name] = _look(change.kind, change.details if change.kind == "changed" else [])
        hidden = [change for change in self.changes if change.what == "edge" and not self._drawn(change)]
        entries = [Entry(text=kind, tint=kind, width=2.6, dashed=kind == "removed") for kind in
                   ("added", "removed", "changed")]  # fmt: skip
        entries.append(Entry(text="the same", tint="faded"))
        count = f"{len(hidden)} of the changes change no state and are only in the table" if hidden else ""
        heading = f"{self.before} to {self.after}" + (f"; {count}" if count else "")
        return Overlay(edges=edges, states=states, entries=entries, heading=heading, tells_origin=False)

    def _drawn(self, change: Change) -> bool:
        return any(str(edge) == change.name and edge.target is not None for edge in self.union.edges)


def _look(kind: _Kind, details: Sequence[str]) -> Look:
    return Look(tint=kind, width=2.6, dashed=kind == "removed", note=f"({kind})", was="; ".join(details))


def compare(old: ChartModel, new: ChartModel, *, before: str, after: str, claims: Iterable[Claim] = ()) -> Difference:
    """Return what became of a chart.

    Args:
        old: As it was.
        new: As it is.
        before: What the old one is called.
        after: What the new one is called.
        claims: Properties; those that have to do with a change are named.
    """
    found = pairs(old.edges, new.edges)
    changes = [*_states(old, new), *_timers(old, new), *_actions(old, new), *_edges(old, found)]
    return Difference(
        before=before, after=after, changes=changes, properties=list(_touched(claims, changes)),
        union=_union(old, new, found),
    )  # fmt: skip


def _states(old: ChartModel, new: ChartModel) -> Iterator[Change]:
    was = {state.path: state for state in old.all_states}
    for state in new.all_states:
        if state.path not in was:
            yield Change(kind="added", what="state", name=state.path, names=_family(state.path))
        elif details := list(_unlike(was[state.path], state, ("meaning", "initial", "deadlines", "enter", "leave"))):
            names = [*_family(state.path), *state.enter, *state.leave, *state.deadlines]
            yield Change(kind="changed", what="state", name=state.path, details=details, names=names)
    paths = {state.path for state in new.all_states}
    for path in was:
        if path not in paths:
            yield Change(kind="removed", what="state", name=path, names=_family(path))


def _timers(old: ChartModel, new: ChartModel) -> Iterator[Change]:
    for name in (*new.timers, *(name for name in old.timers if name not in new.timers)):
        if name not in old.timers:
            yield Change(kind="added", what="timer", name=name, details=[f"{new.timers[name]:g} s"], names=[name])
        elif name not in new.timers:
            yield Change(kind="removed", what="timer", name=name, names=[name])
        elif old.timers[name] != new.timers[name]:
            details = [f"seconds: {old.timers[name]:g} → {new.timers[name]:g}"]
            yield Change(kind="changed", what="timer", name=name, details=details, names=[name])


def _actions(old: ChartModel, new: ChartModel) -> Iterator[Change]:
    """What an action asks for is told once, not at every edge that has it."""
    if not (_knows_effects(old) and _knows_effects(new)):
        return
    for name, action in new.actions.items():
        before = old.actions.get(name)
        if before is not None and set(before.effects) != set(action.effects):
            details = _exchanged("asks for", before.effects, action.effects)
            edges = [edge for edge in new.edges if name in edge.actions]
            names = sorted({name, *(one for edge in edges for one in _names(edge))})
            yield Change(kind="changed", what="action", name=name, details=details, names=names)


def _knows_effects(model: ChartModel) -> bool:
    return any(action.effects for action in model.actions.values())


def _edges(old: ChartModel, found: Sequence[Pair]) -> Iterator[Change]:
    for pair in found:
        before, after = pair
        names = sorted({name for edge in pair if edge is not None for name in _names(edge)})
        if before is None and after is not None:
            details = [f"does: {', '.join(after.actions)}"] if after.actions else []
            yield Change(kind="added", what="edge", name=str(after), details=details, names=names)
        elif after is None and before is not None:
            yield Change(kind="removed", what="edge", name=str(before), names=names)
        elif before is not None and after is not None:
            details = list(_unlike(before, after, ("source", "target", "events", "guards", "actions")))
            details += [f"now tried before: {other}" for other in overtaken(pair, found, old.edges)]
            if details:
                yield Change(kind="changed", what="edge", name=str(after), details=details, names=names)


def _unlike(before: StateModel | EdgeModel, after: StateModel | EdgeModel, fields: Sequence[str]) -> Iterator[str]:
    for name in fields:
        one, other = getattr(before, name), getattr(after, name)
        if isinstance(one, list):
            yield from _exchanged(name, one, other)
        elif one != other:
            yield f"{name}: {'none' if one in (None, '') else one} → {'none' if other in (None, '') else other}"


def _exchanged(name: str, before: Sequence[str], after: Sequence[str]) -> list[str]:
    """Return which of several things came and went."""
    came = [f"+ {one}" for one in after if one not in before]
    gone = [f"- {one}" for one in before if one not in after]
    if came or gone:
        return [f"{name}: {', '.join((*gone, *came))}"]
    return [f"{name}: now in the order {', '.join(after)}"] if name == "actions" and before != after else []


def _names(edge: EdgeModel) -> Iterator[str]:
    for path in (edge.source, edge.target):
        if path is not None:
            yield from _family(path)
    yield from (*edge.events, *(guard.removeprefix("not ") for guard in edge.guards), *edge.actions)


def _family(path: str) -> list[str]:
    """Return a path and that of the state it lies in."""
    return list(dict.fromkeys((path, path.split(".")[0])))


def _touched(claims: Iterable[Claim], changes: Sequence[Change]) -> Iterator[Touched]:
    names = list(dict.fromkeys(name for change in changes for name in change.names))
    for claim in claims:
        by = [name for name in names if any(fnmatchcase(name, pattern) for pattern in claim.concerns)]
        if by or (changes and not claim.concerns):
            yield Touched(name=claim.name, sentence=claim.sentence, by=by)


def _union(old: ChartModel, new: ChartModel, found: Sequence[Pair]) -> ChartModel:
    gone = [before for before, after in found if before is not None and after is None]
    return msgspec.structs.replace(
        new, states=_with_gone(old.states, new.states), edges=[*new.edges, *gone], timers={**old.timers, **new.timers},
        guards={**old.guards, **new.guards}, actions={**old.actions, **new.actions},
    )  # fmt: skip


def _with_gone(old: Sequence[StateModel], new: Sequence[StateModel]) -> list[StateModel]:
    """Return the states of both sides, those that are no more where they were."""
    was = {state.path: state for state in old}
    merged = [
        msgspec.structs.replace(state, substates=_with_gone(was[state.path].substates, state.substates))
        if state.path in was
        else state
        for state in new
    ]
    paths = {state.path for state in new}
    for number, state in enumerate(old):
        if state.path not in paths:
            merged.insert(min(number, len(merged)), msgspec.structs.replace(state, initial=False))
    return merged
