"""The outer states alone: the conversation's five as a wheel, those of other charts like a full drawing."""

from __future__ import annotations

from collections.abc import Sequence

import graphviz
import msgspec

from diagrams.geometry import Box, Point
from diagrams.ids import edge_id, state_id
from diagrams.labels import timer_runs
from diagrams.lettering import Block, Line, Run, broken, width_of
from diagrams.model import ChartModel, EdgeModel, StateModel
from diagrams.palette import CARD, NEUTRAL, PALETTE, TINTS, colours_of
from diagrams.sheet import Sheet
from diagrams.wheel import BOXES, HIGH, WIDE, way_between

__all__ = ["between", "collapsed", "wheel_source"]

_NAME, _MEANING, _CHIP, _PHRASE, _EVENTS, _SMALL = 21.0, 12.0, 12.0, 13.0, 11.0, 11.0
"""Sizes of letters, in points."""
_LINE = 2.0

_PHRASES = {
    ("IDLE", "LISTENING"): "somebody is there",
    ("LISTENING", "IDLE"): "quiet for long",
    ("LISTENING", "THINKING"): "the end of a turn",
    ("THINKING", "LISTENING"): "the caller goes on, or nothing to say",
    ("THINKING", "SPEAKING"): "first audio",
    ("SPEAKING", "THINKING"): "typed text",
    ("SPEAKING", "LISTENING"): "the answer was played",
    ("LISTENING", "SPEAKING"): "said unasked",
    ("SPEAKING", "INTERRUPT"): "a sound over us: duck",
    ("INTERRUPT", "SPEAKING"): "false alarm: go on",
    ("INTERRUPT", "LISTENING"): "they mean it: stop",
    ("LISTENING", "INTERRUPT"): "a sound, and we are still audible",
}
"""What the events between two states come to; the events themselves stand below."""
_HUNG_UP = "hung up, or nobody came back"


def between(model: ChartModel) -> dict[tuple[str, str], list[EdgeModel]]:
    """Return the edges from one outer state to another; what all states share is left out."""
    shared = {id(edge) for edges in model.shared() for edge in edges}
    pairs: dict[tuple[str, str], list[EdgeModel]] = {}
    for edge in model.edges:
        source, target = edge.source.split(".")[0], (edge.target or edge.source).split(".")[0]
        if source != target and id(edge) not in shared:
            pairs.setdefault((source, target), []).append(edge)
    return pairs


def collapsed(model: ChartModel) -> ChartModel:
    """Return a chart without its substates, guards and actions: what is drawn as its overview."""
    edges: dict[tuple[str, str, str], EdgeModel] = {}
    for edge in model.edges:
        source, target = edge.source.split(".")[0], (edge.target or edge.source).split(".")[0]
        if edge.target is not None and source != target:
            lifted = EdgeModel(trigger=edge.trigger, events=[edge.trigger], source=source, target=target)
            edges.setdefault((source, edge.trigger, target), lifted)
    states = [msgspec.structs.replace(state, substates=[]) for state in model.states]
    return msgspec.structs.replace(model, states=states, edges=list(edges.values()))


def wheel_source(model: ChartModel) -> graphviz.Digraph:
    """Return the overview of the conversation."""
    sheet = Sheet("overview", HIGH)
    sheet.bound(Box(0, 0, WIDE, HIGH), 10)
    for pair, edges in between(model).items():
        _draw_way(sheet, model, pair, edges)
    for state in model.states:
        _draw_state(sheet, state)
    for edges in model.shared():
        _draw_shared(sheet, model, edges)
    _draw_legend(sheet)
    return sheet.graph


