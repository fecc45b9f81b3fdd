"""The timers of an orchestrator's conversations, on the event loop's clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from app.session_record import derived_id
from statecharts.events import TimerFired

__all__ = ["Alarms"]


class Alarms:
    """Which timers run, and when each rings.

    Args:
        ring: Told of the session and the fact, for each that has run out.
        clock: Tells the Unix time.
    """

    def __init__(self, ring: Callable[[str, TimerFired], None], clock: Callable[[], float]) -> None:
        self._ring_for = ring
        self._clock = clock
        self._set: dict[tuple[str, str], asyncio.TimerHandle] = {}

    def set(self, session_id: str, name: str, due: float) -> None:
        """Have a timer ring at this Unix time, and no longer when it was to ring before."""
        self.cancel(session_id, name)
        delay_s = max(0.0, due - self._clock())
        self._set[session_id, name] = asyncio.get_running_loop().call_later(delay_s, self._ring, session_id, name, due)

    def cancel(self, session_id: str, name: str) -> None:
        """Have a timer not ring, if it runs."""
        if alarm := self._set.pop((session_id, name), None):
            alarm.cancel()

    def forget(self, session_id: str) -> None:
        """Have none of a session's timers ring."""
        for _, name in [key for key in self._set if key[0] == session_id]:
            self.cancel(session_id, name)

    def close(self) -> None:
        """Have none ring any more."""
        for alarm in self._set.values():
            alarm.cancel()
        self._set.clear()

    def _ring(self, session_id: str, name: str, due: float) -> None:
        self._set.pop((session_id, name), None)
        # The clock that armed it may lag behind the one the chart counts with: never fire early.
        at = max(due, self._clock())
        self._ring_for(session_id, TimerFired(name=name, timestamp=at, event_id=derived_id(session_id, name, due)))
