"""The five states as a wheel, placed by hand: every line and label has a spot of its own."""

from __future__ import annotations

import math
from typing import NamedTuple

import graphviz

from diagrams.model import ChartModel, EdgeModel, StateModel
from diagrams.palette import NEUTRAL, colours_of

__all__ = ["edge_id", "overview_source", "state_id"]


class _Box(NamedTuple):
    """A state's place: its centre and size, in points; y grows upwards."""

    x: float
    y: float
    width: float
    height: float


_PLACES = {
    "IDLE": _Box(95, 245, 150, 118),
    "LISTENING": _Box(380, 420, 232, 92),
    "THINKING": _Box(820, 420, 232, 92),
    "SPEAKING": _Box(820, 70, 232, 92),
    "INTERRUPT": _Box(380, 70, 232, 92),
}
_GAP = 17.0
"""Half the distance between the two directions of a pair of states, in points."""
_LABEL_SHIFT = 13.0
_FONT = "Helvetica"


class _Label(NamedTuple):
    """Where along its line a label stands (0 to 1), and how far it is moved from there, in points."""

    text: str
    at: float = 0.5
    dx: float = 0.0
    dy: float = 0.0


_LABELS = {
    ("IDLE", "LISTENING"): _Label("someone is there", 0.5, -46, 8),
    ("LISTENING", "IDLE"): _Label("quiet for long", 0.5, 44, -7),
    ("LISTENING", "THINKING"): _Label("end of turn, or typed text"),
    ("THINKING", "LISTENING"): _Label("the caller goes on, or nothing to say"),
    ("THINKING", "SPEAKING"): _Label("first audio"),
    ("SPEAKING", "THINKING"): _Label("typed text"),
    ("SPEAKING", "LISTENING"): _Label("the answer was played", 0.42, -70, -8),
    ("LISTENING", "SPEAKING"): _Label("a greeting", 0.36, 42, 8),
    ("SPEAKING", "INTERRUPT"): _Label("a voice over us: duck"),
    ("INTERRUPT", "SPEAKING"): _Label("false alarm: go on"),
    ("INTERRUPT", "LISTENING"): _Label("they mean it: stop"),
    ("LISTENING", "INTERRUPT"): _Label("still audible"),
}


def state_id(path: str) -> str:
    """Return the id by which pages light a state: `s_SPEAKING`, `s_SPEAKING_draining`."""
    return "s_" + path.replace(".", "_")


def edge_id(source: str, target: str) -> str:
    """Return the id of an edge between outer states: `e_SPEAKING__INTERRUPT`."""
    return f"e_{source}__{target}"


def overview_source(model: ChartModel) -> graphviz.Digraph:
    """Return the overview of the conversation; a chart with other states is laid out by neato itself."""
    placed = all(state.path in _PLACES for state in model.states)
    graph = graphviz.Digraph("overview", engine="neato")
    graph.attr(bgcolor="transparent", fontname=_FONT, pad="0.15", outputorder="edgesfirst")
    if not placed:
        graph.attr(overlap="false", splines="true", esep="+12")
    graph.attr("node", fontname=_FONT, shape="box", style="rounded,filled", margin="0.12,0.06")
    graph.attr("edge", fontname=_FONT, fontsize="11", arrowsize="0.8", penwidth="1.8")
    for (source, target), edges in _between(model).items():
        _draw_edge(graph, source, target, edges, placed)
    for state in model.states:
        _draw_state(graph, state, _PLACES[state.path] if placed else None)
    if placed:
        _draw_caption(graph)
    return graph


def _between(model: ChartModel) -> dict[tuple[str, str], list[EdgeModel]]:
    """Return the edges between outer states, those that all states share left to the caption."""
    pairs: dict[tuple[str, str], list[EdgeModel]] = {}
    for edge in model.edges:
        source, target = edge.source.split(".")[0], (edge.target or edge.source).split(".")[0]
        if edge.target is None or source == target or edge.trigger == "session_ended":
            continue
        pairs.setdefault((source, target), []).append(edge)
    return pairs


def _draw_state(graph: graphviz.Digraph, state: StateModel, box: _Box | None) -> None:
    colours = colours_of(state.path)
    place = {"pos": f"{box.x},{box.y}!", "width": _inches(box.width), "height": _inches(box.height)} if box else {}
    graph.node(
        f"{state.path}.box", label="" if box else state.name, id=state_id(state.path), color=colours.line,
        fillcolor=colours.ground, penwidth="2", fixedsize="true" if box else "false", **{"class": "state"}, **place,
    )  # fmt: skip
    if box is None:
        return
    top = box.y + box.height / 2
    _text(graph, f"{state.path}.name", box.x, top - 19, state.name, colours.line, 19, bold=True, kind="name")
    _text(graph, f"{state.path}.meaning", box.x, top - 39, state.meaning, "#556070", 11, kind="meaning")
    # Substates stand in a row; in a narrow box below each other.
    row = box.width > 200
    for number, sub in enumerate(state.substates):
        count = len(state.substates)
        width = (box.width - 14) / count - 6 if row else box.width - 20
        x = box.x - box.width / 2 + 10 + (width + 6) * number + width / 2 if row else box.x
        y = box.y - box.height / 2 + 20 if row else top - 58 - 19 * number
        graph.node(
            sub.path, label=sub.name, id=state_id(sub.path), pos=f"{x},{y}!", width=_inches(width),
            height=_inches(22 if row else 16), fixedsize="true", fontsize="11", fontcolor=colours.line,
            color=colours.line, fillcolor="#ffffff", penwidth="1", tooltip=sub.meaning, **{"class": "substate"},
        )  # fmt: skip


