"""Facts going through a bus, and whether each of them had its effect once, in order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec

from adapters.bus.port import Batch, BusUnavailable, Command, Commit, EventBus, Fenced, Ownership, partition_of
from app.gateway.orders import Orders
from statecharts.events import Envelope
from tests.adapters.bus.steps import fact, session

__all__ = ["Traffic", "until"]

WITHIN_S = 30.0
PAUSE_S = 0.02


async def until(true: Callable[[], bool], within_s: float = WITHIN_S) -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(within_s):
        while not true():
            await asyncio.sleep(PAUSE_S)


class Traffic:
    """One caller's facts, numbered from 0: each is published until it is acknowledged, then the next.

    An owner folds them as an orchestrator does: the state is the last number, and what is not greater is a copy. For
    each it commits a command, which a gateway hears once, and a request, which a worker serves.
    """

    def __init__(self, bus: EventBus) -> None:
        self._bus = bus
        self.session_id = session()
        self.acknowledged: list[int] = []
        self.heard: list[object] = []
        self.served: list[object] = []
        self.calls_s: list[float] = []
        """How long each call took, in seconds."""
        self.waits_s: list[float] = []
        """How long facts waited that were not acknowledged at once, in seconds."""
        self.failing = False
        self._last: int | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Publish, fold, listen and serve meanwhile; then until all that was acknowledged had its effect."""
        owner = self._bus.own("one")
        try:
            async with asyncio.TaskGroup() as group:
                publisher = group.create_task(self._publish())
                others = [group.create_task(work) for work in (self._fold(owner), self._listen(), self._serve())]
                yield
                publisher.cancel()
                await until(lambda: set(self.heard) >= set(self.acknowledged) <= set(self.served))
                for task in others:
                    task.cancel()
        finally:
            await owner.close()

    async def goes_on(self, facts: int = 100) -> None:
        """Return when so many more were acknowledged, and the last of them was heard."""
        wanted = len(self.acknowledged) + facts
        await until(lambda: len(self.acknowledged) >= wanted)
        await until(lambda: wanted - 1 in self.heard)

    async def check(self) -> None:
        """Assert that nothing acknowledged is lost, and nothing took effect twice or out of order."""
        assert self.heard[: len(self.acknowledged)] == self.acknowledged
        assert len(self.heard) <= len(self.acknowledged) + 1  # the last may have arrived without being acknowledged
        kept = [entry.envelope.payload["number"] for entry in await self._bus.replay(self.session_id) if entry.envelope]
        assert set(kept) >= set(self.acknowledged)

    async def _publish(self) -> None:
        number = 0
        while True:
            envelope, began = fact(self.session_id, number), time.monotonic()
            while not await self._acknowledged(envelope):
                await asyncio.sleep(PAUSE_S)
            if self.failing:
                self.failing = False
                self.waits_s.append(time.monotonic() - began)
            self.acknowledged.append(number)
            number += 1
            await asyncio.sleep(0.002)

    async def _acknowledged(self, envelope: Envelope) -> bool:
        began = time.monotonic()
        try:
            await self._bus.publish(envelope)
        except BusUnavailable:
            self.failing = True
            return False
        finally:
            self.calls_s.append(time.monotonic() - began)
        return True

    async def _fold(self, owner: Ownership) -> None:
        async for batch in owner.batches():
            try:
                if not batch.entries and batch.lease.partition == partition_of(self.session_id, self._bus.partitions):
                    blob = (await owner.snapshots(batch.lease)).get(self.session_id)
                    self._last = int(blob) if blob is not None else None
                elif batch.entries:
                    await self._commit(owner, batch)
            except (BusUnavailable, Fenced):
                continue  # it is read anew, from where the last commit led

    async def _commit(self, owner: Ownership, batch: Batch) -> None:
        last, commands, tasks = self._last, [], []
        for entry in batch.entries:
            assert entry.envelope is not None
            number = entry.envelope.payload["number"]
            assert isinstance(number, int)
            if last is not None and number <= last:
                continue
            last = number
            commands.append(("g1", Command(
                session_id=self.session_id, event_id=entry.envelope.event_id, effects=[{"number": number}],
            )))  # fmt: skip
            tasks.append(("rag", fact(self.session_id, number, "voice.rag.request")))
        began = time.monotonic()
        try:
            await owner.commit(batch.lease, Commit(
                upto=batch.entries[-1].position, snapshots={self.session_id: str(last).encode()},
                commands=commands, tasks=tasks, journal=[msgspec.json.encode({"session_id": self.session_id})],
            ))  # fmt: skip
        finally:
            self.calls_s.append(time.monotonic() - began)
        self._last = last

    async def _listen(self) -> None:
        orders = Orders()
        async for command in self._bus.listen("g1"):
            if orders.takes(command):
                self.heard.append(command.effects[0]["number"])

    async def _serve(self) -> None:
        async for delivery in self._bus.subscribe("rag", "w1"):
            self.served.append(delivery.envelope.payload["number"])
            try:
                await delivery.ack()
            except BusUnavailable:
                continue  # it is handed out again
