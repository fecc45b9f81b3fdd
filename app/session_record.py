"""What is stored of a session between two events: the chart's snapshot and who the session belongs to."""

from __future__ import annotations

import hashlib
import sys
import uuid

import msgspec
from msgspec import Struct, field

from statecharts.context import Context

__all__ = ["SessionRecord", "SessionView", "derived_id"]

_IDS = uuid.UUID("b9b8a1de-6b0f-4b52-9a4a-0a4f6d6f6c11").bytes
REMEMBERED_IDS = 128
"""Event ids remembered to drop second copies: some ten turns' worth; a publisher retries within seconds."""
_MARK_BYTES = 6
"""Of each id only a digest is kept, a tenth of the memory; one event in 10^12 is taken for a copy that is none."""


def derived_id(*parts: object) -> str:
    """Return an event id that is the same whenever the same cause is folded or retried, so that copies are dropped.

    A UUID of version 5, made by hand: `uuid.uuid5` takes five times as long, and every fact has some.
    """
    digest = bytearray(hashlib.sha1(_IDS + "/".join(map(str, parts)).encode(), usedforsecurity=False).digest()[:16])
    digest[6], digest[8] = digest[6] & 0x0F | 0x50, digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


class SessionView(Struct, kw_only=True):
    """Where a session stands; times are Unix seconds."""

    session_id: str
    state: str
    substate: str
    turn: int
    connected: bool
    created_at: float
    last_event: str
    """Type of the latest event."""
    last_update: float
    metadata: dict[str, object] = {}


class SessionRecord(Struct, omit_defaults=True):
    """One session, as committed."""

    session_id: str
    state: str = "IDLE.new"
    context: Context = field(default_factory=Context)
    gateway: str = ""
    """Who holds the client's connection."""
    connects: int = 0
    """How often a client connected."""
    correlation_id: str = ""
    metadata: dict[str, object] = {}
    """`trace_id`, `user_id` and what else came with the first event: goes into every envelope."""
    created_at: float = 0.0
    rules: str = ""
    """Mark of the rules under which the latest event was folded."""
    last_event: str = ""
    """Type of the latest event."""
    erasing: bool = False
    """Nothing of it is to be kept: whoever finds it erases it."""
    seen_marks: bytes = b""
    """Digests of the latest event ids, one behind the other."""

    def is_copy(self, event_id: str) -> bool:
        """Note an event id; return whether it was seen before."""
        if not event_id:
            return False
        mark, seen = hashlib.blake2b(event_id.encode(), digest_size=_MARK_BYTES).digest(), self.seen_marks
        at = seen.find(mark)
        while at >= 0:
            if at % _MARK_BYTES == 0:
                return True
            at = seen.find(mark, at + 1)
        self.seen_marks = seen[-_MARK_BYTES * (REMEMBERED_IDS - 1) :] + mark
        return False

    def view(self) -> SessionView:
        """Return what people are shown of it."""
        state, substate = self.state.split(".")
        return SessionView(
            session_id=self.session_id, state=state, substate=substate, turn=self.context.turn,
            connected=self.context.connected, created_at=self.created_at, last_event=self.last_event,
            last_update=self.context.now, metadata=self.metadata,
        )  # fmt: skip

    def encode(self) -> bytes:
        """Return the record as stored."""
        return msgspec.json.encode(self)

    @staticmethod
    def decode(data: bytes) -> SessionRecord:
        """Return a stored record; what many sessions have in common is kept once."""
        record = msgspec.json.decode(data, type=SessionRecord)
        for name in ("state", "gateway", "rules", "last_event"):
            setattr(record, name, sys.intern(getattr(record, name)))
        if record.correlation_id == record.session_id:
            record.correlation_id = record.session_id
        return record
