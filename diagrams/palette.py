"""One colour a state, the same in drawings, pages and terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["NEUTRAL", "PALETTE", "Colours", "colours_of"]


class Colours(NamedTuple):
    """Edge and text, and the ground they stand on; the second pair is for dark surroundings."""

    line: str
    ground: str
    dark_line: str
    dark_ground: str


PALETTE: Mapping[str, Colours] = {
    "IDLE": Colours("#8a94a6", "#eef0f4", "#a3adbd", "#262b34"),
    "LISTENING": Colours("#2f9e6e", "#e6f5ee", "#4cc38a", "#143126"),
    "THINKING": Colours("#c98a12", "#fbf2dc", "#e6ab3c", "#382a0e"),
    "SPEAKING": Colours("#3b72d9", "#e6eefc", "#7aa5f5", "#172946"),
    "INTERRUPT": Colours("#d1495b", "#fbe7ea", "#f07a8a", "#401a21"),
}
NEUTRAL = Colours("#5b6472", "#f4f5f7", "#aab2bf", "#22262d")


def colours_of(path: str) -> Colours:
    """Return the colours of a state, or of the state a substate lies in; other charts' states are neutral."""
    return PALETTE.get(path.split(".")[0], NEUTRAL)
