"""The whole chart: a frame for each state, a card for each substate, a line for each way from card to card."""

from __future__ import annotations

from typing import NamedTuple

import graphviz
import msgspec

from diagrams.geometry import Box, Card, Point, Route, Wire
from diagrams.ids import full_edge_id, state_id
from diagrams.layout import TITLE_SIZE, Layout, lay_out
from diagrams.lettering import Block, Line, Run
from diagrams.model import ChartModel
from diagrams.overlay import PLAIN, Entry, Look, Overlay
from diagrams.palette import CARD, NEUTRAL, TINTS, Colours, colours_of
from diagrams.pieces import Frame
from diagrams.sheet import Sheet

__all__ = ["full_source"]

_TOP = 62.0
"""Room for the heading."""
_LEAST = 640.0
"""Least width, so that heading and legend have room."""
_LEGEND_ROW = 20.0
_LEGEND_GAP = 26.0
_LEGEND_SIZE = 11.0
_STROKE = 43.0
"""Width of a line in the legend, and the gap after it."""
_LINE = 1.6
"""Width of a line, in points."""
_THICK, _THIN = 2.0, 1.1
"""Of a border."""
_EVERYWHERE = "every state"


def full_source(model: ChartModel, overlay: Overlay = PLAIN) -> graphviz.Digraph:
    """Return the full chart. What only changes memory is left to the table."""
    layout = lay_out(model, overlay)
    drawing = _Drawing(model, overlay, layout.height)
    drawing.heading()
    for route in layout.routes:
        drawing.route(route)
    for frame in layout.frames:
        drawing.frame(frame)
    width = max(layout.width, _LEAST)
    bottom = _draw_legend(drawing.sheet, [*_lines(model, overlay), *_signs(model)], layout, width)
    drawing.sheet.bound(Box(0, 0, width, bottom + 6), 18.0)
    return drawing.sheet.graph


class _Drawing:
    def __init__(self, model: ChartModel, overlay: Overlay, height: float) -> None:
        self.model = model
        self.overlay = overlay
        self.outer = [state.path for state in model.states]
        self.sheet = Sheet(model.name, height + _TOP)

    def heading(self) -> None:
        lines = [Line((Run(self.model.name, bold=True),), 22)]
        if below := self.overlay.heading or self.model.meaning:
            lines.append(Line((Run(below, "soft"),), 12))
        self.sheet.text(Point(0, 0), Block(tuple(lines)))

    def frame(self, frame: Frame) -> None:
        state, colours = frame.state, self._colours(frame.state.path)
        if not frame.bare:
            look = self.overlay.states.get(state.path, Look())
            runs = [Run(state.name, look.tint or colours.line, bold=True)]
            if look.note:
                runs.append(Run(f" {look.note}", look.tint or "soft"))
            title = Block((Line((*runs,), TITLE_SIZE),))
            self.sheet.frame(
                state.path, _down(frame.box), title, css="state", id=state_id(state.path), penwidth=f"{_THICK:g}",
                color=TINTS[look.tint].light if look.tint else colours.line, fillcolor=colours.ground,
                tooltip=state.meaning,
            )  # fmt: skip
            beside = Point(frame.x + title.width + 24, frame.y + _TOP + 15)
            if state.meaning:
                self.sheet.text(beside, Block((Line((Run(state.meaning, "soft"),), 11),)))
        for card in frame.stack.cards:
            self.card(card, bare=frame.bare)

    def card(self, card: Card, *, bare: bool) -> None:
        state, box = card.state, _down(card.box)
        colours = self._colours(state.path)
        look = self.overlay.states.get(state.path, Look())
        width = look.width or (_THICK if bare or state.initial else _THIN)
        self.sheet.box(
            state.path, box, css="state" if bare else "substate", id=state_id(state.path), penwidth=f"{width:g}",
            color=TINTS[look.tint].light if look.tint else colours.line, tooltip=state.meaning,
            fillcolor=colours.ground if bare else CARD.light, style="rounded,filled" + ",dashed" * bool(look.dashed),
        )  # fmt: skip
        self.sheet.text(Point(box.x + 12, box.y + (box.height - card.block.height) / 2), card.block)

    def route(self, route: Route) -> None:
        wire = route.wire
        look = self._look_of(wire)
        colour = TINTS[look.tint].light if look.tint else self._colours(wire.target).line
        ours = all(edge.ours for edge in wire.edges)
        dashed = look.dashed if look.dashed is not None else ours and self.overlay.tells_origin
        points = [Point(x, y + _TOP) for x, y in route.points]
        self.sheet.line(
            full_edge_id(wire.edges[0]), points, (_EVERYWHERE if wire.shared else wire.source, wire.target),
            css="edge ours" if ours else "edge", label=(wire.label, Point(route.label_at.x, route.label_at.y + _TOP)),
            color=colour, style="dashed" if dashed else "solid", penwidth=f"{look.width or _LINE:g}",
            tooltip="\n".join(str(edge) for edge in wire.edges).replace("→", "to"),
        )  # fmt: skip
        if route.from_border:
            self.sheet.dot(points[0], 3.6, colour, tooltip="from anywhere in it")
        if wire.shared:
            self._everywhere(points[0])

    def _everywhere(self, at: Point) -> None:
        """Draw the sign that stands for every state."""
        block = Block((Line((Run(_EVERYWHERE, "soft"),), 11),))
        box = Box(at.x - block.width / 2 - 12, at.y, block.width + 24, 22)
        self.sheet.box(_EVERYWHERE, box, id="s_everywhere", color=NEUTRAL.line, fillcolor=NEUTRAL.ground,
                       penwidth=f"{_THIN:g}")  # fmt: skip
        self.sheet.text(Point(at.x, at.y + (box.height - block.height) / 2), block, centred=True)

    def _look_of(self, wire: Wire) -> Look:
        """Return how a line looks that stands for several edges: as the one that stands out most."""
        looks = [self.overlay.edges.get(str(edge), Look()) for edge in wire.edges]
        widest = max(looks, key=lambda look: look.width)
        kinds = {look.tint for look in looks if look.width == widest.width}
        return widest if len(kinds) == 1 else msgspec.structs.replace(widest, tint="changed", dashed=False)

    def _colours(self, path: str) -> Colours:
        return colours_of(path, self.outer)


