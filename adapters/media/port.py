"""One caller's audio, in and out, whatever carries it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Literal, Protocol

from msgspec import Struct

from statecharts.effects import PlayoutAction
from statecharts.events import Kind, VoicechartError

__all__ = ["BadOffer", "FedLeg", "Mark", "MediaLeg", "MediaLost", "PeerLeg", "SpokenChunk"]


class BadOffer(VoicechartError):
    """An SDP offer that cannot be answered; the message says what is wrong with it."""


class MediaLost(VoicechartError):
    """The client's audio is gone."""


class SpokenChunk(Struct, frozen=True, kw_only=True):
    """A chunk of our voice on its way out; chunks of a turn and kind join without gaps."""

    turn: int
    kind: Kind
    seq: int
    pcm: bytes
    """s16le mono; empty only if `is_final`."""
    rate_hz: int
    text: str
    """The sentence this chunk belongs to, on its first chunk; else empty."""
    is_final: bool


class Mark(Struct, frozen=True, kw_only=True):
    """Where in the media clock a turn's audio lies (WebRTC alone)."""

    turn: int
    kind: Kind
    edge: Literal["start", "pause", "resume", "end"]
    rtp: int


class MediaLeg(Protocol):
    """The audio half of a connection.

    `play` is called at most one second ahead of real time; nothing in here paces, but WebRTC's own clock.
    """

    @property
    def transport(self) -> str:
        """`websocket` or `webrtc`."""

    def microphone(self) -> AsyncIterator[bytes]:
        """Yield the caller's audio (PCM s16le, 16 kHz mono, pieces of any even length) until the leg is closed.

        Bounded: when nobody reads, the oldest audio is thrown away.
        """

    async def play(self, chunk: SpokenChunk) -> None:
        """Send a chunk towards the caller's ear."""

    async def playout(self, action: PlayoutAction, turn: int) -> None:
        """Duck, pause, stop or resume what is being played, and tell the client as CONTRACT says."""

    def buffered_s(self) -> float:
        """Return how many seconds given to `play` have not left yet (0 where the client buffers)."""

    async def close(self) -> None: ...


class FedLeg(MediaLeg, Protocol):
    """A leg whose microphone audio is handed in by whoever holds the socket."""

    def feed(self, pcm: bytes) -> None:
        """Take one frame (PCM s16le, 16 kHz mono). Raises ValueError if it is empty, odd-sized or too long."""


class PeerLeg(MediaLeg, Protocol):
    """A leg that is a connection of its own, with a channel for messages."""

    external_liveness: bool
    """Whether something else tells if the client is there; a silent connection is then borne."""

    async def answer(self, sdp: str, type_: str) -> tuple[str, str]:
        """Answer the client's offer. Raises BadOffer."""

    async def send(self, message: dict[str, object]) -> None:
        """Send a message over the leg's own channel. Raises MediaLost."""
