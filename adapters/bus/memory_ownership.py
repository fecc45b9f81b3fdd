"""One orchestrator's partitions in memory: leased, read, committed, given back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from adapters.bus.codec import ordinal
from adapters.bus.port import Batch, Commit, Fenced, Lease, LogEntry

if TYPE_CHECKING:
    from adapters.bus.memory import MemoryBus

__all__ = ["MemoryOwnership"]

BATCH_ENTRIES = 200


class MemoryOwnership:
    """One owner's share of a `MemoryBus`."""

    def __init__(self, bus: MemoryBus, owner: str) -> None:
        self._bus = bus
        self._owner = owner
        self._held: dict[int, Lease] = {}
        self._read_to: dict[int, str] = {}
        self._announced: set[int] = set()
        self._closed = self._frozen = False

    @property
    def leases(self) -> Sequence[Lease]:
        return list(self._held.values())

    def freeze(self) -> None:
        """Renew nothing any more, as a process that was stopped would; for tests."""
        self._frozen = True

    async def snapshots(self, lease: Lease) -> dict[str, bytes]:
        return dict(self._bus.parts[lease.partition].snapshots)

    async def batches(self) -> AsyncIterator[Batch]:
        while not self._closed:
            await self._renew()
            for lease in self.leases:
                part = self._bus.parts[lease.partition]
                if lease.partition not in self._announced:
                    self._announced.add(lease.partition)
                    self._read_to[lease.partition] = part.offset
                    yield Batch(lease=lease, entries=[])
                entries = self._next_entries(lease)
                if entries:
                    self._read_to[lease.partition] = entries[-1].position
                    yield Batch(lease=lease, entries=entries)
            if not any(self._next_entries(lease) for lease in self.leases):
                await self._bus.wait_for_change(self._bus.lease_s / 4)

    async def commit(self, lease: Lease, commit: Commit) -> None:
        try:
            await self._bus.commit(lease, commit)
        except Fenced:
            self._drop(lease.partition)
            raise

    async def close(self) -> None:
        self._closed = True
        for lease in self.leases:
            part = self._bus.parts[lease.partition]
            if part.epoch == lease.epoch:
                part.owner, part.expires_at = "", 0.0
        self._held.clear()
        await self._bus.announce("owner", self._owner, 0.0)
        await self._bus.close()

    def _next_entries(self, lease: Lease) -> list[LogEntry]:
        floor = ordinal(self._read_to.get(lease.partition, "0-0"))
        entries = []
        for entry in reversed(self._bus.parts[lease.partition].log):
            if ordinal(entry.position) <= floor:
                break
            entries.append(entry)
        return entries[::-1][:BATCH_ENTRIES]

    async def _renew(self) -> None:
        """Keep what is held, take orphans; give up what is more than a fair share while others have less."""
        if self._frozen:
            return
        now = asyncio.get_running_loop().time()
        await self._bus.announce("owner", self._owner, self._bus.lease_s)
        others = [name for name in await self._bus.members("owner") if name != self._owner]
        share = -(-self._bus.partitions // (len(others) + 1))
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

    def _drop(self, partition: int) -> None:
        self._held.pop(partition, None)
        self._announced.discard(partition)
