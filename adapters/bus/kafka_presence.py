"""Who is alive, as told in a topic of announcements; judged by when each was read, so that no clocks need to agree."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict

import msgspec
from msgspec import Struct

from adapters.bus.kafka_link import PRESENCE, KafkaLink, Place, Record

__all__ = ["Presence"]

SKEW_S = 5.0
"""An announcement that a clock calls older than it holds, and this, is not believed: somebody read the past."""


class _Announced(Struct, frozen=True):
    role: str
    name: str
    ttl_s: float


_DECODER = msgspec.msgpack.Decoder(_Announced)


class Presence:
    """The members of each role."""

    place = Place(PRESENCE, 0)

    def __init__(self, link: KafkaLink) -> None:
        self._link = link
        self._until: dict[str, dict[str, float]] = defaultdict(dict)
        self.next = 0
        """Offset up to which announcements were read."""

    async def start(self) -> None:
        """Begin with those announcements that may still hold."""
        self.next = (await self._link.since([self.place], time.time() - 60.0))[self.place]

    async def announce(self, role: str, name: str, ttl_s: float) -> None:
        """Say that somebody is alive for so long; for 0 s, that they leave."""
        said = _Announced(role, name, ttl_s)
        await self._link.append(self.place, msgspec.msgpack.encode(said))
        self._note(said)

    def take(self, record: Record) -> None:
        """Take an announcement that was read."""
        self.next = max(self.next, record.offset + 1)
        try:
            said = _DECODER.decode(record.value)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return
        if time.time() - record.timestamp < said.ttl_s + SKEW_S or not said.ttl_s:
            self._note(said)

    def members(self, role: str) -> list[str]:
        """Return who is alive, as far as was read."""
        now = asyncio.get_running_loop().time()
        self._until[role] = {name: until for name, until in self._until[role].items() if until > now}
        return sorted(self._until[role])

    def until(self, role: str, name: str) -> float:
        """Return until when somebody is alive, in the event loop's time; 0 for who was never heard of."""
        return self._until[role].get(name, 0.0)

    def _note(self, said: _Announced) -> None:
        self._until[said.role][said.name] = asyncio.get_running_loop().time() + said.ttl_s
