"""The ids in a drawing, by which pages light its parts."""

from __future__ import annotations

from diagrams.model import EdgeModel

__all__ = ["edge_id", "full_edge_id", "state_id"]


def state_id(path: str) -> str:
    """Return the id of a state: `s_SPEAKING`, `s_SPEAKING_draining`."""
    return "s_" + path.replace(".", "_")


def edge_id(source: str, target: str) -> str:
    """Return the id of the line between two outer states in an overview: `e_SPEAKING__INTERRUPT`."""
    return f"e_{source}__{target}"


def full_edge_id(edge: EdgeModel) -> str:
    """Return the id of an edge in the full chart: `e_SPEAKING__barge_in__INTERRUPT_ducked`."""
    target = (edge.target or edge.source).replace(".", "_")
    return f"e_{edge.source.replace('.', '_')}__{edge.trigger}__{target}"
