"""What the tests of the bus do again and again."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable

import msgspec

from adapters.bus.kafka import KafkaBus
from adapters.bus.kafka_link import EVENTS, Place
from adapters.bus.memory import MemoryBus
from adapters.bus.port import Batch, Commit, EventBus, Lease, Ownership, TaskDelivery, partition_of
from adapters.bus.redis_streams import RedisStreamsBus
from statecharts.events import Envelope

WITHIN_S = 10.0
Bus = MemoryBus | RedisStreamsBus | KafkaBus


def session() -> str:
    return str(uuid.uuid4())


def fact(session_id: str, number: int = 0, event_type: str = "voice.stt.final") -> Envelope:
    return Envelope(
        event_type=event_type, session_id=session_id, payload={"text": f"word {number}", "number": number},
        event_id=str(uuid.uuid4()), timestamp=time.time(), source="test",
    )  # fmt: skip


async def next_of(batches: AsyncIterator[Batch], wanted: Callable[[Batch], bool] = lambda batch: True) -> Batch:
    async with asyncio.timeout(WITHIN_S):
        async for batch in batches:
            if wanted(batch):
                return batch
    raise AssertionError("the batches ended")


def has_entries(batch: Batch) -> bool:
    return bool(batch.entries)


async def owning(bus: EventBus, envelope: Envelope) -> tuple[Ownership, AsyncIterator[Batch], Batch]:
    """Publish a fact to the partitions of a new owner; return the owner, its batches, and the one with the fact."""
    owner = bus.own("one")
    batches = owner.batches()
    await bus.publish(envelope)
    return owner, batches, await next_of(batches, has_entries)


def commit_of(batch: Batch, session_id: str, state: bytes = b"state", **more: object) -> Commit:
    record = msgspec.json.encode({"session_id": session_id, "position": batch.entries[-1].position})
    outcome = Commit(upto=batch.entries[-1].position, snapshots={session_id: state}, journal=[record])
    return msgspec.structs.replace(outcome, **more)


def numbers(batch: Batch) -> list[object]:
    return [entry.envelope.payload["number"] for entry in batch.entries if entry.envelope is not None]


async def hand(deliveries: AsyncIterator[TaskDelivery]) -> TaskDelivery:
    async with asyncio.timeout(WITHIN_S):
        return await anext(deliveries)


async def something_waits(things: AsyncIterator[object]) -> bool:
    """Return whether a worker or gateway is handed anything within a moment."""
    try:
        async with asyncio.timeout(0.3):
            await anext(things)
    except TimeoutError:
        return False
    return True


async def ask(bus: EventBus, *requests: Envelope, kind: str = "rag") -> None:
    """Have requests made by a commit, as an orchestrator does."""
    owner = bus.own(f"asker-{session()}")
    batches = owner.batches()
    await bus.publish(*requests)
    left = {request.event_id for request in requests}
    while left:
        batch = await next_of(batches, has_entries)
        envelopes = [entry.envelope for entry in batch.entries if entry.envelope is not None]
        await owner.commit(
            batch.lease, Commit(upto=batch.entries[-1].position, tasks=[(kind, envelope) for envelope in envelopes])
        )
        left -= {envelope.event_id for envelope in envelopes}
    await owner.close()


async def everything(owner: Ownership, batches: AsyncIterator[Batch], count: int) -> list[tuple[Lease, Envelope]]:
    taken: list[tuple[Lease, Envelope]] = []
    while len(taken) < count:
        batch = await next_of(batches, has_entries)
        taken += [(batch.lease, entry.envelope) for entry in batch.entries if entry.envelope is not None]
        await owner.commit(batch.lease, Commit(upto=batch.entries[-1].position))
    return taken


async def drain(owner: Ownership) -> None:
    async for _ in owner.batches():
        continue


async def end(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def view(bus: Bus, stream: str) -> list[Envelope]:
    if isinstance(bus, MemoryBus):
        return bus.view(stream)
    if isinstance(bus, KafkaBus):
        return []  # it has none
    entries = await bus.link.range(stream, "-", 100)
    return [msgspec.json.decode(entry.data or b"", type=Envelope) for entry in entries]


async def dead_letters(bus: Bus, session_id: str) -> list[Envelope]:
    if isinstance(bus, MemoryBus):
        return bus.dead
    if isinstance(bus, KafkaBus):
        return await bus.dead_letters()
    partition = partition_of(session_id, bus.partitions)
    return await view(bus, f"voice:dlq:{{p{partition:02d}}}")


async def append_raw(bus: Bus, partition: int, data: bytes) -> None:
    """Write to the log what a stranger might."""
    if isinstance(bus, MemoryBus):
        await bus.publish_raw(partition, data)
    elif isinstance(bus, KafkaBus):
        await bus.link.append(Place(EVENTS, partition), data)
    else:
        await bus.link.call("XADD", f"voice:events:{{p{partition:02d}}}", "*", "data", data)
