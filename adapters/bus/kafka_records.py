"""What lies in the topic of commits, and what all who read it make of it: one state for each partition.

Whoever reads a partition's records in order comes to the same state, and to the same judgement of each record. That
is all the agreement there is: no record is ever taken back, but one that comes too late is void for everybody.
"""

from __future__ import annotations

import zlib
from typing import Literal, assert_never

import msgspec
from msgspec import Struct

from adapters.bus.port import Command
from statecharts.events import Envelope

__all__ = [
    "Claimed",
    "CommitRecord",
    "Committed",
    "Erased",
    "GivenBack",
    "PartitionState",
    "Released",
    "Settled",
    "Taken",
    "Task",
    "TaskId",
    "Verdict",
    "decode_checkpoint",
    "decode_record",
    "encode_checkpoint",
    "encode_record",
]  # fmt: skip

COMPRESSED_FROM_BYTES = 16_384
"""A record of that size is compressed: a broker takes 1 MiB by default."""
_COMPRESSED = b"\x78"
"""First byte of zlib's format (RFC 1950), never that of a MessagePack map or array of ours."""

TaskId = tuple[int, int]
"""Offset of the commit that made a request, and its place among the commit's requests."""
Verdict = Literal["done", "fenced", "stale"]


class Claimed(Struct, frozen=True, kw_only=True, tag="claim"):
    """An owner begins; void if somebody else began since `after`."""

    id: str
    after: int
    epoch: int
    owner: str


class Released(Struct, frozen=True, kw_only=True, tag="release"):
    """An owner leaves in good order."""

    id: str
    epoch: int


class Committed(Struct, frozen=True, kw_only=True, tag="commit"):
    """All that a batch led to. One record, so it is there whole or not at all."""

    id: str
    epoch: int
    prev: int
    """How far the partition must have been committed for this to follow."""
    upto: int
    snapshots: dict[str, bytes]
    tasks: list[tuple[str, Envelope]]
    commands: list[tuple[str, Command]]
    journal: list[bytes]


class Taken(Struct, frozen=True, kw_only=True, tag="take"):
    """A worker serves a request; void if another one took this attempt at it."""

    id: str
    task: TaskId
    attempt: int
    worker: str


class GivenBack(Struct, frozen=True, kw_only=True, tag="give_back"):
    """A worker gives a request back, to be taken again after a while."""

    id: str
    task: TaskId
    attempt: int
    delay_s: float


class Settled(Struct, frozen=True, kw_only=True, tag="settle"):
    """A request is answered or put aside."""

    id: str
    task: TaskId


class Erased(Struct, frozen=True, kw_only=True, tag="erase"):
    """What is kept of a session up to here is not to be shown to anybody any more."""

    id: str
    session_id: str
    events_before: int


CommitRecord = Claimed | Released | Committed | Taken | GivenBack | Settled | Erased


class Task(Struct):
    """A request that is not answered yet."""

    kind: str
    envelope: Envelope
    attempts: int = 0
    worker: str = ""
    changed_at: float = 0.0
    """Time of the reader's own clock when it read of the last change, in seconds."""
    delay_s: float = 0.0


