"""Which state stands in which column."""

from __future__ import annotations

from collections.abc import Sequence

from diagrams.model import ChartModel
from diagrams.palette import PALETTE

__all__ = ["columns_of", "is_wheel"]

_WHEEL = (("IDLE",), ("LISTENING",), ("THINKING", "INTERRUPT"), ("SPEAKING",))
"""The conversation in its natural cycle: listening, thinking above, speaking, interrupted below."""


def is_wheel(model: ChartModel) -> bool:
    """Return whether a chart has the conversation's five states."""
    return {state.path for state in model.states} == set(PALETTE)


def columns_of(model: ChartModel) -> Sequence[Sequence[str]]:
    """Return the outer states in columns, by how many edges they are from the beginning; the conversation's are set."""
    paths = [state.path for state in model.states]
    if is_wheel(model):
        return _WHEEL
    distance = {model.initial.path: 0}
    waiting = [model.initial.path]
    for path in waiting:
        for edge in model.edges:
            target = (edge.target or edge.source).split(".")[0]
            if edge.source.split(".")[0] == path and target not in distance:
                distance[target] = distance[path] + 1
                waiting.append(target)
    last = max(distance.values()) + 1
    columns: dict[int, list[str]] = {}
    for path in paths:
        columns.setdefault(distance.get(path, last), []).append(path)
    return [columns[number] for number in sorted(columns)]
