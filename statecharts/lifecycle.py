"""Runs a small chart by its flat table, in microseconds: one part remembers, judges and asks for effects."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

from statecharts.table import Table

__all__ = ["Lifecycle", "Part"]

_Effect = TypeVar("_Effect")


class Part(Protocol[_Effect]):
    """What a chart remembers, with its guards and actions as methods; the chart's class inherits it."""

    effects: list[_Effect]


class Lifecycle(Generic[_Effect]):
    """A chart in running order.

    Args:
        table: The chart, resolved with the class of `part`.
        part: What is remembered.
    """

    __slots__ = ("_part", "_table", "state")

    def __init__(self, table: Table, part: Part[_Effect]) -> None:
        self._table = table
        self._part = part
        self.state = table.declaration.start

    def take(self, event: str) -> list[_Effect]:
        """Take an event to completion; return what has to be done, in order. One that leads nowhere asks nothing."""
        parts, asked = (self._part,), self._part.effects
        asked.clear()
        for row in self._table.candidates(self.state, event):
            if row.allows(parts, self, None):
                for call in (*row.leaving, *row.entering):
                    call(parts, self, None)
                self.state = row.target or self.state
                break
        return list(asked)
