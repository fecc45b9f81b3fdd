"""What the caller of a recorded call does when the call is played again, and when."""

from __future__ import annotations

import math
from collections.abc import Sequence

from app.folding import Folded
from app.replay.known import event_of, is_of_caller
from statecharts.events import Event

__all__ = ["CallerAgain", "is_ours"]


class CallerAgain:
    """What the caller does, in order and in time."""

    def __init__(self, run: Sequence[Folded], first: int) -> None:
        self._facts: list[tuple[float, int, Event]] = []
        self._gaps: dict[int, float] = {}
        """Of those who waited for the end of our turn: how long after it."""
        self._shift_s = 0.0
        self._floor_at: float | None = None
        latest, floor_at = 0.0, None
        for number, folded in enumerate(run):
            latest = max(latest, folded.record.at)
            event = event_of(folded)
            if event is not None and is_of_caller(event):
                if floor_at is not None:
                    self._gaps[number] = latest - floor_at
                    floor_at = None
                if number >= first:
                    self._facts.append((latest, number, event))
            if _gives_floor(folded.record.before, folded.record.after):
                floor_at = latest
        self._facts.reverse()

    def next_at(self, path: str, now: float) -> float:
        """Return when the caller does something next; infinite while they wait for us, or if they do no more."""
        if not self._facts:
            return math.inf
        at, number, _ = self._facts[-1]
        if number not in self._gaps:
            return max(now, at + self._shift_s)
        if _is_waited_out(path):
            return math.inf
        if self._floor_at is not None:
            return max(now, self._floor_at + self._gaps[number])
        return max(now, at + self._shift_s)

    def take(self, now: float) -> tuple[int, Event]:
        """Return what the caller does now."""
        at, number, event = self._facts.pop()
        if number in self._gaps:
            self._shift_s, self._floor_at = now - at, None
        return number, event

    def notice(self, before: str, after: str, at: float) -> None:
        """See whose turn it is."""
        if _gives_floor(before, after):
            self._floor_at = at


def is_ours(path: str) -> bool:
    """Return whether a place is one in which it is our turn to speak."""
    return path.split(".")[0] in ("THINKING", "SPEAKING", "INTERRUPT")


def _is_waited_out(path: str) -> bool:
    return is_ours(path) or path == "LISTENING.settling"


def _gives_floor(before: str, after: str) -> bool:
    """Return whether our turn is over and nothing is left to be answered."""
    return _is_waited_out(before) and not _is_waited_out(after) and after != "LISTENING.hearing"
