"""The event bus: a partitioned log, owned by lease, committed once; and competing workers beside it.

All events of a session lie in one partition, in one total order. An orchestrator owns partitions by lease and
commits what it made of a batch (states, outputs, journal, offset) in one step, or not at all. Every output carries
the epoch of the lease, so that a process that lost it and does not know is refused everywhere.
"""

from __future__ import annotations

import binascii
from collections.abc import AsyncIterator, Sequence
from typing import Protocol, Self

from msgspec import Struct

from statecharts.events import Envelope, VoicechartError

__all__ = [
    "JOURNAL_MARGIN_S",
    "REQUEST_S",
    "Batch",
    "BusUnavailable",
    "Command",
    "Commit",
    "EventBus",
    "Fenced",
    "Lease",
    "LogEntry",
    "Ownership",
    "Subscription",
    "TaskDelivery",
    "partition_of",
]


JOURNAL_MARGIN_S = 30.0
"""What led to a fact is not older, but for what stands in the session's state."""
REQUEST_S = 60.0
"""How long a request of `EventBus.request` is kept for workers to come."""


class BusUnavailable(VoicechartError):
    """The bus cannot be reached now; the same call may succeed later."""


class Fenced(VoicechartError):
    """Another owner has the partition: this process's lease is over, what it wanted to commit is void."""


def partition_of(session_id: str, partitions: int) -> int:
    """Return the partition of a session: CRC-16/XMODEM of its lower-case id, modulo the number of partitions.

    Source: the checksum of Redis Cluster's key slots (cluster specification, appendix A).
    """
    return binascii.crc_hqx(session_id.lower().encode(), 0) % partitions


class LogEntry(Struct, frozen=True, kw_only=True):
    """One entry of the log: a fact and its position, or bytes that are no envelope (`envelope` is None)."""

    position: str
    envelope: Envelope | None
    error: str = ""


class Lease(Struct, frozen=True, kw_only=True):
    """The right to fold one partition, until somebody else holds a higher epoch."""

    partition: int
    epoch: int


class Batch(Struct, frozen=True, kw_only=True):
    """What one partition has to offer next, in order."""

    lease: Lease
    entries: list[LogEntry]


class Commit(Struct, frozen=True, kw_only=True):
    """Everything one batch led to; it happens whole or not at all."""

    upto: str
    """Position of the last entry folded."""
    snapshots: dict[str, bytes] = {}
    """Session id to its state; empty bytes remove it."""
    tasks: list[tuple[str, Envelope]] = []
    """Kind of worker (`intent`, `rag`, `tts`, `stt`) and the request for it. The bus adds the lease's epoch to the
    envelope's metadata as `epoch`."""
    commands: list[tuple[str, Command]] = []
    """Gateway and what it is to do."""
    journal: list[bytes] = []
    """One record an entry folded (JSON), for replay; see `EventBus.journal`."""


class Command(Struct, frozen=True, kw_only=True):
    """What a gateway is to do for a session, in order; refused if its epoch is older than one already obeyed."""

    session_id: str
    event_id: str = ""
    """Of the fact that led to it, whose commands are obeyed once."""
    epoch: int = 0
    """Set by the bus at the commit, from the lease; 0: it is no owner's, but another gateway's."""
    position: str = ""
    """Of that fact."""
    effects: list[dict[str, object]] = []


class TaskDelivery(Protocol):
    """One request handed to one worker: answer it with exactly one of the three."""

    @property
    def envelope(self) -> Envelope: ...
    @property
    def attempts(self) -> int:
        """How often it was handed out, this time included; from 1."""

    async def ack(self) -> None: ...
    async def nack(self, delay_s: float) -> None:
        """Give it back, to be handed out again after `delay_s` seconds, or later when the bus is away."""

    async def dead_letter(self, error: str) -> Envelope:
        """Put it aside for a person and acknowledge it; return what was put aside.

        It goes to `voice:dlq:{pNN}` as a `voice.dlq.added` envelope whose payload is {event, error, attempts}.
        """


class Subscription(Protocol):
    """One worker's place among those of its kind. While it is open, what is in its hands is kept from the others."""

    def __aiter__(self) -> Self: ...

    async def __anext__(self) -> TaskDelivery:
        """Wait for the next request; whoever waits may be cancelled and ask again.

        A request that ended two workers is handed out alone: no other such one until it is settled.
        """

    async def aclose(self) -> None:
        """Take no more; what was handed out and is not settled is handed to others at once."""


