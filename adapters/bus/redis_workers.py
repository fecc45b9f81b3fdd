"""Competing workers on Redis: a consumer group a kind, over the task streams of all partitions."""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import AsyncIterator
from typing import cast

import redis.exceptions
import structlog

from adapters.bus.codec import dead_letter, decode_entry, encode_envelope
from adapters.bus.port import BusUnavailable
from adapters.bus.redis_link import BLOCK_MS, Entry, Keys, Link, entries_of, streams_of
from statecharts.events import Envelope

__all__ = ["MIN_IDLE_S", "RedisDelivery", "RedisSubscription"]

_log = structlog.get_logger()

MIN_IDLE_S = 15.0
"""A request whose worker is silent for so long is handed to another: longer than any honest request takes."""
RECLAIM_EVERY_S = 1.0
RETRY_S = 0.1
FRESH_PER_STREAM = 1
"""Requests taken at once from each stream: what a worker holds and does not serve yet, no other can."""
RECLAIMED_PER_STREAM = 10


class RedisDelivery:
    """One request in one worker's hands."""

    def __init__(
        self, subscription: RedisSubscription, partition: int, position: str, envelope: Envelope, attempts: int
    ) -> None:
        self._subscription = subscription
        self._partition = partition
        self._position = position
        self._envelope = envelope
        self._attempts = attempts

    @property
    def envelope(self) -> Envelope:
        return self._envelope

    @property
    def attempts(self) -> int:
        return self._attempts

    async def ack(self) -> None:
        await self._subscription.settle(self._partition, self._position)

    async def nack(self, delay_s: float) -> None:
        self._subscription.retry_later(self._partition, self._position, delay_s)

    async def dead_letter(self, error: str) -> Envelope:
        letter = dead_letter(self._envelope, error, self._attempts, time.time())
        await self._subscription.settle(self._partition, self._position, encode_envelope(letter))
        return letter


