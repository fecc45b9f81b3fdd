"""What exploring, walking and proving need to know of a chart, and the values they speak in."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Sequence
from typing import Generic, Protocol, TypeVar

import msgspec
from msgspec import Struct

from statecharts.table import Edge

__all__ = ["Machine", "Move", "Placed", "S", "Step"]


class Placed(Protocol):
    """All there is to know of a chart at one moment."""

    @property
    def state(self) -> str:
        """The active state's path, `SPEAKING.streaming`; several at once are joined by `+`."""


S = TypeVar("S", bound=Placed)
_E = TypeVar("_E")
_UNTOLD = {"timestamp", "event_id", "name", "silence_s"}


class Move(Struct, frozen=True):
    """Something that may happen next."""

    event: str
    """The chart's name of it."""
    fact: object = None
    """What is given to the chart with it."""
    after_s: float = 0.0
    """Seconds since what happened before."""
    of_time: bool = False
    """It happens by itself when nobody does anything: a timer that runs out."""

    def __str__(self) -> str:
        told = [f"+{self.after_s:.1f}s"] if self.after_s else []
        told.append(self.event)
        if isinstance(self.fact, Struct):
            told += [
                f"{name}={value!r}" if isinstance(value, str) else f"{name}={value}"
                for name, value in msgspec.to_builtins(self.fact).items()
                if name not in _UNTOLD and value != _default(self.fact, name)
            ]
        elif self.fact is not None:
            told.append(str(self.fact))
        return " ".join(told)


class Step(Struct, Generic[S]):
    """One event, and all that it did."""

    before: S
    move: Move
    after: S
    effects: Sequence[object] = ()
    taken: Sequence[Edge] = ()
    """The edges taken, in order; none if the event was dropped."""

    @property
    def changed(self) -> bool:
        """Whether the state is another one, or was entered anew."""
        return any(edge.target is not None for edge in self.taken)

    def asked(self, kind: type[_E]) -> list[_E]:
        """Return the effects of a kind, in order."""
        return [effect for effect in self.effects if isinstance(effect, kind)] if self.effects else []

    def __str__(self) -> str:
        arrow = f"→ {self.after.state}" if self.changed else f"({'stays' if self.taken else 'dropped'})"
        return f"{self.before.state:<20} {self.move!s:<48} {arrow}"


class Machine(Protocol[S]):
    """A chart that can be put anywhere and asked what an event does there."""

    def start(self) -> S:
        """Return where every run begins."""

    def moves(self, at: S) -> Iterable[Move]:
        """Return what may happen next, one example of each kind, whether the chart expects it or not."""

    def take(self, at: S, move: Move) -> Step[S]:
        """Return what an event does; `at` stays what it was."""

    def key(self, at: S) -> Hashable:
        """Return what distinguishes this situation from others: those of equal keys have equal futures."""

    def leaves(self) -> Sequence[str]:
        """Return every state in which the chart can be."""

    def ends(self) -> Collection[str]:
        """Return the states out of which nothing has to lead."""

    def edges(self) -> Sequence[Edge]:
        """Return every declared edge."""


def _default(fact: Struct, name: str) -> object:
    return next((field.default for field in msgspec.structs.fields(fact) if field.name == name), None)