class Ownership(Protocol):
    """One orchestrator's share of the log. Leases are renewed in the background while it lives."""

    @property
    def leases(self) -> Sequence[Lease]:
        """The partitions held now."""

    async def snapshots(self, lease: Lease) -> dict[str, bytes]:
        """Return the committed state of every session of a partition.

        Raises:
            BusUnavailable: The partition is announced again: without its states nothing may be folded.
        """

    def batches(self) -> AsyncIterator[Batch]:
        """Yield what comes, partition by partition, from the committed offset on; ends with `close`.

        An empty batch announces a partition newly owned, before its first entries. After a batch is yielded, entries
        after it are read on without waiting for its commit.
        """

    async def commit(self, lease: Lease, commit: Commit) -> None:
        """Make a batch's outcome true.

        Raises:
            Fenced: The lease is over; nothing happened. The partition is dropped from `leases`.
            BusUnavailable: Not known whether it happened: read on from the committed offset (`batches` does so by
                announcing the partition again with an empty batch).
        """

    async def close(self) -> None:
        """Give all leases back."""


class EventBus(Protocol):
    """The log, its owners, its workers and its gateways."""

    @property
    def partitions(self) -> int: ...

    async def start(self) -> None:
        """Connect. Raises BusUnavailable, saying where and what to do."""

    async def close(self) -> None: ...

    async def ping(self) -> None:
        """Return at once if the bus answers and takes facts. Raises BusUnavailable within 0.3 s if it does not."""

    async def publish(self, *envelopes: Envelope) -> list[str]:
        """Append facts to their sessions' partitions, in order; return their positions.

        Each envelope carries an `event_id`: after an error the same envelopes may be published again, the fold drops
        the second copy. Raises BusUnavailable.
        """

    def own(self, owner: str) -> Ownership:
        """Begin to own partitions as `owner`: orphans at once, a fair share among all who do."""

    async def request(self, kind: str, envelope: Envelope) -> None:
        """Put a request before the workers of a kind; nobody's lease vouches for it, and it is no part of the log.

        For what only its asker waits for: with nobody to take it, it is gone `REQUEST_S` after the last one of the
        partition. A kind has its requests from here or from commits, not both. Raises BusUnavailable.
        """

    def subscribe(self, kind: str, worker: str) -> Subscription:
        """Compete for requests of a kind; requests of workers that died are handed out again."""

    async def send(self, gateway: str, command: Command) -> None:
        """Ask something of a gateway, as another gateway: nothing is committed with it. Raises BusUnavailable."""

    async def dead_letters(self) -> list[Envelope]:
        """Return what was put aside, the oldest first, as `TaskDelivery.dead_letter` gave it."""

    async def take_dead_letter(self, letter: Envelope, *, retry: bool) -> bool:
        """Remove a dead letter; with `retry`, its request is handed out again, as a new one. False: it is not there."""

    def listen(self, gateway: str) -> AsyncIterator[Command]:
        """Yield the commands for a gateway, in order per session."""

    async def replay(self, session_id: str, after: str = "") -> list[LogEntry]:
        """Return the session's facts in order, from the entry after the position `after` on.

        Raises ValueError if `after` is no position.
        """

    async def journal(self, session_id: str, since: str = "") -> list[bytes]:
        """Return the session's journal records in order: all, or those of facts from the position `since` on.

        Of facts up to `JOURNAL_MARGIN_S` before `since` it may return those as well.
        """

    async def snapshot(self, session_id: str) -> bytes | None:
        """Return the committed state of one session."""

    async def all_snapshots(self) -> dict[str, bytes]:
        """Return the committed state of every session, all partitions."""

    async def mirror(self, envelopes: Sequence[Envelope], states: dict[str, tuple[str, float]]) -> None:
        """Copy envelopes to the session view and set `orchestrator:session:<sid>` (`state`, `last_update`).

        Best effort, expiring: a failure is logged once and raises nothing.
        """

    async def erase(self, session_id: str) -> None:
        """Remove all that is kept of a session: entries, journal, state, view."""

    async def trim(self, older_than_s: float) -> None:
        """Drop entries of owned streams that are both committed (or acknowledged) and older than this many seconds."""

    async def announce(self, role: str, name: str, ttl_s: float) -> None:
        """Say that a member of a role (`gateway`, `orchestrator`, `intent`, `rag`, …) is alive, for `ttl_s` seconds."""

    async def members(self, role: str) -> list[str]:
        """Return the names of the members of a role that are alive."""
