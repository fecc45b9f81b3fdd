"""A sheet on which Graphviz draws what it is told, where it is told: boxes, lines, text, signs.

Every node has its place and every edge its curve (`neato -n2` takes both as they are), so that any Graphviz gives the
same picture. Places are in points with y growing downwards; Graphviz counts upwards, from the lower edge.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import graphviz

from diagrams.geometry import Box, Point
from diagrams.lettering import Block

__all__ = ["FONT", "Sheet"]

FONT = "Helvetica"
_RADIUS = 8.0
"""Of the corner of a line."""
_ARROW = 7.0
"""Length of an arrow's head."""
_CIRCLE = 0.5523
"""How far the handles of a Bezier curve stand out, in radii, to look like a quarter of a circle."""


class Sheet:
    """One drawing in the making. `css` is a class for pages; other attributes are Graphviz' own."""

    def __init__(self, name: str, height: float) -> None:
        self.height = height
        """Where Graphviz counts from, upwards."""
        self.graph = graphviz.Digraph(name, engine="neato")
        self.graph.attr(bgcolor="transparent", fontname=FONT, outputorder="nodesfirst", pad="0", splines="true")
        self.graph.attr("node", fontname=FONT, shape="box", fixedsize="true", label="", margin="0")
        self.graph.attr("edge", fontname=FONT, fontsize="10", arrowsize="0.7", penwidth="1.6")
        self._signs = 0

    def bound(self, box: Box, margin: float) -> None:
        """Let the sheet reach so far."""
        corners = Point(box.x - margin, box.y - margin), Point(box.right + margin, box.bottom + margin)
        for number, corner in enumerate(corners):
            self.point(f"corner.{number}", corner)

    def point(self, name: str, at: Point) -> None:
        """Mark a place at which a line may begin or end."""
        self.graph.node(name, pos=self._at(at), width="0.01", height="0.01", style="invis")

    def frame(self, name: str, box: Box, title: Block, *, css: str, **attributes: str) -> None:
        """Draw a state with substates: a box with its title at the upper left."""
        corner = Point(box.x + 14 + title.width / 2, box.y + 9 + title.height / 2)
        with self.graph.subgraph(name=f"cluster_{name}") as cluster:
            cluster.attr(
                bb=f"{self._at(Point(box.x, box.bottom))},{self._at(Point(box.right, box.y))}",
                label=title.html(), lp=self._at(corner), style="rounded,filled",
                **{**attributes, "class": css},
            )  # fmt: skip
            # A cluster has to have a node; what leads to or from the whole state ends at this one.
            cluster.node(name, pos=self._at(box.middle), width="0.01", height="0.01", style="invis")

    def box(self, name: str, box: Box, *, css: str = "", **attributes: str) -> None:
        """Draw a rounded box."""
        given = {"style": "rounded,filled", **attributes, **({"class": css} if css else {})}
        self.graph.node(name, pos=self._at(box.middle), width=_inches(box.width), height=_inches(box.height), **given)

    def text(self, at: Point, block: Block, *, centred: bool = False, aligned: float = 0.0) -> None:
        """Write a block whose upper left corner is at a place.

        Args:
            at: The place; if it is centred, the middle of the upper edge.
            block: What is written.
            centred: Each line has its middle there.
            aligned: 0 flush left, 0.5 centred, 1 flush right, within its width.
        """
        part = 0.5 if centred else aligned
        left = at.x - block.width / 2 if centred else at.x
        self._signs += 1
        self.graph.node(
            f"text.{self._signs}", label=block.html(part),
            pos=self._at(Point(left + block.width / 2, at.y + block.height / 2)),
            width=_inches(block.width), height=_inches(block.height), shape="none", **{"class": "text"},
        )  # fmt: skip
        self._clocks(Point(left, at.y), block, part)

    def line(
        self, name: str, points: Sequence[Point], ends: tuple[str, str], *, css: str,
        label: tuple[Block, Point] | None = None, **attributes: str,
    ) -> None:  # fmt: skip
        """Draw a line with round corners and an arrow at its end.

        Args:
            name: Its id.
            points: Its corners; each stretch is level or upright.
            ends: The names of what it leads from and to, for programs that read the source.
            css: Its class.
            label: What stands beside it, and the upper left corner of that.
            attributes: Graphviz' own.
        """
        if label is not None:
            block, corner = label
            middle = Point(corner.x + block.width / 2, corner.y + block.height / 2)
            attributes |= {"label": block.html(), "lp": self._at(middle)}
            self._clocks(corner, block)
        spline = self._spline(rounded(points), points[-1])
        self.graph.edge(*ends, id=name, pos=spline, **{**attributes, "class": css})

    def curve(self, name: str, curve: Sequence[Point], ends: tuple[str, str], *, css: str, **attributes: str) -> None:
        """Draw a Bezier curve (1 + 3n points) with an arrow at its end."""
        spline = self._spline([*curve[:-1], _towards(curve[-1], curve[-2], _ARROW)], curve[-1])
        self.graph.edge(*ends, id=name, pos=spline, **{**attributes, "class": css})

    def dot(self, at: Point, radius: float, colour: str, **attributes: str) -> str:
        """Draw a filled circle; return its name."""
        self._signs += 1
        given = {"style": "filled", "fillcolor": colour, "penwidth": "0", **attributes}
        size = _inches(2 * radius)
        name = f"sign.{self._signs}"
        self.graph.node(name, pos=self._at(at), width=size, height=size, shape="circle", color=colour, **given)
        return name

    def _clocks(self, at: Point, block: Block, part: float = 0.0) -> None:
        """Draw the signs of the timers that a block names: clocks with two hands."""
        y = at.y
        for line in block.lines:
            x = at.x + (block.width - line.width) * part
            middle = y + line.height - 1 - line.size * 0.66  # of its letters, as Graphviz sets them
            for run, dx in zip((run for run in line.runs if run.clock), line.clocks(), strict=True):
                centre, radius = Point(x + dx, middle), line.size * 0.4
                name = self.dot(centre, radius, run.colour, style="solid", penwidth="0.9")
                up, right = Point(centre.x, middle - radius * 0.62), Point(centre.x + radius * 0.55, middle)
                self.graph.edge(
                    name, name, pos=self._spline([up, up, centre, centre, centre, right, right]), color=run.colour,
                    penwidth="0.9", arrowhead="none", **{"class": "clock"},
                )  # fmt: skip
            y += line.height

    def _at(self, point: Point) -> str:
        return f"{_pt(point.x)},{_pt(self.height - point.y)}"

    def _spline(self, curve: Sequence[Point], tip: Point | None = None) -> str:
        points = " ".join(self._at(point) for point in curve)
        return points if tip is None else f"e,{self._at(tip)} {points}"


