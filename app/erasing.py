"""Erases the calls of which nothing is to be kept, however long the bus is away, and what comes in late for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from adapters.bus.port import BusUnavailable, EventBus
from app.session_record import SessionRecord
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
        self._records: dict[str, SessionRecord] = {}
        """What is known of them: above all, which facts have been seen."""
        # Unbounded on purpose: a session is in it once.
        self._wanted: asyncio.Queue[str] = asyncio.Queue()
        self._waiting: set[str] = set()

    def erase(self, record: SessionRecord) -> None:
        """Have a session erased soon."""
        session_id = record.session_id
        self._asked_at.setdefault(session_id, self._clock())
        self._records.setdefault(session_id, record)
        if session_id not in self._waiting:
            self._waiting.add(session_id)
            self._wanted.put_nowait(session_id)

    def takes(self, envelope: Envelope) -> bool:
        """Return whether a fact came in late for a call that was erased, and have it erased as well.

        A new call under the same id begins as any does; with a start of its own, not with a copy of the old one's.
        """
        session_id = envelope.session_id
        asked_at = self._asked_at.get(session_id)
        if asked_at is None:
            return False
        record = self._records[session_id]
        starts = envelope.event_type == SessionStarted.event_type and session_id not in self._waiting
        if self._clock() > asked_at + LATE_S or (starts and not record.is_copy(envelope.event_id)):
            del self._asked_at[session_id], self._records[session_id]
            return False
        self.erase(record)
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
            self._records = {each: self._records[each] for each in self._asked_at}