class _Sign(NamedTuple):
    """An entry of the legend about something that is no line."""

    runs: tuple[Run, ...]
    dot: bool = False


def _lines(model: ChartModel, overlay: Overlay) -> list[Entry]:
    told = overlay.tells_origin and any(edge.ours for edge in model.edges)
    own = [Entry(text="the guide's edge"), Entry(text="ours", dashed=True)]
    return [*(own if told else []), *overlay.entries]


def _signs(model: ChartModel) -> list[_Sign]:
    compound = {state.path for state in model.all_states if state.substates}
    edges = [edge for edge in model.edges if edge.target is not None]
    signs = [_Sign((Run("a line has the colour of the state it leads to", "soft"),))]
    if any(edge.source in compound for edge in edges):
        signs.append(_Sign((Run("from anywhere in a state", "soft"),), dot=True))
    if any(edge.guards or edge.actions for edge in edges):
        signs.append(_Sign((Run("[if]", "guard"), Run("  / then", "soft"))))
    if compound:
        signs.append(_Sign((Run("thick border: one begins here", "soft"),)))
    if model.timers:
        signs.append(_Sign((Run("so much time has passed", "soft", clock=True),)))
    if inner := len(model.edges) - len(edges):
        some = "1 edge that changes" if inner == 1 else f"{inner} edges that change"
        signs.append(_Sign((Run(f"not drawn: {some} no state (see the table)", "soft"),)))
    return signs


def _draw_legend(sheet: Sheet, entries: list[Entry | _Sign], layout: Layout, width: float) -> float:
    """Say what the signs mean, in as many rows as it takes; return where the last one stands."""
    x, y = 0.0, layout.height + _TOP + _LEGEND_GAP
    for number, entry in enumerate(entries):
        sign = _STROKE if isinstance(entry, Entry) else 12.0 * entry.dot
        runs = (Run(entry.text, "soft"),) if isinstance(entry, Entry) else entry.runs
        block = Block((Line(runs, _LEGEND_SIZE),))
        if x and x + sign + block.width > width:
            x, y = 0.0, y + _LEGEND_ROW
        if isinstance(entry, Entry):
            ends = Point(x, y), Point(x + _STROKE - 7, y)
            names = f"legend.{number}.a", f"legend.{number}.b"
            for name, end in zip(names, ends, strict=True):
                sheet.point(name, end)
            sheet.line(f"legend_{number}", ends, names, css="legend", color=TINTS[entry.tint].light,
                       style="dashed" if entry.dashed else "solid", penwidth=f"{entry.width:g}")  # fmt: skip
        elif entry.dot:
            sheet.dot(Point(x + 3, y), 3.6, TINTS["soft"].light)
        sheet.text(Point(x + sign, y - block.height / 2 - 1), block)
        x += sign + block.width + _LEGEND_GAP
    return y


def _down(box: Box) -> Box:
    return Box(box.x, box.y + _TOP, box.width, box.height)
