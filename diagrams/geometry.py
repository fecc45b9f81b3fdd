"""What the layouts speak in: points, boxes, and what is to be drawn along a line. In points; y grows downwards."""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct

from diagrams.lettering import Block
from diagrams.model import EdgeModel, StateModel

__all__ = ["Box", "Card", "Point", "Route", "Wire"]


class Point(NamedTuple):
    """A place."""

    x: float
    y: float


class Box(NamedTuple):
    """A rectangle by its upper left corner."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """Its right edge."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """Its lower edge."""
        return self.y + self.height

    @property
    def middle(self) -> Point:
        """Its centre."""
        return Point(self.x + self.width / 2, self.y + self.height / 2)

    def meets(self, other: Box) -> bool:
        """Return whether the two have more than an edge in common."""
        return self.x < other.right and other.x < self.right and self.y < other.bottom and other.y < self.bottom


class Wire(Struct, frozen=True, kw_only=True):
    """All edges from one place to another, drawn as one line."""

    source: str
    target: str
    edges: tuple[EdgeModel, ...]
    label: Block
    shared: bool = False
    """Drawn once for every state: it has no source of its own."""


class Route(Struct, frozen=True, kw_only=True):
    """A wire with its way and the place of its label."""

    wire: Wire
    points: tuple[Point, ...]
    label_at: Point
    """Upper left corner of the label."""
    from_border: bool = False
    """It begins at the border of a state, since it may be taken anywhere in it."""

    @property
    def label_box(self) -> Box:
        """The ground its label covers."""
        return Box(*self.label_at, self.wire.label.width, self.wire.label.height)


class Card(Struct):
    """A state one can be in."""

    state: StateModel
    block: Block
    width: float
    height: float
    x: float = 0.0
    """Of its left edge."""
    y: float = 0.0
    """Of its upper edge."""

    @property
    def box(self) -> Box:
        """Where it is."""
        return Box(self.x, self.y, self.width, self.height)