def rounded(points: Sequence[Point]) -> list[Point]:
    """Return corners as a Bezier curve that turns in quarter circles and stops where its arrow begins."""
    corners = [points[0], *(point for before, point in pairwise(points) if point != before)]
    corners[-1] = _towards(corners[-1], corners[-2], _ARROW)
    curve = [corners[0]]
    for before, corner, after in zip(corners, corners[1:], corners[2:], strict=False):
        reach = min(_RADIUS, _distance(before, corner) / 2, _distance(corner, after) / 2)
        enter, leave = _towards(corner, before, reach), _towards(corner, after, reach)
        handle = reach * (1 - _CIRCLE)
        curve += [curve[-1], enter, enter, _towards(corner, before, handle), _towards(corner, after, handle), leave]
    return [*curve, curve[-1], corners[-1], corners[-1]]


def _towards(start: Point, end: Point, distance: float) -> Point:
    length = _distance(start, end) or 1.0
    return Point(start.x + (end.x - start.x) / length * distance, start.y + (end.y - start.y) / length * distance)


def _distance(one: Point, other: Point) -> float:
    return math.hypot(one.x - other.x, one.y - other.y)


def _pt(value: float) -> str:
    return f"{value:.1f}".replace("-0.0", "0.0")


def _inches(points: float) -> str:
    return f"{points / 72:.4f}"
