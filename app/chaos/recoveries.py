"""How long callers were kept waiting, in figures."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from app.caller.report import percentile
from app.chaos.call_story import CallStory
from app.chaos.faults import Fault

__all__ = ["Recoveries", "recoveries_of", "undisturbed_waits"]


class Recoveries(Struct, frozen=True, kw_only=True):
    """How long callers of one kind of fault were kept waiting, in seconds."""

    faults: int
    waits: int
    p50: float = 0.0
    p95: float = 0.0
    max: float = 0.0


def recoveries_of(faults: Iterable[Fault]) -> Recoveries:
    """Return how long callers waited for these faults to pass."""
    faults = list(faults)
    return _figures(len(faults), [seconds for fault in faults for seconds in fault.recoveries])


def undisturbed_waits(stories: Iterable[CallStory], faults: Iterable[Fault], after_s: float) -> Recoveries:
    """Return how long callers waited where no fault was, nor had been for so long."""
    times = [(fault.at, fault.clock + after_s) for fault in faults]
    return _figures(
        0,
        [
            wait.until - wait.since
            for story in stories
            for wait in story.waits
            if wait.until is not None and not any(wait.since <= end and start <= wait.until for start, end in times)
        ],
    )  # fmt: skip


def _figures(faults: int, seconds: list[float]) -> Recoveries:
    if not seconds:
        return Recoveries(faults=faults, waits=0)
    return Recoveries(
        faults=faults, waits=len(seconds), p50=round(percentile(seconds, 0.5), 3),
        p95=round(percentile(seconds, 0.95), 3), max=round(max(seconds), 3),
    )  # fmt: skip
