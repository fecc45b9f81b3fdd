"""The whole chart: a frame for each state, a card for each substate, an edge for each way from card to card."""

from __future__ import annotations

from html import escape

import graphviz

from diagrams.model import ChartModel, EdgeModel, StateModel, in_words
from diagrams.overview import state_id
from diagrams.palette import NEUTRAL, colours_of

__all__ = ["full_edge_id", "full_source"]

_FONT = "Helvetica"


def full_edge_id(edge: EdgeModel) -> str:
    """Return the id of an edge of the full chart: `e_SPEAKING__barge_in__INTERRUPT_ducked`."""
    target = (edge.target or edge.source).replace(".", "_")
    return f"e_{edge.source.replace('.', '_')}__{edge.trigger}__{target}"


def full_source(model: ChartModel) -> graphviz.Digraph:
    """Return the full chart. What only changes memory is left to the table; hanging up, which every state knows, to a
    line of text."""
    graph = graphviz.Digraph("conversation", engine="dot")
    graph.attr(
        bgcolor="transparent", fontname=_FONT, compound="true", rankdir="TB", ranksep="0.75", nodesep="0.5",
        pad="0.25", newrank="true", labelloc="b", fontsize="12", fontcolor=NEUTRAL.line, label=_caption(model),
    )  # fmt: skip
    graph.attr("node", fontname=_FONT, shape="plain")
    graph.attr("edge", fontname=_FONT, fontsize="10", arrowsize="0.7", penwidth="1.4")
    for state in model.states:
        _draw_state(graph, model, state)
    for edges in _ways(model):
        _draw_way(graph, model, edges)
    return graph


def _caption(model: ChartModel) -> str:
    ended = [edge for edge in model.edges if edge.trigger == "session_ended"]
    if not ended:
        return ""
    return (
        "hung up, or nobody came back within resume_wait: from every state to IDLE.ended\\l"
        "solid: the guide's edges    dashed: ours    [guard]    / what is done\\l"
    )


def _draw_state(graph: graphviz.Digraph, model: ChartModel, state: StateModel) -> None:
    colours = colours_of(state.path)
    if not state.substates:
        graph.node(state.path, label=_card(model, state), id=state_id(state.path), **{"class": "state"})
        return
    with graph.subgraph(name=f"cluster_{state.path}") as frame:
        frame.attr(
            label=f"<<b>{escape(state.name)}</b>  <font point-size=\"11\">{escape(state.meaning)}</font>>",
            id=state_id(state.path), style="rounded,filled", color=colours.line, fillcolor=colours.ground,
            fontcolor=colours.line, fontsize="17", penwidth="2", labeljust="l", margin="14", **{"class": "state"},
        )  # fmt: skip
        for sub in state.substates:
            frame.node(sub.path, label=_card(model, sub), id=state_id(sub.path), **{"class": "substate"})


def _card(model: ChartModel, state: StateModel) -> str:
    colours = colours_of(state.path)
    rows = [f'<tr><td><b><font color="{colours.line}" point-size="13">{escape(state.name)}</font></b></td></tr>']
    if state.meaning.lower() != state.name.replace("_", " ").lower():
        rows += [
            f'<tr><td><font point-size="10" color="#556070">{escape(line)}</font></td></tr>'
            for line in _folded(state.meaning, 32)
        ]
    if timers := [f"{name} {model.timers[name]:g} s" for name in state.deadlines if name in model.timers]:
        text = escape("at most: " + ", ".join(timers))
        rows.append(f'<tr><td><font point-size="9" color="{colours.line}">{text}</font></td></tr>')
    return (
        f'<<table border="1" color="{colours.line}" bgcolor="#ffffff" style="rounded" cellborder="0" '
        f'cellspacing="0" cellpadding="3">{"".join(rows)}</table>>'
    )


def _ways(model: ChartModel) -> list[list[EdgeModel]]:
    """Return the edges that are drawn, those from the same place to the same place together."""
    ways: dict[tuple[str, str], list[EdgeModel]] = {}
    for edge in model.edges:
        if edge.target is not None and edge.trigger != "session_ended":
            ways.setdefault((edge.source, edge.target), []).append(edge)
    return list(ways.values())


def _draw_way(graph: graphviz.Digraph, model: ChartModel, edges: list[EdgeModel]) -> None:
    first = edges[0]
    assert first.target is not None
    compound = {state.path for state in model.states if state.substates}
    tail = model.leaf_of(first.source)
    head = model.leaf_of(first.target)
    ends = {}
    if first.source in compound:
        ends["ltail"] = f"cluster_{first.source}"
    if first.target in compound:
        ends["lhead"] = f"cluster_{first.target}"
    if first.source in compound and first.target.startswith(f"{first.source}."):
        # From the whole of a state to a part of it: drawn at the part, since no line can leave a frame inwards.
        tail, ends = head, {}
    ours = all(edge.ours for edge in edges)
    graph.edge(
        tail, head, label=_label(edges), id=full_edge_id(first), color=colours_of(first.target).line,
        style="dashed" if ours else "solid", tooltip=", ".join(edge.trigger for edge in edges),
        **{"class": "edge ours" if ours else "edge"}, **ends,
    )  # fmt: skip


def _label(edges: list[EdgeModel]) -> str:
    lines: dict[str, list[EdgeModel]] = {}
    for edge in edges:
        lines.setdefault(edge.label, []).append(edge)
    rows = []
    for label, same in lines.items():
        guards = list(dict.fromkeys(_guards(edge) for edge in same if edge.guards))
        shown = f" [{' or '.join(guards)}]" if guards and len(guards) == len(same) else ""
        actions = list(dict.fromkeys(in_words(action) for edge in same for action in edge.actions))
        rows += [f"<b>{escape(part)}</b>" if not number else escape(part)
                 for number, part in enumerate(_folded(label + shown, 34))]  # fmt: skip
        rows += [
            f'<font point-size="8.5" color="#6b7380">{escape(part)}</font>'
            for part in _folded("/ " + ", ".join(actions), 40)
            if actions
        ]
    body = '<br align="left"/>'.join(rows)
    return (
        '<<table border="0" cellborder="0" cellspacing="0" cellpadding="1" bgcolor="#ffffff">'
        f'<tr><td align="left">{body}<br align="left"/></td></tr></table>>'
    )


def _guards(edge: EdgeModel) -> str:
    return ", ".join(guard.replace("_", " ") for guard in edge.guards)


def _folded(text: str, width: int) -> list[str]:
    """Return a text in lines of about so many characters."""
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines
