"""How Kafka is asked: time limits of ours, errors in the bus's own words."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple, cast
from urllib.parse import parse_qs, urlsplit

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from aiokafka.structs import RecordMetadata

from adapters.bus.port import BusUnavailable
from adapters.bus.redis_link import Outage
from statecharts.events import VoicechartError

__all__ = ["CHECKPOINTS", "COMMAND_S", "COMMITS", "EVENTS", "PRESENCE", "KafkaLink", "Place", "Record", "record_of"]

EVENTS, COMMITS, CHECKPOINTS = "voice.events", "voice.commits", "voice.checkpoints"
PRESENCE = "voice.presence"
"""Topics. All but the last have a partition for each of the bus's; presence has one."""

COMMAND_S = 0.3
"""Longest wait for an answer: a call that waits is dead air."""
FETCH_MAX_WAIT_MS = 10
"""How long the broker may hold a read that finds nothing: short, since not every broker answers it early."""
_LATE_MS = 2000
"""Longest wait for the answer to a read beyond that."""
MAX_RECORD_BYTES = 8 << 20
START_S = 5.0
ADMIN_S = 5.0
REPLICAS = 3
"""Copies of each partition, where there are as many brokers; all but one must have what counts as written."""
DEFAULT_PORT = 9092
_TOPIC_EXISTS = 36
_KEPT = {"retention.ms": "-1", "max.message.bytes": str(MAX_RECORD_BYTES)}
_CONFIGS = {
    EVENTS: _KEPT,
    COMMITS: _KEPT,  # its beginning may go only once a checkpoint stands for it: `trim` does both
    CHECKPOINTS: _KEPT | {"cleanup.policy": "compact,delete"},  # `delete` lets us drop the older ones ourselves
    PRESENCE: {"retention.ms": "600000", "segment.ms": "600000"},
}

# An outage is told once, by us; the client tells it ten times a second.
logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


