"""The bus in one process's memory: the same promises as on Redis, until the process ends."""

from __future__ import annotations

import asyncio
import math
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Sequence

import msgspec

from adapters.bus.bell import Bell
from adapters.bus.codec import decode_entry, encode_envelope, ordinal, request_again, session_of, stamped
from adapters.bus.held_request import MIN_IDLE_S
from adapters.bus.memory_ownership import MemoryOwnership, Partition
from adapters.bus.memory_workers import MemorySubscription, Task
from adapters.bus.port import (
    JOURNAL_MARGIN_S,
    REQUEST_S,
    BusUnavailable,
    Command,
    Commit,
    Fenced,
    Lease,
    LogEntry,
    partition_of,
)
from adapters.bus.session_view import view_stream
from statecharts.events import Envelope

__all__ = ["MemoryBus"]

LEASE_S = 0.5
COMMANDS_KEPT = 10_000
"""Most commands that wait for a gateway; when it takes none, the oldest go (on Redis they expire)."""


class MemoryBus:
    """Everything on one event loop; several owners, workers and gateways may share it.

    Args:
        partitions: How many there are.
        lease_s: How long a lease holds without renewal.
        min_idle_s: After how long a request whose worker is silent is handed out again.
        clock: Tells the Unix time.
    """

    def __init__(
        self, partitions: int = 16, *, lease_s: float = LEASE_S, min_idle_s: float = MIN_IDLE_S,
        clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self.parts = [Partition() for _ in range(partitions)]
        self.lease_s = lease_s
        self.clock = clock
        self.min_idle_s = min_idle_s
        self.tasks: dict[str, dict[int, Task]] = defaultdict(dict)
        self._commands: dict[str, asyncio.Queue[tuple[int, Command]]] = defaultdict(
            lambda: asyncio.Queue(COMMANDS_KEPT)
        )
        self._members: dict[str, dict[str, float]] = defaultdict(dict)
        self._view: dict[str, list[Envelope]] = defaultdict(list)
        self.states: dict[str, tuple[str, float]] = {}
        self.dead: list[Envelope] = []
        self._last = (0, 0)
        self._numbers = 0
        self._bell = Bell()
        """Rung about a partition that has new entries, and about a kind of requests."""

    @property
    def partitions(self) -> int:
        return len(self.parts)

    async def start(self) -> None:
        """There is nothing to connect to."""

    async def close(self) -> None:
        """Wake whoever waits."""
        self._bell.ring_all()

    async def ping(self) -> None:
        """It is always there."""

    async def publish(self, *envelopes: Envelope) -> list[str]:
        # Encoded and decoded once: what a process cannot send it must not be able to keep here either.
        stored = [
            (partition_of(envelope.session_id, self.partitions), encode_envelope(envelope)) for envelope in envelopes
        ]
        return [self._append(partition, data) for partition, data in stored]

    async def publish_raw(self, partition: int, data: bytes) -> str:
        """Append what a stranger might: bytes that need not be an envelope."""
        return self._append(partition, data)

    def own(self, owner: str) -> MemoryOwnership:
        return MemoryOwnership(self, owner)

    async def request(self, kind: str, envelope: Envelope) -> None:
        now = asyncio.get_running_loop().time()
        self.tasks[kind] = {number: task for number, task in self.tasks[kind].items() if task.until > now}
        self._add_task(kind, envelope, now + REQUEST_S)
        self._bell.ring(kind)

    def subscribe(self, kind: str, worker: str) -> MemorySubscription:
        return MemorySubscription(self, kind)

    async def dead_letters(self) -> list[Envelope]:
        return list(self.dead)

    async def take_dead_letter(self, letter: Envelope, *, retry: bool) -> bool:
        kept = [there for there in self.dead if there.event_id != letter.event_id]
        if len(kept) == len(self.dead):
            return False
        if retry:
            kind, request = request_again(letter)
            self._add_task(kind, request)
            self.ring(kind)
        self.dead = kept
        return True

    async def send(self, gateway: str, command: Command) -> None:
        self._hand_over(gateway, partition_of(command.session_id, self.partitions), command)

    def _hand_over(self, gateway: str, partition: int, command: Command) -> None:
        lane = self._commands[gateway]
        if lane.full():
            lane.get_nowait()
        lane.put_nowait((partition, command))

    async def listen(self, gateway: str) -> AsyncIterator[Command]:
        epochs: dict[int, int] = {}
        while True:
            partition, command = await self._commands[gateway].get()
            if not command.epoch or command.epoch >= epochs.get(partition, 0):
                epochs[partition] = command.epoch or epochs.get(partition, 0)
                yield command

    async def replay(self, session_id: str, after: str = "") -> list[LogEntry]:
        floor = ordinal(after) if after else (0, 0)
        return [
            entry
            for entry in self._part(session_id).log
            if _is_of(entry, session_id) and ordinal(entry.position) > floor
        ]

    async def journal(self, session_id: str, since: str = "") -> list[bytes]:
        first = (ordinal(since)[0] - round(JOURNAL_MARGIN_S * 1000), 0) if since else (0, 0)
        records = self._part(session_id).journal
        return [data for at, data in records if ordinal(at) >= first and session_of(data) == session_id]

    async def snapshot(self, session_id: str) -> bytes | None:
        return self._part(session_id).snapshots.get(session_id)

    async def all_snapshots(self) -> dict[str, bytes]:
        return {session_id: blob for part in self.parts for session_id, blob in part.snapshots.items()}

    async def mirror(self, envelopes: Sequence[Envelope], states: dict[str, tuple[str, float]]) -> None:
        for envelope in envelopes:
            self._view[view_stream(envelope.event_type, envelope.session_id)].append(envelope)
        self.states.update(states)

    def view(self, stream: str) -> list[Envelope]:
        """Return what the session view holds under a stream's name."""
        return list(self._view.get(stream, ()))

    async def erase(self, session_id: str) -> None:
        part = self._part(session_id)
        part.log = [entry for entry in part.log if not _is_of(entry, session_id)]
        part.journal = [(at, data) for at, data in part.journal if session_of(data) != session_id]
        part.snapshots.pop(session_id, None)
        self.dead = [letter for letter in self.dead if letter.session_id != session_id]
        self.states.pop(session_id, None)
        for stream in [stream for stream in self._view if stream.endswith(f":{session_id}")]:
            del self._view[stream]

    async def trim(self, older_than_s: float) -> None:
        cutoff = (int((self.clock() - older_than_s) * 1000), 0)
        for part in self.parts:
            bound = min(cutoff, ordinal(part.offset))
            part.log = [entry for entry in part.log if ordinal(entry.position) >= bound]
            part.journal = [(at, data) for at, data in part.journal if ordinal(at) >= cutoff]

    async def announce(self, role: str, name: str, ttl_s: float) -> None:
        self._members[role][name] = asyncio.get_running_loop().time() + ttl_s

    async def members(self, role: str) -> list[str]:
        now = asyncio.get_running_loop().time()
        return sorted(name for name, until in self._members[role].items() if until > now)

    @property
    def unsettled(self) -> int:
        """How many requests are neither answered nor put aside."""
        return sum(map(len, self.tasks.values()))

    # --- for its owners and deliveries

    async def wait_for_change(self, timeout_s: float, about: Collection[object]) -> None:
        """Return when there is news about one of these partitions or kinds of requests, or after so long."""
        await self._bell.wait(timeout_s, about)

    async def snapshots(self, partition: int) -> dict[str, bytes]:
        """Return the committed state of every session of a partition."""
        return dict(self.parts[partition].snapshots)

    async def commit(self, lease: Lease, after: str, commit: Commit) -> None:
        """Make true what an owner made of the entries behind the position `after`.

        Raises:
            Fenced: Somebody else has the partition.
            BusUnavailable: It was committed up to elsewhere: an earlier commit happened though its answer was lost.
        """
        part = self.parts[lease.partition]
        if part.epoch != lease.epoch:
            raise Fenced(f"partition {lease.partition} is owned under epoch {part.epoch}, not {lease.epoch}")
        if part.offset != after:
            raise BusUnavailable(f"partition {lease.partition} stands at {part.offset}, not at {after}")
        for session_id, blob in commit.snapshots.items():
            if blob:
                part.snapshots[session_id] = blob
            else:
                part.snapshots.pop(session_id, None)
        for kind, envelope in commit.tasks:
            self._add_task(kind, stamped(envelope, lease.epoch))
        for gateway, command in commit.commands:
            self._hand_over(gateway, lease.partition, msgspec.structs.replace(command, epoch=lease.epoch))
        part.journal += [(self._next_position(), data) for data in commit.journal]
        part.offset = commit.upto
        for kind in sorted({kind for kind, _ in commit.tasks}):
            self._bell.ring(kind)

    def _add_task(self, kind: str, envelope: Envelope, until: float = math.inf) -> None:
        self._numbers += 1
        self.tasks[kind][self._numbers] = Task(self._numbers, envelope, until=until)

    def ring(self, kind: str) -> None:
        """Wake the workers of a kind."""
        self._bell.ring(kind)

    def _part(self, session_id: str) -> Partition:
        return self.parts[partition_of(session_id, self.partitions)]

    def _append(self, partition: int, data: bytes) -> str:
        position = self._next_position()
        self.parts[partition].log.append(decode_entry(position, data))
        self._bell.ring(partition)
        return position

    def _next_position(self) -> str:
        # As Redis numbers its streams: milliseconds, then a counter; never going back.
        now_ms = int(self.clock() * 1000)
        last_ms, seq = self._last
        self._last = (now_ms, 0) if now_ms > last_ms else (last_ms, seq + 1)
        return f"{self._last[0]}-{self._last[1]}"


def _is_of(entry: LogEntry, session_id: str) -> bool:
    return entry.envelope is not None and entry.envelope.session_id == session_id
