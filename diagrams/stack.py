"""The inside of a state: its cards below each other, and the edges from card to card in the gaps between them.

What leads down runs on the left, what leads up on the right; an edge that passes a card goes round it. Every label has
a row of its own in the gap above or below a card, so that none can meet another.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct, field

from diagrams.geometry import Card, Point, Route, Wire

__all__ = ["Stack"]

_APART = 15.0
"""How far from the middle the lines between two neighbours run."""
_BESIDE = 7.0
"""Between a line and its label."""
_ROW_GAP = 5.0
_GAP = 26.0
"""Least height of the gap between two cards."""
_LOOP = 20.0
"""Height and width of a loop."""
_AROUND = 16.0
"""Between a card and a line that goes round it."""
_TRACK = 10.0
"""Between two lines that go round."""
_PIN = 11.0
"""Between the corner of a card and the first line that goes round from there, and between two of them."""
_Kind = Literal["straight", "loop", "round"]


class _Row(Struct):
    """A label's place in a gap, and its line. Cards are counted from 0; -1 is the head, one too many the foot."""

    wire: Wire
    kind: _Kind
    start: int
    end: int
    at: float = 0.0
    """Its upper edge, from the top of the gap."""
    track: int = 0
    """Of a line that goes round, counted outwards."""

    @property
    def height(self) -> float:
        """In points."""
        return max(self.wire.label.height, _LOOP if self.kind == "loop" else 0.0)

    @property
    def reach(self) -> float:
        """How far from the middle it needs room."""
        beyond = {"straight": _APART, "loop": _APART * 2 + _LOOP, "round": _APART + _BESIDE}[self.kind]
        return beyond + _BESIDE + self.wire.label.width + _BESIDE

    def ends_at(self, number: int) -> bool:
        """Return whether it leaves or reaches this card."""
        return number in (self.start, self.end)


class _Side(Struct):
    """One half of the gaps: what leads down, or what leads up."""

    rows: list[list[_Row]]
    """For the gap above each card, and the one below the last."""
    rounds: list[_Row] = field(default_factory=list)

    def add(self, gap: int, row: _Row) -> None:
        """Give a wire its row."""
        rows = self.rows[gap]
        rows.append(row)
        rows.sort(key=lambda one: one.kind == "loop")  # a loop stands on its card
        y = _ROW_GAP
        for one in rows:
            one.at = y
            y += one.height + _ROW_GAP
        if row.kind == "round":
            self.rounds.append(row)
            for track, one in enumerate(sorted(self.rounds, key=lambda one: abs(one.start - one.end))):
                one.track = track

    def height(self, gap: int) -> float:
        """Return how much room a gap needs on this side."""
        rows = self.rows[gap]
        return sum(row.height + _ROW_GAP for row in rows) + _ROW_GAP if rows else 0.0

    def inner(self, widest: float) -> float:
        """Return the distance from the middle to the innermost line that goes round, or to where nothing is."""
        return max([widest / 2 + _AROUND * bool(self.rounds), *(row.reach for rows in self.rows for row in rows)])

    def pin(self, row: _Row, number: int, card: Card) -> float:
        """Return the height at which a line that goes round ends at a card; what leads to it ends at one place."""
        other = row.end if number == row.start else row.start
        beside = [
            one for one in self.rounds if one.ends_at(number) and (_other(one, number) > number) == (other > number)
        ]
        leaving = [one for one in beside if one.start == number]
        place = leaving.index(row) + (len(leaving) < len(beside)) if row in leaving else 0
        offset = min(_PIN * (place + 1), card.height / 2)
        return card.y + card.height - offset if other > number else card.y + offset


def _other(row: _Row, number: int) -> int:
    return row.end if number == row.start else row.start


