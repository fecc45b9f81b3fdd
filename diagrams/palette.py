"""One colour a state, the same in drawings, pages and terminal; each has a second for dark surroundings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

__all__ = ["CARD", "NEUTRAL", "OTHERS", "PALETTE", "TINTS", "Colours", "Tint", "colours_of"]


class Colours(NamedTuple):
    """Edge and text, and the ground they stand on; the second pair is for dark surroundings."""

    line: str
    ground: str
    dark_line: str
    dark_ground: str


class Tint(NamedTuple):
    """A colour of text, for light and for dark surroundings."""

    light: str
    dark: str


PALETTE: Mapping[str, Colours] = {
    "IDLE": Colours("#8a94a6", "#eef0f4", "#a3adbd", "#262b34"),
    "LISTENING": Colours("#2f9e6e", "#e6f5ee", "#4cc38a", "#143126"),
    "THINKING": Colours("#c98a12", "#fbf2dc", "#e6ab3c", "#382a0e"),
    "SPEAKING": Colours("#3b72d9", "#e6eefc", "#7aa5f5", "#172946"),
    "INTERRUPT": Colours("#d1495b", "#fbe7ea", "#f07a8a", "#401a21"),
}
NEUTRAL = Colours("#5b6472", "#f4f5f7", "#aab2bf", "#22262d")
OTHERS: Sequence[Colours] = (
    *(PALETTE[name] for name in ("LISTENING", "SPEAKING", "THINKING", "INTERRUPT", "IDLE")),
    Colours("#8458c7", "#f0eafa", "#b394e8", "#2c2144"),
    Colours("#1f93a8", "#e2f4f7", "#4fc0d4", "#10323a"),
    Colours("#a0622d", "#f7ece2", "#d1965f", "#352416"),
)
"""For the states of charts of other domains, in the order of their declaration."""

CARD = Tint("#ffffff", "#16191f")
TINTS: Mapping[str, Tint] = {
    "ink": Tint("#1d232c", "#e6e9ee"),
    "soft": Tint("#5f6875", "#9aa3b0"),
    "guard": Tint("#8a5a00", "#e0b25c"),
    "added": Tint("#127a38", "#4fd07f"),
    "removed": Tint("#c22836", "#ff7b85"),
    "changed": Tint("#9a5b00", "#ffb347"),
    "faded": Tint("#8f97a3", "#6b7480"),
}


def colours_of(path: str, states: Sequence[str] = ()) -> Colours:
    """Return the colours of a state, or of the state it lies in.

    Args:
        path: The state.
        states: The outer states of its chart; without it, those of other charts are neutral.
    """
    outer = path.split(".")[0]
    if set(states) <= set(PALETTE) and outer in PALETTE:
        return PALETTE[outer]
    return OTHERS[states.index(outer) % len(OTHERS)] if outer in states else NEUTRAL
