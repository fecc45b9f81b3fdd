"""Where everything in the overview of the conversation is: four states on a wheel, one outside of it.

Clockwise leads the outer line of each quarter, back the inner one; through the middle, and to the state outside, lead
level lines. A label stands beside its line: outside of an outer one, inside of an inner one, and so in a region that
no other label comes to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple

from diagrams.geometry import Box, Point
from diagrams.lettering import Block

__all__ = ["BOXES", "HIGH", "WIDE", "Way", "way_between"]

WIDE, HIGH = 1086.0, 570.0
"""Size of the whole, in points."""
BOXES: Mapping[str, Box] = {
    "IDLE": Box(0, 229, 178, 112),
    "LISTENING": Box(330, 229, 226, 112),
    "THINKING": Box(588, 0, 226, 112),
    "SPEAKING": Box(846, 229, 226, 112),
    "INTERRUPT": Box(588, 458, 226, 112),
}
_RING = ("LISTENING", "THINKING", "SPEAKING", "INTERRUPT")
"""Clockwise."""
_HALF = 16.0
"""Half the distance between the two lines of a quarter."""
_SPOKE = 13.0
"""Half the distance between the two level lines between two states."""
_BEND = 0.62
"""How far the handles of a quarter of the ring reach; 0.55 would be an ellipse."""
_GAP = 10.0
"""Between a line, or a state, and a label."""
_INNER_WIDTH, _OUTER_WIDTH = 190.0, 118.0
"""Widths at which labels break: inside the ring and to its left, and to its right, where the drawing ends."""


class Way(NamedTuple):
    """A line between two states, and where its label stands beside it."""

    curve: tuple[Point, ...]
    """A Bezier curve."""
    level: float
    """Height at which the label stands."""
    below: float
    """Which part of it lies above that: 0, 0.5 or 1."""
    aligned: float
    """0: to the right of the line, flush left; 0.5: over its middle; 1: to its left, flush right."""
    width: float
    """At which it breaks."""

    def place(self, label: Block) -> Point:
        """Return the upper left corner of the label."""
        y = self.level - label.height * self.below
        if self.aligned == 0.5:
            return Point((self.curve[0].x + self.curve[-1].x - label.width) / 2, y)
        points = [_on(self.curve, step / 40) for step in range(41)]
        beside = [point.x for point in points if y - 6 <= point.y <= y + label.height + 6]
        return Point(max(beside) + _GAP if self.aligned == 0.0 else min(beside) - _GAP - label.width, y)


def way_between(source: str, target: str) -> Way:
    """Return the line from one state to another."""
    return _ways().get((source, target)) or _straight(BOXES[source], BOXES[target])


@cache
def _ways() -> dict[tuple[str, str], Way]:
    ways = _spokes("LISTENING", "SPEAKING", forward_above=False) | _spokes("IDLE", "LISTENING", forward_above=True)
    for first, second in zip(_RING, (*_RING[1:], _RING[0]), strict=True):
        ways |= _quarter(first, second)
    return ways


def _quarter(first: str, second: str) -> dict[tuple[str, str], Way]:
    """Return both ways between two neighbours of the ring, given clockwise."""
    beside, above = (first, second) if first in ("LISTENING", "SPEAKING") else (second, first)
    top = BOXES[above]
    left, up = BOXES[beside].middle.x < top.middle.x, top.middle.y < BOXES[beside].middle.y
    outer, inner = (_arc(BOXES[beside], top, left=left, up=up, shift=shift) for shift in (_HALF, -_HALF))
    # Outside beside the middle of the curve; inside clear of the state above or below.
    outside = Way(
        tuple(outer if first == beside else outer[::-1]), _on(outer, 0.5).y, 0.5, 1.0 if left else 0.0,
        _INNER_WIDTH if left else _OUTER_WIDTH,
    )  # fmt: skip
    inside = Way(
        tuple(inner if second == beside else inner[::-1]), top.bottom + _GAP if up else top.y - _GAP,
        0.0 if up else 1.0, 0.0 if left else 1.0, _INNER_WIDTH,
    )  # fmt: skip
    return {(first, second): outside, (second, first): inside}


def _arc(side: Box, top: Box, *, left: bool, up: bool, shift: float) -> list[Point]:
    """Return a quarter of the ring, from the state at its side to the one above or below; `shift` outwards."""
    x = side.middle.x + (-1 if left else 1) * (shift + 12)
    y = top.middle.y + (-1 if up else 1) * shift
    start, end = Point(x, side.y if up else side.bottom), Point(top.x if left else top.right, y)
    return [start, Point(x, start.y + (y - start.y) * _BEND), Point(end.x - (end.x - x) * _BEND, y), end]


def _spokes(left: str, right: str, *, forward_above: bool) -> dict[tuple[str, str], Way]:
    """Return the level lines between two states."""
    one, other = BOXES[left], BOXES[right]
    found: dict[tuple[str, str], Way] = {}
    for pair, above in (((left, right), forward_above), ((right, left), not forward_above)):
        y = one.middle.y + (-_SPOKE if above else _SPOKE)
        ends = Point(one.right, y), Point(other.x, y)
        curve = _line(*(ends if pair[0] == left else ends[::-1]))
        found[pair] = Way(curve, y + (-5 if above else 5), 1.0 if above else 0.0, 0.5, other.x - one.right - 24)
    return found


def _straight(one: Box, other: Box) -> Way:
    """Return a line between any two states, with its label beside its middle."""
    dx, dy = other.middle.x - one.middle.x, other.middle.y - one.middle.y
    start, end = _border(one, dx, dy), _border(other, -dx, -dy)
    return Way(_line(start, end), (start.y + end.y) / 2, 0.5, 0.0, _INNER_WIDTH)


def _border(box: Box, dx: float, dy: float) -> Point:
    """Return where a ray from the middle of a box leaves it."""
    step = min(half / abs(along) for half, along in ((box.width / 2, dx), (box.height / 2, dy)) if along)
    return Point(box.middle.x + dx * step, box.middle.y + dy * step)


def _line(start: Point, end: Point) -> tuple[Point, ...]:
    """Return a straight Bezier curve."""
    return tuple(
        Point(start.x + (end.x - start.x) * part, start.y + (end.y - start.y) * part) for part in (0, 1 / 3, 2 / 3, 1)
    )


def _on(curve: Sequence[Point], part: float) -> Point:
    """Return a point of a Bezier curve."""
    rest = 1 - part
    weights = (rest**3, 3 * rest**2 * part, 3 * rest * part**2, part**3)
    return Point(
        sum(weight * point.x for weight, point in zip(weights, curve, strict=True)),
        sum(weight * point.y for weight, point in zip(weights, curve, strict=True)),
    )
