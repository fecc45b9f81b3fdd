"""An orchestrator and workers on the memory bus, with a scripted voice and player: a whole system in one loop."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec

from adapters.bus.memory import MemoryBus
from app.observability import EventFigures
from app.orchestrator import Orchestrator
from app.session_record import SessionRecord
from statecharts.events import Connected, Envelope, Event, to_envelope
from statecharts.phrases import Phrases
from statecharts.policy import Policy

__all__ = ["Harness", "harness"]

WITHIN_S = 5.0


class Harness:
    """One session, seen from all sides."""

    def __init__(self, bus: MemoryBus) -> None:
        self.bus = bus
        self.session_id = str(uuid.uuid4())

    async def emit(self, event: Event) -> str:
        """Publish a fact as the gateway would; return its event id."""
        return await self.emit_from("gateway-test", event)

    async def emit_from(self, source: str, event: Event) -> str:
        """Publish a fact; return its event id."""
        stamped = msgspec.structs.replace(
            event, timestamp=event.timestamp or time.time(), event_id=event.event_id or str(uuid.uuid4())
        )
        await self.bus.publish(to_envelope(stamped, self.session_id, source=source))
        return stamped.event_id

    async def record(self) -> SessionRecord:
        """Return the committed session."""
        blob = await self.bus.snapshot(self.session_id)
        return SessionRecord.decode(blob) if blob else SessionRecord(session_id=self.session_id)

    async def until(self, holds: Callable[[SessionRecord], bool]) -> SessionRecord:
        """Wait until the committed session is as wanted."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                record = await self.record()
                if holds(record):
                    return record
                await asyncio.sleep(0.005)

    async def state(self, name: str) -> SessionRecord:
        return await self.until(lambda record: record.state.split(".")[0] == name)

    async def until_dropped(self, count: int) -> list[str]:
        """Wait for so many dropped facts; return why they were."""
        async with asyncio.timeout(WITHIN_S):
            while len(drops := self._drops()) < count:
                await asyncio.sleep(0.005)
        return drops

    def _drops(self) -> list[str]:
        told = self.emitted("orchestrator")
        return [str(envelope.payload["reason"]) for envelope in told if envelope.event_type.endswith("drop")]

    def emitted(self, kind: str) -> list[Envelope]:
        """Return what the session view shows of a kind, such as `intent`."""
        return self.bus.view(f"voice:{kind}:session:{self.session_id}")

    def types(self, kind: str) -> list[str]:
        return [envelope.event_type for envelope in self.emitted(kind)]


@asynccontextmanager
async def harness(
    policy: Policy | None = None, phrases: Phrases | None = None, *, connected: bool = True
) -> AsyncIterator[Harness]:
    """Run an orchestrator; a client is connected, if nothing else is said."""
    bus = MemoryBus()
    orchestrator = Orchestrator(
        bus, "orchestrator-test", policy or Policy(), phrases or Phrases(), EventFigures(), mirrored=True
    )
    await bus.announce("gateway", "gateway-test", 60.0)
    running = asyncio.create_task(orchestrator.run())
    made = Harness(bus)
    if connected:
        await made.emit(Connected())
        await made.state("LISTENING")
    try:
        yield made
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
