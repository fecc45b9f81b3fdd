"""One orchestrator's partitions in memory: leased, read, committed, given back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from typing import Protocol

from adapters.bus.codec import ordinal
from adapters.bus.port import Batch, BusUnavailable, Commit, Fenced, Lease, LogEntry

__all__ = ["MemoryOwnership", "Partition", "SharedBus"]

BATCH_ENTRIES = 200


class Partition:
    """One partition: its log, its lease, its committed outcome."""

    def __init__(self) -> None:
        self.log: list[LogEntry] = []
        self.journal: list[tuple[str, bytes]] = []
        self.snapshots: dict[str, bytes] = {}
        self.offset = "0-0"
        self.epoch = 0
        self.owner = ""
        self.expires_at = 0.0


class SharedBus(Protocol):
    """What owners share: a `MemoryBus`, or one that is reached over a link which may fail (BusUnavailable)."""

    @property
    def parts(self) -> Sequence[Partition]: ...
    @property
    def lease_s(self) -> float: ...
    async def snapshots(self, partition: int) -> dict[str, bytes]: ...
    async def commit(self, lease: Lease, after: str, commit: Commit) -> None: ...
    async def announce(self, role: str, name: str, ttl_s: float) -> None: ...
    async def members(self, role: str) -> list[str]: ...
    async def wait_for_change(self, timeout_s: float, partitions: Collection[int]) -> None: ...
    async def close(self) -> None: ...


class MemoryOwnership:
    """One owner's share of a `MemoryBus`."""

    def __init__(self, bus: SharedBus, owner: str) -> None:
        self._bus = bus
        self._owner = owner
        self._held: dict[int, Lease] = {}
        self._committed: dict[int, str] = {}
        self._read_to: dict[int, str] = {}
        self._announced: set[int] = set()
        self._renew_at = 0.0
        self._closed = self._frozen = False

    @property
    def leases(self) -> Sequence[Lease]:
        return list(self._held.values())

    def freeze(self) -> None:
        """Renew nothing any more, as a process that was stopped would; for tests."""
        self._frozen = True

    async def snapshots(self, lease: Lease) -> dict[str, bytes]:
        try:
            return await self._bus.snapshots(lease.partition)
        except BusUnavailable:
            self._announced.discard(lease.partition)
            raise

    async def batches(self) -> AsyncIterator[Batch]:
        loop = asyncio.get_running_loop()
        while not self._closed:
            waiting = True
            try:
                if not self._frozen and (now := loop.time()) >= self._renew_at:
                    await self._renew(now)
                for lease in self.leases:
                    for batch in self._next_batches(lease):
                        yield batch
                        waiting = False
            except BusUnavailable:
                waiting = True
            if waiting:
                await self._bus.wait_for_change(self._bus.lease_s / 3, self._held)

    async def commit(self, lease: Lease, commit: Commit) -> None:
        partition = lease.partition
        if self._held.get(partition) != lease:
            raise Fenced(f"the lease of partition {partition} is over")
        if partition not in self._announced:
            raise BusUnavailable(f"partition {partition} is to be read anew from its committed offset first")
        try:
            await self._bus.commit(lease, self._committed[partition], commit)
        except Fenced:
            self._drop(partition)
            raise
        except BusUnavailable:
            self._announced.discard(partition)
            raise
        self._committed[partition] = commit.upto

    async def close(self) -> None:
        self._closed = True
        for lease in self.leases:
            part = self._bus.parts[lease.partition]
            if part.epoch == lease.epoch:
                part.owner, part.expires_at = "", 0.0
        self._held.clear()
        await self._bus.announce("owner", self._owner, 0.0)
        await self._bus.close()

    def _next_batches(self, lease: Lease) -> Iterator[Batch]:
        """Yield the announcement of a partition newly owned, and what is to be read of it."""
        partition = lease.partition
        if partition not in self._announced:
            self._committed[partition] = self._read_to[partition] = self._bus.parts[partition].offset
            self._announced.add(partition)
            yield Batch(lease=lease, entries=[])
            if partition not in self._announced:
                return  # its states could not be read
        if entries := self._next_entries(lease):
            self._read_to[partition] = entries[-1].position
            yield Batch(lease=lease, entries=entries)

    def _next_entries(self, lease: Lease) -> list[LogEntry]:
        log, read_to = self._bus.parts[lease.partition].log, self._read_to.get(lease.partition, "0-0")
        if not log or log[-1].position == read_to:
            return []
        floor = ordinal(read_to)
        entries = []
        for entry in reversed(log):
            if entry.position == read_to or ordinal(entry.position) <= floor:
                break
            entries.append(entry)
        return entries[::-1][:BATCH_ENTRIES]

    async def _renew(self, now: float) -> None:
        """Keep what is held, take orphans; give up what is more than a fair share while others have less."""
        await self._bus.announce("owner", self._owner, self._bus.lease_s)
        others = [name for name in await self._bus.members("owner") if name != self._owner]
        share = -(-len(self._bus.parts) // (len(others) + 1))
        for partition, part in enumerate(self._bus.parts):
            held = self._held.get(partition)
            if held is not None and held.epoch != part.epoch:
                self._drop(partition)
            elif held is not None and len(self._held) > share:
                part.owner, part.expires_at = "", 0.0
                self._drop(partition)
            elif held is not None:
                part.expires_at = now + self._bus.lease_s
            elif part.expires_at <= now and len(self._held) < share:
                part.epoch += 1
                part.owner, part.expires_at = self._owner, now + self._bus.lease_s
                self._held[partition] = Lease(partition=partition, epoch=part.epoch)
        self._renew_at = now + self._bus.lease_s / 3

    def _drop(self, partition: int) -> None:
        self._held.pop(partition, None)
        self._announced.discard(partition)
