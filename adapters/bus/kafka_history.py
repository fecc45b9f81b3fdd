"""What a partition on Kafka has kept: read back for one session, hidden when erased, dropped when old."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Sequence

import structlog

from adapters.bus.codec import decode_entry, ordinal, session_of
from adapters.bus.kafka_commits import CommitLog
from adapters.bus.kafka_link import CHECKPOINTS, COMMITS, EVENTS, KafkaLink, Place
from adapters.bus.kafka_records import Committed, Erased, Settled, decode_record
from adapters.bus.kafka_state import encode_checkpoint
from adapters.bus.port import BusUnavailable, LogEntry

__all__ = ["KafkaHistory"]

_log = structlog.get_logger()


class KafkaHistory:
    """The past of all partitions.

    Args:
        link: The clients.
        commits: Where the partitions stand.
    """

    def __init__(self, link: KafkaLink, commits: CommitLog) -> None:
        self._link = link
        self._commits = commits
        self._checkpointed: dict[int, int] = {}
        self._deletes = True

    async def replay(self, partition: int, session_id: str, after: str) -> list[LogEntry]:
        """Return a session's facts after a position. Raises ValueError if it is none."""
        floor = ordinal(after)[0] if after else 0
        await self._commits.catch_up([partition])
        state, needle = self._commits.states[partition], session_id.encode()
        found = []
        async for record in self._link.read({Place(EVENTS, partition): floor}):
            # Not the record's key: an outside source may write without one, or its JSON with spaces.
            if needle in record.value and not state.hides(session_id, fact=record.offset):
                entry = decode_entry(str(record.offset + 1), record.value)
                if entry.envelope is not None and entry.envelope.session_id == session_id:
                    found.append(entry)
        return found

    async def journal(self, partition: int, session_id: str, since: str) -> list[bytes]:
        """Return a session's journal records: those of commits that happened, from that of a fact on."""
        first = ordinal(since)[0] if since else 0
        await self._commits.catch_up([partition])
        state = self._commits.states[partition]
        void, end = set(state.void), state.next
        found: list[bytes] = []
        async for record in self._link.read({Place(COMMITS, partition): state.commit_of(first)}):
            if record.offset >= end or record.offset in void or state.hides(session_id, commit=record.offset):
                continue
            commit = decode_record(record.value)
            if isinstance(commit, Committed) and commit.upto >= first:
                found += [data for data in commit.journal if session_of(data) == session_id]
        return found

    async def erase(self, partition: int, session_id: str) -> None:
        """Hide a session's past from everybody, for good; the bytes go when the partition is trimmed past them."""
        place = Place(EVENTS, partition)
        end = 0
        async for fact in self._link.read({place: max(0, (await self._link.ends([place]))[place] - 1)}):
            end = fact.offset + 1
        record = Erased(id=uuid.uuid4().hex, session_id=session_id, events_before=end)
        await self._commits.append(partition, record)

    async def trim(self, partitions: Sequence[int], older_than_s: float) -> None:
        """Write checkpoints, then drop what is both committed and old."""
        if not partitions:
            return
        await self._commits.catch_up(partitions)
        await self._settle_expired(partitions)
        stands: dict[int, int] = {}
        bounds: dict[Place, int] = {}
        for partition in partitions:
            state = self._commits.states[partition]
            stands[partition] = state.next
            bounds[Place(EVENTS, partition)] = state.committed
            if self._checkpointed.get(partition) != state.next:
                place = Place(CHECKPOINTS, partition)
                [offset] = await self._link.append(place, encode_checkpoint(state), key=str(partition))
                self._checkpointed[partition] = stands[partition]
                bounds[place] = offset
        bounds |= {Place(COMMITS, partition): stand for partition, stand in stands.items()}
        logs = [place for place in bounds if place.topic != CHECKPOINTS]
        old = await self._link.since(logs, time.time() - older_than_s)
        bounds = {place: min(bound, old.get(place, bound)) for place, bound in bounds.items()}
        await self._delete({place: bound for place, bound in bounds.items() if bound})
        await self._forget(partitions)

    async def _settle_expired(self, partitions: Sequence[int]) -> None:
        now = asyncio.get_running_loop().time()
        for partition in partitions:
            tasks = self._commits.states[partition].tasks
            for number in [at for at, task in tasks.items() if task.changed_at + task.keep_s <= now]:
                await self._commits.append(partition, Settled(id=uuid.uuid4().hex, task=number))

    async def _delete(self, bounds: dict[Place, int]) -> None:
        if not self._deletes or not bounds:
            return
        try:
            await self._link.delete_before(bounds)
        except BusUnavailable as error:
            await self._link.ends(list(bounds))  # is it away?
            # Not asked again: one that cannot, such as the broker of the tests, breaks the connection every time.
            self._deletes = False
            _log.warning("log_not_trimmed", advice="set retention.ms on voice.events", error=str(error))

    async def _forget(self, partitions: Sequence[int]) -> None:
        """Remember no longer what was void or erased in records that are gone."""
        events = await self._link.beginnings([Place(EVENTS, partition) for partition in partitions])
        commits = await self._link.beginnings([Place(COMMITS, partition) for partition in partitions])
        for partition in partitions:
            state = self._commits.states[partition]
            first_fact, first_commit = events[Place(EVENTS, partition)], commits[Place(COMMITS, partition)]
            state.void = [offset for offset in state.void if offset >= first_commit]
            state.marks = [(facts, offset) for facts, offset in state.marks if offset >= first_commit]
            state.erased = {
                session_id: (facts, erased_at)
                for session_id, (facts, erased_at) in state.erased.items()
                if facts > first_fact or erased_at > first_commit
            }
