"""One orchestrator's partitions on Redis: leased, read, committed, given back."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Sequence
from typing import cast

import structlog

from adapters.bus.codec import decode_entry
from adapters.bus.port import Batch, BusUnavailable, Commit, Fenced, Lease
from adapters.bus.redis_commit import COMMIT, commit_words
from adapters.bus.redis_link import BLOCK_MS, Keys, Link
from adapters.bus.redis_scripts import ACQUIRE, ANNOUNCE, MEMBERS, RELEASE, RENEW

__all__ = ["LEASE_S", "RedisOwnership"]

_log = structlog.get_logger()

LEASE_S = 0.5
"""A killed owner's partitions are taken over after at most this and a renewal's interval."""
BATCH_ENTRIES = 200
RETRY_S = 0.05
OPEN_AGAIN_S = 0.5
"""Time between two tries to open partitions whose node is away: each may wait for it, and holds up all the others."""


class RedisOwnership:
    """The partitions of one owner.

    Args:
        url: Where the servers are.
        link: For commands.
        keys: Names of the keys.
        owner: Unique among all owners.
        lease_s: How long a lease holds without renewal.
    """

    def __init__(self, url: str, link: Link, keys: Keys, owner: str, lease_s: float = LEASE_S) -> None:
        self._link = link
        self._reader = Link(url, blocking=True)
        self._keys = keys
        self._owner = owner
        self._lease_s = lease_s
        self._held: dict[int, Lease] = {}
        self._committed: dict[int, str] = {}
        self._read_to: dict[int, str] = {}
        self._digests: dict[int, dict[str, str]] = {}  # of facts read last, by partition and position
        self._new: set[int] = set()
        self._stuck: BusUnavailable | None = None
        self._open_again_at = 0.0
        self._orphans: set[int] = set()
        self._reading, self._leasing, self._committing = f"{owner} reading", f"{owner} leases", f"{owner} commits"
        self._closed = False
        self._waiting: asyncio.Timeout | None = None
        self._keeper: asyncio.Task[None] | None = None

    @property
    def leases(self) -> Sequence[Lease]:
        return list(self._held.values())

    def freeze(self) -> None:
        """Renew nothing any more, as a process that was stopped would; for tests."""
        if self._keeper is not None:
            self._keeper.cancel()

    async def snapshots(self, lease: Lease) -> dict[str, bytes]:
        try:
            return await self._link.table(self._keys.snapshots(lease.partition))
        except BusUnavailable:
            self._new.add(lease.partition)  # nothing can be folded without them: it is announced again
            raise

    async def batches(self) -> AsyncIterator[Batch]:
        self._keeper = asyncio.create_task(self._keep_leases(), name=f"{self._owner}-leases")
        self._keeper.add_done_callback(lambda _: self._wake())
        try:
            while not self._closed:
                if self._keeper.done() and not self._keeper.cancelled():
                    self._keeper.result()  # it ends by failing only; reading on would be folding for nobody
                try:
                    for lease in await self._newly_owned():
                        yield Batch(lease=lease, entries=[])
                    found = await self._read()
                    if self._stuck is None:
                        self._link.outage.ended(self._reading)
                    for batch in found:
                        yield batch
                except BusUnavailable as error:
                    if not self._closed:
                        self._link.outage.began(self._reading, error)
                        await asyncio.sleep(RETRY_S)
        finally:
            self._keeper.cancel()
            for part in (self._reading, self._leasing, self._committing):
                self._link.outage.forget(part)

    async def commit(self, lease: Lease, commit: Commit) -> None:
        partition = lease.partition
        if self._held.get(partition) != lease:
            raise Fenced(f"the lease of partition {partition} is over")
        if partition in self._new:
            raise BusUnavailable(f"partition {partition} is to be read anew from its committed offset first")
        digest = self._digests[partition].pop(commit.upto, "")
        keys, words = commit_words(self._keys, lease, self._committed[partition], digest, commit)
        try:
            with self._link.outage.watching(self._committing):
                outcome = await self._link.script(COMMIT, keys, *words)
        except BusUnavailable:
            self._new.add(partition)
            raise
        if outcome == b"FENCED":
            if self._held.get(partition) == lease:  # meanwhile it may be ours again
                self._lose(partition)
            raise Fenced(f"partition {partition} has another owner; epoch {lease.epoch} is over")
        if outcome != b"OK":
            # An earlier commit of ours did happen though its answer was lost, or what we read is not in the log.
            self._new.add(partition)
            raise BusUnavailable(f"partition {partition} stands elsewhere: {outcome!r}")
        self._committed[partition] = commit.upto

    async def close(self) -> None:
        self._closed = True
        self._wake()
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        try:
            await self._link.call_all(
                [("EVAL", RELEASE, 1, self._keys.lease(lease.partition), self._mark(lease)) for lease in self.leases]
                + [("ZREM", self._keys.presence("owner"), self._owner)],
                raising=False,
            )
        except BusUnavailable as error:
            _log.info("leases_not_given_back", owner=self._owner, error=str(error))
        self._held.clear()
        await self._reader.close()

    # --- reading

    async def _newly_owned(self) -> list[Lease]:
        """Return the partitions that can be read from now on; of a cluster, those of one node may have to wait."""
        now, others_work = time.monotonic(), len(self._new) < len(self._held)
        if self._new and self._stuck is not None and others_work and now < self._open_again_at:
            return []
        self._stuck = None
        wanted: list[int] = sorted(self._new)
        opened: list[Lease] = []
        offsets = await self._link.call_all([("GET", self._keys.offset(part)) for part in wanted], raising=False)
        for partition, offset in zip(wanted, offsets, strict=True):
            if isinstance(offset, BusUnavailable):
                self._stuck, self._open_again_at = offset, now + OPEN_AGAIN_S
                continue
            if isinstance(offset, Exception):
                raise offset
            self._new.discard(partition)
            if (lease := self._held.get(partition)) is not None:
                self._committed[partition] = self._read_to[partition] = cast(bytes, offset or b"0-0").decode()
                self._digests[partition] = {}
                opened.append(lease)
        if self._stuck is not None:
            self._link.outage.began(self._reading, self._stuck)
        return opened

    async def _read(self) -> list[Batch]:
        streams = {self._keys.events(partition): self._read_to[partition] for partition in self._held
                   if partition not in self._new}  # fmt: skip
        if self._closed or (self._new and self._stuck is None):
            return []
        if self._stuck is not None and not streams:
            raise self._stuck
        try:
            async with asyncio.timeout(None) as self._waiting:
                if not streams:
                    await asyncio.get_running_loop().create_future()
                answer = await self._reader.read(streams, BATCH_ENTRIES, BLOCK_MS)
        except TimeoutError:
            return []
        finally:
            self._waiting = None
        batches = []
        for stream, found in answer:
            partition = self._keys.of(stream)
            lease = self._held.get(partition)
            entries = [decode_entry(entry.position, entry.data) for entry in found]
            if lease is not None and partition not in self._new and entries:
                self._read_to[partition] = last = entries[-1].position
                if (data := found[-1].data) is not None:
                    self._digests[partition][last] = hashlib.sha1(data, usedforsecurity=False).hexdigest()
                batches.append(Batch(lease=lease, entries=entries))
        return batches

    def _wake(self) -> None:
        """End the wait for entries: there are partitions to open, or nothing more to do."""
        if self._waiting is not None and not self._waiting.expired():
            self._waiting.reschedule(0.0)

    # --- leases

    async def _keep_leases(self) -> None:
        while True:
            try:
                trouble = await self._renew()
                # As long as a lease: once the leases of the dead are orphans, they count no more in the fair share.
                await self._link.script(ANNOUNCE, [self._keys.presence("owner")], self._owner, self._lease_s)
                await self._acquire()
                if trouble is not None:
                    raise trouble
                self._link.outage.ended(self._leasing)
            except BusUnavailable as error:
                self._link.outage.began(self._leasing, error)
            await asyncio.sleep(self._lease_s / 4)

    async def _renew(self) -> BusUnavailable | None:
        """Renew what is held; return why some of it could not be, which says nothing of the rest."""
        held = self.leases
        renewed = await self._link.call_all(
            [("EVAL", RENEW, 1, self._keys.lease(lease.partition), self._mark(lease), self._ttl_ms) for lease in held],
            raising=False,
        )
        lost: list[int] = []
        trouble: BusUnavailable | None = None
        for lease, answer in zip(held, renewed, strict=True):
            if isinstance(answer, BusUnavailable):
                trouble = answer
            elif isinstance(answer, Exception):
                raise answer
            elif not answer and self._held.get(lease.partition) == lease:
                lost.append(lease.partition)
        for partition in lost:
            self._lose(partition)
        if lost:
            _log.warning("leases_lost", partitions=lost, owner=self._owner)
        return trouble

    async def _acquire(self) -> None:
        """Take a fair share; what stays an orphan for two rounds is taken whatever the share."""
        owners = await self._link.script(MEMBERS, [self._keys.presence("owner")])
        share = -(-self._keys.partitions // max(1, len(owners) if isinstance(owners, list) else 1))
        if len(self._held) > share:
            await self._release(max(self._held))
            return
        free = [partition for partition in range(self._keys.partitions) if partition not in self._held]
        taken = await self._link.call_all(
            [("EXISTS", self._keys.lease(partition)) for partition in free], raising=False
        )  # one that cannot be told is taken for taken
        orphans = {partition for partition, there in zip(free, taken, strict=True) if not there}
        for partition in sorted(orphans):
            if len(self._held) >= share and partition not in self._orphans:
                continue
            keys = [self._keys.lease(partition), self._keys.epoch(partition)]
            epoch = await self._link.script(ACQUIRE, keys, self._owner, self._ttl_ms)
            if isinstance(epoch, int) and epoch:
                self._held[partition] = Lease(partition=partition, epoch=epoch)
                self._new.add(partition)
        self._orphans = orphans - set(self._held)
        if self._new:
            self._wake()

    async def _release(self, partition: int) -> None:
        lease = self._held[partition]
        self._lose(partition)
        await self._link.script(RELEASE, [self._keys.lease(partition)], self._mark(lease))

    def _lose(self, partition: int) -> None:
        self._held.pop(partition, None)
        self._new.discard(partition)

    def _mark(self, lease: Lease) -> str:
        return f"{self._owner}:{lease.epoch}"

    @property
    def _ttl_ms(self) -> int:
        return round(self._lease_s * 1000)