class PartitionState(Struct):
    """Where one partition stands after the records before offset `next`."""

    next: int = 0
    epoch: int = 0
    owner: str = ""
    committed: int = 0
    """How many of the partition's facts are folded."""
    snapshots: dict[str, bytes] = {}
    tasks: dict[TaskId, Task] = {}
    """Requests that are not answered yet, oldest first."""
    void: list[int] = []
    """Offsets of commits that did not happen."""
    erased: dict[str, tuple[int, int]] = {}
    """Session: before which fact, and before which commit, nothing of it is to be shown."""

    def fold(self, offset: int, record: CommitRecord | None, now: float) -> Verdict:
        """Take the record at an offset; None is one that is no record."""
        self.next = offset + 1
        match record:
            case None:
                return "stale"
            case Claimed():
                if record.after != self.epoch or record.epoch <= self.epoch:
                    return "fenced"
                self.epoch, self.owner = record.epoch, record.owner
                return "done"
            case Released():
                if record.epoch != self.epoch:
                    return "fenced"
                self.owner = ""
                return "done"
            case Committed():
                verdict = self._commit(offset, record, now)
                if verdict != "done":
                    self.void.append(offset)
                return verdict
            case Taken() | GivenBack() | Settled():
                return self._hand(record, now)
            case Erased():
                return self._erase(offset, record)
            case _:
                assert_never(record)

    def hides(self, session_id: str, *, fact: int = -1, commit: int = -1) -> bool:
        """Return whether a fact or a commit's record is of a session that was erased after it."""
        facts, commits = self.erased.get(session_id, (0, 0))
        return 0 <= fact < facts or 0 <= commit < commits

    def _commit(self, offset: int, record: Committed, now: float) -> Verdict:
        if record.epoch != self.epoch:
            return "fenced"
        if record.prev != self.committed:
            return "stale"
        self.committed = record.upto
        for session_id, blob in record.snapshots.items():
            if blob:
                self.snapshots[session_id] = blob
            else:
                self.snapshots.pop(session_id, None)
        for number, (kind, envelope) in enumerate(record.tasks):
            self.tasks[(offset, number)] = Task(kind, envelope, changed_at=now)
        return "done"

    def _hand(self, record: Taken | GivenBack | Settled, now: float) -> Verdict:
        task = self.tasks.get(record.task)
        if task is None:
            return "stale"
        match record:
            case Settled():
                del self.tasks[record.task]
                return "done"
            case Taken() if record.attempt == task.attempts + 1:
                task.attempts, task.worker, task.delay_s = record.attempt, record.worker, 0.0
            case GivenBack() if record.attempt == task.attempts:
                task.worker, task.delay_s = "", record.delay_s
            case _:
                return "stale"
        task.changed_at = now
        return "done"

    def _erase(self, offset: int, record: Erased) -> Verdict:
        self.erased[record.session_id] = (record.events_before, offset)
        self.snapshots.pop(record.session_id, None)
        for number in [at for at, task in self.tasks.items() if task.envelope.session_id == record.session_id]:
            del self.tasks[number]
        return "done"


_ENCODER = msgspec.msgpack.Encoder()
_RECORDS: msgspec.msgpack.Decoder[CommitRecord] = msgspec.msgpack.Decoder(CommitRecord)
_STATES: msgspec.msgpack.Decoder[PartitionState] = msgspec.msgpack.Decoder(PartitionState)


def encode_record(record: CommitRecord) -> bytes:
    """Return a record as stored."""
    return _packed(_ENCODER.encode(record))


def decode_record(data: bytes) -> CommitRecord | None:
    """Return a stored record; None for what is none."""
    try:
        return _RECORDS.decode(_unpacked(data))
    except (msgspec.DecodeError, UnicodeDecodeError, zlib.error):
        return None


def encode_checkpoint(state: PartitionState) -> bytes:
    """Return a state as stored, to begin from instead of from the first record."""
    return _packed(_ENCODER.encode(state))


def decode_checkpoint(data: bytes, now: float) -> PartitionState:
    """Return a stored state; waiting begins anew at `now`, since no two clocks need to agree.

    Raises:
        ValueError: It is none.
    """
    try:
        state = _STATES.decode(_unpacked(data))
    except zlib.error as error:
        raise ValueError(str(error)) from error
    for task in state.tasks.values():
        task.changed_at = now
    return state


def _packed(data: bytes) -> bytes:
    return zlib.compress(data, 1) if len(data) >= COMPRESSED_FROM_BYTES else data


def _unpacked(data: bytes) -> bytes:
    return zlib.decompress(data) if data[:1] == _COMPRESSED else data
