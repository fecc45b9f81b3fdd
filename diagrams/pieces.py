"""What a full drawing is put together from, besides cards and wires: frames, columns, and stretches of the wires."""

from __future__ import annotations

from msgspec import Struct

from diagrams.geometry import Box, Card, Wire
from diagrams.model import StateModel
from diagrams.stack import Stack

__all__ = ["HEAD", "LANE_PAD", "LINE_GAP", "SHARED_FOOT", "Column", "End", "Frame", "Lane", "Pass", "key"]

HEAD = 34.0
"""Height of the head of a state, in which its name stands."""
SHARED_FOOT = 40.0
"""Below a state into which an edge leads from everywhere."""
_BETWEEN = 46.0
"""Between two states of a column."""
LINE_GAP = 3.0
"""Between a label and its lane."""
LANE_PAD = 11.0
"""Below a lane."""


class Frame(Struct, kw_only=True):
    """An outer state: a frame with cards, or a card without a frame if it has no substates."""

    state: StateModel
    stack: Stack
    column: int
    number: int
    """In its column, from above."""
    head: float
    foot: float
    shared: bool = False
    x: float = 0.0
    y: float = 0.0
    width: float = 0.0
    height: float = 0.0

    @property
    def bare(self) -> bool:
        """Whether it is a single card without a frame."""
        return self.stack.bare

    @property
    def box(self) -> Box:
        """Where it is."""
        return self.stack.cards[0].box if self.bare else Box(self.x, self.y, self.width, self.height)

    @property
    def least(self) -> float:
        """The height it needs for what is in it."""
        return self.head + self.stack.height + self.foot

    def covers(self, y: float) -> bool:
        """Return whether a lane at this height meets its side."""
        if self.bare:
            return self.y + 9 <= y <= self.y + self.height - 9
        return self.y + self.head <= y <= self.y + self.height - 6

    def place_cards(self, middle: float) -> None:
        """Put the cards where they belong, around an upright line."""
        self.stack.place(middle, self.y + self.head, self.height - self.head - self.foot)

    def card(self, path: str) -> Card | None:
        """Return the card of a substate; none for the state itself, unless that is all it is."""
        return next((card for card in self.stack.cards if card.state.path == path), None)


class Lane(Struct, kw_only=True):
    """A stretch of a wire across one corridor."""

    wire: Wire
    corridor: int
    labelled: bool
    y: float = 0.0

    @property
    def height(self) -> float:
        """The room it takes, with its label."""
        return (self.wire.label.height + LINE_GAP if self.labelled else 4.0) + LANE_PAD

    @property
    def above(self) -> float:
        """How much of that is above the line."""
        return self.height - LANE_PAD


class Pass(Struct, kw_only=True):
    """Where a wire passes a column in which it has nothing to do, and at which height."""

    wire: Wire
    column: int
    height: float
    y: float = 0.0

    @property
    def above(self) -> float:
        """How much of that is above the line."""
        return self.height - LANE_PAD


class End(Struct, frozen=True, kw_only=True):
    """Where a wire meets a state: which side, at which lane."""

    wire: Wire
    frame: Frame
    side: str
    lane: Lane
    incoming: bool

    @property
    def place(self) -> str:
        """The path it begins or ends at."""
        return self.wire.target if self.incoming else self.wire.source


class Column(Struct, kw_only=True):
    """States below each other, and the wires that pass between them."""

    frames: list[Frame]
    passing: list[list[Pass]]
    """For the gap above each frame, and the one below the last: the wires in it."""
    x: float = 0.0
    width: float = 0.0

    def gap(self, number: int) -> float:
        """Return the height of the gap above a frame; of the one below the last."""
        room = sum(one.height for one in self.passing[number])
        inner = 0 < number < len(self.frames)
        return max(_BETWEEN if inner else 0.0, room + (_BETWEEN / 2 if room and inner else 14.0 if room else 0.0))

    @property
    def height(self) -> float:
        """The room it takes."""
        gaps = sum(self.gap(number) for number in range(len(self.frames) + 1))
        return gaps + sum(frame.height + SHARED_FOOT * frame.shared for frame in self.frames)


def key(wire: Wire) -> str:
    """Return what tells a wire from others."""
    return f"{wire.source}>{wire.target}"
