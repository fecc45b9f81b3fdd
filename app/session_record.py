"""What is stored of a session between two events: the chart's snapshot and who the session belongs to."""

from __future__ import annotations

import uuid

import msgspec
from msgspec import Struct, field

from statecharts.context import Context
from statecharts.conversation import CHART_VERSION

__all__ = ["SessionRecord", "derived_id"]

_IDS = uuid.UUID("b9b8a1de-6b0f-4b52-9a4a-0a4f6d6f6c11")
REMEMBERED_IDS = 128
"""Event ids remembered to drop second copies: some ten turns' worth; a publisher retries within seconds."""


def derived_id(*parts: object) -> str:
    """Return an event id that is the same whenever the same cause is folded or retried, so that copies are dropped."""
    return str(uuid.uuid5(_IDS, "/".join(map(str, parts))))


class SessionRecord(Struct, omit_defaults=True):
    """One session, as committed."""

    session_id: str
    state: str = "IDLE.new"
    context: Context = field(default_factory=Context)
    gateway: str = ""
    """Who holds the client's connection."""
    correlation_id: str = ""
    metadata: dict[str, object] = {}
    """`trace_id`, `user_id` and what else came with the first event: goes into every envelope."""
    created_at: float = 0.0
    chart_version: str = CHART_VERSION
    seen: list[str] = []
    """Latest event ids."""

    def is_copy(self, event_id: str) -> bool:
        """Note an event id; return whether it was seen before."""
        if not event_id:
            return False
        if event_id in self.seen:
            return True
        self.seen = [*self.seen[-REMEMBERED_IDS + 1 :], event_id]
        return False

    def encode(self) -> bytes:
        """Return the record as stored."""
        return msgspec.json.encode(self)

    @staticmethod
    def decode(data: bytes) -> SessionRecord:
        """Return a stored record."""
        return msgspec.json.decode(data, type=SessionRecord)
