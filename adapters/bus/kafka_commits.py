"""The topic of commits as one process sees it: every partition's state, read as it grows, and added to."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from adapters.bus.kafka_link import CHECKPOINTS, COMMAND_S, COMMITS, KafkaLink, Place, Record, record_of
from adapters.bus.kafka_presence import Presence
from adapters.bus.kafka_records import CommitRecord, Committed, Sent, decode_record, encode_record
from adapters.bus.kafka_state import PartitionState, Verdict, decode_checkpoint
from adapters.bus.port import BusUnavailable, Command
from statecharts.events import VoicechartError

__all__ = ["CommitLog"]

_log = structlog.get_logger()

COMMANDS_KEPT = 10_000
"""Most commands that wait for a gateway; when it takes none, the oldest go."""
UNCLAIMED_KEPT = 1_000
"""Most commands kept for gateways that nobody listens for in this process: one may begin to in a moment."""
WAIT_MS = 200
RETRY_S = 0.1
CATCH_UP_S = 30.0
"""Longest wait at the start, while what was committed so far is read."""

_Lane = asyncio.Queue[Command]


class CommitLog:
    """All partitions' states.

    Args:
        link: The clients.
        presence: Who is alive; their announcements are read along.
        partitions: How many there are.
    """

    def __init__(self, link: KafkaLink, presence: Presence, partitions: int) -> None:
        self._link = link
        self._presence = presence
        self.outage = link.outage
        self.states = [PartitionState() for _ in range(partitions)]
        self._reader: AIOKafkaConsumer | None = None
        self._tail: asyncio.Task[None] | None = None
        self._verdicts: dict[str, asyncio.Future[Verdict]] = {}
        self._lanes: dict[str, _Lane] = {}
        self._unclaimed: deque[tuple[str, Command]] = deque(maxlen=UNCLAIMED_KEPT)
        self._changed = asyncio.Event()

    async def start(self) -> None:
        """Read all that is committed, and go on reading."""
        await self._presence.start()
        await self._load(range(len(self.states)))
        self._reader = await self._link.open_reader()
        self._seek()
        self._tail = asyncio.create_task(self._follow(), name="kafka-commits")
        self._tail.add_done_callback(lambda _: self._tell_change())
        await self.catch_up(range(len(self.states)), CATCH_UP_S)

    async def close(self) -> None:
        if self._tail is not None:
            self._tail.cancel()
            await asyncio.gather(self._tail, return_exceptions=True)
        await self._link.stop(self._reader)

    async def append(self, partition: int, record: CommitRecord) -> Verdict:
        """Append a record; return what all readers make of it.

        Raises:
            BusUnavailable: Not known whether it is there, or will be.
            VoicechartError: The brokers lost what they had.
        """
        verdict: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self._verdicts[record.id] = verdict
        try:
            with self._link.reachable():
                async with asyncio.timeout(COMMAND_S):
                    [offset] = await self._link.append(Place(COMMITS, partition), encode_record(record))
                    if offset == self.states[partition].next:
                        # Nothing lies between: what it will be when it is read, it is now.
                        self._fold(partition, offset, record)
                    elif offset < self.states[partition].next and not verdict.done():
                        raise VoicechartError(
                            f"Kafka lost what it had: partition {partition} of {COMMITS} was read to "
                            f"{self.states[partition].next}, and now it goes on from {offset}. Start voicechart anew."
                        )
                    return await verdict
        finally:
            self._verdicts.pop(record.id, None)

    async def catch_up(self, partitions: Sequence[int], limit_s: float = COMMAND_S) -> None:
        """Return when all that is committed now is read. Raises BusUnavailable."""
        ends = await self._link.ends([Place(COMMITS, partition) for partition in partitions])
        with self._link.reachable():
            async with asyncio.timeout(limit_s):
                while any(self.states[place.partition].next < end for place, end in ends.items()):
                    await self.change()

    async def catch_up_presence(self) -> None:
        """Return when all that was announced is read. Raises BusUnavailable."""
        end = (await self._link.ends([self._presence.place]))[self._presence.place]
        with self._link.reachable():
            async with asyncio.timeout(COMMAND_S):
                while self._presence.next < end:
                    await self.change()

    async def change(self, timeout_s: float | None = None) -> None:
        """Return when anything was read, or after so long."""
        if self._tail is None or self._tail.cancelled():
            raise BusUnavailable("the bus is closed")
        if self._tail.done():
            self._tail.result()  # it ends by failing only: nothing will change any more
        try:
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        except TimeoutError:
            return

    async def commands(self, gateway: str) -> AsyncIterator[Command]:
        """Yield the commands for a gateway, in order."""
        lane = self._lanes.setdefault(gateway, asyncio.Queue(COMMANDS_KEPT))
        waiting, self._unclaimed = self._unclaimed, deque(maxlen=UNCLAIMED_KEPT)
        for name, command in waiting:
            self._hand_out(name, command)
        try:
            while True:
                yield await lane.get()
        finally:
            self._lanes.pop(gateway, None)

    # --- reading

    async def _load(self, partitions: Sequence[int]) -> None:
        """Begin partitions at their latest checkpoint, or at their first record."""
        now = asyncio.get_running_loop().time()
        for partition in partitions:
            self.states[partition] = PartitionState()
        ends = await self._link.ends([Place(CHECKPOINTS, partition) for partition in partitions])
        last = {place: end - 1 for place, end in ends.items() if end}
        async for record in self._link.read(last):
            try:
                self.states[record.place.partition] = decode_checkpoint(record.value, now)
            except ValueError as error:
                _log.warning("checkpoint_unreadable", partition=record.place.partition, error=str(error))
        begins = await self._link.beginnings([Place(COMMITS, partition) for partition in partitions])
        for place, begin in begins.items():
            state = self.states[place.partition]
            if state.next < begin:
                _log.error("commits_missing", partition=place.partition, after=state.next, before=begin)
                state.next = begin

    def _seek(self) -> None:
        assert self._reader is not None
        starts = {TopicPartition(COMMITS, partition): state.next for partition, state in enumerate(self.states)}
        starts[TopicPartition(*self._presence.place)] = self._presence.next
        self._reader.assign(list(starts))
        for at, offset in starts.items():
            self._reader.seek(at, offset)

    async def _follow(self) -> None:
        assert self._reader is not None
        while True:
            try:
                found = await self._reader.getmany(timeout_ms=WAIT_MS)
            except OffsetOutOfRangeError as error:
                # The log lost what we had read, or what we were to read next.
                lost = [at.partition for at in error.args[0] if at.topic == COMMITS]
                _log.error("commits_out_of_range", partitions=lost)
                await self._begin_again(lost)
                continue
            except KafkaError as error:
                self._link.outage.began(COMMITS, BusUnavailable(f"{COMMITS} cannot be read: {error}"))
                await asyncio.sleep(RETRY_S)
                continue
            self._link.outage.ended(COMMITS)
            for records in found.values():
                for record in records:
                    self._take(record_of(record))
            if found:
                self._tell_change()

    async def _begin_again(self, lost: list[int]) -> None:
        try:
            await self._presence.start()
            await self._load(lost)
        except BusUnavailable:
            await asyncio.sleep(RETRY_S)
            return
        self._seek()

    def _take(self, record: Record) -> None:
        if record.place == self._presence.place:
            self._presence.take(record)
        elif record.offset >= self.states[record.place.partition].next:
            self._fold(record.place.partition, record.offset, decode_record(record.value))

    def _fold(self, partition: int, offset: int, record: CommitRecord | None) -> None:
        verdict = self.states[partition].fold(offset, record, asyncio.get_running_loop().time())
        if record is not None and (waiting := self._verdicts.get(record.id)) is not None and not waiting.done():
            waiting.set_result(verdict)
        if isinstance(record, Committed) and verdict == "done":
            for gateway, command in record.commands:
                self._hand_out(gateway, msgspec.structs.replace(command, epoch=record.epoch))
        elif isinstance(record, Sent):
            self._hand_out(record.gateway, record.command)
        self._tell_change()

    def _hand_out(self, gateway: str, command: Command) -> None:
        lane = self._lanes.get(gateway)
        if lane is None:
            self._unclaimed.append((gateway, command))
            return
        if lane.full():
            lane.get_nowait()
        lane.put_nowait(command)

    def _tell_change(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
