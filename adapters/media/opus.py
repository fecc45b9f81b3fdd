"""Our voice as Opus: 20 ms mono packets, encoded one at a time when the wire asks for them."""

from __future__ import annotations

from fractions import Fraction
from functools import cache

from av import AudioCodecContext, AudioFrame, AudioResampler, CodecContext

__all__ = [
    "FRAME_BYTES",
    "FRAME_SAMPLES",
    "LOOKAHEAD_SAMPLES",
    "OPUS_RATE_HZ",
    "OpusEncoder",
    "Resampler",
    "silence_packet",
]

OPUS_RATE_HZ = 48_000
"""The RTP clock of Opus, whatever rate was encoded (RFC 7587, section 4.1)."""

FRAME_SAMPLES = 960
"""Samples per packet: 20 ms, the default packet time of RFC 7587, section 4.2."""

FRAME_BYTES = 2 * FRAME_SAMPLES

LOOKAHEAD_SAMPLES = 312
"""Samples by which libopus lags its input (OPUS_GET_LOOKAHEAD at 48 kHz): so much silence pushes out the last of it."""

_BIT_RATE = 32_000
"""Bits per second: full-band speech in mono without audible loss (RFC 7587, section 3.1.1: 28 to 40 kbit/s)."""


def _frame(pcm: bytes, rate_hz: int) -> AudioFrame:
    frame = AudioFrame(format="s16", layout="mono", samples=len(pcm) // 2)
    frame.sample_rate = rate_hz
    frame.time_base = Fraction(1, rate_hz)
    frame.planes[0].update(pcm)
    return frame


class Resampler:
    """Turns PCM (s16le mono) of one rate into another, piece by piece and without seams."""

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self.from_hz = from_hz
        self._resampler = AudioResampler(format="s16", layout="mono", rate=to_hz)
        self._fed = False

    def feed(self, pcm: bytes) -> bytes:
        """Return what this piece adds; a few samples stay inside until the next piece or `flush`."""
        if not pcm:
            return b""
        return self.feed_frame(_frame(pcm, self.from_hz))

    def feed_frame(self, frame: AudioFrame) -> bytes:
        """Do the same with a decoded frame of any layout."""
        self._fed = True
        return _pcm(self._resampler.resample(frame))

    def flush(self) -> bytes:
        """Return the last samples; the resampler takes nothing afterwards."""
        return _pcm(self._resampler.resample(None)) if self._fed else b""


def _pcm(frames: list[AudioFrame]) -> bytes:
    # A plane may be longer than its samples: FFmpeg pads it for alignment.
    return b"".join(bytes(frame.planes[0])[: 2 * frame.samples] for frame in frames)


class OpusEncoder:
    """Encodes consecutive frames; 0.2 ms each, so it may run in the event loop.

    A fresh encoder costs 0.06 ms and owes nothing to audio the decoder never got: use one per uninterrupted stretch.
    """

    def __init__(self) -> None:
        codec = CodecContext.create("libopus", "w")
        assert isinstance(codec, AudioCodecContext)
        codec.bit_rate = _BIT_RATE
        codec.format = "s16"
        codec.layout = "mono"
        codec.sample_rate = OPUS_RATE_HZ
        codec.time_base = Fraction(1, OPUS_RATE_HZ)
        codec.options = {"application": "voip"}
        self._codec = codec
        self._samples = 0

    def encode(self, pcm: bytes) -> bytes:
        """Return the packet of the next 20 ms.

        Args:
            pcm: Exactly `FRAME_SAMPLES` samples, s16le mono at 48 kHz.

        Raises:
            ValueError: It is not exactly that long.
        """
        if len(pcm) != FRAME_BYTES:
            raise ValueError(f"an Opus frame is {FRAME_BYTES} bytes of PCM; got {len(pcm)}")
        frame = _frame(pcm, OPUS_RATE_HZ)
        frame.pts = self._samples
        self._samples += FRAME_SAMPLES
        (packet,) = self._codec.encode(frame)
        return bytes(packet)


@cache
def silence_packet() -> bytes:
    """Return 20 ms of silence, encoded once for all calls."""
    return OpusEncoder().encode(bytes(FRAME_BYTES))