class Stack:
    """The cards of one state and its inner edges."""

    def __init__(self, cards: list[Card], wires: Sequence[Wire], *, bare: bool) -> None:
        """Lay out the cards relative to each other.

        Args:
            cards: Top to bottom.
            wires: Edges that begin and end in this state; one that begins at the state itself comes from its head.
            bare: The state is its only card: it has no head.
        """
        self.cards = cards
        self.bare = bare
        self.middle = 0.0
        """x of the line around which all is placed."""
        self._down, self._up = (_Side([[] for _ in range(len(cards) + 1)]) for _ in range(2))
        self._numbers = {card.state.path: number for number, card in enumerate(cards)}
        for wire in wires:
            self._sort(wire)
        self._gaps = [self._gap(number) for number in range(len(cards) + 1)]
        self._gap_tops = [0.0] * len(self._gaps)
        widest = max(card.width for card in cards)
        self._inner_left, self._inner_right = self._down.inner(widest), self._up.inner(widest)
        self.left = self._inner_left + _TRACK * max(0, len(self._down.rounds) - 1)
        """Width to the left of the middle."""
        self.right = self._inner_right + _TRACK * max(0, len(self._up.rounds) - 1)
        """Width to the right of it."""

    @property
    def height(self) -> float:
        """The room it needs."""
        return sum(card.height for card in self.cards) + sum(self._gaps)

    def place(self, middle: float, top: float, height: float) -> None:
        """Put the cards where they belong; room that is left over widens the gaps, or a card that stands alone.

        Args:
            middle: x of the middle line.
            top: y of the upper end.
            height: As much as there is.
        """
        if self.bare:
            self.cards[0].height += max(0.0, height - self.height)
        shares = [0.5 if number in (0, len(self.cards)) else 1.0 for number in range(len(self._gaps))]
        extra = max(0.0, height - self.height) / sum(shares)
        y = top
        for number, gap in enumerate(self._gaps):
            self._gap_tops[number] = y + extra * shares[number] / 2
            y += gap + extra * shares[number]
            if number < len(self.cards):
                card = self.cards[number]
                card.x, card.y = middle - card.width / 2, y
                y += card.height
        self.middle, self._top, self._bottom = middle, top, y

    def pins(self, side: str) -> dict[str, list[float]]:
        """Return where on that side of each card a line already ends."""
        half = self._down if side == "left" else self._up
        return {
            card.state.path: [half.pin(row, number, card) for row in half.rounds if row.ends_at(number)]
            for number, card in enumerate(self.cards)
        }

    def routes(self) -> list[Route]:
        """Return every inner edge with its way."""
        return [
            self._route(row, self._gap_tops[number] + row.at, half is self._down)
            for half in (self._down, self._up)
            for number, rows in enumerate(half.rows)
            for row in rows
        ]

    def _gap(self, number: int) -> float:
        least = _GAP if 0 < number < len(self.cards) else 0.0
        return max(least, self._down.height(number), self._up.height(number))

    def _sort(self, wire: Wire) -> None:
        """Give a wire its kind, its side and its gap."""
        end = self._numbers[wire.target]
        start = len(self.cards) if wire.shared else self._numbers.get(wire.source, -1)
        kind: _Kind = "loop" if start == end else "straight" if abs(start - end) == 1 else "round"
        half, gap = (self._down, start + 1) if start < end else (self._up, start)
        half.add(gap, _Row(wire, kind, start, end))

    def _route(self, row: _Row, y: float, left: bool) -> Route:
        label, sign = row.wire.label, -1.0 if left else 1.0
        half = self._down if left else self._up
        if row.kind == "straight":
            x = self.middle + sign * _APART
            points = [Point(x, self._edge(row.start, row.end)), Point(x, self._edge(row.end, row.start))]
            at = Point(x - _BESIDE - label.width if left else x + _BESIDE, y)
        elif row.kind == "loop":
            top, x = self.cards[row.start].y, self.middle + _APART * 2
            points = [Point(x, top), Point(x, top - _LOOP), Point(x + _LOOP, top - _LOOP), Point(x + _LOOP, top)]
            at = Point(x + _LOOP + _BESIDE, max(y, top - label.height - _ROW_GAP))
        else:
            inner = self.middle + (-self._inner_left if left else self._inner_right)
            x = inner + sign * _TRACK * row.track
            first, last = self._round_end(row, row.start, half, x), self._round_end(row, row.end, half, x)
            points = [*first, *last[::-1]]
            at = Point(inner + _BESIDE if left else inner - _BESIDE - label.width, y)
        return Route(wire=row.wire, points=tuple(points), label_at=at, from_border=row.start == -1)

    def _round_end(self, row: _Row, number: int, half: _Side, x: float) -> list[Point]:
        """Return how a line that goes round leaves a card, the head or the foot."""
        if not 0 <= number < len(self.cards):
            return [Point(x, self._top if number < 0 else self._bottom)]
        card = self.cards[number]
        y = half.pin(row, number, card)
        return [Point(card.x if half is self._down else card.x + card.width, y), Point(x, y)]

    def _edge(self, number: int, other: int) -> float:
        """Return the y of a card's edge that looks towards another card; of the head or the foot if it is none."""
        if not 0 <= number < len(self.cards):
            return self._top if number < 0 else self._bottom
        card = self.cards[number]
        return card.y + card.height if other > number else card.y
