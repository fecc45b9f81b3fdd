"""Holds what was seen against what was expected."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from app.scenario.format import Expectation, HistoryEntry, Scenario
from app.scenario.observing import Dropped, Entry, Observed

__all__ = ["Outcome", "judge"]

_ROUNDING_S = 0.0005
"""Times are told in milliseconds: half of one is no difference."""


class Outcome(Struct, frozen=True, kw_only=True):
    """What `./run scenario --json` prints of a file."""

    title: str
    passed: bool
    failures: list[str]
    states: list[tuple[float, str]]
    audible: list[tuple[float, float]]
    history: list[Entry]
    dropped: list[Dropped]
    turns: int


def judge(scenario: Scenario, observed: Observed, problem: str = "") -> Outcome:
    """Return whether all that was expected was seen; `problem` is what went wrong besides."""
    expect, within_s = scenario.expect, scenario.tolerance_s + _ROUNDING_S
    failures = [
        *([problem] if problem else []),
        *_judge_states(expect, observed, within_s),
        *_judge_audible(expect, observed, within_s),
        *_judge_history(expect.history, observed.history),
    ]
    names = [name for _, name in observed.states]
    failures += [f"never: {name} occurs, in {_told(observed.states)}" for name in expect.never if name in names]
    if expect.turns is not None and expect.turns != observed.turns:
        failures.append(f"turns: expected {expect.turns}, seen {observed.turns}")
    return Outcome(
        title=scenario.title, passed=not failures, failures=failures, states=observed.states,
        audible=observed.audible, history=observed.history, dropped=observed.dropped, turns=observed.turns,
    )  # fmt: skip


def _judge_states(expect: Expectation, observed: Observed, within_s: float) -> Iterator[str]:
    if expect.states is None:
        return
    names, seen = [name for _, name in expect.states], [name for _, name in observed.states]
    if names != seen:
        yield f"states: expected {_told(expect.states)}; seen {_told(observed.states)}"
        return
    for number, ((due, name), (at, _)) in enumerate(zip(expect.states, observed.states, strict=True), 1):
        if abs(due - at) > within_s:
            yield f"states, number {number}: expected {name} at {due:g}, seen at {at:g}"


def _judge_audible(expect: Expectation, observed: Observed, within_s: float) -> Iterator[str]:
    if expect.audible is None:
        return
    agree = len(expect.audible) == len(observed.audible) and all(
        abs(due - at) <= within_s
        for interval, seen in zip(expect.audible, observed.audible, strict=True)
        for due, at in zip(interval, seen, strict=True)
    )
    if not agree:
        yield f"audible: expected {_spans(expect.audible)}; seen {_spans(observed.audible)}"


def _judge_history(expected: Sequence[HistoryEntry] | None, seen: Sequence[Entry]) -> Iterator[str]:
    if expected is None:
        return
    if len(expected) != len(seen):
        yield f"history: expected {len(expected)} entries, seen {[(entry.role, entry.text) for entry in seen]}"
        return
    for number, (due, entry) in enumerate(zip(expected, seen, strict=True), 1):
        for key in HistoryEntry.__struct_fields__:
            wanted, found = getattr(due, key), getattr(entry, key)
            if wanted is not None and wanted != found:
                yield f"history, number {number}: expected {key} {wanted!r}, seen {found!r}"


def _told(states: Sequence[tuple[float, str]]) -> str:
    return ", ".join(f"{name} at {at:g}" for at, name in states) or "nothing"


def _spans(audible: Sequence[tuple[float, float]]) -> str:
    return ", ".join(f"{start:g} to {end:g}" for start, end in audible) or "nothing"
