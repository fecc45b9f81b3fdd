"""The full drawing, laid out: from a chart's model to boxes, lines and labels with their places."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
from msgspec import Struct

from diagrams.board import Board
from diagrams.geometry import Box, Point, Route, Wire
from diagrams.lettering import width_of
from diagrams.model import ChartModel
from diagrams.overlay import PLAIN, Overlay
from diagrams.pieces import LINE_GAP, End, Frame, Lane, Pass, key
from diagrams.tracks import Pins, Riser, order_risers, pin_ends
from diagrams.wiring import frames_of, is_inner, wires_of

__all__ = ["TITLE_SIZE", "Layout", "lay_out"]

TITLE_SIZE = 18.0
_MEANING_SIZE = 11.0
_TRACK = 12.0
"""Between two upright lines."""
_CHANNEL = 12.0
"""Beside the tracks inside a frame, on both sides."""
_LABEL_PAD = 14.0
"""Beside the labels of a corridor, on both sides."""
_SIDES = ("left", "right")


class Layout(Struct, frozen=True, kw_only=True):
    """What is drawn, and where."""

    frames: Sequence[Frame]
    routes: Sequence[Route]
    width: float
    height: float


def lay_out(model: ChartModel, overlay: Overlay = PLAIN) -> Layout:
    """Return the places of all states and of all edges that change the state."""
    wires = wires_of(model, overlay)
    crossing = [wire for wire in wires if not is_inner(wire)]
    board = Board(frames_of(model, overlay, wires), crossing)
    across = _Across(board)
    frames = list(board.frames.values())
    routes = [route for frame in frames for route in frame.stack.routes()]
    routes += [across.route(wire) for wire in crossing]
    return _from_corner(frames, routes)


def _from_corner(frames: Sequence[Frame], routes: Sequence[Route]) -> Layout:
    """Move everything so that the upper left corner of all is the origin."""
    boxes = [frame.box for frame in frames] + [route.label_box for route in routes]
    boxes += [Box(*point, 0, 0) for route in routes for point in route.points]
    left, top = min(box.x for box in boxes), min(box.y for box in boxes)
    for frame in frames:
        frame.x, frame.y = frame.x - left, frame.y - top
        for card in frame.stack.cards:
            card.x, card.y = card.x - left, card.y - top
    moved = [
        msgspec.structs.replace(
            route, points=tuple(Point(x - left, y - top) for x, y in route.points),
            label_at=Point(route.label_at.x - left, route.label_at.y - top),
        )
        for route in routes
    ]  # fmt: skip
    right, bottom = max(box.right for box in boxes), max(box.bottom for box in boxes)
    return Layout(frames=frames, routes=moved, width=right - left, height=bottom - top)


class _Across:
    """Everything from left to right: tracks, columns, corridors; and the ways of the wires through them."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self.pins: dict[tuple[str, str], Pins] = {
            (path, side): pin_ends(board, frame, side) for path, frame in board.frames.items() for side in _SIDES
        }
        self.channels: dict[tuple[str, str], float] = {}
        """Width of the room beside the cards, by state and side."""
        for at, pins in self.pins.items():
            count = order_risers(pins.inner.values())
            bare = board.frames[at[0]].bare
            self.channels[at] = 0.0 if bare else 2 * _CHANNEL + _TRACK * max(0, count - 1)
        self.passing = {
            (id(one), side): Riser(near=[one.y], far=[lane.y])
            for one, side, lane in _passages(board)
            if one.y != lane.y
        }
        """Where a wire changes its height beside a column that it passes."""
        self.turning = [name for name, lanes in board.lanes.items() if _comes_back(lanes)]
        self.labels: dict[int, tuple[float, float]] = {}
        """From where to where the labels of each corridor stand."""
        x = 0.0
        for number in range(len(board.columns)):
            x = self._corridor(number, self._column(number, x))

    def _column(self, number: int, x: float) -> float:
        """Place a column and the tracks on both sides of it; return where it ends."""
        column = self.board.columns[number]
        left, right = (order_risers(self._outer(number, side)) for side in _SIDES)
        column.x = x + _TRACK * left
        column.width = max(self._width(frame) for frame in column.frames)
        for frame in column.frames:
            frame.x, frame.width = column.x, column.width
            room = column.width - frame.stack.left - frame.stack.right
            spare = room - sum(self.channels[frame.state.path, side] for side in _SIDES)
            middle = column.x + self.channels[frame.state.path, "left"] + spare / 2 + frame.stack.left
            frame.place_cards(middle)
        return column.x + column.width + _TRACK * right

    def _corridor(self, number: int, x: float) -> float:
        """Place a corridor's labels; return where it ends."""
        widths = [lane.wire.label.width for lane in self.board.corridor(number) if lane.labelled]
        room = max(widths) + 2 * _LABEL_PAD if widths else _LABEL_PAD * 2 * (number < len(self.board.columns) - 1)
        self.labels[number] = x + _LABEL_PAD, x + room
        return x + room + _TRACK * sum(self.board.lanes[name][0].corridor == number for name in self.turning)

    def _width(self, frame: Frame) -> float:
        inside = frame.stack.left + frame.stack.right + sum(self.channels[frame.state.path, side] for side in _SIDES)
        title = width_of(frame.state.name, TITLE_SIZE, bold=True) + width_of(frame.state.meaning, _MEANING_SIZE) + 38
        return inside if frame.bare else max(title, inside)

    def _outer(self, column: int, side: str) -> list[Riser]:
        """Return the risers in the strip beside a column."""
        frames = self.board.columns[column].frames
        risers = [riser for frame in frames for riser in self.pins[frame.state.path, side].outer.values()]
        beside = ((id(one), at) for one, at, _ in _passages(self.board) if one.column == column and at == side)
        return risers + [self.passing[at] for at in beside if at in self.passing]

    def _strip_x(self, column: int, side: str, riser: Riser) -> float:
        place = self.board.columns[column]
        beyond = _TRACK * (riser.track + 1)
        return place.x + place.width + beyond if side == "right" else place.x - beyond

    def route(self, wire: Wire) -> Route:
        """Return the way of a wire from state to state."""
        lanes = self.board.lanes[key(wire)]
        start, finish = (end for end in self.board.ends if end.wire is wire)
        points = self._from_card(start)
        if _comes_back(lanes):
            beside = [name for name in self.turning if self.board.lanes[name][0].corridor == lanes[0].corridor]
            x = self.labels[lanes[0].corridor][1] + _TRACK * beside.index(key(wire))
            points += [Point(x, lanes[0].y), Point(x, lanes[1].y)]
        for one in self.board.passes.get(key(wire), ()):
            points += self._past(one, leftwards=start.side == "left")
        points += self._from_card(finish)[::-1]
        lane = next(lane for lane in lanes if lane.labelled)
        at = Point(self.labels[lane.corridor][0], lane.y - LINE_GAP - wire.label.height)
        border = start.frame.card(start.place) is None
        return Route(wire=wire, points=_without_turns(points), label_at=at, from_border=border)

    def _past(self, one: Pass, *, leftwards: bool) -> list[Point]:
        """Return how a wire passes a column: from its lane to the gap, and on to its next lane."""
        points = []
        for side in _SIDES[::-1] if leftwards else _SIDES:
            if (riser := self.passing.get((id(one), side))) is not None:
                x = self._strip_x(one.column, side, riser)
                levels = riser.far[0], riser.near[0]
                first = (side == "right") == leftwards  # coming to the column, not leaving it
                points += [Point(x, level) for level in (levels if first else levels[::-1])]
        return points

    def _from_card(self, end: End) -> list[Point]:
        """Return the way from a card, or from the border, to the lane."""
        frame, right = end.frame, end.side == "right"
        pins = self.pins[frame.state.path, end.side]
        level = pins.levels[id(end)]
        card = frame.card(end.place)
        box = card.box if card is not None else frame.box
        points = [Point(box.right if right else box.x, level)]
        x = None
        if (riser := pins.inner.get(id(end))) is not None:
            sign = 1 if right else -1
            zone = frame.stack.middle + (frame.stack.right if right else -frame.stack.left)
            x = zone + sign * (_CHANNEL + _TRACK * riser.track)
        elif (riser := pins.outer.get(id(end))) is not None:
            x = self._strip_x(frame.column, end.side, riser)
        return points if x is None else [*points, Point(x, level), Point(x, end.lane.y)]


def _passages(board: Board) -> Iterator[tuple[Pass, str, Lane]]:
    """Yield each side of each column that is passed, with the lane there."""
    for name, passes in board.passes.items():
        lanes = {lane.corridor: lane for lane in board.lanes[name]}
        for one in passes:
            yield one, "left", lanes[one.column - 1]
            yield one, "right", lanes[one.column]


def _comes_back(lanes: Sequence[Lane]) -> bool:
    return len(lanes) > 1 and lanes[0].corridor == lanes[1].corridor


def _without_turns(points: Sequence[Point]) -> tuple[Point, ...]:
    """Return a way without the points at which it does not turn."""
    if len({point.y for point in points}) == 1:
        return points[0], points[-1]
    return tuple(points)
