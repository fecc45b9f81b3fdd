"""What lies in the topic of commits, record by record; and how it is stored."""

from __future__ import annotations

import zlib

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
    "LetterTaken",
    "Released",
    "Requested",
    "Sent",
    "Settled",
    "Taken",
    "TaskId",
    "decode_record",
    "encode_record",
    "packed",
    "unpacked",
]

COMPRESSED_FROM_BYTES = 16_384
"""A record of that size is compressed: a broker takes 1 MiB by default."""
_COMPRESSED = b"\x78"
"""First byte of zlib's format (RFC 1950), never that of a MessagePack map or array of ours."""

TaskId = tuple[int, int]
"""Offset of the commit that made a request, and its place among the commit's requests."""


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


class Sent(Struct, frozen=True, kw_only=True, tag="send"):
    """What one gateway asks of another."""

    id: str
    gateway: str
    command: Command


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
    """A request is answered; or it is put aside as a letter. Void if it was settled before."""

    id: str
    task: TaskId
    letter: Envelope | None = None


class Requested(Struct, frozen=True, kw_only=True, tag="request"):
    """A request that follows from no commit, and for which nobody waits longer than `keep_s`."""

    id: str
    kind: str
    envelope: Envelope
    keep_s: float


class LetterTaken(Struct, frozen=True, kw_only=True, tag="letter"):
    """A dead letter is removed; if it comes with a request, that is asked for anew. Void if it is not there."""

    id: str
    event_id: str
    kind: str = ""
    request: Envelope | None = None


class Erased(Struct, frozen=True, kw_only=True, tag="erase"):
    """What is kept of a session up to here is not to be shown to anybody any more."""

    id: str
    session_id: str
    events_before: int


CommitRecord = Claimed | Released | Committed | Requested | Sent | Taken | GivenBack | Settled | LetterTaken | Erased


_ENCODER = msgspec.msgpack.Encoder()
_RECORDS: msgspec.msgpack.Decoder[CommitRecord] = msgspec.msgpack.Decoder(CommitRecord)


def encode_record(record: CommitRecord) -> bytes:
    """Return a record as stored."""
    return packed(_ENCODER.encode(record))


def decode_record(data: bytes) -> CommitRecord | None:
    """Return a stored record; None for what is none."""
    try:
        return _RECORDS.decode(unpacked(data))
    except (msgspec.DecodeError, UnicodeDecodeError, zlib.error):
        return None


def packed(data: bytes) -> bytes:
    """Return bytes as stored: compressed, if they are many."""
    return zlib.compress(data, 1) if len(data) >= COMPRESSED_FROM_BYTES else data


def unpacked(data: bytes) -> bytes:
    """Return stored bytes as they were. Raises zlib.error."""
    return zlib.decompress(data) if data[:1] == _COMPRESSED else data
