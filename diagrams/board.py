"""Where everything on the full drawing goes: states in columns, edges between them in lanes from side to side.

    column   corridor   column   corridor   column
    ┌─────┐  label      ┌─────┐
    │ ┌─┐ │ ──────────► │ ┌─┐ │  label      ┌─────┐
    │ └─┘ │  label      └─────┘ ──────────► │ ┌─┐ │
    │     │ ◄──────────────────────────────  │ └─┘ │
    └─────┘

Every edge that leads from state to state has a lane of its own: a level line across the corridor with its label above
it. Inside a state it turns, once, to reach its card (`tracks.py`); what leads to the same card from the same side
joins there. So labels stand in lists, lines meet at right angles only, and nothing has to be searched for.
"""

from __future__ import annotations

from collections.abc import Sequence

from diagrams.geometry import Wire
from diagrams.pieces import LANE_PAD, SHARED_FOOT, Column, End, Frame, Lane, Pass, key

__all__ = ["Board"]

_CLEAR = 4.0
"""Between a wire that passes a column and a lane that it does not go on in."""


class Board:
    """The heights of everything; see `tracks.py` for the rest."""

    def __init__(self, columns: Sequence[Sequence[Frame]], wires: Sequence[Wire]) -> None:
        self.columns = [Column(frames=list(frames), passing=[[] for _ in range(len(frames) + 1)]) for frames in columns]
        self.frames = {frame.state.path: frame for column in self.columns for frame in column.frames}
        self.lanes: dict[str, list[Lane]] = {}
        """The lanes of each wire, from its source to its target, by `key`."""
        self.passes: dict[str, list[Pass]] = {}
        """Between two lanes of a wire, where it passes a column."""
        self.ends: list[End] = []
        for wire in wires:
            self._plan(wire)
        self._set_heights()
        self._set_places()
        self._set_lanes()
        self._stretch()
        for frame in self.frames.values():
            frame.place_cards(0.0)

    def outer(self, path: str) -> Frame:
        """Return the frame in which a place lies."""
        return self.frames[path.split(".")[0]]

    def corridor(self, number: int) -> list[Lane]:
        """Return the lanes of a corridor, from above."""
        lanes = [lane for lanes in self.lanes.values() for lane in lanes if lane.corridor == number]
        return sorted(lanes, key=lambda lane: lane.y)

    def _plan(self, wire: Wire) -> None:
        """Decide through which corridors and gaps a wire leads."""
        source, target = self.outer(wire.source), self.outer(wire.target)
        step = 1 if source.column < target.column else -1
        if source.column == target.column:
            # Out into the corridor on the right and back again.
            lanes = [Lane(wire=wire, corridor=source.column, labelled=labelled) for labelled in (True, False)]
            sides = ("right", "right")
        else:
            first, last = min(source.column, target.column), max(source.column, target.column)
            lanes = [Lane(wire=wire, corridor=number, labelled=False) for number in range(first, last)][::step]
            lanes[0].labelled = True
            sides = ("right", "left") if step > 0 else ("left", "right")
            between = range(first + 1, last)[::step]
            passes = [Pass(wire=wire, column=at, height=lane.height) for lane, at in zip(lanes, between, strict=False)]
            for one in passes:
                self._gap(self.columns[one.column], source, target, step).append(one)
            self.passes[key(wire)] = passes
        self.lanes[key(wire)] = lanes
        self.ends.append(End(wire=wire, frame=source, side=sides[0], lane=lanes[0], incoming=False))
        self.ends.append(End(wire=wire, frame=target, side=sides[1], lane=lanes[-1], incoming=True))

    def _gap(self, column: Column, source: Frame, target: Frame, step: int) -> list[Pass]:
        """Return the gap of a column by which to pass it: the one nearest to both ends."""

        def height(frame: Frame) -> float:
            return (frame.number + 0.5) / len(self.columns[frame.column].frames)

        wanted = (height(source) + height(target)) / 2 - 0.01 * step  # going right above, going left below
        number = min(range(len(column.passing)), key=lambda one: abs(one / len(column.frames) - wanted))
        return column.passing[number]

    def _owned(self) -> dict[str, dict[str, list[Lane]]]:
        """Return the lanes that stand beside each frame, by side, in order."""
        owned: dict[str, dict[str, list[Lane]]] = {path: {"left": [], "right": []} for path in self.frames}
        given: set[int] = set()
        for end in sorted(self.ends, key=lambda end: self._order(end.wire)):
            column = self.columns[end.frame.column]
            other = self.columns[min(end.lane.corridor + (end.side == "right"), len(self.columns) - 1)]
            first = (-len(column.frames), sum(frame.least for frame in column.frames))
            second = (-len(other.frames), sum(frame.least for frame in other.frames))
            lanes = self.lanes[key(end.wire)]
            comes_back = len(lanes) > 1 and lanes[0].corridor == lanes[1].corridor
            if comes_back or (len(lanes) == 1 and first <= second and id(end.lane) not in given):
                owned[end.frame.state.path][end.side].append(end.lane)
                given.add(id(end.lane))
        return owned

    def _order(self, wire: Wire) -> tuple[float, int]:
        """Return how far down a wire belongs among others between the same states."""

        def height(path: str) -> float:
            frame = self.outer(path)
            paths = [card.state.path for card in frame.stack.cards]
            return (paths.index(path) + 0.5) / len(paths) if path in paths else -0.1

        return height(wire.source) + height(wire.target), list(self.lanes).index(key(wire))

    def _set_heights(self) -> None:
        self._lanes_beside = self._owned()
        for frame in self.frames.values():
            beside = self._lanes_beside[frame.state.path]
            rooms = [sum(lane.height for lane in beside[side]) for side in ("left", "right")]
            frame.height = max(frame.least, *(frame.head + room + 6 if room else 0.0 for room in rooms))

    def _set_places(self) -> None:
        tallest = max(column.height for column in self.columns)
        for column in self.columns:
            y = (tallest - column.height) / 2
            for number, frame in enumerate(column.frames):
                self._stack(column.passing[number], y + (14.0 if number else 0.0))
                y += column.gap(number)
                frame.y = y
                y += frame.height + SHARED_FOOT * frame.shared
            self._stack(column.passing[-1], y + 14.0)

    def _stack(self, lanes: list[Lane] | list[Pass], y: float) -> None:
        """Put lines below each other, each with room for its label, from a height on."""
        lanes.sort(key=lambda lane: self._order(lane.wire))
        for lane in lanes:
            lane.y = y + lane.above
            y += lane.height

    def _set_lanes(self) -> None:
        for frame in self.frames.values():
            for lanes in self._lanes_beside[frame.state.path].values():
                room = frame.height - frame.head - 6 - sum(lane.height for lane in lanes)
                self._stack(lanes, frame.y + frame.head + max(0.0, room) / 2)
        for name, passes in self.passes.items():
            # A wire that passes a column keeps its height on both sides of it, where there is room for that.
            for lane, one in zip(self.lanes[name], [*passes, *passes[-1:]], strict=False):
                lane.y = one.y
        for number in range(len(self.columns)):
            floor = float("-inf")
            for lane in self.corridor(number):
                lane.y = max(lane.y, floor + lane.above)
                floor = lane.y + LANE_PAD
        for one in (one for passes in self.passes.values() for one in passes):
            beside = (*self.corridor(one.column - 1), *self.corridor(one.column))
            others = [lane.y for lane in beside if lane.wire is not one.wire]
            tries = (one.y + sign * step for step in range(12) for sign in (1, -1))
            one.y = next((y for y in tries if all(abs(y - other) >= _CLEAR for other in others)), one.y)

    def _stretch(self) -> None:
        """Let a state that has a column to itself, and lanes above or below it, reach from top to bottom."""
        for column in self.columns:
            if len(column.frames) > 1 or any(column.passing):
                continue
            frame = column.frames[0]
            levels = [end.lane.y for end in self.ends if end.frame is frame]
            if all(frame.covers(level) for level in levels):
                continue
            frame.y, frame.height = 0.0, max(column.height for column in self.columns)
