"""Erases the calls of which nothing is to be kept, however long the bus is away, and what comes in late for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from adapters.bus.port import BusUnavailable, EventBus
from statecharts.events import Envelope, SessionStarted

__all__ = ["Eraser"]

_log = structlog.get_logger()

LATE_S = 60.0
"""So long results of workers and reports of players may still come for a call that is erased: they are erased, too."""
RETRY_S = 0.2


class Eraser:
    """What one orchestrator has to erase.

    Args:
        bus: Where calls are kept.
        clock: Tells the Unix time.
    """

    def __init__(self, bus: EventBus, clock: Callable[[], float]) -> None:
        self._bus = bus
        self._clock = clock
        self._asked_at: dict[str, float] = {}
        # Unbounded on purpose: a session is in it once.
        self._wanted: asyncio.Queue[str] = asyncio.Queue()
        self._waiting: set[str] = set()

    def erase(self, session_id: str) -> None:
        """Have a session erased soon."""
        self._asked_at.setdefault(session_id, self._clock())
        if session_id not in self._waiting:
            self._waiting.add(session_id)
            self._wanted.put_nowait(session_id)

    def is_late(self, envelope: Envelope) -> bool:
        """Return whether a fact belongs to a call that was erased; a new one under the same id begins as any does."""
        asked_at = self._asked_at.get(envelope.session_id)
        if asked_at is None:
            return False
        begins = envelope.event_type == SessionStarted.event_type and envelope.session_id not in self._waiting
        if begins or self._clock() > asked_at + LATE_S:
            del self._asked_at[envelope.session_id]
            return False
        return True

    async def run(self) -> None:
        """Erase what is wanted, one after the other, until cancelled."""
        while True:
            session_id = await self._wanted.get()
            while True:
                try:
                    await self._bus.erase(session_id)
                    break
                except BusUnavailable as error:
                    _log.warning("session_not_erased", session=session_id, error=str(error))
                    await asyncio.sleep(RETRY_S)
            self._waiting.discard(session_id)
            now = self._clock()
            self._asked_at = {each: at for each, at in self._asked_at.items() if now <= at + LATE_S}
