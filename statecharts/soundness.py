"""What holds of every sound chart, whatever it is about."""

from __future__ import annotations

from collections.abc import Iterator

from statecharts.exploration import Exploration
from statecharts.machine import Machine, S
from statecharts.proving import Finding, Property, overall

__all__ = ["ACROSS", "EACH"]


@overall
def no_state_is_unreachable(exploration: Exploration[S], machine: Machine[S]) -> Iterator[Finding]:
    """Every state can be reached."""
    reached = {part for state, _ in exploration.outcomes for part in state.split("+")}
    for leaf in machine.leaves():
        if leaf not in reached:
            yield Finding(f"no run of events leads to {leaf}")


@overall
def no_edge_is_dead(exploration: Exploration[S], machine: Machine[S]) -> Iterator[Finding]:
    """Every declared edge can be taken."""
    for edge in machine.edges():
        if not exploration.taken[str(edge)]:
            yield Finding(f"no run of events takes the edge {edge}")


@overall
def there_is_no_trap(exploration: Exploration[S], machine: Machine[S]) -> Iterator[Finding]:
    """From every situation something can still lead on, unless it is the end."""
    for number, found in enumerate(exploration.found):
        if not found.leads_to - {number} and found.at.state not in machine.ends():
            yield Finding(f"nothing leads out of {found.at.state}", number)


ACROSS: tuple[Property, ...] = (no_state_is_unreachable, no_edge_is_dead)
"""Judged once all variants of a chart's rules are walked: an edge of a feature that is off is not dead."""

EACH: tuple[Property, ...] = (there_is_no_trap,)
"""Judged under each variant."""
