"""The audio of one microphone, kept as long as it may still be wanted."""

from __future__ import annotations

from collections import deque

import numpy as np

from adapters.detectors.port import SAMPLE_RATE_HZ

__all__ = ["Tape", "bytes_of", "seconds_of"]

_STEP_S = 0.01
_GAP_S = 0.2
"""Width of the quiet that is looked for: the closure of a "t" inside a word lasts 0.1 s at most, a pause between
phrases longer."""


class Tape:
    """Audio (s16le, 16 kHz mono) between two places; a place counts bytes since the call began."""

    def __init__(self) -> None:
        self._chunks: deque[bytes] = deque()
        self.start = 0
        self.end = 0

    def append(self, pcm: bytes) -> None:
        """Add what was heard next."""
        self._chunks.append(pcm)
        self.end += len(pcm)

    def between(self, start: int, end: int) -> bytes:
        """Return what was heard between two places, as far as it is kept."""
        return b"".join(self._chunks)[max(0, start - self.start) : end - self.start]

    def forget_before(self, place: int) -> None:
        """Keep nothing that ends before a place."""
        while self._chunks and self.start + len(self._chunks[0]) <= place:
            self.start += len(self._chunks.popleft())

    def quietest(self, start: int, end: int) -> int:
        """Return the place between two others around which it is quietest for `_GAP_S`."""
        step, steps = bytes_of(_STEP_S) // 2, round(_GAP_S / _STEP_S)
        samples = np.frombuffer(self.between(start, end), "<i2").astype(np.float64)
        energy = np.square(samples[: len(samples) // step * step]).reshape(-1, step).sum(axis=1)
        if len(energy) < steps:
            return end
        first = int(np.convolve(energy, np.ones(steps), "valid").argmin())
        return max(start, self.start) + (first + steps // 2) * step * 2


def bytes_of(seconds: float) -> int:
    """Return how many bytes of a tape so many seconds are."""
    return round(seconds * SAMPLE_RATE_HZ) * 2


def seconds_of(place: int) -> float:
    """Return how many seconds so many bytes of a tape are."""
    return round(place / 2 / SAMPLE_RATE_HZ, 3)
