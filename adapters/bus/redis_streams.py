"""The bus on Redis Streams: a partitioned log with leases, consumer groups for workers, a lane for each gateway."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import cast

import structlog

from adapters.bus.codec import decode_command, decode_entry, encode_command, encode_envelope, ordinal, session_of
from adapters.bus.held_request import MIN_IDLE_S
from adapters.bus.port import JOURNAL_MARGIN_S, REQUEST_S, BusUnavailable, Command, LogEntry, partition_of
from adapters.bus.redis_address import is_cluster, shown
from adapters.bus.redis_letters import read_letters, take_letter
from adapters.bus.redis_link import BLOCK_MS, Entry, Keys, Link
from adapters.bus.redis_ownership import LEASE_S, RedisOwnership
from adapters.bus.redis_scripts import ANNOUNCE, DROP_WORKERS, MEMBERS
from adapters.bus.redis_workers import RedisSubscription
from adapters.bus.session_view import VIEW_ENTRIES, VIEW_KINDS, VIEW_TTL_S, state_key, view_stream
from adapters.lane.redis import RedisLane
from statecharts.events import Envelope, VoicechartError

__all__ = ["RedisStreamsBus"]

_log = structlog.get_logger()

PARTITIONS_KEY = "voice:partitions"
PARTITIONS = 16
CLUSTER_PARTITIONS = 64
"""Enough for the keys of each of some nodes to be about as many (20, 20 and 24 of 64 on three)."""
KINDS = ("intent", "rag", "tts", "stt")
"""All kinds of workers there are."""
WORKER_GONE_S = 600.0
"""A worker that has not asked for so long, and holds nothing, is gone; its name is of no use to anybody."""
PAGE_ENTRIES = 1000
RETRY_S = 0.1
SENT_KEPT_S = 3600
"""As long as commands of a commit: what a dead gateway was asked goes by itself."""
WRITING = "writing"
"""The part of this process that publishes."""


class RedisStreamsBus:
    """The bus on one Redis-compatible server, 7.0 or newer, on a master that Sentinels name, or on a cluster.

    Args:
        url: What `address_of` reads.
        partitions: How many there are to be, by default 16, or 64 on a cluster; a server that has data already decides
            itself.
        lease_s: How long a lease holds without renewal.
        min_idle_s: After how long a request whose worker is silent is handed out again.
    """

    def __init__(
        self, url: str, *, partitions: int | None = None, lease_s: float = LEASE_S, min_idle_s: float = MIN_IDLE_S
    ) -> None:
        self._url = url
        self._lease_s = lease_s
        self.min_idle_s = min_idle_s
        self.link = Link(url)
        self._subscriptions: list[RedisSubscription] = []
        self._keys = Keys(partitions or (CLUSTER_PARTITIONS if is_cluster(url) else PARTITIONS))
        self._mirror_failed = False
        self._lanes: list[RedisLane] = []

    @property
    def partitions(self) -> int:
        return self._keys.partitions

    async def start(self) -> None:
        await self.link.call("SET", PARTITIONS_KEY, self._keys.partitions, "NX")
        stored = await self.link.text(PARTITIONS_KEY)
        if not stored.isdigit() or not int(stored):
            raise VoicechartError(
                f"{PARTITIONS_KEY} at {shown(self._url)} is {stored!r}, not a number of partitions. "
                "Another program may use these keys; give voicechart a database of its own."
            )
        self._keys = Keys(int(stored))

    async def close(self) -> None:
        for lane in self._lanes:
            await lane.close()
        for subscription in self._subscriptions:
            await subscription.aclose()
        await self.link.close()

    async def ping(self) -> None:
        # Written, not only asked: a server that is out of memory, or lacks its replicas, answers PING. And to all
        # partitions: of a cluster, every node must be there.
        with self.link.outage.watching(WRITING):
            await self.link.call_all([("SET", self._keys.ping(part), 1, "EX", 60) for part in range(self.partitions)])

    async def publish(self, *envelopes: Envelope) -> list[str]:
        commands = [
            ("XADD", self._keys.events(self._partition(envelope.session_id)), "*", "data", encode_envelope(envelope))
            for envelope in envelopes
        ]
        with self.link.outage.watching(WRITING):
            added = await self.link.call_all(commands)
        return [cast(bytes, position).decode() for position in added]

    def own(self, owner: str) -> RedisOwnership:
        return RedisOwnership(self._url, self.link, self._keys, owner, self._lease_s)

    def lane(self) -> RedisLane:
        """Return a media lane on the same server; it is closed with the bus."""
        self._lanes.append(RedisLane(self._url, self.link.outage))
        return self._lanes[-1]

    async def request(self, kind: str, envelope: Envelope) -> None:
        stream = self._keys.tasks(kind, self._partition(envelope.session_id))
        # With the stream goes its group; workers make it again.
        await self.link.call_all(
            [("XADD", stream, "*", "data", encode_envelope(envelope)), ("PEXPIRE", stream, round(REQUEST_S * 1000))]
        )

    def subscribe(self, kind: str, worker: str) -> RedisSubscription:
        made = RedisSubscription(self._url, self.link, self._keys, kind, worker, self.min_idle_s)
        self._subscriptions.append(made)
        return made

    async def dead_letters(self) -> list[Envelope]:
        return await read_letters(self.link, self._keys)

    async def take_dead_letter(self, letter: Envelope, *, retry: bool) -> bool:
        return await take_letter(self.link, self._keys, self._partition(letter.session_id), letter, retry=retry)

    async def send(self, gateway: str, command: Command) -> None:
        lane = self._keys.gateway(gateway, self._partition(command.session_id))
        await self.link.call_all([("XADD", lane, "*", "data", encode_command(command)), ("EXPIRE", lane, SENT_KEPT_S)])

    async def listen(self, gateway: str) -> AsyncIterator[Command]:
        reader = Link(self._url, blocking=True)
        # From the start, always: what was taken is deleted. A master that has been replaced may have led us further
        # than where its successor's commands begin.
        lanes = {self._keys.gateway(gateway, partition): "0-0" for partition in range(self.partitions)}
        epochs: dict[int, int] = {}
        left: set[tuple[str, str]] = set()
        try:
            while True:
                try:
                    found = await reader.read(lanes, PAGE_ENTRIES, BLOCK_MS)
                except BusUnavailable as error:
                    self.link.outage.began(gateway, error)
                    await asyncio.sleep(RETRY_S)
                    continue
                self.link.outage.ended(gateway)
                for lane, entry in ((lane, entry) for lane, entries in found for entry in entries):
                    if (lane, entry.position) in left:
                        continue
                    partition, command = self._keys.of(lane), _command(entry)
                    if command is None or 0 < command.epoch < epochs.get(partition, 0):
                        _log.warning("command_refused", partition=partition, stream=lane)
                        continue
                    epochs[partition] = command.epoch or epochs.get(partition, 0)
                    yield command
                left = await self._forget(found)
        finally:
            self.link.outage.forget(gateway)
            await reader.close()

    async def _forget(self, taken: list[tuple[str, list[Entry]]]) -> set[tuple[str, str]]:
        """Delete commands; return the stream and position of each of them if they may be there still."""
        try:
            await self.link.call_all(
                [("XDEL", stream, *(entry.position for entry in entries)) for stream, entries in taken if entries]
            )
        except BusUnavailable:
            await asyncio.sleep(RETRY_S)
            return {(stream, entry.position) for stream, entries in taken for entry in entries}
        return set()

    async def replay(self, session_id: str, after: str = "") -> list[LogEntry]:
        if after:
            ordinal(after)
        found = await self._scan(self._keys.events(self._partition(session_id)), session_id, after)
        entries = (decode_entry(entry.position, entry.data) for entry in found)
        return [entry for entry in entries if entry.envelope is not None]

    async def journal(self, session_id: str, since: str = "") -> list[bytes]:
        # A record is numbered at its commit, by the same clock and after its fact.
        after = f"{max(0, ordinal(since)[0] - round(JOURNAL_MARGIN_S * 1000))}-0" if since else ""
        found = await self._scan(self._keys.journal(self._partition(session_id)), session_id, after)
        return [entry.data for entry in found if entry.data is not None]

    async def _scan(self, stream: str, session_id: str, after: str = "") -> list[Entry]:
        """Return the entries of a stream that are a session's."""
        # Not the whole field: an outside source may write its JSON with spaces.
        needle, found = session_id.encode(), []
        first = f"({after}" if after else "-"
        while True:
            page = await self.link.range(stream, first, PAGE_ENTRIES)
            found += [
                entry
                for entry in page
                if entry.data is not None and needle in entry.data and session_of(entry.data) == session_id
            ]
            if len(page) < PAGE_ENTRIES:
                return found
            first = f"({page[-1].position}"

    async def snapshot(self, session_id: str) -> bytes | None:
        key = self._keys.snapshots(self._partition(session_id))
        return cast("bytes | None", await self.link.call("HGET", key, session_id))

    async def all_snapshots(self) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for partition in range(self.partitions):
            found |= await self.link.table(self._keys.snapshots(partition))
        return found

    async def mirror(self, envelopes: Sequence[Envelope], states: dict[str, tuple[str, float]]) -> None:
        commands: list[tuple[object, ...]] = []
        streams: set[str] = set()
        for envelope in envelopes:
            stream = view_stream(envelope.event_type, envelope.session_id)
            streams.add(stream)
            commands.append(("XADD", stream, "MAXLEN", "~", VIEW_ENTRIES, "*", "data", encode_envelope(envelope)))
        for session_id, (state, last_update) in states.items():
            streams.add(state_key(session_id))
            commands.append(("HSET", state_key(session_id), "state", state, "last_update", last_update))
        commands += [("EXPIRE", key, VIEW_TTL_S) for key in sorted(streams)]
        try:
            await self.link.call_all(commands)
            self._mirror_failed = False
        except BusUnavailable as error:
            if not self._mirror_failed:
                _log.warning("session_view_behind", error=str(error))
            self._mirror_failed = True

    async def erase(self, session_id: str) -> None:
        partition = self._partition(session_id)
        for stream in (self._keys.events(partition), self._keys.journal(partition), self._keys.dlq(partition)):
            if found := await self._scan(stream, session_id):
                await self.link.call("XDEL", stream, *(entry.position for entry in found))
        view = [f"voice:{kind}:session:{session_id}" for kind in VIEW_KINDS]
        await self.link.call_all(
            [("HDEL", self._keys.snapshots(partition), session_id)]
            + [("DEL", key) for key in (*view, state_key(session_id))]
        )

    async def trim(self, older_than_s: float) -> None:
        cutoff = round((time.time() - older_than_s) * 1000)
        keys, idle_ms = self._keys, round(WORKER_GONE_S * 1000)
        for partition in range(self.partitions):
            offset = ordinal(await self.link.text(keys.offset(partition)) or "0-0")
            bound = min((cutoff, 0), offset)
            await self.link.call_all(
                [
                    ("XTRIM", keys.events(partition), "MINID", f"{bound[0]}-{bound[1]}"),
                    ("XTRIM", keys.journal(partition), "MINID", f"{cutoff}-0"),
                ]
                # What no worker ever took: whoever asked has long been answered otherwise.
                + [("XTRIM", keys.tasks(kind, partition), "MINID", f"{cutoff}-0") for kind in KINDS]
                + [("EVAL", DROP_WORKERS, 1, keys.tasks(kind, partition), kind, idle_ms) for kind in KINDS]
            )

    async def announce(self, role: str, name: str, ttl_s: float) -> None:
        await self.link.script(ANNOUNCE, [self._keys.presence(role)], name, ttl_s)

    async def members(self, role: str) -> list[str]:
        found = cast("list[bytes]", await self.link.script(MEMBERS, [self._keys.presence(role)]))
        return sorted(name.decode() for name in found)

    def _partition(self, session_id: str) -> int:
        return partition_of(session_id, self.partitions)


def _command(entry: Entry) -> Command | None:
    try:
        return decode_command(entry.data or b"")
    except ValueError:  # msgspec's errors are ValueErrors
        return None
