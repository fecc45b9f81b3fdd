"""The bus as one simulated process has it: the one in memory, at the other end of a wire."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from typing import Self

from adapters.bus.memory_ownership import MemoryOwnership, Partition
from adapters.bus.memory_workers import MemorySubscription
from adapters.bus.port import Command, Commit, Lease, LogEntry, Ownership, Subscription, TaskDelivery, partition_of
from app.history.checking import Committed
from app.simulation.loop import Process
from app.simulation.wire import Far, Wire
from statecharts.events import Envelope

__all__ = ["Link"]


class Link:
    """An `EventBus` for one process, and what the owner in it shares with others."""

    def __init__(self, process: Process, far: Far) -> None:
        self._process = process
        self._far = far
        self._wire = Wire(process, far)

    @property
    def lease_s(self) -> float:
        return self._far.bus.lease_s

    @property
    def partitions(self) -> int:
        return self._far.bus.partitions

    @property
    def parts(self) -> Sequence[Partition]:
        """The partitions, as they are read. Raises BusUnavailable while the process is cut off."""
        self._wire.reach()
        return self._far.bus.parts

    async def start(self) -> None:
        """There is nothing to connect to."""

    async def close(self) -> None:
        await self._far.bus.close()

    async def ping(self) -> None:
        await self._wire.call("", self._far.bus.ping)

    # --- facts

    async def publish(self, *envelopes: Envelope) -> list[str]:
        async def publish() -> list[str]:
            positions = await self._far.bus.publish(*envelopes)
            self._far.acknowledged += [(envelope.session_id, envelope.event_id) for envelope in envelopes]
            return positions

        return await self._wire.call(f"publishes {', '.join(map(_told, envelopes))}", publish)

    async def request(self, kind: str, envelope: Envelope) -> None:
        await self._wire.call(f"requests {_told(envelope)}", self._far.bus.request, kind, envelope)

    async def replay(self, session_id: str, after: str = "") -> list[LogEntry]:
        return await self._wire.call("", self._far.bus.replay, session_id, after)

    async def journal(self, session_id: str, since: str = "") -> list[bytes]:
        return await self._wire.call("", self._far.bus.journal, session_id, since)

    async def snapshot(self, session_id: str) -> bytes | None:
        return await self._wire.call("reads a snapshot", self._far.bus.snapshot, session_id)

    async def all_snapshots(self) -> dict[str, bytes]:
        return await self._wire.call("", self._far.bus.all_snapshots)

    async def mirror(self, envelopes: Sequence[Envelope], states: dict[str, tuple[str, float]]) -> None:
        """Nobody looks at the session view."""

    async def erase(self, session_id: str) -> None:
        async def erase() -> None:
            await self._far.bus.erase(session_id)
            partition = partition_of(session_id, self.partitions)
            self._far.erased.setdefault(session_id, self._far.bus.parts[partition].epoch)

        await self._wire.call(f"erases {session_id}", erase)

    async def trim(self, older_than_s: float) -> None:
        """Nothing of a run is trimmed."""

    # --- owners

    def own(self, owner: str) -> Ownership:
        return MemoryOwnership(self, owner)

    async def snapshots(self, partition: int) -> dict[str, bytes]:
        return await self._wire.call(f"reads the snapshots of p{partition}", self._far.bus.snapshots, partition)

    async def commit(self, lease: Lease, after: str, commit: Commit) -> None:
        async def make_true() -> None:
            await self._far.bus.commit(lease, after, commit)
            self._far.commits.append(Committed(
                partition=lease.partition, owner=self._process.name, epoch=lease.epoch, upto=commit.upto,
            ))  # fmt: skip

        told = f"commits {len(commit.journal)} facts of p{lease.partition} up to {commit.upto}, epoch {lease.epoch}"
        await self._wire.call(told, make_true)

    async def wait_for_change(self, timeout_s: float, partitions: Collection[int]) -> None:
        await self._far.bus.wait_for_change(timeout_s, partitions)

    async def announce(self, role: str, name: str, ttl_s: float) -> None:
        self._wire.reach()
        await self._far.bus.announce(role, name, ttl_s)

    async def members(self, role: str) -> list[str]:
        self._wire.reach()
        return await self._far.bus.members(role)

    # --- workers and gateways

    def subscribe(self, kind: str, worker: str) -> Subscription:
        there = self._far.bus.subscribe(kind, worker)
        self._process.on_silence.append(there.freeze)
        return _Subscription(there, self._wire)

    async def dead_letters(self) -> list[Envelope]:
        return await self._wire.call("", self._far.bus.dead_letters)

    async def take_dead_letter(self, letter: Envelope, *, retry: bool) -> bool:
        async def take() -> bool:
            return await self._far.bus.take_dead_letter(letter, retry=retry)

        return await self._wire.call("takes a dead letter", take)

    async def send(self, gateway: str, *commands: Command) -> None:
        await self._wire.call("", self._far.bus.send, gateway, *commands)

    async def listen(self, gateway: str) -> AsyncIterator[Command]:
        async for command in self._far.bus.listen(gateway):
            await self._wire.arrives("")
            yield command


class _Subscription:
    """A worker's place, at the near end; some of what arrives does so twice."""

    def __init__(self, there: MemorySubscription, wire: Wire) -> None:
        self._there = there
        self._wire = wire
        self._again: _Delivery | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> TaskDelivery:
        if self._again is not None:
            again, self._again = self._again, None
            return again
        delivery = await anext(self._there)
        fault = await self._wire.arrives(f"takes request {delivery.envelope.payload.get('request_id')}")
        linked = _Delivery(delivery, self._wire)
        self._again = linked if fault == "twice" else None
        return linked

    async def aclose(self) -> None:
        await self._there.aclose()


class _Delivery:
    """One request in the hands of a worker at the near end."""

    def __init__(self, delivery: TaskDelivery, wire: Wire) -> None:
        self._delivery = delivery
        self._wire = wire

    @property
    def envelope(self) -> Envelope:
        return self._delivery.envelope

    @property
    def attempts(self) -> int:
        return self._delivery.attempts

    async def ack(self) -> None:
        await self._wire.call(f"settles {self._request}", self._delivery.ack)

    async def nack(self, delay_s: float) -> None:
        # As on Redis: the worker that has it keeps it, and asks for it again when it is time.
        await self._delivery.nack(delay_s)

    async def dead_letter(self, error: str) -> Envelope:
        return await self._wire.call(f"puts aside {self._request}", self._delivery.dead_letter, error)

    @property
    def _request(self) -> object:
        return f"request {self.envelope.payload.get('request_id')}"


def _told(envelope: Envelope) -> str:
    named = envelope.payload.get("request_id") or envelope.payload.get("name") or envelope.payload.get("text") or ""
    return f"{envelope.event_type.removeprefix('voice.')} {named}".strip()