class RedisSubscription:
    """One worker's place in the group of its kind."""

    def __init__(self, url: str, link: Link, keys: Keys, kind: str, worker: str, min_idle_s: float) -> None:
        self._link = link
        self._reader = Link(url, blocking=True)
        self._keys = keys
        self._kind = kind
        self._worker = worker
        self._min_idle_ms = round(min_idle_s * 1000)
        self._retries: list[tuple[float, int, str]] = []
        self._epochs: dict[int, int] = {}
        self._reclaimed_at = 0.0
        self._ready = False

    async def deliveries(self) -> AsyncIterator[RedisDelivery]:
        """Yield requests until closed: those to be tried again, those of dead workers, new ones."""
        outage, part = self._link.outage, f"{self._kind} {self._worker}"
        try:
            while True:
                try:
                    found = await self._next()
                    outage.ended(part)
                    for delivery in found:
                        yield delivery
                except BusUnavailable as error:
                    outage.began(part, error)
                    await asyncio.sleep(RETRY_S)
                except redis.exceptions.ResponseError as error:
                    # The groups are gone when the server lost its data: they are made again, from the beginning.
                    if not str(error).startswith("NOGROUP"):
                        raise
                    self._ready = False
        finally:
            outage.forget(part)
            await self._reader.close()

    def retry_later(self, partition: int, position: str, delay_s: float) -> None:
        """Hand a request out again after a while; if this worker dies before, another one claims it."""
        heapq.heappush(self._retries, (time.monotonic() + delay_s, partition, position))

    async def settle(self, partition: int, position: str, letter: bytes | None = None) -> None:
        """A request is done with; or it is put aside, in the same transaction."""
        stream = self._keys.tasks(self._kind, partition)
        commands: list[tuple[object, ...]] = [("XACK", stream, self._kind, position), ("XDEL", stream, position)]
        if letter is not None:
            commands.insert(0, ("XADD", self._keys.dlq(partition), "*", "data", letter))
        await self._link.call_all(commands)

    async def _next(self) -> list[RedisDelivery]:
        if not self._ready:
            await self._make_groups()
        found = await self._due_retries()
        if time.monotonic() - self._reclaimed_at >= RECLAIM_EVERY_S:
            self._reclaimed_at = time.monotonic()
            found += await self._reclaim()
        return found or await self._fresh()

    async def _make_groups(self) -> None:
        made = await self._link.call_all(
            [
                ("XGROUP", "CREATE", self._keys.tasks(self._kind, partition), self._kind, "0", "MKSTREAM")
                for partition in range(self._keys.partitions)
            ],
            raising=False,
        )
        for answer in made:
            if isinstance(answer, Exception) and "BUSYGROUP" not in str(answer):
                raise answer
        self._ready = True

    async def _fresh(self) -> list[RedisDelivery]:
        block_ms = BLOCK_MS
        if self._retries:
            block_ms = max(1, min(block_ms, round((self._retries[0][0] - time.monotonic()) * 1000)))
        streams = [self._keys.tasks(self._kind, partition) for partition in range(self._keys.partitions)]
        answer = await self._reader.call(
            "XREADGROUP", "GROUP", self._kind, self._worker, "COUNT", FRESH_PER_STREAM, "BLOCK", block_ms,
            "STREAMS", *streams, *([">"] * len(streams)),
        )  # fmt: skip
        return [
            delivery
            for stream, entries in streams_of(answer)
            for entry in entries
            if (delivery := await self._delivery(self._keys.of(stream), entry, 1)) is not None
            and await self._is_current(self._keys.of(stream), entry, delivery)
        ]

    async def _is_current(self, partition: int, entry: Entry, delivery: RedisDelivery) -> bool:
        """Refuse a request that a fenced owner slipped in behind those of its heir.

        Only new requests are judged: one that is tried again may be of an owner that left in good order.
        """
        latest = self._epochs.get(partition, 0)
        epoch = delivery.envelope.metadata.get("epoch", latest)
        if not isinstance(epoch, int) or epoch < latest:
            _log.warning("request_refused", kind=self._kind, position=entry.position, epoch=epoch, latest=latest)
            await self.settle(partition, entry.position)
            return False
        self._epochs[partition] = epoch
        return True

    async def _due_retries(self) -> list[RedisDelivery]:
        due = []
        while self._retries and self._retries[0][0] <= time.monotonic():
            _, partition, position = heapq.heappop(self._retries)
            stream = self._keys.tasks(self._kind, partition)
            claimed = entries_of(await self._link.call("XCLAIM", stream, self._kind, self._worker, 0, position))
            due += [delivery for entry in claimed if (delivery := await self._redelivery(partition, entry)) is not None]
        return due

    async def _reclaim(self) -> list[RedisDelivery]:
        streams = [self._keys.tasks(self._kind, partition) for partition in range(self._keys.partitions)]
        answers = await self._link.call_all(
            [
                (
                    "XAUTOCLAIM",
                    stream,
                    self._kind,
                    self._worker,
                    self._min_idle_ms,
                    "0-0",
                    "COUNT",
                    RECLAIMED_PER_STREAM,
                )
                for stream in streams
            ]
        )
        return [
            delivery
            for partition, answer in enumerate(answers)
            for entry in entries_of(cast("list[object]", answer)[1])
            if (delivery := await self._redelivery(partition, entry)) is not None
        ]

    async def _redelivery(self, partition: int, entry: Entry) -> RedisDelivery | None:
        stream = self._keys.tasks(self._kind, partition)
        pending = cast(
            "list[list[object]]",
            await self._link.call("XPENDING", stream, self._kind, entry.position, entry.position, 1),
        )
        # Each row: position, consumer, idle time in ms, number of deliveries.
        attempts = pending[0][3] if pending else 1
        return await self._delivery(partition, entry, attempts if isinstance(attempts, int) else 1)

    async def _delivery(self, partition: int, entry: Entry, attempts: int) -> RedisDelivery | None:
        read = decode_entry(entry.position, entry.data)
        if read.envelope is None:
            # No request: nobody can ever serve it.
            _log.warning("task_unreadable", kind=self._kind, position=entry.position, error=read.error)
            await self.settle(partition, entry.position)
            return None
        return RedisDelivery(self, partition, entry.position, read.envelope, attempts)
