"""Why an event leads where it does: the edges that are tried on it, and what each guard says and looked at."""

from __future__ import annotations

import inspect
from typing import cast

import msgspec
from msgspec import Struct

from statecharts.context import Context
from statecharts.conversation import PARTS
from statecharts.events import Event
from statecharts.phrases import Phrases
from statecharts.policy import Policy
from statecharts.scene import Scene
from statecharts.stepping import TABLE, Snapshot, chart_event
from statecharts.table import Call, Table

__all__ = ["Tried", "Verdict", "judged"]


class Verdict(Struct, frozen=True):
    """What one guard said."""

    guard: str
    means: str
    """What it asks, in its own words."""
    value: bool
    expected: bool
    looked_at: dict[str, object]
    """The parts of the memory and of the policy that it read, by name."""

    @property
    def agrees(self) -> bool:
        """Whether it lets its edge be taken."""
        return self.value == self.expected


class Tried(Struct, frozen=True):
    """An edge that was tried, and its guards up to the first that said no."""

    edge: str
    verdicts: list[Verdict]

    @property
    def taken(self) -> bool:
        """Whether all guards agree."""
        return all(verdict.agrees for verdict in self.verdicts)


def judged(snapshot: Snapshot, event: Event, policy: Policy, phrases: Phrases, table: Table = TABLE) -> list[Tried]:
    """Return the edges that an event is tried on in a situation, in order, up to the one that is taken.

    The situation stays what it is. Whether the event is stale is not asked here.
    """
    context = snapshot.context.copy()
    context.now = max(context.now, event.timestamp)
    looked_at: dict[str, object] = {}
    scene = Scene(policy, phrases)
    scene.context = cast("Context", _Watched(context, "", looked_at))
    scene.policy = cast("Policy", _Watched(policy, "policy.", looked_at))
    parts = tuple(part(scene) for part in PARTS)
    tried: list[Tried] = []
    for row in table.candidates(snapshot.state, chart_event(event)):
        verdicts: list[Verdict] = []
        for call, expected in row.guards:
            looked_at.clear()
            value = bool(call(parts, None, event))
            verdicts.append(Verdict(call.name, _means(call), value, expected, dict(looked_at)))
            if value != expected:
                break
        tried.append(Tried(str(row.edge), verdicts))
        if tried[-1].taken:
            break
    return tried


def _means(call: Call) -> str:
    return (inspect.getdoc(call.function) or "").split("\n")[0].rstrip(".")


class _Watched:
    """Stands in front of a value and notes what is read of it; structs inside are watched too."""

    __slots__ = ("_name", "_notes", "_value")

    def __init__(self, value: Struct, name: str, notes: dict[str, object]) -> None:
        self._value = value
        self._name = name
        self._notes = notes

    def __getattr__(self, name: str) -> object:
        value, path = getattr(self._value, name), f"{self._name}{name}"
        if isinstance(value, Struct):
            return _Watched(value, f"{path}.", self._notes)
        if not callable(value):
            self._notes[path] = msgspec.to_builtins(value)
        return value
