"""The chart as text people read: a Markdown table, a Mermaid diagram."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from diagrams.labels import timer_text
from diagrams.model import ChartModel, EdgeModel, StateModel, fullest
from diagrams.palette import colours_of

__all__ = ["mermaid_text", "row", "table_text"]


def table_text(model: ChartModel) -> str:
    """Return the states, every edge as a row, and what guards ask and actions do."""
    lines = [f"# {model.name}", ""]
    if model.meaning:
        lines += [model.meaning, ""]
    lines += _table(("state", "means", "at most", "on entering", "on leaving"), [
        (f"**{state.path}**" if state in model.states else state.path, state.meaning,
         ", ".join(f"`{timer_text(model, name)}`" for name in state.deadlines if name in model.timers),
         _code(state.enter), _code(state.leave))
        for state in model.all_states
    ])  # fmt: skip
    lines += ["", *_table(("from", "on", "if", "to", "does", "asks for"), [_edge(model, edge) for edge in model.edges])]
    if model.guards:
        lines += ["", *_table(("guard", "asks whether"), [(f"`{name}`", text) for name, text in model.guards.items()])]
    if model.actions:
        lines += ["", *_table(("action", "does", "may ask for"), [
            (f"`{name}`", action.meaning, ", ".join(action.effects)) for name, action in model.actions.items()
        ])]  # fmt: skip
    return "\n".join(lines) + "\n"


def row(cells: Iterable[str]) -> str:
    """Return a row of a Markdown table."""
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [row(heads), f"|{'---|' * len(heads)}", *(row(cells) for cells in rows)]


def _edge(model: ChartModel, edge: EdgeModel) -> Sequence[str]:
    events = ", ".join(f"`{timer_text(model, event) if event in model.timers else event}`" for event in edge.events)
    target = (edge.target or "(stays)") + (" (ours)" if edge.ours else "")
    return edge.source, events, ", ".join(edge.guards), target, ", ".join(edge.actions), ", ".join(edge.effects)


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def mermaid_text(model: ChartModel) -> str:
    """Return a Mermaid state diagram (version 2), without the edges that only change memory."""
    lines = ["stateDiagram-v2", "    direction TB"]
    for state in model.states:
        lines += _mermaid_state(state, "    ")
    lines.append(f"    [*] --> {_name(model.initial.path)}")
    once = model.shared()
    drawn = {id(edge) for edges in once for edge in edges}
    ways = [line for edge in model.edges if id(edge) not in drawn and (line := _mermaid_way(edge))]
    for edges in once:
        label = _mermaid_label(fullest(edges))
        lines.append('    state "every state" as every_state')
        ways.append(f"    every_state --> {_name(str(edges[0].target))}: {label}")
    lines += dict.fromkeys(ways)
    lines += [f"    {_name(state.path)} --> [*]" for state in model.ends]
    paths = [state.path for state in model.states]
    for path in paths:
        colours = colours_of(path, paths)
        lines.append(f"    classDef c{path} fill:{colours.ground},stroke:{colours.line},color:{colours.line}")
        lines.append(f"    class {_name(path)} c{path}")
    return "\n".join(lines) + "\n"


def _mermaid_state(state: StateModel, indent: str) -> list[str]:
    if not state.substates:
        return [f'{indent}state "{state.name}" as {_name(state.path)}']
    lines = [f'{indent}state "{state.name}: {state.meaning}" as {_name(state.path)} {{']
    for sub in state.substates:
        lines += _mermaid_state(sub, indent + "    ")
        if sub.initial:
            lines.append(f"{indent}    [*] --> {_name(sub.path)}")
    return [*lines, f"{indent}}}"]


def _mermaid_way(edge: EdgeModel) -> str:
    if edge.target is None:
        return ""
    return f"    {_name(edge.source)} --> {_name(edge.target)}: {_mermaid_label(edge)}"


def _mermaid_label(edge: EdgeModel) -> str:
    guards = f" [{', '.join(edge.guards)}]" if edge.guards else ""
    others = f" ({', '.join(edge.events[1:])})" if len(edge.events) > 1 else ""
    return f"{edge.trigger}{others}{guards}"


def _name(path: str) -> str:
    return path.replace(".", "_")
