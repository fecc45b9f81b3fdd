"""How facts, commands and journal records lie in the log: one field `data`, JSON."""

from __future__ import annotations

import re
import uuid

import msgspec
from msgspec import Struct

from adapters.bus.port import Command, LogEntry
from adapters.nesting import MAX_DEPTH, too_deep
from statecharts.events import Envelope

__all__ = [
    "dead_letter",
    "decode_command",
    "decode_entry",
    "encode_command",
    "encode_envelope",
    "ordinal",
    "request_again",
    "session_of",
    "stamped",
]

_ENCODER = msgspec.json.Encoder()
_ENVELOPES = msgspec.json.Decoder(Envelope)
_COMMANDS = msgspec.json.Decoder(Command)


class _Owned(Struct):
    session_id: str


_OWNED = msgspec.json.Decoder(_Owned)
_SESSION_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_POSITION = re.compile(r"([0-9]{1,18})(?:-([0-9]{1,18}))?")


def encode_envelope(envelope: Envelope) -> bytes:
    """Return an envelope as stored."""
    return _ENCODER.encode(envelope)


def stamped(request: Envelope, epoch: int) -> Envelope:
    """Return a request with the epoch of the owner that makes it: workers refuse an older one's."""
    return msgspec.structs.replace(request, metadata={**request.metadata, "epoch": epoch})


def encode_command(command: Command) -> bytes:
    """Return a command as stored."""
    return _ENCODER.encode(command)


def decode_command(data: bytes) -> Command:
    """Return a stored command."""
    return _COMMANDS.decode(data)


def decode_entry(position: str, data: bytes | None) -> LogEntry:
    """Return an entry of the log; what a stranger wrote wrongly becomes an entry with an error, never an exception."""
    if data is None:
        return LogEntry(position=position, envelope=None, error="the entry has no field `data`")
    if too_deep(data):
        return LogEntry(position=position, envelope=None, error=f"no envelope: it nests deeper than {MAX_DEPTH} levels")
    try:
        envelope = _ENVELOPES.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return LogEntry(position=position, envelope=None, error=f"no envelope: {error}")
    if _SESSION_ID.fullmatch(envelope.session_id) is None:
        # Keys are built from it, and pages name it.
        return LogEntry(
            position=position, envelope=None,
            error=f"no envelope: a session id is a UUID in lower case; this is {envelope.session_id[:80]!r}",
        )  # fmt: skip
    return LogEntry(position=position, envelope=envelope)


def session_of(data: bytes) -> str:
    """Return whose a stored fact or journal record is; empty if it cannot be told."""
    try:
        return _OWNED.decode(data).session_id
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""


def ordinal(position: str) -> tuple[int, int]:
    """Return a position as numbers, which are in the order of the log.

    Raises:
        ValueError: It is none.
    """
    match = _POSITION.fullmatch(position)
    if match is None:
        raise ValueError(f"{position!r} is no position in the log; take the `id` of an event")
    return int(match[1]), int(match[2] or 0)


def dead_letter(envelope: Envelope, error: str, attempts: int, at: float) -> Envelope:
    """Return the record of a request that is put aside for a person at this Unix time."""
    return Envelope(
        event_type="voice.dlq.added",
        session_id=envelope.session_id,
        payload={"event": msgspec.to_builtins(envelope), "error": error, "attempts": attempts},
        event_id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{envelope.event_id}/dead")),
        correlation_id=envelope.correlation_id,
        timestamp=at,
        source="bus",
        turn=envelope.turn,
        metadata=envelope.metadata,
    )


def request_again(letter: Envelope) -> tuple[str, Envelope]:
    """Return the kind of worker and the request of a dead letter, as a new one: of no owner's epoch.

    Raises:
        ValueError: It holds no request.
    """
    try:
        request = msgspec.convert(letter.payload["event"], Envelope)
    except (KeyError, msgspec.ValidationError) as error:
        raise ValueError(f"the dead letter {letter.event_id} holds no request: {error}") from error
    metadata = {name: value for name, value in request.metadata.items() if name != "epoch"}
    return request.event_type.split(".")[1], msgspec.structs.replace(request, metadata=metadata)
