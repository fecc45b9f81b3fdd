"""What reached the caller's ear, and when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from app.caller.wav import resample
from statecharts.events import Kind

__all__ = ["DUCK_GAIN", "LOUD", "PROGRESS_S", "Heard", "Hearing", "echo_of", "faded", "mixed"]

DUCK_GAIN = 0.25
"""How loud a ducked voice is played: 12 dB below full, still there and no longer in the way."""
LOUD = 33
"""From this sample value on there is something to hear: -60 dBFS."""
PROGRESS_S = 0.5
"""How often playing is reported, in seconds of audio played."""


@dataclass
class Hearing:
    """How far one turn's audio of one kind has come."""

    turn: int
    kind: Kind
    first_at: float
    """When its first audio arrived, on the caller's clock."""
    received_s: float = 0.0
    played_s: float = 0.0
    started_at: float | None = None
    reported_s: float = 0.0
    ended: Literal["", "played", "stopped"] = ""
    """How it ended; empty while it goes on."""
    gaps_s: list[float] = field(default_factory=list)
    """Silences inside it, in seconds, that nobody ordered: its next audio was late."""


@dataclass
class _Segment:
    at: float
    rate_hz: int
    pcm: bytearray

    @property
    def end(self) -> float:
        return self.at + len(self.pcm) / 2 / self.rate_hz


@dataclass
class Heard:
    """The sound of a call on the caller's clock, silent where nothing was heard."""

    _segments: list[_Segment] = field(default_factory=list)

    def add(self, at: float, pcm: bytes, rate_hz: int, gain: float = 1.0) -> None:
        """Note that `pcm` (s16le mono) was heard from clock time `at` on, in seconds, at this gain."""
        sound = pcm if gain == 1.0 else faded(pcm, gain)
        last = self._segments[-1] if self._segments else None
        # Half a sample of rounding must not tear a gapless answer apart.
        if last and last.rate_hz == rate_hz and abs(last.end - at) < 0.5 / rate_hz:
            last.pcm += sound
        else:
            self._segments.append(_Segment(at, rate_hz, bytearray(sound)))

    def render(self, start: float, end: float) -> tuple[bytes, int]:
        """Return what was heard between two clock times as one recording, and its rate in Hz."""
        rate_hz = max((segment.rate_hz for segment in self._segments), default=16_000)
        sound = np.zeros(max(0, round((end - start) * rate_hz)), "<i2")
        for segment in self._segments:
            piece = np.frombuffer(resample(bytes(segment.pcm), segment.rate_hz, rate_hz), "<i2")
            first = round((segment.at - start) * rate_hz)
            piece = piece[max(0, -first) :][: max(0, len(sound) - max(0, first))]
            sound[max(0, first) : max(0, first) + len(piece)] = piece
        return sound.tobytes(), rate_hz

    def between(self, start: float, end: float, rate_hz: int) -> npt.NDArray[np.float64]:
        """Return what was heard between two clock times, interpolated to a rate; for a few milliseconds at a time."""
        times = start + np.arange(round((end - start) * rate_hz)) / rate_hz
        sound = np.zeros(len(times))
        for segment in self._segments:
            if segment.end <= start or segment.at >= end:
                continue
            first = max(0, int((start - segment.at) * segment.rate_hz) - 1)
            last = int((end - segment.at) * segment.rate_hz) + 2
            samples = np.frombuffer(bytes(segment.pcm[2 * first : 2 * last]), "<i2")
            if len(samples):
                at = segment.at + (first + np.arange(len(samples))) / segment.rate_hz
                sound += np.interp(times, at, samples, left=0.0, right=0.0)
        return sound


def echo_of(heard: Heard, rate_hz: int, *, delay_s: float, gain: float) -> Callable[[float, float], bytes]:
    """Return what gives, for a span of clock time, what a microphone beside the loudspeaker picks up of `heard`."""

    def picked_up(start: float, end: float) -> bytes:
        sound = gain * heard.between(start - delay_s, end - delay_s, rate_hz)
        return sound.astype("<i2").tobytes()

    return picked_up


def mixed(one: bytes, other: bytes) -> bytes:
    """Return two equally long sounds (s16le) at once; what is too loud is clipped."""
    both = np.frombuffer(one, "<i2").astype(np.int32) + np.frombuffer(other, "<i2")
    sound: bytes = both.clip(-32768, 32767).astype("<i2").tobytes()
    return sound


def faded(pcm: bytes, gain: float) -> bytes:
    """Return samples (s16le) multiplied by a gain of at most 1."""
    return (np.frombuffer(pcm, "<i2") * gain).astype("<i2").tobytes()
