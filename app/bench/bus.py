"""What the event bus carries: facts published, committed and heard again as commands."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from statistics import median

import msgspec

from adapters.bus.port import Batch, Command, Commit, EventBus, Ownership
from app.caller.report import percentile
from app.task_errors import first_of_ours
from statecharts.events import Envelope, VoicechartError

__all__ = ["BusNotOurs", "bench_bus"]

PUBLISHED_AT_ONCE = 100
"""Facts in one call while publishing flat out."""
IN_FLIGHT = 2000
"""Facts on the road at most while publishing flat out: more would only wait in the log."""
PATIENCE_S = 10.0
"""Longest wait for partitions, or for the next command, in seconds."""
_STATE = b"x" * 220
"""As long as a session's state usually is."""


class BusNotOurs(VoicechartError):
    """Somebody else folds the facts of this bus."""


async def bench_bus(
    bus: EventBus, *, events: int = 20_000, rate_hz: float = 1000.0, sessions: int = 100
) -> dict[str, float]:
    """Measure the way of a fact through the log: publish, commit of state, journal and one command, command heard.

    Publisher, owner and gateway share this process, as in `voicechart serve`. It publishes flat out first, which gives
    throughput and cost; then at a steady rate, which gives latency.

    Args:
        bus: A bus that nobody else uses now; the sessions made on it are erased again.
        events: How many facts in each of the two runs.
        rate_hz: Facts a second in the second run.
        sessions: How many sessions they are spread over.

    Returns:
        `events_per_s` and `cpu_us_per_event` (this process's, not the server's) flat out; `p50_ms`, `p99_ms`, `max_ms`
        from before the publishing to the command heard, and `paced_cpu_us_per_event`, at `rate_hz`; and the arguments.

    Raises:
        BusNotOurs: The bus's partitions or the commands did not come to us.
        BusUnavailable: The bus went away.
    """
    road = _Road(bus, sessions)
    async with road.running():
        wall_s, cpu_s = await road.timed(road.publish_flat_out(events))
        road.latencies_s.clear()
        _, paced_cpu_s = await road.timed(road.publish_steadily(events, rate_hz))
    return {
        "events": events,
        "sessions": sessions,
        "partitions": bus.partitions,
        "events_per_s": round(events / wall_s),
        "cpu_us_per_event": round(cpu_s / events * 1e6, 1),
        "rate_hz": rate_hz,
        "p50_ms": round(median(road.latencies_s) * 1000, 3),
        "p99_ms": round(percentile(road.latencies_s, 0.99) * 1000, 3),
        "max_ms": round(max(road.latencies_s) * 1000, 3),
        "paced_cpu_us_per_event": round(paced_cpu_s / events * 1e6, 1),
    }


class _Road:
    """A publisher, an owner and a gateway on one bus, and the time each fact took between them."""

    def __init__(self, bus: EventBus, sessions: int) -> None:
        self._bus = bus
        self._gateway = f"bench-{uuid.uuid4()}"
        self._sessions = [str(uuid.uuid4()) for _ in range(sessions)]
        self._sent_at: list[float] = []
        self._heard = 0
        self._owned: set[int] = set()
        self._progress = asyncio.Condition()
        self.latencies_s: list[float] = []

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Own and listen meanwhile; erase the sessions afterwards."""
        ownership = self._bus.own(self._gateway)
        try:
            with first_of_ours():
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(self._fold(ownership)), group.create_task(self._listen())]
                    await self._until_owned()
                    yield
                    for task in tasks:
                        task.cancel()
        finally:
            await ownership.close()
            for session_id in self._sessions:
                await self._bus.erase(session_id)

    async def timed(self, publishing: AsyncIterator[Sequence[Envelope]]) -> tuple[float, float]:
        """Publish until all was heard; return wall and CPU time of this process, in seconds."""
        wall, cpu = time.perf_counter(), time.process_time()
        async for envelopes in publishing:
            self._sent_at += [time.perf_counter()] * len(envelopes)
            await self._bus.publish(*envelopes)
        await self._until_on_the_road(0)
        return time.perf_counter() - wall, time.process_time() - cpu

    async def publish_flat_out(self, events: int) -> AsyncIterator[Sequence[Envelope]]:
        """Yield facts as fast as they are heard again."""
        for first in range(0, events, PUBLISHED_AT_ONCE):
            await self._until_on_the_road(IN_FLIGHT - PUBLISHED_AT_ONCE)
            yield self._facts(min(PUBLISHED_AT_ONCE, events - first))

    async def publish_steadily(self, events: int, rate_hz: float) -> AsyncIterator[Sequence[Envelope]]:
        """Yield those facts whose time has come, together."""
        began, sent = time.perf_counter(), 0
        while sent < events:
            due = min(events, int((time.perf_counter() - began) * rate_hz) + 1)
            if due > sent:
                yield self._facts(due - sent)
                sent = due
            await asyncio.sleep(max(0.0, began + sent / rate_hz - time.perf_counter()))

    def _facts(self, count: int) -> list[Envelope]:
        first = len(self._sent_at)
        return [
            Envelope(
                event_type="voice.stt.partial",
                session_id=self._sessions[number % len(self._sessions)],
                payload={"text": "how old is the bridge", "confidence": 0.9, "number": number},
                event_id=str(uuid.uuid4()),
                timestamp=time.time(),
                source="bench",
                metadata={"trace_id": uuid.uuid4().hex},
            )
            for number in range(first, first + count)
        ]

    async def _fold(self, ownership: Ownership) -> None:
        async for batch in ownership.batches():
            if batch.entries:
                await ownership.commit(batch.lease, self._outcome(batch))
            else:
                async with self._progress:
                    self._owned.add(batch.lease.partition)
                    self._progress.notify_all()

    def _outcome(self, batch: Batch) -> Commit:
        facts = [(entry.position, entry.envelope) for entry in batch.entries if entry.envelope is not None]
        return Commit(
            upto=batch.entries[-1].position,
            snapshots={fact.session_id: _STATE for _, fact in facts},
            commands=[
                (self._gateway, Command(session_id=fact.session_id, effects=[{"number": fact.payload["number"]}]))
                for _, fact in facts
            ],
            journal=[msgspec.json.encode({"session_id": fact.session_id, "position": at}) for at, fact in facts],
        )

    async def _listen(self) -> None:
        async for command in self._bus.listen(self._gateway):
            number = command.effects[0]["number"]
            assert isinstance(number, int)
            self.latencies_s.append(time.perf_counter() - self._sent_at[number])
            self._heard += 1
            async with self._progress:
                self._progress.notify_all()

    async def _until_owned(self) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S), self._progress:
                await self._progress.wait_for(lambda: len(self._owned) == self._bus.partitions)
        except TimeoutError:
            raise BusNotOurs(
                f"{len(self._owned)} of {self._bus.partitions} partitions came to the benchmark within {PATIENCE_S} s: "
                "another orchestrator owns the rest. Stop it, or name another bus."
            ) from None

    async def _until_on_the_road(self, left: int) -> None:
        """Wait until at most so many facts were published and not heard."""
        try:
            async with asyncio.timeout(PATIENCE_S), self._progress:
                await self._progress.wait_for(lambda: len(self._sent_at) - self._heard <= left)
        except TimeoutError:
            raise BusNotOurs(
                f"{self._heard} of {len(self._sent_at)} commands came back within {PATIENCE_S} s: "
                "another orchestrator may have taken the rest. Stop it, or name another bus."
            ) from None
