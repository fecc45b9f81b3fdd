"""What the world of a replayed call will do, and when; what our voice does can be made to stand still."""

from __future__ import annotations

import heapq
import math

import msgspec
from msgspec import Struct

from statecharts.events import Event

__all__ = ["Agenda"]


class _Due(Struct, order=True):
    at: float
    number: int
    event: Event
    of_voice: bool
    """It stands still while our voice is paused."""
    assumed: str
    """What had to be assumed for it."""


class Agenda:
    """Facts to come, in the order of time."""

    def __init__(self) -> None:
        self._due: list[_Due] = []
        self._held: list[_Due] = []
        self._held_since: float | None = None
        self._numbers = 0
        self.assumptions: dict[str, None] = {}
        """What the facts taken so far rested on, in order."""

    @property
    def next_at(self) -> float:
        """When something happens next; infinite, if nothing does."""
        return self._due[0].at if self._due else math.inf

    def put(self, event: Event, at: float, now: float, *, of_voice: bool, assumed: str = "") -> None:
        """Let a fact happen; it gets an id of its own."""
        self._numbers += 1
        event = msgspec.structs.replace(event, event_id=f"virtual-{self._numbers}")
        due = _Due(at, self._numbers, event, of_voice, assumed)
        if of_voice and self._held_since is not None:
            due.at -= now - self._held_since  # all that is held goes on by the same time later
            self._held.append(due)
        else:
            heapq.heappush(self._due, due)

    def take(self) -> Event:
        """Return what happens next."""
        due = heapq.heappop(self._due)
        if due.assumed:
            self.assumptions[due.assumed] = None
        return msgspec.structs.replace(due.event, timestamp=due.at)

    def forget(self, event: Event) -> None:
        """Take back the earliest fact like this one: the recording itself has brought it."""
        for waiting in (self._due, self._held):
            if same := [due for due in waiting if _alike(due.event, event)]:
                waiting.remove(min(same))
                heapq.heapify(waiting)
                return

    def cancel(self, turn: int, *, of_voice: bool) -> None:
        """Let none of a turn's facts happen, of the voice's or of the workers'."""
        for waiting in (self._due, self._held):
            waiting[:] = [due for due in waiting if due.of_voice is not of_voice or due.event.turn != turn]
        heapq.heapify(self._due)

    def held_s(self, at: float) -> float:
        """Return how long the voice has been standing still now."""
        return at - self._held_since if self._held_since is not None else 0.0

    def hold(self, at: float) -> None:
        """Let the voice stand still."""
        if self._held_since is None:
            self._held_since = at
            self._held = [due for due in self._due if due.of_voice]
            self._due = [due for due in self._due if not due.of_voice]
            heapq.heapify(self._due)

    def release(self, at: float) -> None:
        """Let the voice go on."""
        held_s, self._held_since = self.held_s(at), None
        for due in self._held:
            due.at += held_s
            heapq.heappush(self._due, due)
        self._held = []


def _alike(one: Event, other: Event) -> bool:
    return type(one) is type(other) and all(
        getattr(one, name, "") == getattr(other, name, "") for name in ("turn", "request_id", "kind")
    )
