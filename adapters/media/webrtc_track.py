"""Our voice as aiortc pulls it: one Opus packet every 20 ms, and the marks that say where in the stream it lies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from fractions import Fraction

import structlog
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av import Packet
from av.stream import Stream
from msgspec.structs import replace

from adapters.media.opus import FRAME_SAMPLES, OPUS_RATE_HZ, OpusEncoder, silence_packet
from adapters.media.port import Mark
from adapters.media.webrtc_playout import PlayoutQueue

__all__ = ["SpeechTrack"]

_FRAME_S = FRAME_SAMPLES / OPUS_RATE_HZ
_TIME_BASE = Fraction(1, OPUS_RATE_HZ)

_SKIP_S = 0.2
"""Behind by more than this, the clock is set anew instead of sending a burst the client would throw away."""

_RTP_CLOCK = 1 << 32

log = structlog.get_logger()


class SpeechTrack(MediaStreamTrack):
    """Returns packets that are encoded already, so that aiortc neither encodes nor hops to a thread.

    Args:
        playout: Where the speech comes from.
        last_rtp: Returns the RTP timestamp of the last packet that was sent.
        on_mark: Called with each mark just before the packet it concerns leaves.
    """

    kind = "audio"

    def __init__(self, playout: PlayoutQueue, *, last_rtp: Callable[[], int], on_mark: Callable[[Mark], None]) -> None:
        super().__init__()
        self._playout = playout
        self._last_rtp = last_rtp
        self._on_mark = on_mark
        self._encoder: OpusEncoder | None = None
        self._packets = 0
        self._origin_s = 0.0

    async def recv(self) -> Packet[Stream]:
        """Return the next packet when it is due. Raises MediaStreamError once the track is stopped."""
        await self._until_due()
        if self.readyState != "live":
            raise MediaStreamError
        packet = Packet(self._next_payload())
        packet.pts = self._packets * FRAME_SAMPLES
        packet.time_base = _TIME_BASE
        self._packets += 1
        return packet

    def _next_payload(self) -> bytes:
        # aiortc adds a random offset to the timestamps, which shows only once a packet is out: the first is silence.
        if self._packets == 0:
            return silence_packet()
        tick = self._packets * FRAME_SAMPLES
        frame, marks = self._playout.take(tick)
        offset = self._last_rtp() - (tick - FRAME_SAMPLES)
        for mark in marks:
            self._on_mark(replace(mark, rtp=(mark.rtp + offset) % _RTP_CLOCK))
        if frame is None:
            self._encoder = None
            return silence_packet()
        if self._encoder is None:
            self._encoder = OpusEncoder()
        return self._encoder.encode(frame)

    async def _until_due(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._packets == 0:
            self._origin_s = now
        late_s = now - (self._origin_s + self._packets * _FRAME_S)
        if late_s > _SKIP_S:
            self._origin_s += late_s
            log.warning("speech_track_late", late_s=round(late_s, 3))
        elif late_s < 0:
            await asyncio.sleep(-late_s)
