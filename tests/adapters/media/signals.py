"""Signals whose order can be read back from what arrives."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["STEP_S", "pitches", "scale", "tones"]

STEP_S = 0.1
"""Length of one tone, in seconds."""

_LOUD = 2000


def scale(steps: int) -> list[int]:
    """Return so many pitches in Hz, each 150 Hz above the one before."""
    return [300 + 150 * step for step in range(steps)]


def tones(pitches_hz: Sequence[int], rate_hz: int) -> bytes:
    """Return the tones one after another, as s16le; the phase runs on, so the joints do not click."""
    steps = np.repeat(np.array(pitches_hz, np.float64), round(STEP_S * rate_hz))
    wave = np.sin(2 * np.pi * np.cumsum(steps) / rate_hz)
    return (wave * 12_000).astype("<i2").tobytes()


def pitches(pcm: bytes, rate_hz: int) -> list[int]:
    """Return the pitch of each tone from the first loud sample to the last, rounded to those of `scale`."""
    samples: NDArray[np.int16] = np.frombuffer(pcm, "<i2")
    loud = np.flatnonzero(np.abs(samples) > _LOUD)
    if not loud.size:
        return []
    step = round(STEP_S * rate_hz)
    heard = samples[loud[0] : loud[-1] + 1]
    count = round(len(heard) / step)
    middles = [heard[at * step + step // 4 : at * step + 3 * step // 4] for at in range(count)]
    return [round((_pitch(middle, rate_hz) - 300) / 150) * 150 + 300 for middle in middles]


def _pitch(samples: NDArray[np.int16], rate_hz: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 8192))
    return float(np.argmax(spectrum)) * rate_hz / 8192
