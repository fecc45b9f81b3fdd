"""Keeps our own voice out of what a microphone hears, where the client does not: by how loud it comes back."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np

from adapters.detectors.port import SAMPLE_RATE_HZ

__all__ = ["EchoGate"]

MARGIN = 2.0
"""So much louder than the loudest of our echo, 6 dB, a sound has to be to pass: one word is louder than another."""
LEARN_S = 1.0
"""How long the echo is listened to before anything passes over it."""
MEMORY_S = 3.0
"""How long the loudest of it is remembered, in seconds of our voice: a caller taken for an echo is heard after this."""
HOLD_S = 0.3
"""How long the gate stays open after a loud sound: words have softer parts."""
TAIL_S = 0.5
"""How long after our voice its echo may still come: buffers, the network, the room."""


class EchoGate:
    """Lets a microphone's audio pass, but silence instead of what may be our echo.

    Args:
        audible: Whether our voice can be heard now.
    """

    def __init__(self, audible: Callable[[], bool]) -> None:
        self._audible = audible
        self._guarding = False
        self._levels: deque[tuple[float, float]] = deque()
        """When, in seconds of our voice, the echo was how loud; of those that fall, the loudest first."""
        self._heard_s = 0.0
        """How long our voice was listened to."""
        self._tail_s = self._open_s = 0.0

    def guard(self, on: bool) -> None:
        """Our echo comes back from now on, or does not any more."""
        self._guarding = on
        self._levels.clear()
        self._heard_s = self._tail_s = self._open_s = 0.0

    def let_pass(self, pcm: bytes) -> bytes:
        """Return the next audio (s16le, 16 kHz mono), or as much silence."""
        if not self._guarding:
            return pcm
        seconds = len(pcm) / 2 / SAMPLE_RATE_HZ
        self._tail_s = TAIL_S if self._audible() else self._tail_s - seconds
        if self._tail_s <= 0:
            return pcm
        self._heard_s += seconds
        level = _level(pcm)
        learnt = self._heard_s > LEARN_S
        if learnt and level > MARGIN * self._loudest():
            self._open_s = HOLD_S
        if self._open_s > 0:
            self._open_s -= seconds
            return pcm
        self._remember(level)
        return bytes(len(pcm))

    def _loudest(self) -> float:
        while self._levels and self._levels[0][0] < self._heard_s - MEMORY_S:
            self._levels.popleft()
        return self._levels[0][1] if self._levels else 0.0

    def _remember(self, level: float) -> None:
        while self._levels and self._levels[-1][1] <= level:
            self._levels.pop()
        self._levels.append((self._heard_s, level))


def _level(pcm: bytes) -> float:
    samples = np.frombuffer(pcm, "<i2").astype(np.float64)
    return float(np.sqrt(np.mean(samples**2)))