def _draw_edge(graph: graphviz.Digraph, source: str, target: str, edges: list[EdgeModel], placed: bool) -> None:
    colours = colours_of(target)
    ours = all(edge.ours for edge in edges)
    label = _LABELS.get((source, target), _Label(", ".join(dict.fromkeys(edge.label for edge in edges))))
    attributes = {
        "id": edge_id(source, target), "color": colours.line, "style": "dashed" if ours else "solid",
        "class": "edge ours" if ours else "edge",
    }  # fmt: skip
    if not placed:
        graph.edge(f"{source}.box", f"{target}.box", label=label.text, fontcolor=colours.line, **attributes)
        return
    start, end = _line(_PLACES[source], _PLACES[target])
    graph.edge(f"{source}.box", f"{target}.box", pos=_spline(start, end), **attributes)
    x, y, turned = _label_place(start, end, label)
    _text(graph, f"{source}.{target}.label", x, y, label.text, NEUTRAL.line, 11.5, kind="label", ground=turned)


def _line(one: _Box, other: _Box) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return where a line from one box to the other begins and ends: beside its counterpart, on the left of travel."""
    dx, dy = other.x - one.x, other.y - one.y
    length = math.hypot(dx, dy)
    shift = (-dy / length * _GAP, dx / length * _GAP)
    begin = _edge_of(one, dx, dy, shift)
    finish = _edge_of(other, -dx, -dy, shift)
    return begin, finish


def _edge_of(box: _Box, dx: float, dy: float, shift: tuple[float, float]) -> tuple[float, float]:
    """Return where a ray from the shifted centre leaves the box."""
    x, y = shift
    steps = []
    if dx:
        steps.append(((box.width / 2 if dx > 0 else -box.width / 2) - x) / dx)
    if dy:
        steps.append(((box.height / 2 if dy > 0 else -box.height / 2) - y) / dy)
    step = min(step for step in steps if step > 0)
    return box.x + x + dx * step, box.y + y + dy * step


def _spline(start: tuple[float, float], end: tuple[float, float]) -> str:
    (x0, y0), (x1, y1) = start, end
    length = math.hypot(x1 - x0, y1 - y0)
    tip = 2.5 / length
    back = 10.0 / length
    points = [start, *((x0 + (x1 - x0) * at, y0 + (y1 - y0) * at) for at in (1 / 3, 2 / 3, 1 - back))]
    arrow = (x1 - (x1 - x0) * tip, y1 - (y1 - y0) * tip)
    return f"e,{arrow[0]:.1f},{arrow[1]:.1f} " + " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _label_place(start: tuple[float, float], end: tuple[float, float], label: _Label) -> tuple[float, float, bool]:
    """Return a label's centre, and whether it stands on its line and so needs a ground of its own."""
    (x0, y0), (x1, y1) = start, end
    x, y = x0 + (x1 - x0) * label.at, y0 + (y1 - y0) * label.at
    dx, dy = x1 - x0, y1 - y0
    half = len(label.text) * 2.85 + 6
    if abs(dx) > abs(dy) * 4:  # nearly level: above its line when going right, below when going left
        return x, y + (_LABEL_SHIFT if dx > 0 else -_LABEL_SHIFT), False
    if abs(dy) > abs(dx) * 4:  # nearly upright: on the outer side
        return x + (half if dy < 0 else -half), y, False
    return x + label.dx, y + label.dy, not label.dx


def _draw_caption(graph: graphviz.Digraph) -> None:
    _text(graph, "caption.1", 95, 168, "hung up, or nobody came back:", NEUTRAL.line, 10, kind="caption")
    _text(graph, "caption.2", 95, 154, "from every state to IDLE", NEUTRAL.line, 10, kind="caption")
    for number, (style, text) in enumerate((("solid", "the guide's"), ("dashed", "ours"))):
        x, y = 30.0, 72.0 - 17 * number
        for end, at in (("a", x), ("b", x + 34)):
            graph.node(f"legend.{number}.{end}", label="", pos=f"{at},{y}!", width="0.01", height="0.01", style="invis")
        graph.edge(
            f"legend.{number}.a", f"legend.{number}.b", pos=_spline((x, y), (x + 34, y)), style=style,
            color=NEUTRAL.line, id=f"legend_{number}", **{"class": "legend"},
        )  # fmt: skip
        width = len(text) * 4.7
        _text(graph, f"legend.{number}.text", x + 44 + width / 2, y, text, NEUTRAL.line, 10, kind="caption")


def _text(
    graph: graphviz.Digraph, name: str, x: float, y: float, text: str, colour: str, size: float, *,
    kind: str, bold: bool = False, ground: bool = False,
) -> None:  # fmt: skip
    """Write text at a place: as a node of its own, so that no layout moves it."""
    graph.node(
        name, label=text, pos=f"{x:.1f},{y:.1f}!", shape="box", style="filled" if ground else "",
        fillcolor="#ffffff" if ground else "none", color="none", penwidth="0", margin="0.03,0.01",
        width="0.01", height="0.01", fontcolor=colour, fontsize=str(size),
        fontname=f"{_FONT}-Bold" if bold else _FONT, id=f"t_{name.replace('.', '_')}",
        **{"class": f"text {kind}"},
    )  # fmt: skip


def _inches(points: float) -> str:
    return f"{points / 72:.3f}"
