"""The chart as text people read: a Markdown table, a Mermaid diagram."""

from __future__ import annotations

from diagrams.model import ChartModel, EdgeModel, StateModel
from diagrams.palette import PALETTE

__all__ = ["mermaid_text", "table_text"]


def table_text(model: ChartModel) -> str:
    """Return every edge as a row of a Markdown table, after the states."""
    lines = [f"# {model.name}", "", "| state | means | at most |", "|---|---|---|"]
    for state in model.states:
        lines.append(f"| **{state.path}** | {state.meaning} | |")
        for sub in state.substates:
            timers = ", ".join(f"`{name}` {model.timers[name]:g} s" for name in sub.deadlines if name in model.timers)
            lines.append(f"| {sub.path} | {sub.meaning} | {timers} |")
    lines += ["", "| from | on | if | to | does |", "|---|---|---|---|---|"]
    for edge in model.edges:
        events = ", ".join(f"`{event}`" for event in edge.events)
        ours = " (ours)" if edge.ours else ""
        cells = [
            edge.source,
            events,
            ", ".join(edge.guards),
            (edge.target or "(stays)") + ours,
            ", ".join(edge.actions),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def mermaid_text(model: ChartModel) -> str:
    """Return a Mermaid state diagram (version 2), without the edges that only change memory."""
    lines = ["stateDiagram-v2", "    direction TB"]
    for state in model.states:
        lines += _mermaid_state(state)
    initial = next((state for state in model.states if state.initial), model.states[0])
    lines.append(f"    [*] --> {_name(initial.path)}")
    drawn: set[str] = set()
    for edge in model.edges:
        if edge.target is None:
            continue
        line = f"    {_name(edge.source)} --> {_name(edge.target)}: {_mermaid_label(edge)}"
        if line not in drawn:
            drawn.add(line)
            lines.append(line)
    for state in model.states:
        if colours := PALETTE.get(state.path):
            lines.append(f"    classDef c{state.path} fill:{colours.ground},stroke:{colours.line},color:{colours.line}")
            lines.append(f"    class {_name(state.path)} c{state.path}")
    return "\n".join(lines) + "\n"


def _mermaid_state(state: StateModel) -> list[str]:
    if not state.substates:
        return [f'    state "{state.name}" as {_name(state.path)}']
    lines = [f'    state "{state.name}: {state.meaning}" as {_name(state.path)} {{']
    for sub in state.substates:
        lines.append(f'        state "{sub.name}" as {_name(sub.path)}')
        if sub.initial:
            lines.append(f"        [*] --> {_name(sub.path)}")
    return [*lines, "    }"]


def _mermaid_label(edge: EdgeModel) -> str:
    guards = f" [{', '.join(edge.guards)}]" if edge.guards else ""
    return f"{edge.trigger}{guards}"


def _name(path: str) -> str:
    return path.replace(".", "_")