class Place(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int


class Record(NamedTuple):
    """What is read: where it lay, when it was written by its writer's clock (Unix seconds), and its bytes."""

    place: Place
    offset: int
    timestamp: float
    value: bytes


class KafkaLink:
    """The clients of one process.

    Args:
        url: `kafka://host:port,host:port?fetch_max_wait_ms=10`.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.url = url
        self.outage = Outage(url)
        self._servers = [
            server if ":" in server else f"{server}:{DEFAULT_PORT}" for server in parts.netloc.split(",") if server
        ]
        wait = parse_qs(parts.query).get("fetch_max_wait_ms", [str(FETCH_MAX_WAIT_MS)])[-1]
        if not self._servers or not wait.isdigit():
            raise VoicechartError(f"{url!r} is no address of Kafka; it is kafka://host:port,host:port")
        self._fetch_max_wait_ms = int(wait)
        self._producer: AIOKafkaProducer | None = None
        self._asker: AIOKafkaConsumer | None = None
        self._readers: set[AIOKafkaConsumer] = set()

    async def start(self, partitions: int) -> int:
        """Connect, make the topics that are missing, and return how many partitions there are.

        Raises:
            BusUnavailable: No broker answers.
            VoicechartError: A topic cannot be made.
        """
        with self.reachable():
            async with asyncio.timeout(START_S):
                self._producer = AIOKafkaProducer(
                    bootstrap_servers=self._servers, acks="all", request_timeout_ms=round(COMMAND_S * 1000),
                    max_request_size=MAX_RECORD_BYTES, retry_backoff_ms=20,
                )  # fmt: skip
                await self._producer.start()
                await self._make_topics({EVENTS: partitions})
                found = len(await self._producer.partitions_for(EVENTS))
                others = {COMMITS: found, CHECKPOINTS: found, PRESENCE: 1}
                await self._make_topics(others)
                # Of its own: a broker answers a connection in order, and a read that waits would hold up the rest.
                self._asker = await self.open_reader()
                # Topics just made are not known to all brokers at once; calls do not wait for that as long as we do.
                await self._asker.end_offsets([TopicPartition(topic, 0) for topic in others])
                return found

    async def close(self) -> None:
        """Stop all clients, also those whose owner did not."""
        for reader in list(self._readers):
            await self.stop(reader)
        await _stop(self._producer)

    @contextmanager
    def reachable(self) -> Iterator[None]:
        """Turn what is raised when the broker is away into `BusUnavailable`, saying where and what to do."""
        try:
            yield
        except MessageSizeTooLargeError as error:
            raise VoicechartError(f"a record is larger than {MAX_RECORD_BYTES} bytes: {error}") from error
        except (KafkaError, OSError) as error:  # asyncio's TimeoutError is an OSError
            why = str(error).rstrip(".") or f"no answer within {COMMAND_S} s"
            raise BusUnavailable(
                f"cannot reach Kafka at {','.join(self._servers)}: {why}. Start it, point --bus (or VOICECHART_BUS) "
                "at another, or leave --bus out: `./run serve` then brings a log of its own."
            ) from error

    async def append(self, place: Place, *values: bytes, key: str = "") -> list[int]:
        """Append records to a partition, in order; return their offsets."""
        return await self.append_all([(place, key, value) for value in values])

    async def append_all(self, records: Sequence[tuple[Place, str, bytes]]) -> list[int]:
        """Append records, in order within each partition; return their offsets.

        Raises:
            BusUnavailable: Not known which of them are there, or will be.
        """
        with self.reachable():
            async with asyncio.timeout(COMMAND_S):
                sent: list[asyncio.Future[RecordMetadata]] = []
                try:
                    for place, key, value in records:
                        sent.append(
                            await self._live_producer().send(
                                place.topic, value, key=key.encode() or None, partition=place.partition
                            )
                        )
                    return [appended.offset for appended in await asyncio.gather(*sent)]
                except BaseException:
                    for result in sent:
                        result.cancel()  # nobody waits for it any more; it may still be appended
                    raise

    async def ends(self, places: Sequence[Place]) -> dict[Place, int]:
        """Return the offset that the next record of each partition will have, or one within the last batch.

        Tansu counts the batch appended last as one record. `read` is right all the same: a batch is read whole.
        """
        return await self._offsets("end_offsets", [TopicPartition(*place) for place in places])

    async def beginnings(self, places: Sequence[Place]) -> dict[Place, int]:
        """Return the offset of the oldest record that each partition still has."""
        return await self._offsets("beginning_offsets", [TopicPartition(*place) for place in places])

    async def since(self, places: Sequence[Place], unix_s: float) -> dict[Place, int]:
        """Return the offset of the first record of this time or later; the end where all are older."""
        ends = await self.ends(places)
        with self.reachable():
            async with asyncio.timeout(ADMIN_S):
                found = await self._live_asker().offsets_for_times(
                    {TopicPartition(*place): round(unix_s * 1000) for place in places}
                )
        offsets = {Place(*at): stamp.offset for at, stamp in found.items() if stamp and stamp.timestamp >= 0}
        return ends | offsets

    async def open_reader(self) -> AIOKafkaConsumer:
        """Return a client that reads; its owner assigns partitions to it, and has it stopped."""
        reader = AIOKafkaConsumer(
            bootstrap_servers=self._servers, group_id=None, enable_auto_commit=False, auto_offset_reset="none",
            fetch_max_wait_ms=self._fetch_max_wait_ms, max_partition_fetch_bytes=MAX_RECORD_BYTES,
            request_timeout_ms=self._fetch_max_wait_ms + _LATE_MS, retry_backoff_ms=20,
        )  # fmt: skip
        self._readers.add(reader)
        try:
            with self.reachable():
                async with asyncio.timeout(START_S):
                    await reader.start()
        except BaseException:
            await self.stop(reader)
            raise
        return reader

    async def stop(self, reader: AIOKafkaConsumer | None) -> None:
        """Stop a client that reads."""
        self._readers.discard(reader)
        await _stop(reader)

    async def read(self, starts: Mapping[Place, int]) -> AsyncIterator[Record]:
        """Yield what lies from these offsets on, at least to the end as it is now, each partition in order."""
        begins, ends = await self.beginnings(list(starts)), await self.ends(list(starts))
        left = {TopicPartition(*place): end for place, end in ends.items() if begins[place] < end}
        if not left:
            return
        reader = await self.open_reader()
        try:
            reader.assign(list(left))
            for at, end in left.items():
                place = Place(*at)
                reader.seek(at, max(begins[place], min(starts[place], end - 1)))
            while left:
                with self.reachable():
                    async with asyncio.timeout(START_S):
                        found = await reader.getmany(*left, timeout_ms=1000)
                if not found:
                    await self.ends(list(starts))  # nothing came for long: is anybody there?
                for records in found.values():
                    for record in map(record_of, records):
                        if record.offset >= starts[record.place]:
                            yield record
                left = {at: end for at, end in left.items() if await reader.position(at) < end}
        finally:
            await self.stop(reader)

    async def delete_before(self, offsets: Mapping[Place, int]) -> None:
        """Have the broker drop what lies before these offsets."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self._servers, request_timeout_ms=round(ADMIN_S * 1000))
        with self.reachable():
            try:
                await admin.start()
                await admin.delete_records(
                    {TopicPartition(*place): RecordsToDelete(before_offset=offset) for place, offset in offsets.items()}
                )
            finally:
                await admin.close()

    async def _offsets(self, question: str, at: list[TopicPartition]) -> dict[Place, int]:
        with self.reachable():
            async with asyncio.timeout(COMMAND_S):
                found = await getattr(self._live_asker(), question)(at)
        return {Place(*place): offset for place, offset in found.items()}

    async def _make_topics(self, partitions: Mapping[str, int]) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self._servers, request_timeout_ms=round(ADMIN_S * 1000))
        try:
            await admin.start()
            replicas = min(REPLICAS, len((await admin.describe_cluster())["brokers"]))
            in_sync = {"min.insync.replicas": str(max(1, replicas - 1))}
            made = await admin.create_topics(
                [
                    NewTopic(topic, count, replicas, topic_configs=_CONFIGS[topic] | in_sync)
                    for topic, count in partitions.items()
                ]
            )
        finally:
            await admin.close()
        for topic, code, reason in cast("list[tuple[str, int, str]]", made.topic_errors):
            if code not in (0, _TOPIC_EXISTS):
                raise VoicechartError(f"Kafka at {','.join(self._servers)} makes no topic {topic}: {reason or code}")

    def _live_producer(self) -> AIOKafkaProducer:
        if self._producer is None:
            raise BusUnavailable("the bus is not started")
        return self._producer

    def _live_asker(self) -> AIOKafkaConsumer:
        if self._asker is None:
            raise BusUnavailable("the bus is not started")
        return self._asker


def record_of(record: object) -> Record:
    """Return a record of the client as ours; one without a value has empty bytes."""
    topic, partition = record.topic, record.partition  # type: ignore[attr-defined]  # the client publishes no types
    at, stamp, value = record.offset, record.timestamp, record.value  # type: ignore[attr-defined]  # as above
    return Record(Place(topic, partition), at, stamp / 1000, value or b"")


async def _stop(client: AIOKafkaConsumer | AIOKafkaProducer | None) -> None:
    """Stop a client, whatever state it is in."""
    if client is not None:
        # While the broker is away a consumer's tasks end with the errors they had, and its own `stop` with them: that
        # leaves its connections open.
        await asyncio.gather(client.stop(), return_exceptions=True)
        connections = client._client if isinstance(client, AIOKafkaConsumer) else client.client
        await asyncio.gather(connections.close(), return_exceptions=True)
