"""What is laid over a drawing: how single edges and states look in a comparison, a coverage, a path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

__all__ = ["PLAIN", "Entry", "Look", "Overlay"]


class Look(Struct, frozen=True, kw_only=True):
    """How an edge or a state is drawn instead of as usual."""

    tint: str = ""
    """One of `palette.TINTS`; empty: its own colour."""
    width: float = 0.0
    """Of the line, in points; 0: as usual."""
    dashed: bool | None = None
    note: str = ""
    """Said after its name."""
    was: str = ""
    """Said below it: what it was before."""


class Entry(Struct, frozen=True, kw_only=True):
    """A line of the legend."""

    text: str
    tint: str = "soft"
    width: float = 1.6
    dashed: bool = False


class Overlay(Struct, frozen=True, kw_only=True):
    """Looks by an edge's text and a state's path, and what the legend says of them."""

    edges: Mapping[str, Look] = {}
    states: Mapping[str, Look] = {}
    entries: Sequence[Entry] = ()
    heading: str = ""
    """Said beside the chart's name."""
    tells_origin: bool = True
    """Whether dashes mean, as usual, that an edge is not the guide's."""


PLAIN = Overlay()
"""Nothing laid over."""
