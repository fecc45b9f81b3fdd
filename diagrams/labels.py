"""What stands at an edge and on a state's card."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from diagrams.lettering import Block, Line, Run, broken
from diagrams.model import ChartModel, EdgeModel, StateModel
from diagrams.overlay import PLAIN, Look, Overlay

__all__ = ["card_block", "edge_block", "shown_effects", "timer_runs", "timer_text"]

_EVENT_SIZE = 10.0
_EFFECT_SIZE = 9.0
_CARD_WIDTH = 178.0


def timer_text(model: ChartModel, name: str) -> str:
    """Return a timer's name and seconds: `away 60 s`."""
    seconds = model.timers[name]
    return f"{name} off" if not seconds else f"{name} {'+' if name in model.margins else ''}{seconds:g} s"


def shown_effects(model: ChartModel, edge: EdgeModel) -> list[str]:
    """Return what an edge does, in a few words: its effects, or its actions where nothing is known of effects.

    Timers are told where they run, on the cards.
    """
    if not any(action.effects for action in model.actions.values()):
        return edge.actions
    return [effect for effect in edge.effects if not effect.startswith(("StartTimer", "CancelTimer"))]


def edge_block(model: ChartModel, edges: list[EdgeModel], width: float, overlay: Overlay = PLAIN) -> Block:
    """Return the label of edges that lead from the same place to the same place.

    Each says on which events it is taken, [if what], and in a second line / what is asked for.
    """
    lines: list[Line] = []
    for edge in edges:
        look = overlay.edges.get(str(edge), Look())
        first, *rest = broken(_events(model, edge, look), _EVENT_SIZE, width, indent="   ")
        lines += [msgspec.structs.replace(first, above=4 if lines else 0), *rest]
        if effects := shown_effects(model, edge):
            text = "/ " + ", ".join(effects)
            lines += broken([Run(text, _tint("soft", look))], _EFFECT_SIZE, width, indent="   ")
        if look.was:
            lines += broken([Run(look.was, "changed")], _EFFECT_SIZE, width, indent="   ")
    return Block(tuple(lines))


def timer_runs(model: ChartModel, names: Iterable[str], tint: str) -> list[Run]:
    """Return events one after the other, timers with their sign and seconds."""
    runs: list[Run] = []
    for name in names:
        if runs:
            runs.append(Run(", ", tint))
        timer = name in model.timers
        runs.append(Run(timer_text(model, name) if timer else name, tint, clock=timer))
    return runs


def _events(model: ChartModel, edge: EdgeModel, look: Look) -> list[Run]:
    runs: list[Run] = []
    ink = _tint("ink", look)
    for number, event in enumerate(edge.events):
        lead = "" if not number else ": " if number == 1 else ", "
        if lead:
            runs.append(Run(lead, ink))
        timer = event in model.timers
        runs.append(Run(timer_text(model, event) if timer else event, ink, bold=not number, clock=timer))
    if edge.guards:
        runs.append(Run(f" [{', '.join(edge.guards)}]", _tint("guard", look)))
    if look.note:
        runs.append(Run(f" {look.note}", look.tint or "ink", bold=True))
    return runs


def card_block(model: ChartModel, state: StateModel, name: str, colour: str, look: Look | None = None) -> Block:
    """Return what a state's card says: its name, what it means, and the timers of which one runs there."""
    look = look or Look()
    runs = [Run(name, look.tint or colour, bold=True)]
    if look.note:
        runs.append(Run(f" {look.note}", look.tint or "soft"))
    lines = [Line(tuple(runs), 13.0)]
    if state.meaning.lower() != state.name.replace("_", " ").lower():
        lines += broken([Run(state.meaning, _tint("soft", look))], 10.0, _CARD_WIDTH)
    for timer in state.deadlines:
        if timer in model.timers:
            lines.append(Line((Run(timer_text(model, timer), _tint("soft", look), clock=True),), 10))
    if look.was:
        lines += broken([Run(look.was, "changed")], 9.0, _CARD_WIDTH)
    return Block(tuple(lines))


def _tint(usual: str, look: Look) -> str:
    return "faded" if look.tint == "faded" else usual
