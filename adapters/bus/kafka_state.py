"""Where one partition stands, as every reader of its commits comes to see it.

Whoever reads a partition's records in order comes to the same state, and to the same judgement of each record. That
is all the agreement there is: no record is ever taken back, but one that comes too late is void for everybody.
"""

from __future__ import annotations

import math
import zlib
from typing import Literal, assert_never

import msgspec
from msgspec import Struct

from adapters.bus.kafka_records import (
    Claimed,
    CommitRecord,
    Committed,
    Erased,
    GivenBack,
    LetterTaken,
    Released,
    Requested,
    Sent,
    Settled,
    Taken,
    TaskId,
    packed,
    unpacked,
)
from statecharts.events import Envelope

__all__ = ["PartitionState", "Task", "Verdict", "decode_checkpoint", "encode_checkpoint"]

MARK_FACTS = 1_000
"""Facts between two marks."""
LETTERS_KEPT = 1_000
"""Most dead letters of a partition; the oldest go."""

Verdict = Literal["done", "fenced", "stale"]
"""What a record did: what it says; nothing, since its writer's lease is over; nothing, since something came first."""


class Task(Struct):
    """A request that is not answered yet."""

    kind: str
    envelope: Envelope
    attempts: int = 0
    worker: str = ""
    changed_at: float = 0.0
    """Time of the reader's own clock when it read of the last change, in seconds."""
    delay_s: float = 0.0
    """How long after that nobody may take it."""
    keep_s: float = math.inf
    """How long after that somebody waits for it."""


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
    letters: dict[str, Envelope] = {}
    """Dead letters by their event id, oldest first."""
    void: list[int] = []
    """Offsets of commits that did not happen."""
    marks: list[tuple[int, int]] = []
    """Now and then, how many facts were folded before a commit, and its offset: where to begin to look for a fact's."""
    erased: dict[str, tuple[int, int]] = {}
    """Session: before which fact, and before which commit, nothing of it is to be shown."""

    def fold(self, offset: int, record: CommitRecord | None, now: float) -> Verdict:
        """Take the record at an offset; None is one that is no record."""
        self.next = offset + 1
        match record:
            case None:
                return "stale"
            case Sent():
                return "done"
            case Claimed() | Released():
                return self._lease(record)
            case Committed():
                return self._commit(offset, record, now)
            case Requested():
                self.tasks[(offset, 0)] = Task(record.kind, record.envelope, changed_at=now, keep_s=record.keep_s)
                return "done"
            case Taken() | GivenBack() | Settled():
                return self._hand(record, now)
            case LetterTaken():
                return self._take_letter(offset, record, now)
            case Erased():
                return self._erase(offset, record)
            case _:
                assert_never(record)

    def commit_of(self, fact: int) -> int:
        """Return an offset from which on the commit of a fact, and of all after it, is found; facts count from 1."""
        return max((offset for facts, offset in self.marks if facts < fact), default=0)

    def hides(self, session_id: str, *, fact: int = -1, commit: int = -1) -> bool:
        """Return whether a fact or a commit's record is of a session that was erased after it."""
        facts, commits = self.erased.get(session_id, (0, 0))
        return 0 <= fact < facts or 0 <= commit < commits

    def _lease(self, record: Claimed | Released) -> Verdict:
        match record:
            case Claimed() if record.after == self.epoch < record.epoch:
                self.epoch, self.owner = record.epoch, record.owner
            case Released() if record.epoch == self.epoch:
                self.owner = ""
            case _:
                return "fenced"
        return "done"

    def _commit(self, offset: int, record: Committed, now: float) -> Verdict:
        if record.epoch != self.epoch or record.prev != self.committed:
            self.void.append(offset)
            return "fenced" if record.epoch != self.epoch else "stale"
        if record.prev // MARK_FACTS < record.upto // MARK_FACTS:
            self.marks.append((record.prev, offset))
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
                if record.letter is not None:
                    self.letters[record.letter.event_id] = record.letter
                    for oldest in list(self.letters)[:-LETTERS_KEPT]:
                        del self.letters[oldest]
                return "done"
            case Taken() if record.attempt == task.attempts + 1:
                task.attempts, task.worker, task.delay_s = record.attempt, record.worker, 0.0
            case GivenBack() if record.attempt == task.attempts:
                task.worker, task.delay_s = "", record.delay_s
            case _:
                return "stale"
        task.changed_at = now
        return "done"

    def _take_letter(self, offset: int, record: LetterTaken, now: float) -> Verdict:
        if self.letters.pop(record.event_id, None) is None:
            return "stale"
        if record.request is not None:
            self.tasks[(offset, 0)] = Task(record.kind, record.request, changed_at=now)
        return "done"

    def _erase(self, offset: int, record: Erased) -> Verdict:
        self.erased[record.session_id] = (record.events_before, offset)
        self.snapshots.pop(record.session_id, None)
        for number in [at for at, task in self.tasks.items() if task.envelope.session_id == record.session_id]:
            del self.tasks[number]
        for event_id in [at for at, letter in self.letters.items() if letter.session_id == record.session_id]:
            del self.letters[event_id]
        return "done"


_STATES: msgspec.msgpack.Decoder[PartitionState] = msgspec.msgpack.Decoder(PartitionState)


def encode_checkpoint(state: PartitionState) -> bytes:
    """Return a state as stored, to begin from instead of from the first record."""
    return packed(msgspec.msgpack.encode(state))


def decode_checkpoint(data: bytes, now: float) -> PartitionState:
    """Return a stored state; waiting begins anew at `now`, since no two clocks need to agree.

    Raises:
        ValueError: It is none.
    """
    try:
        state = _STATES.decode(unpacked(data))
    except zlib.error as error:
        raise ValueError(str(error)) from error
    for task in state.tasks.values():
        task.changed_at = now
    return state