def _draw_state(sheet: Sheet, state: StateModel) -> None:
    colours, box = colours_of(state.path), BOXES[state.path]
    sheet.box(
        state.path, box, css="state", id=state_id(state.path), color=colours.line, fillcolor=colours.ground,
        penwidth=f"{_LINE:g}", tooltip=state.meaning,
    )  # fmt: skip
    name = Block((Line((Run(state.name, colours.line, bold=True),), _NAME),))
    sheet.text(Point(box.middle.x, box.y + 8), name, centred=True)
    meaning = Block(tuple(broken([Run(state.meaning, "soft")], _MEANING, box.width - 16)))
    sheet.text(Point(box.middle.x, box.y + 38), meaning, centred=True)
    for sub, chip in zip(state.substates, _chips(state, box), strict=True):
        sheet.box(
            sub.path, chip, css="substate", id=state_id(sub.path), color=colours.line, fillcolor=CARD.light,
            penwidth="1.8" if sub.initial else "1", tooltip=sub.meaning,
        )  # fmt: skip
        text = Block((Line((Run(sub.name, colours.line),), _CHIP),))
        sheet.text(Point(chip.middle.x, chip.middle.y - text.height / 2), text, centred=True)


def _chips(state: StateModel, box: Box) -> list[Box]:
    """Return where the substates stand: in a row, each as wide as its name asks for."""
    widths = [width_of(sub.name, _CHIP) + 14 for sub in state.substates]
    gap = 6.0
    spare = (box.width - 20 - sum(widths) - gap * (len(widths) - 1)) / max(1, len(widths))
    x, chips = box.x + 10, []
    for width in widths:
        chips.append(Box(x, box.bottom - 34, width + spare, 24))
        x += width + spare + gap
    return chips


def _draw_way(sheet: Sheet, model: ChartModel, pair: tuple[str, str], edges: Sequence[EdgeModel]) -> None:
    source, target = pair
    way = way_between(source, target)
    ours = all(edge.ours for edge in edges)
    lines = broken([Run(_PHRASES.get(pair, ""), bold=True)], _PHRASE, way.width)
    triggers = dict.fromkeys(edge.trigger for edge in edges)
    label = Block((*lines, *broken(timer_runs(model, triggers, "soft"), _EVENTS, way.width)))
    sheet.curve(
        edge_id(source, target), way.curve, pair, css="edge ours" if ours else "edge", color=colours_of(target).line,
        style="dashed" if ours else "solid", penwidth=f"{_LINE:g}", tooltip="\n".join(str(edge) for edge in edges),
    )  # fmt: skip
    sheet.text(way.place(label), label, aligned=way.aligned)


def _draw_shared(sheet: Sheet, model: ChartModel, edges: Sequence[EdgeModel]) -> None:
    """Draw what leads to one state from all: once, from a sign for every state."""
    target = str(edges[0].target).split(".")[0]
    box = BOXES[target]
    events = dict.fromkeys(event for edge in edges for event in edge.events)
    phrase = broken([Run(_HUNG_UP, bold=True)], _PHRASE, 200) if "session_ended" in events else []
    label = Block((*phrase, *broken(timer_runs(model, events, "soft"), _EVENTS, 200)))
    pill = Box(box.middle.x - 44, box.bottom + 66, 88, 24)
    name = "every state"
    sheet.box(name, pill, id="s_everywhere", color=NEUTRAL.line, fillcolor=NEUTRAL.ground, penwidth="1.2")
    text = Block((Line((Run(name, "soft"),), _SMALL),))
    sheet.text(Point(pill.middle.x, pill.middle.y - text.height / 2), text, centred=True)
    sheet.line(
        f"e_every__{target}", (Point(pill.middle.x, pill.y), Point(pill.middle.x, box.bottom)), (name, target),
        css="edge", color=PALETTE[target].line, penwidth=f"{_LINE:g}",
    )  # fmt: skip
    sheet.text(Point(pill.middle.x + 10, box.bottom + 18), label)


def _draw_legend(sheet: Sheet) -> None:
    y, soft = HIGH - 14, TINTS["soft"].light
    for number, (style, text) in enumerate((("solid", "the guide's"), ("dashed", "ours"))):
        x = 104.0 * number
        ends = Point(x, y), Point(x + 34, y)
        names = f"legend.{number}.a", f"legend.{number}.b"
        for name, end in zip(names, ends, strict=True):
            sheet.point(name, end)
        sheet.line(f"legend_{number}", ends, names, css="legend", color=soft, style=style)
        sheet.text(Point(x + 41, y - 7), Block((Line((Run(text, "soft"),), _SMALL),)))
