"""The media lane: audio between gateways and the workers that speak and recognise for them, beside the log.

A gateway lays out what its request needs; a worker takes it and sends its replies to the gateway's lane. Everything
here is binary, bounded and gone after a minute at most: it serves one sentence of one call and is never replayed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from msgspec import Struct

from adapters.recognisers.port import Recognised
from adapters.voices.port import SpeechPiece

__all__ = [
    "BEAT_S",
    "LANE_MESSAGES",
    "LANE_S",
    "Alive",
    "Failed",
    "Finished",
    "Heard",
    "LaneMessage",
    "MediaLane",
    "Reply",
    "Spoken",
]

LANE_S = 60.0
"""Nothing lies here longer: not what was offered, not what was sent to a gateway that is gone."""
LANE_MESSAGES = 1000
"""Most replies that wait for one gateway, 100 s and more of speech; then the oldest go, which their reader notices."""
BEAT_S = 0.25
"""How often a worker tells that it is still at a request."""


class Alive(Struct, frozen=True, tag="alive"):
    """A worker has taken the request and is at it."""

    worker: str


class Spoken(Struct, frozen=True, tag="spoken"):
    """The next piece of a sentence."""

    piece: SpeechPiece


class Heard(Struct, frozen=True, tag="heard"):
    """The words of an utterance."""

    recognised: Recognised


class Finished(Struct, frozen=True, tag="finished"):
    """The request is served whole."""


class Failed(Struct, frozen=True, tag="failed"):
    """The request cannot be served, or not to its end."""

    error: str
    overloaded: bool = False


Reply = Alive | Spoken | Heard | Finished | Failed


class LaneMessage(Struct, frozen=True):
    """One reply on its way to a gateway."""

    request_id: str
    number: int
    """Counts the replies to a request from 0, all but `Alive`: a gap means that something was lost."""
    reply: Reply


class MediaLane(Protocol):
    """Both ends of it; every method may raise `BusUnavailable`, within 0.3 s."""

    async def offer(self, gateway: str, request_id: str, data: bytes, keep_s: float) -> None:
        """Lay out what a request needs, for a worker to take within `keep_s` seconds (`LANE_S` at most)."""

    async def withdraw(self, gateway: str, *request_ids: str) -> None:
        """Take back what was offered: these requests are over."""

    async def take(self, gateway: str, request_id: str) -> bytes | None:
        """Return what was offered and keep it, up to `LANE_S`; None if it was withdrawn or its time is over."""

    async def send(self, gateway: str, message: LaneMessage) -> bool:
        """Send a reply; return whether its request is still wanted."""

    def listen(self, gateway: str) -> AsyncIterator[LaneMessage]:
        """Yield the replies for a gateway, in order per worker; through an outage it waits. One listener a gateway."""

    async def close(self) -> None: ...
