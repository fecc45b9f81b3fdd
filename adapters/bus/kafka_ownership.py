"""One orchestrator's partitions on Kafka: claimed, read, committed, given back."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from adapters.bus.codec import decode_entry, stamped
from adapters.bus.kafka_commits import CommitLog
from adapters.bus.kafka_link import EVENTS, KafkaLink, record_of
from adapters.bus.kafka_presence import Presence
from adapters.bus.kafka_records import Claimed, Committed, Released
from adapters.bus.port import Batch, BusUnavailable, Commit, Fenced, Lease, LogEntry
from adapters.bus.redis_ownership import LEASE_S

__all__ = ["KafkaOwnership"]

_log = structlog.get_logger()

BATCH_ENTRIES = 50
"""Most facts of a batch: what they led to must fit into one record."""
WAIT_MS = 50
"""How long a read waits for new facts before it looks whether its partitions are still the same."""
RETRY_S = 0.05


class KafkaOwnership:
    """The partitions of one owner.

    Args:
        link: The clients.
        commits: Where the partitions stand.
        presence: Who else is alive.
        owner: Unique among all owners.
        lease_s: How long an owner that says nothing is taken for alive.
    """

    def __init__(
        self, link: KafkaLink, commits: CommitLog, presence: Presence, owner: str, lease_s: float = LEASE_S
    ) -> None:
        self._link = link
        self._commits = commits
        self._presence = presence
        self._owner = owner
        self._lease_s = lease_s
        self._held: dict[int, Lease] = {}
        self._committed: dict[int, int] = {}
        self._read_to: dict[int, int] = {}
        self._new: set[int] = set()
        self._orphans: set[int] = set()
        self._assigned: set[int] = set()
        self._reading, self._leasing = f"{owner} reading", f"{owner} leases"
        self._closed = False
        self._reader: AIOKafkaConsumer | None = None
        self._keeper: asyncio.Task[None] | None = None

    @property
    def leases(self) -> Sequence[Lease]:
        return list(self._held.values())

    def freeze(self) -> None:
        """Announce nothing any more, as a process that was stopped would; for tests."""
        if self._keeper is not None:
            self._keeper.cancel()

    async def snapshots(self, lease: Lease) -> dict[str, bytes]:
        return dict(self._commits.states[lease.partition].snapshots)

    async def batches(self) -> AsyncIterator[Batch]:
        self._keeper = asyncio.create_task(self._keep_leases(), name=f"{self._owner}-leases")
        try:
            while not self._closed:
                if self._keeper.done() and not self._keeper.cancelled():
                    self._keeper.result()  # it ends by failing only; reading on would be folding for nobody
                try:
                    for lease in self._newly_owned():
                        yield Batch(lease=lease, entries=[])
                    for lease, entries in await self._read():
                        if self._is_current(lease):
                            self._read_to[lease.partition] = int(entries[-1].position)
                            if shown := self._shown(lease, entries):
                                yield Batch(lease=lease, entries=shown)
                    self._link.outage.ended(self._reading)
                except BusUnavailable as error:
                    if not self._closed:
                        self._link.outage.began(self._reading, error)
                        await asyncio.sleep(RETRY_S)
        finally:
            self._keeper.cancel()
            for part in (self._reading, self._leasing):
                self._link.outage.forget(part)

    async def commit(self, lease: Lease, commit: Commit) -> None:
        partition = lease.partition
        if self._commits.states[partition].epoch != lease.epoch:
            self._lose(partition, lease)
        if self._held.get(partition) != lease:
            raise Fenced(f"the lease of partition {partition} is over")
        if partition in self._new:
            raise BusUnavailable(f"partition {partition} is to be read anew from its committed offset first")
        record = Committed(
            id=uuid.uuid4().hex, epoch=lease.epoch, prev=self._committed[partition], upto=int(commit.upto),
            snapshots=commit.snapshots, commands=commit.commands, journal=commit.journal,
            tasks=[(kind, stamped(envelope, lease.epoch)) for kind, envelope in commit.tasks],
        )  # fmt: skip
        try:
            verdict = await self._commits.append(partition, record)
        except BusUnavailable:
            self._new.add(partition)
            raise
        if verdict == "fenced":
            self._lose(partition, lease)
            raise Fenced(f"partition {partition} has another owner; epoch {lease.epoch} is over")
        if verdict != "done":
            # An earlier commit of ours did happen though its answer was lost: read on from where it led.
            self._new.add(partition)
            raise BusUnavailable(f"partition {partition} stands at {self._commits.states[partition].committed}")
        self._committed[partition] = record.upto

    async def close(self) -> None:
        self._closed = True
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        try:
            await _all(self._release(lease) for lease in self.leases)
            await self._presence.announce("owner", self._owner, 0.0)
        except BusUnavailable as error:
            _log.info("leases_not_given_back", owner=self._owner, error=str(error))
        self._held.clear()
        await self._link.stop(self._reader)

    # --- reading

    def _newly_owned(self) -> list[Lease]:
        opened = []
        for partition in sorted(self._new):
            self._new.discard(partition)
            if (lease := self._held.get(partition)) is not None:
                self._committed[partition] = self._read_to[partition] = self._commits.states[partition].committed
                self._assigned.discard(partition)  # to be read from there
                opened.append(lease)
        return opened

    async def _read(self) -> list[tuple[Lease, list[LogEntry]]]:
        wanted = set(self._held) - self._new
        if not wanted:
            await self._commits.change(WAIT_MS / 1000)
            return []
        if self._reader is None:
            self._reader = await self._link.open_reader()
        if wanted != self._assigned:
            self._reader.assign([TopicPartition(EVENTS, partition) for partition in wanted])
            for partition in wanted:
                self._reader.seek(TopicPartition(EVENTS, partition), self._read_to[partition])
            self._assigned = wanted
        try:
            found = await self._reader.getmany(timeout_ms=WAIT_MS, max_records=BATCH_ENTRIES)
        except KafkaError as error:
            self._assigned = set()
            raise BusUnavailable(f"facts cannot be read: {error}") from error
        batches = []
        for at, records in found.items():
            # A position tells how many facts there are up to and with this one: the first is 1, nothing is 0.
            entries = [decode_entry(str(record.offset + 1), record_of(record).value) for record in records]
            if (lease := self._held.get(at.partition)) is not None and entries:
                batches.append((lease, entries))
        return batches

    def _is_current(self, lease: Lease) -> bool:
        return self._held.get(lease.partition) == lease and lease.partition not in self._new

    def _shown(self, lease: Lease, entries: list[LogEntry]) -> list[LogEntry]:
        """Leave out what was erased."""
        state = self._commits.states[lease.partition]
        return [
            entry
            for entry in entries
            if entry.envelope is None or not state.hides(entry.envelope.session_id, fact=int(entry.position) - 1)
        ]

    # --- leases

    async def _keep_leases(self) -> None:
        while True:
            try:
                # As long as a lease: once the partitions of the dead are orphans, they count no more in the fair share.
                await self._presence.announce("owner", self._owner, self._lease_s)
                await self._share()
                self._link.outage.ended(self._leasing)
            except BusUnavailable as error:
                self._link.outage.began(self._leasing, error)
            await asyncio.sleep(self._lease_s / 4)

    async def _share(self) -> None:
        """Take a fair share; what stays an orphan for two rounds is taken whatever the share."""
        states = self._commits.states
        lost = [lease for lease in self.leases if states[lease.partition].epoch != lease.epoch]
        for lease in lost:
            self._lose(lease.partition, lease)
        if lost:
            _log.warning("leases_lost", partitions=[lease.partition for lease in lost], owner=self._owner)
        owners = self._presence.members("owner")
        share = -(-len(states) // max(1, len(owners)))
        if len(self._held) > share:
            lease = self._held[max(self._held)]
            self._lose(lease.partition, lease)
            await self._release(lease)
            return
        # Also what is ours in the log and not in our hands: we were not told that we have it, or did not get rid of it.
        others = {name for name in owners if name != self._owner}
        orphans = {
            partition
            for partition, state in enumerate(states)
            if partition not in self._held and state.owner not in others
        }
        wanted = sorted(orphans)[: max(0, share - len(self._held))]
        wanted += sorted((orphans & self._orphans) - set(wanted))
        await _all(self._claim(partition, after=states[partition].epoch) for partition in wanted)
        self._orphans = orphans - set(self._held)

    async def _claim(self, partition: int, *, after: int) -> None:
        """Claim a partition, unless somebody has claimed it since it was of this epoch."""
        # From the clock: a broker that lost its data must not begin again below what gateways obeyed.
        epoch = max(after + 1, int(time.time()))
        record = Claimed(id=uuid.uuid4().hex, after=after, epoch=epoch, owner=self._owner)
        if await self._commits.append(partition, record) == "done":
            self._held[partition] = Lease(partition=partition, epoch=epoch)
            self._new.add(partition)

    async def _release(self, lease: Lease) -> None:
        await self._commits.append(lease.partition, Released(id=uuid.uuid4().hex, epoch=lease.epoch))

    def _lose(self, partition: int, lease: Lease) -> None:
        if self._held.get(partition) == lease:
            del self._held[partition]
            self._new.discard(partition)


async def _all(steps: Iterable[Coroutine[None, None, None]]) -> None:
    """Take steps together, each to its end; raise what the first one raised that failed."""
    for outcome in await asyncio.gather(*steps, return_exceptions=True):
        if outcome is not None:
            raise outcome
